//! TLS of the CRM's link: from what the settings name to what the runtime takes. A file that
//! cannot be used becomes a fault of the setting that names it.

use crate::config::{
    ClientTls, CrmMode, Fault, HttpLink, InLink, NamedFile, OutLink, ServerTls, TrustRoots,
};
use crate::runtime::{
    AcceptorSettings, ConnectorSettings, Roots, TlsAcceptor, TlsConnector, TlsFile,
    TlsSettingsError,
};

/// Reads the files of this mode as its link will.
pub(super) fn check(mode: &CrmMode) -> Result<(), Fault> {
    match mode {
        CrmMode::Http(HttpLink { tls: Some(tls), .. })
        | CrmMode::WebSocketOut(OutLink { tls: Some(tls), .. }) => connector(tls).map(drop),
        CrmMode::WebSocketIn(InLink { tls: Some(tls), .. }) => acceptor(tls).map(drop),
        CrmMode::Off | CrmMode::Http(_) | CrmMode::WebSocketOut(_) | CrmMode::WebSocketIn(_) => {
            Ok(())
        }
    }
}

/// What connects to the CRM with TLS.
pub(super) fn connector(tls: &ClientTls) -> Result<TlsConnector, Fault> {
    let roots = match &tls.roots {
        TrustRoots::System => Roots::System,
        TrustRoots::File(file) => Roots::File(file.path.clone()),
    };
    let own = tls.client_certificate.as_ref();
    let settings = ConnectorSettings {
        roots,
        client_certificate: own.map(|(it, key)| (it.path.clone(), key.path.clone())),
    };
    TlsConnector::new(&settings).map_err(|error| {
        let file = match (error.file, &tls.roots) {
            (TlsFile::Certificate, _) => own.map(|(certificate, _)| certificate),
            (TlsFile::PrivateKey, _) => own.map(|(_, key)| key),
            (TlsFile::Roots, TrustRoots::File(file)) => Some(file),
            (TlsFile::Roots, TrustRoots::System) => None,
        };
        fault(file, "crm.trust_roots", &error)
    })
}

/// What accepts the CRM with TLS.
pub(super) fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, Fault> {
    let settings = AcceptorSettings {
        certificate: tls.certificate.path.clone(),
        private_key: tls.private_key.path.clone(),
        client_roots: tls.client_roots.as_ref().map(|file| file.path.clone()),
    };
    TlsAcceptor::new(&settings).map_err(|error| {
        let file = match error.file {
            TlsFile::Certificate => Some(&tls.certificate),
            TlsFile::PrivateKey => Some(&tls.private_key),
            TlsFile::Roots => tls.client_roots.as_ref(),
        };
        fault(file, "crm.client_roots", &error)
    })
}

/// A fault of the setting that names the file; without one, of the setting that could.
fn fault(file: Option<&NamedFile>, key: &str, error: &TlsSettingsError) -> Fault {
    file.map_or_else(
        || Fault {
            line: 1,
            key: key.to_owned(),
            reason: error.to_string(),
        },
        |file| file.fault(error),
    )
}
