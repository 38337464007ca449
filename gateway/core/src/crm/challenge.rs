//! A CRM that asks for other credentials in its answer to the handshake (protocol 2.2-o, 2.2-q).

use super::outbox::{Framing, Outbox};
use super::socket::SocketError;
use super::{CrmAction, CrmLink, Transport};
use crate::base::Instant;

impl CrmLink {
    /// What the CRM asks for (protocol 2.2-o).
    pub(super) fn answer_upgrade(&mut self, challenges: &[String]) -> Result<(), SocketError> {
        let (Some(credentials), Transport::WebSocketOut(out)) =
            (&mut self.credentials, &self.config.transport)
        else {
            return Err(SocketError::Unauthorized);
        };
        let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
        let (tries, random) = (&mut self.tries, &mut self.random);
        let answer = credentials.answer(tries, &challenges, "GET", &out.path, random)?;
        self.authorization = Some(answer.into());
        Ok(())
    }

    /// Closes the connection and asks for another at once.
    pub(super) fn connect_again(&mut self, now: Instant) {
        let id = self.connection_id;
        self.actions.retain(|action| !action.is_for(id));
        self.actions.push_back(CrmAction::Close(id, Vec::new()));
        self.outbox = Outbox::new(Framing::Client);
        self.connect(now);
    }
}
