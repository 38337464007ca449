//! The switchboard: users, numbers, lines and calls; the single writer of all
//! of them.

mod directory;

pub use directory::{Department, Directory, User};
