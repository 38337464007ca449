//! What must hold of the gateway's core, whatever bytes come in.
//!
//! In comes the input of one fuzz target; it is run against the core, and a broken invariant is a panic that says
//! which. Nothing comes out. The targets of `tests/fuzz` call these functions, and so does the replay of the committed
//! corpora in `tests/tests/corpora.rs`: the same logic runs with libFuzzer and without it.
//!
//! What leaves the core is read by parsers of its own ([`frames`]) , by `serde_json` and by `roxmltree`, never by the core's.
#![forbid(unsafe_code)]

mod auth;
mod crm;
mod frame;
mod frames;
mod head;
mod hixie;
mod message;
mod multipart;
mod records;
mod shard;
mod xml;

pub use auth::auth;
pub use crm::crm;
pub use frame::frame;
pub use head::head;
pub use hixie::hixie;
pub use message::message;
pub use multipart::multipart;
pub use shard::shard;
pub use xml::xml;

/// One fuzz target: its name, and what it does with an input. A broken invariant is a panic.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; the names are those of `tests/fuzz/fuzz_targets` and of the corpora's directories.
pub const TARGETS: [Target; 9] = [
    ("head", head),
    ("frame", frame),
    ("message", message),
    ("multipart", multipart),
    ("shard", shard),
    ("crm", crm),
    ("xml", xml),
    ("auth", auth),
    ("hixie", hixie),
];
