//! The settings: one TOML file, read once into typed values.
//!
//! It owns the file's text, its schema and every rule between keys. In comes
//! the text with what surrounds it (environment, files next to it); out comes
//! either [`Settings`], whose every value is known to be good, or the list of
//! *all* faults with line, key and reason. It never opens a socket and never
//! writes a secret into a fault.
//!
//! [`schema`] is the one table of keys: the reader checks against it, and the
//! sample file ([`sample`]) and the reference page ([`reference_page`]) are
//! printed from it.

mod check;
mod crm;
mod desk;
mod document;
mod fault;
mod file;
mod forms;
mod groups;
mod guids;
mod limits;
mod link;
mod people;
mod print;
mod read;
pub mod schema;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use document::Surroundings;
pub use fault::{Fault, LoadError};
pub use guids::{department_id, number_id, user_id};
pub use limits::setting_of;
pub(crate) use limits::{narrow, size};
pub use link::{
    ClientTls, Credentials, CrmAuth, CrmMode, CrmSettings, HttpLink, InLink, NamedFile, OutLink,
    PostUrl, ServerTls, TrustRoots,
};
pub use print::{reference_page, sample};
pub use secret::Secret;
pub use settings::{
    AdminSettings, ClientLimits, ClientSettings, GatewaySettings, LogFormat, PbxSettings, Settings,
    SimSettings, TokenSettings, WebSettings,
};

use std::path::Path;

use document::Document;

/// Reads the settings file; relative paths in it start from its directory.
pub fn load(path: &Path) -> Result<Settings, LoadError> {
    let text = std::fs::read_to_string(path).map_err(LoadError::Unreadable)?;
    let surroundings = Surroundings::of_process(path);
    parse(&text, &surroundings).map_err(LoadError::Faults)
}

/// Reads the text of a settings file. On failure all faults are returned, in
/// the order of their lines.
pub fn parse(text: &str, surroundings: &Surroundings) -> Result<Settings, Vec<Fault>> {
    let (root, syntax) = toml::de::DeTable::parse_recoverable(text);
    let document = Document::new(text, surroundings);
    for error in syntax {
        let start = error.span().map_or(0, |span| span.start);
        document.fault_at(start, "", error.message());
    }
    if document.has_faults() {
        // A half-understood file would name keys as missing that are there.
        return Err(document.into_faults());
    }
    let settings = read::settings(&document, root.get_ref());
    let faults = document.into_faults();
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        _ => Err(faults),
    }
}
