//! Owns what happens on one connection of a bending proxy: two heads, then frames both ways.

use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Bender, Out, Passing, Side};
use crate::format::Format;
use crate::raw::{self, TEXT, append_frame, apply_mask};

/// Passes everything until one of the two is gone.
pub(super) async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    bender: &Mutex<Bender>,
    side: Side,
) {
    let from_client = Passing {
        side,
        is_from_gateway: side == Side::GatewayConnects,
    };
    let from_server = Passing {
        side,
        is_from_gateway: !from_client.is_from_gateway,
    };
    let Some((asked, rest)) = pass_head(&mut client, &mut server, bender, from_client).await else {
        return;
    };
    if !asked.to_ascii_lowercase().contains("upgrade: websocket") {
        // What cannot be told apart passes as it is; its end is all there is to know.
        let _ = server.write_all(&rest).await;
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let Some((answered, early)) = pass_head(&mut server, &mut client, bender, from_server).await
    else {
        return;
    };
    let format = subprotocol(&answered).or_else(|| subprotocol(&asked));
    let format = format.unwrap_or_default();
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let client_out = tokio::sync::Mutex::new(Writer::new(client_out, None));
    // The mask of zeros is a mask.
    let server_out = tokio::sync::Mutex::new(Writer::new(server_out, Some([0; 4])));
    let lane = |passing| Lane {
        bender,
        passing,
        format,
    };
    tokio::select! {
        () = lane(from_client).pass(client_in, rest, &server_out, &client_out) => {}
        () = lane(from_server).pass(server_in, early, &client_out, &server_out) => {}
    }
}

/// Reads a head, passes it on; gives it and what came behind it. `None`: the connection is over, or never had one.
async fn pass_head(
    from: &mut TcpStream,
    to: &mut TcpStream,
    bender: &Mutex<Bender>,
    passing: Passing,
) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if from.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        // A TLS hello is no head.
        if !read[0].is_ascii_uppercase() {
            return Some((String::new(), read));
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if read.len() > HEAD_BYTES_MAX {
            return None;
        }
    };
    let rest = read.split_off(end);
    let mut head = String::from_utf8(read).ok()?;
    {
        let bender = bender.lock().unwrap_or_else(PoisonError::into_inner);
        (bender.head)(passing, &mut head);
    }
    to.write_all(head.as_bytes()).await.ok()?;
    Some((head, rest))
}

fn subprotocol(head: &str) -> Option<Format> {
    let mut lines = head.lines();
    let line = lines.find(|line| {
        line.to_ascii_lowercase()
            .starts_with("sec-websocket-protocol:")
    })?;
    Format::in_token(line)
}

/// One direction of a link.
struct Lane<'b> {
    bender: &'b Mutex<Bender>,
    passing: Passing,
    format: Format,
}

impl Lane<'_> {
    async fn pass(
        self,
        mut from: OwnedReadHalf,
        mut read: Vec<u8>,
        on: &tokio::sync::Mutex<Writer>,
        back: &tokio::sync::Mutex<Writer>,
    ) {
        loop {
            while let Some((first, payload)) = take_frame(&mut read) {
                let (mut onward, mut backward) = (Vec::new(), Vec::new());
                self.bend(first, payload, &mut onward, &mut backward);
                for (writer, frames) in [(on, onward), (back, backward)] {
                    if writer.lock().await.write(&frames).await.is_err() {
                        return;
                    }
                }
            }
            if !matches!(from.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Puts what is to be written, as first bytes and payloads.
    fn bend(&self, first: u8, payload: Vec<u8>, on: &mut Vec<Frame>, back: &mut Vec<Frame>) {
        let is_whole_text = first == 0x80 | TEXT;
        let text = std::str::from_utf8(&payload).ok().filter(|_| is_whole_text);
        let Some(message) = text.and_then(|text| self.format.read(text).ok()) else {
            on.push((first, payload));
            return;
        };
        let outs = {
            let mut bender = self.bender.lock().unwrap_or_else(PoisonError::into_inner);
            (bender.message)(self.passing, message.clone())
        };
        for out in outs {
            match out {
                // What was not changed passes byte by byte.
                Out::On(same) if same == message => on.push((first, payload.clone())),
                Out::On(other) => on.push((first, self.format.write(&other).into_bytes())),
                Out::Back(other) => back.push((first, self.format.write(&other).into_bytes())),
            }
        }
    }
}

/// The first byte of a frame, and its payload without a mask.
type Frame = (u8, Vec<u8>);

/// Takes a whole frame out of what was read.
fn take_frame(read: &mut Vec<u8>) -> Option<Frame> {
    let first = *read.first()?;
    let (head, mut payload) = raw::take_frame(read)?;
    if let Some(mask) = head.mask {
        apply_mask(&mut payload, mask);
    }
    Some((first, payload))
}

/// The way to one end.
struct Writer {
    half: OwnedWriteHalf,
    mask: Option<[u8; 4]>,
}

impl Writer {
    fn new(half: OwnedWriteHalf, mask: Option<[u8; 4]>) -> Self {
        Self { half, mask }
    }

    async fn write(&mut self, frames: &[Frame]) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for (first, payload) in frames {
            append_frame(&mut bytes, *first, self.mask, payload);
        }
        self.half.write_all(&bytes).await
    }
}

/// How long a head may be.
const HEAD_BYTES_MAX: usize = 64 << 10;
