//! Reports of a made-up run, read back by parsers that are not ours.
#![forbid(unsafe_code)]

mod anything;
mod command;
mod comparing;
mod files;
mod pages;
mod sample;
