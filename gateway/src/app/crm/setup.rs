//! From the settings of the CRM's link to what the core's state machine takes.

use std::sync::Arc;

use okgate_core::crm::{self, CrmConfig, Posting, Transport, WebSocketIn, WebSocketOut};
use okgate_core::protocol::{MultipartLimits, VersionInfo};
use okgate_core::wire::credentials::{Login, Scheme};

use crate::config::{
    Credentials, CrmAuth, CrmMode, HttpLink, InLink, OutLink, PostUrl, narrow, size,
};

/// How the CRM is linked, if it is.
pub(in crate::app) fn crm_config(mode: &CrmMode, gateway: &VersionInfo) -> Option<CrmConfig> {
    let config = match mode {
        CrmMode::Off => return None,
        CrmMode::Http(link) => http(mode.name(), link),
        CrmMode::WebSocketOut(link) => out(mode.name(), link),
        CrmMode::WebSocketIn(link) => incoming(mode.name(), link),
    };
    Some(CrmConfig {
        dated: gateway.dated,
        build: Arc::clone(&gateway.build),
        ..config
    })
}

fn http(mode: &'static str, link: &HttpLink) -> CrmConfig {
    CrmConfig {
        format: link.format,
        posting: Some(posting(&link.url)),
        credentials: link.credentials.as_ref().map(login),
        limits: crm::Limits {
            refresh: link.refresh,
            ..limits(link.message_bytes, link.message_bytes, link.method_runs)
        },
        ..CrmConfig::new(mode, Transport::Http)
    }
}

fn out(mode: &'static str, link: &OutLink) -> CrmConfig {
    let transport = Transport::WebSocketOut(WebSocketOut {
        host: link.host_header(),
        path: link.path.clone(),
        version: link.version,
    });
    CrmConfig {
        format: link.format,
        credentials: link.credentials.as_ref().map(login),
        posting: link.method_url.as_ref().map(posting),
        limits: limits(link.message_bytes, link.queue_bytes, link.method_runs),
        ..CrmConfig::new(mode, transport)
    }
}

fn incoming(mode: &'static str, link: &InLink) -> CrmConfig {
    let mut asks = WebSocketIn {
        allow_hixie: link.allow_hixie,
        is_tls: link.tls.is_some(),
        ..WebSocketIn::default()
    };
    match &link.auth {
        CrmAuth::None => {}
        CrmAuth::Basic(credentials) => {
            asks.scheme = Scheme::Basic;
            asks.login = login(credentials);
        }
        CrmAuth::Digest {
            credentials,
            nonce_lifetime,
        } => {
            asks.scheme = Scheme::Digest;
            asks.login = login(credentials);
            asks.nonce_lifetime = *nonce_lifetime;
        }
    }
    CrmConfig {
        posting: link.method_url.as_ref().map(posting),
        limits: limits(link.message_bytes, link.queue_bytes, link.method_runs),
        // The CRM chooses the format.
        ..CrmConfig::new(mode, Transport::WebSocketIn(asks))
    }
}

fn posting(url: &PostUrl) -> Posting {
    Posting {
        target: url.path_and_query.clone(),
        exchanges_max: url.exchanges,
    }
}

fn limits(
    message_bytes: Option<usize>,
    queue_bytes: Option<usize>,
    method_runs: Option<usize>,
) -> crm::Limits {
    let defaults = crm::Limits::default();
    crm::Limits {
        message_bytes_max: narrow(message_bytes),
        queue_bytes_max: size(queue_bytes),
        method_runs_max: size(method_runs),
        multipart: MultipartLimits {
            bytes_max: size(message_bytes),
            ..defaults.multipart
        },
        ..defaults
    }
}

fn login(credentials: &Credentials) -> Login {
    // The settings take only text.
    let password = String::from_utf8_lossy(credentials.password.reveal());
    Login::new(&credentials.login, &password)
}
