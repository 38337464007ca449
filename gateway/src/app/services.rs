//! The web and admin addresses, beside the hub on shard 0.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;

use super::hub_seat::HubMessage;
use crate::admin::{self, AdminGate, HubQuestion};
use crate::runtime::{HttpLimits, Mailbox, MailboxError, Task, serve_http, spawn, timeout};
use crate::web::{self, Site};

/// What the HTTP addresses are served from.
pub(super) struct Services {
    pub(super) admin_socket: TcpListener,
    pub(super) admin: Arc<AdminGate>,
    /// What the admin address asks the hub.
    pub(super) questions: Receiver<HubQuestion>,
    pub(super) web_sockets: Vec<TcpListener>,
    pub(super) site: Arc<Site>,
}

impl Services {
    /// Serves all addresses from the calling shard until the tasks are dropped.
    pub(super) fn start(self, hub: Mailbox<HubMessage>) -> Vec<Task> {
        let mut tasks = vec![spawn(forward(self.questions, hub))];
        let gate = self.admin;
        let answer = move |request, _peer| {
            let gate = Arc::clone(&gate);
            async move { admin::handle(request, &gate).await }
        };
        let serving = serve_http(self.admin_socket, HttpLimits::default(), answer);
        tasks.push(spawn(serving));
        for socket in self.web_sockets {
            let site = Arc::clone(&self.site);
            let answer = move |request, peer: SocketAddr| {
                let site = Arc::clone(&site);
                async move {
                    let answer = web::serve(request, peer.ip(), &site);
                    timeout(REQUEST_MAX, answer)
                        .await
                        .unwrap_or_else(web::too_slow)
                }
            };
            tasks.push(spawn(serve_http(socket, HttpLimits::default(), answer)));
        }
        tasks
    }
}

/// Hands the admin address's questions to the hub. A question that finds no
/// room is dropped, which its asker is told.
async fn forward(questions: Receiver<HubQuestion>, hub: Mailbox<HubMessage>) {
    while let Ok(question) = questions.recv().await {
        if let Err(MailboxError::Closed(_)) = hub.send(HubMessage::Admin(question)) {
            return;
        }
    }
}

/// How long a request of the web address may take, its upload included.
const REQUEST_MAX: Duration = Duration::from_secs(600);
