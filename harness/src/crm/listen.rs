//! Owns the outgoing modes: the CRM listens, and serves each connection in a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::handshake::{self, Terms};
use super::stream::{self, BoxedStream, in_time};
use super::{CrmSeen, Shared, http, link};
use crate::error::Result;
use crate::format::Format;
use crate::listening;
use crate::tls::{self, Authority, Flaw};

/// A CRM that listens.
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    /// The root of the certificate that was made.
    pub(super) root: Option<String>,
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
}

impl Listening {
    /// Takes the address.
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self> {
        let (tls, root) = prepare_tls(&shared)?;
        let (listener, address) = listening::listen(shared.options.listen).await?;
        Ok(Self {
            address,
            root,
            listener,
            shared,
            tls,
        })
    }

    /// Accepts for ever; the links' tasks die with this one.
    pub(super) async fn run(self) {
        let mut links = JoinSet::new();
        loop {
            tokio::select! {
                (stream, _) = listening::accept(&self.listener) => {
                    if links.len() < LINKS_MAX {
                        links.spawn(serve(stream, self.tls.clone(), Arc::clone(&self.shared)));
                    } else {
                        tracing::warn!(LINKS_MAX, "a link was dropped: too many are open");
                    }
                }
                Some(_) = links.join_next() => {}
            }
        }
    }
}

fn prepare_tls(shared: &Shared) -> Result<(Option<TlsAcceptor>, Option<String>)> {
    let options = &shared.options;
    if !options.mode.is_tls() {
        return Ok((None, None));
    }
    let client_root = options.tls.client_root.as_deref();
    if let Some(identity) = &options.tls.identity {
        return Ok((Some(tls::acceptor(identity, client_root)?), None));
    }
    let authority = Authority::new()?;
    let identity = authority.issue_for_loopback(Flaw::None)?;
    let acceptor = tls::acceptor(&identity, client_root)?;
    Ok((Some(acceptor), Some(authority.root().to_owned())))
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let number = shared.next_link();
    let outcome = match stream::accept(stream, tls.as_ref()).await {
        Ok(stream) if shared.options.mode.is_http() => {
            http::serve(number, stream, Arc::clone(&shared)).await
        }
        Ok(stream) => serve_link(number, stream, Arc::clone(&shared)).await,
        Err(error) => Err(error),
    };
    shared.end_link(number, outcome);
}

async fn serve_link(number: u64, stream: BoxedStream, shared: Arc<Shared>) -> Result<String> {
    let options = &shared.options;
    let terms = Terms {
        version: options.websocket_version,
        subprotocol: &options.subprotocol,
        guard: &shared.guard,
        is_tls: options.mode.is_tls(),
    };
    let answered = in_time("the gateway's handshake", handshake::answer(stream, &terms)).await?;
    let upgraded = match answered {
        Ok(upgraded) => upgraded,
        Err(error) => {
            shared.record(number, CrmSeen::Refused(error.to_string()));
            return Err(error);
        }
    };
    let first_asked = upgraded.asked.as_deref().and_then(Format::in_token);
    let format = first_asked.unwrap_or(options.format);
    link::serve(
        number,
        upgraded.socket,
        upgraded.asked,
        format,
        Arc::clone(&shared),
    )
    .await
}

/// How many links a simulated CRM serves at once.
const LINKS_MAX: usize = 1024;
