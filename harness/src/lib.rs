//! Peers of the gateway for demonstrations, tests and measurements: a simulated CRM server, browser tabs one
//! by one or by the thousand, load scenarios and closed-loop load, a soak, measurements beside a bare server as yardstick, and
//! a starter of the real binary.
//!
//! What comes in: addresses and options. What goes out: protocol messages over `tokio-tungstenite`, and what was seen.
//! It never uses the gateway's codecs: an independent peer finds what a shared bug would hide.
//!
//! A tab of a gateway that already runs:
//!
//! ```no_run
//! # async fn example() -> okgate_harness::Result<()> {
//! use okgate_harness::tab::Tab;
//! use serde_json::json;
//!
//! let address = ([127, 0, 0, 1], 4066).into();
//! let mut tab = Tab::logged_in(address, "anna", "secret").await?;
//! let state = tab.request("getuserstate", json!({})).await?;
//! println!("{}", state.to_text());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod admin;
pub mod auth;
pub mod bend;
pub mod conform;
pub mod crm;
pub mod error;
pub mod faults;
pub mod format;
pub mod gateway;
pub mod hixie;
pub mod hostile;
pub mod journal;
mod ledger;
mod listening;
pub mod load;
mod machine;
pub mod measure;
pub mod message;
pub mod multipart;
pub mod pairing;
pub mod password;
pub mod peers;
pub mod play;
mod process;
pub mod proxy;
mod raw;
mod raw_link;
pub mod reference;
pub mod report;
pub mod results;
pub mod scenario;
pub mod soak;
pub mod swarm;
pub mod tab;
pub mod tls;
pub mod xml;

pub use error::{Error, Result};
pub use format::Format;
pub use message::Message;
