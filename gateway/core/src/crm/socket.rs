//! The WebSocket of the link: bytes to messages, from the handshake on where the gateway asked for
//! it.

use std::ops::ControlFlow;

use super::{Limits, WebSocketOut};
use crate::base::Random;
use crate::wire::credentials::ClientError;
use crate::wire::frame::{self, Binary, CloseCode, FrameError, Role};
use crate::wire::head::{HeadError, ResponseHead};
use crate::wire::hixie::HixieInbound;
use crate::wire::inbound::{Inbound, Incoming};
use crate::wire::upgrade::{Format, RequestFault, UpgradeError, UpgradeRequest, Version};

/// A connection to the CRM.
#[derive(Debug)]
pub(super) enum Socket {
    /// The handshake that the gateway asked for.
    Handshake(Handshake),
    /// What comes behind it.
    Open(Box<Inbound>),
    /// The same of version 0.
    Hixie(Box<HixieInbound>),
}

/// A handshake whose answer is not complete.
#[derive(Debug)]
pub(super) struct Handshake {
    nonce: [u8; 16],
    format: Format,
    received: Vec<u8>,
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
    /// The CRM asks for credentials, and there are none.
    #[error("the CRM asks for a login (401): put it into crm.credentials")]
    Unauthorized,
    /// The credentials are wrong, or asked for in a way that is not spoken.
    #[error("{0}")]
    Credentials(#[from] ClientError),
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
            Self::Request(_)
            | Self::Head(_)
            | Self::Upgrade(_)
            | Self::Unauthorized
            | Self::Credentials(_) => None,
        }
    }
}

impl Socket {
    /// A connection that was just made. The request of its handshake is appended.
    pub(super) fn ask(
        config: &WebSocketOut,
        format: Format,
        authorization: Option<&str>,
        random: &mut Random,
        output: &mut Vec<u8>,
    ) -> Result<Self, SocketError> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&random.number().to_le_bytes());
        nonce[8..].copy_from_slice(&random.number().to_le_bytes());
        let handshake = Handshake {
            nonce,
            format,
            received: Vec::new(),
        };
        let header = authorization.map(|value| ("Authorization", value));
        let request = UpgradeRequest {
            headers: header.as_slice(),
            ..handshake.request(config)
        };
        request.write(output)?;
        Ok(Self::Handshake(handshake))
    }

    /// A connection that a CRM opened and whose handshake is over.
    pub(super) fn accepted(version: Version, limits: &Limits) -> Self {
        Self::open(Role::Server, version, limits)
    }

    fn open(role: Role, version: Version, limits: &Limits) -> Self {
        let limits = frame::Limits {
            frame_bytes_max: limits.message_bytes_max,
            message_bytes_max: limits.message_bytes_max,
        };
        if version == Version::V0 {
            return Self::Hixie(Box::new(HixieInbound::new(limits)));
        }
        Self::Open(Box::new(Inbound::new(role, limits, Binary::Refuse)))
    }

    /// Takes the answer to the handshake; `true` when it is over. What came behind it is left in
    /// `bytes`.
    pub(super) fn shake_hands(
        &mut self,
        bytes: &mut Vec<u8>,
        config: &WebSocketOut,
        limits: &Limits,
    ) -> Result<bool, SocketError> {
        let Self::Handshake(handshake) = self else {
            return Ok(false);
        };
        let Some(end) = handshake.take(bytes, config, limits)? else {
            bytes.clear();
            return Ok(false);
        };
        *bytes = handshake.received.split_off(end);
        *self = Self::open(Role::Client, config.version, limits);
        Ok(true)
    }

    /// Takes bytes behind the handshake; calls `deliver` with each message and control frame until
    /// it breaks.
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        deliver: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), SocketError> {
        match self {
            Self::Handshake(_) => Ok(()),
            Self::Open(inbound) => Ok(inbound.receive(bytes, deliver)?),
            Self::Hixie(inbound) => Ok(inbound.receive(bytes, deliver)?),
        }
    }
}

impl Handshake {
    /// Where the answer ends that opens the link, if it is complete.
    fn take(
        &mut self,
        bytes: &[u8],
        config: &WebSocketOut,
        limits: &Limits,
    ) -> Result<Option<usize>, SocketError> {
        self.received.extend_from_slice(bytes);
        let Some(head) = ResponseHead::parse(&self.received, &limits.head)? else {
            return Ok(None);
        };
        let request = self.request(config);
        let end = request.handshake_bytes(&head);
        if self.received.len() < end {
            return Ok(None);
        }
        request.check(&head)?;
        Ok(Some(end))
    }

    fn request<'a>(&self, config: &'a WebSocketOut) -> UpgradeRequest<'a> {
        UpgradeRequest {
            host: &config.host,
            path: &config.path,
            version: config.version,
            format: self.format,
            nonce: self.nonce,
            headers: &[],
        }
    }
}
