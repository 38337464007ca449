//! TLS of the CRM's link: from what the settings name to what the runtime takes. A file that
//! cannot be used becomes a fault of the setting that names it.

use okgate_core::hub::{DeskConfig, Procedure, ProcedureSource, RunTarget};

use crate::config::{ClientTls, CrmMode, Fault, NamedFile, ServerTls, TrustRoots};
use crate::runtime::{
    AcceptorSettings, ConnectorSettings, Roots, TlsAcceptor, TlsConnector, TlsFile,
    TlsSettingsError,
};

/// Reads the files of this mode as its link will; all faults are returned.
pub(super) fn check(mode: &CrmMode) -> Vec<Fault> {
    let (out, incoming, posts) = match mode {
        CrmMode::Off => return Vec::new(),
        CrmMode::Http(link) => (None, None, Some(&link.url)),
        CrmMode::WebSocketOut(link) => (link.tls.as_ref(), None, link.method_url.as_ref()),
        CrmMode::WebSocketIn(link) => (None, link.tls.as_ref(), link.method_url.as_ref()),
    };
    let posts = posts.and_then(|url| url.tls.as_ref());
    // With the link's own files there is nothing new to be found wrong.
    let posts = posts.filter(|_| out.is_none());
    let mut faults = Vec::new();
    for tls in [out, posts].into_iter().flatten() {
        let found = connector_settings(tls).faults();
        faults.extend(found.iter().map(|it| connector_fault(tls, it)));
    }
    if let Some(tls) = incoming {
        let found = acceptor_settings(tls).faults();
        faults.extend(found.iter().map(|it| acceptor_fault(tls, it)));
    }
    faults
}

/// What connects to the CRM with TLS is made of.
fn connector_settings(tls: &ClientTls) -> ConnectorSettings {
    let own = tls.client_certificate.as_ref();
    ConnectorSettings {
        roots: match &tls.roots {
            TrustRoots::System => Roots::System,
            TrustRoots::File(file) => Roots::File(file.path.clone()),
        },
        client_certificate: own.map(|(it, key)| (it.path.clone(), key.path.clone())),
    }
}

/// What accepts the CRM with TLS is made of.
fn acceptor_settings(tls: &ServerTls) -> AcceptorSettings {
    AcceptorSettings {
        certificate: tls.certificate.path.clone(),
        private_key: tls.private_key.path.clone(),
        client_roots: tls.client_roots.as_ref().map(|file| file.path.clone()),
    }
}

/// What connects to the CRM with TLS.
pub(super) fn connector(tls: &ClientTls) -> Result<TlsConnector, Fault> {
    let connector = TlsConnector::new(&connector_settings(tls));
    connector.map_err(|error| connector_fault(tls, &error))
}

/// What accepts the CRM with TLS.
pub(super) fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, Fault> {
    let acceptor = TlsAcceptor::new(&acceptor_settings(tls));
    acceptor.map_err(|error| acceptor_fault(tls, &error))
}

/// What procedures' URLs are asked with; `None` if none of them is `https`.
pub(super) fn for_procedures(desk: &DeskConfig) -> Result<Option<TlsConnector>, TlsSettingsError> {
    let is_https = |procedure: &Procedure| match &procedure.source {
        ProcedureSource::Program {
            target: RunTarget::Url(url),
            ..
        } => url.is_https,
        _ => false,
    };
    if !desk.procedures.iter().any(is_https) {
        return Ok(None);
    }
    let settings = ConnectorSettings {
        roots: Roots::System,
        client_certificate: None,
    };
    TlsConnector::new(&settings).map(Some)
}

fn connector_fault(tls: &ClientTls, error: &TlsSettingsError) -> Fault {
    let own = tls.client_certificate.as_ref();
    let file = match (error.file, &tls.roots) {
        (TlsFile::Certificate, _) => own.map(|(certificate, _)| certificate),
        (TlsFile::PrivateKey, _) => own.map(|(_, key)| key),
        (TlsFile::Roots, TrustRoots::File(file)) => Some(file),
        (TlsFile::Roots, TrustRoots::System) => None,
    };
    fault(file, "crm.trust_roots", error)
}

fn acceptor_fault(tls: &ServerTls, error: &TlsSettingsError) -> Fault {
    let file = match error.file {
        TlsFile::Certificate => Some(&tls.certificate),
        TlsFile::PrivateKey => Some(&tls.private_key),
        TlsFile::Roots => tls.client_roots.as_ref(),
    };
    fault(file, "crm.client_roots", error)
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
