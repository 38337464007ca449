//! The gateway: settings, storage, runtime and interfaces around the core.
#![deny(unsafe_code)]

pub mod runtime;
