//! The connection of mode `ws-out`: bytes to messages of a WebSocket that the
//! gateway opened.
//!
//! Another mode of the link has a module of its own in this one's place: it gives
//! the same [`Incoming`] messages and takes the same texts.

use std::ops::ControlFlow;

use super::{CrmConfig, Limits};
use crate::base::Random;
use crate::wire::frame::{self, Binary, CloseCode, FrameError, Role};
use crate::wire::head::{HeadError, ResponseHead};
use crate::wire::inbound::{Inbound, Incoming};
use crate::wire::upgrade::{Format, RequestFault, UpgradeError, UpgradeRequest};

/// `mode` of the settings.
pub(super) const MODE: &str = "ws-out";

/// A connection to the CRM.
#[derive(Debug)]
pub(super) struct Socket {
    nonce: [u8; 16],
    stage: SocketStage,
}

#[derive(Debug)]
enum SocketStage {
    /// The answer to the handshake so far.
    Handshake(Vec<u8>),
    /// The receiving half after it.
    Open(Box<Inbound>),
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// A setting is wrong.
    #[error("the handshake cannot be written: {0}")]
    Request(#[from] RequestFault),
    /// Not an HTTP answer.
    #[error("the answer to the handshake is wrong: {0}")]
    Head(#[from] HeadError),
    /// An answer that does not open the link.
    #[error("the handshake failed: {0}")]
    Upgrade(#[from] UpgradeError),
    /// A message over the bound.
    #[error("a message of the CRM is longer than crm.message_bytes_max")]
    TooBig(FrameError),
    /// Another violation of the WebSocket protocol.
    #[error("the CRM breaks the WebSocket protocol: {0}")]
    Frame(FrameError),
}

impl From<FrameError> for SocketError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::FrameTooLong | FrameError::MessageTooLong => Self::TooBig(error),
            error => Self::Frame(error),
        }
    }
}

impl SocketError {
    /// What the CRM is told, if it can be.
    pub(super) fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::TooBig(error) | Self::Frame(error) => Some(error.close_code()),
            Self::Request(_) | Self::Head(_) | Self::Upgrade(_) => None,
        }
    }
}

impl Socket {
    /// A connection that was just made. The request of its handshake is appended.
    pub(super) fn start(
        config: &CrmConfig,
        random: &mut Random,
        output: &mut Vec<u8>,
    ) -> Result<Self, SocketError> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&random.number().to_le_bytes());
        nonce[8..].copy_from_slice(&random.number().to_le_bytes());
        request(config, nonce).write(output)?;
        Ok(Self {
            nonce,
            stage: SocketStage::Handshake(Vec::new()),
        })
    }

    /// Takes bytes. `open` is called when the handshake is over, `deliver` with
    /// each message and control frame until it breaks.
    pub(super) fn receive<T>(
        &mut self,
        bytes: &mut [u8],
        config: &CrmConfig,
        target: &mut T,
        open: impl FnOnce(&mut T),
        deliver: impl Fn(&mut T, Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), SocketError> {
        let received = match &mut self.stage {
            SocketStage::Open(inbound) => {
                inbound.receive(bytes, |incoming| deliver(target, incoming))?;
                return Ok(());
            }
            SocketStage::Handshake(received) => {
                received.extend_from_slice(bytes);
                received
            }
        };
        let Some(head) = ResponseHead::parse(received, &config.limits.head)? else {
            return Ok(());
        };
        request(config, self.nonce).check(&head)?;
        let end = head.consumed();
        let mut frames = received.split_off(end);
        let limits = frame_limits(&config.limits);
        let mut inbound = Box::new(Inbound::new(Role::Client, limits, Binary::Refuse));
        open(target);
        inbound.receive(&mut frames, |incoming| deliver(target, incoming))?;
        self.stage = SocketStage::Open(inbound);
        Ok(())
    }
}

fn request(config: &CrmConfig, nonce: [u8; 16]) -> UpgradeRequest<'_> {
    UpgradeRequest {
        host: &config.host,
        path: &config.path,
        version: config.version,
        format: Format::Json,
        nonce,
        headers: &[],
    }
}

fn frame_limits(limits: &Limits) -> frame::Limits {
    frame::Limits {
        frame_bytes_max: limits.message_bytes_max,
        message_bytes_max: limits.message_bytes_max,
    }
}
