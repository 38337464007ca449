//! Owns the incoming modes: the CRM connects to the gateway, answers its 401, and restores its link when it is lost.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::handshake::{self, Offer};
use super::socket::Socket;
use super::stream::{self, in_time};
use super::{CrmSeen, Shared, link};
use crate::auth::{Answerer, Scheme};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::tls;

/// A CRM that connects.
pub(super) struct Dialler {
    shared: Arc<Shared>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
    answerer: Option<Answerer>,
    /// What was last said of a try that came to nothing.
    last_refusal: String,
}

impl Dialler {
    /// One that has not connected yet.
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self> {
        let options = &shared.options;
        let name = options.tls.server_name.as_deref().unwrap_or("localhost");
        let tls = if options.mode.is_tls() {
            let root = options.tls.root.as_deref().ok_or_else(|| {
                Error::Usage("the mode wss-in needs the root of the gateway's certificate".into())
            })?;
            let connector = tls::connector(root, options.tls.identity.as_ref())?;
            let wrong = |error| Error::Usage(format!("the name {name:?}: {error}"));
            let server = ServerName::try_from(name.to_owned()).map_err(wrong)?;
            Some((connector, server))
        } else {
            None
        };
        let answerer = options.credentials.clone().map(Answerer::new);
        let answerer = match options.auth {
            Scheme::None => None,
            Scheme::Basic => answerer.map(Answerer::basic_up_front),
            Scheme::Digest => answerer,
        };
        Ok(Self {
            host: format!("{name}:{}", options.connect.port()),
            tls,
            answerer,
            last_refusal: String::new(),
            shared,
        })
    }

    /// Connects and serves for ever.
    pub(super) async fn run(mut self) {
        loop {
            match self.connect().await {
                Ok((socket, chosen)) => {
                    self.last_refusal.clear();
                    self.serve(socket, chosen).await;
                }
                Err(error) => self.note(&error),
            }
            tokio::time::sleep(self.shared.options.restore_after).await;
        }
    }

    async fn serve(&self, socket: Socket, chosen: Option<String>) {
        let number = self.shared.next_link();
        let chosen_format = chosen.as_deref().and_then(Format::in_token);
        let format = chosen_format.unwrap_or(self.shared.options.format);
        let shared = Arc::clone(&self.shared);
        let outcome = link::serve(number, socket, chosen, format, shared).await;
        self.shared.end_link(number, outcome);
    }

    /// Connects; a 401 is answered once.
    async fn connect(&mut self) -> Result<(Socket, Option<String>)> {
        match self.try_once().await {
            Err(Error::Refused {
                status: 401,
                headers,
                ..
            }) if self.answerer.is_some() => {
                let challenges: Vec<String> = headers.into_iter().map(|(_, value)| value).collect();
                if let Some(answerer) = &mut self.answerer {
                    answerer.take_challenges(&challenges)?;
                }
                self.try_once().await
            }
            outcome => outcome,
        }
    }

    async fn try_once(&mut self) -> Result<(Socket, Option<String>)> {
        let options = &self.shared.options;
        let authorization = self.answerer.as_mut();
        let offer = Offer {
            host: self.host.clone(),
            path: &options.path,
            version: options.websocket_version,
            subprotocols: if options.offers.is_empty() {
                options.format.name().to_owned()
            } else {
                options.offers.join(", ")
            },
            authorization: authorization
                .and_then(|answerer| answerer.authorization("GET", &options.path)),
        };
        let stream = stream::connect(options.connect, self.tls.as_ref()).await?;
        in_time(
            "the gateway's answer to the handshake",
            handshake::ask(stream, &offer),
        )
        .await?
    }

    /// Records why a try came to nothing, once in a row.
    fn note(&mut self, error: &Error) {
        let what = error.to_string();
        if what != self.last_refusal {
            self.shared.record(0, CrmSeen::Refused(what.clone()));
            self.last_refusal = what;
        }
    }
}
