//! The okgate gateway: settings, interfaces, runtime and commands around the
//! sans-IO core of `okgate-core`.
//!
//! ARCHITECTURE.md at the top of the repository draws the map and says which
//! module may import which.

#![deny(unsafe_code)]

pub mod admin;
pub mod app;
pub mod config;
pub mod http;
pub mod log;
pub mod metrics;
pub mod runtime;
pub mod store;
pub mod web;
