//! Owns a request of a tab among thousands, and the answer that it waits for: whole, or in packets (protocol 3.3).
//!
//! Thousands of tabs ask for lists of thousands of numbers, so of the packets only the first is read: it says whose answer
//! this is and that it is a good one. Of the others the number is looked at: a server sends them in order.

use std::cell::RefCell;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use serde_json::Value;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::message::{Message, peek_name, peek_number, peek_qid, shortened};
use crate::raw_link::{RawLink, request_frame};

/// Asks and waits for the answer. Every text that comes goes to `take`, with whether it completes the answer; a refusal, the end of
/// the link, or no answer in time is an error. `input` is the buffer that all links of the thread read into.
pub(crate) async fn ask(
    link: &mut RawLink,
    input: &RefCell<Vec<u8>>,
    qid: u32,
    (method, fields): (&str, Value),
    within: Duration,
    take: impl FnMut(&[u8], bool),
) -> Result<()> {
    let asking = until_answered(link, input, qid, (method, fields), take);
    let answered = timeout(within, asking).await;
    answered.unwrap_or_else(|_| Err(Error::unanswered(method, within)))
}

async fn until_answered(
    link: &mut RawLink,
    input: &RefCell<Vec<u8>>,
    qid: u32,
    (method, fields): (&str, Value),
    mut take: impl FnMut(&[u8], bool),
) -> Result<()> {
    link.write_or_queue(&request_frame(method, fields, qid))?;
    let mut awaited = AwaitedAnswer::new(method, qid);
    let mut outcome = Ok(false);
    loop {
        link.flush().await?;
        link.readable().await?;
        let state = link.read_some(&mut input.borrow_mut(), READ_BYTES, |text| {
            let was_awaited = matches!(outcome, Ok(false));
            if was_awaited {
                outcome = awaited.take(text);
            }
            take(text, was_awaited && matches!(outcome, Ok(true)));
        })?;
        if std::mem::replace(&mut outcome, Ok(false))? {
            // What came with the answer, such as a ping, may have an answer too.
            return link.flush().await;
        }
        state.must_be_open(format_args!("the answer to {method}"), "no such answer")?;
        // Long answers of many tabs come at once: each has its turn, and so have those that have something short to read.
        tokio::task::yield_now().await;
    }
}

/// An answer that has not come yet, or not whole.
#[derive(Debug)]
struct AwaitedAnswer<'m> {
    method: &'m str,
    qid: String,
    packets: Option<Packets>,
}

/// How far an answer in packets has come.
#[derive(Debug)]
pub(crate) struct Packets {
    next: u64,
    count: u64,
    /// How the message in them begins.
    beginning: Box<[u8]>,
}

impl<'m> AwaitedAnswer<'m> {
    fn new(method: &'m str, qid: u32) -> Self {
        Self {
            method,
            qid: qid.to_string(),
            packets: None,
        }
    }

    /// Takes any message that the tab gets. Whether it has completed the answer; a refusal is an error.
    fn take(&mut self, text: &[u8]) -> Result<bool> {
        let name = std::str::from_utf8(text).ok().and_then(peek_name);
        if name == Some("multipart") {
            return self.take_packet(text);
        }
        if peek_qid(text) != Some(self.qid.as_bytes()) {
            return Ok(false);
        }
        let answer = Message::parse(&String::from_utf8_lossy(text))?;
        answer.into_success(self.method).map(|_| true)
    }

    fn take_packet(&mut self, text: &[u8]) -> Result<bool> {
        if let Some(packets) = &mut self.packets {
            return packets.go_on(text);
        }
        let packets = Packets::begin(text)?;
        if packets.qid() != Some(self.qid.as_bytes()) || !packets.is_good() {
            return Err(Error::Malformed(format!(
                "packets of something else than a good answer to {}: {}",
                self.method,
                packets.beginning()
            )));
        }
        let is_whole = packets.is_whole();
        self.packets = Some(packets);
        Ok(is_whole)
    }
}

impl Packets {
    /// Reads the first packet of an answer.
    pub(crate) fn begin(text: &[u8]) -> Result<Self> {
        let mut packets = Self {
            next: 0,
            count: peek_number(text, COUNT).unwrap_or_default(),
            beginning: Box::default(),
        };
        packets.go_on(text)?;
        let packet = Message::parse(&String::from_utf8_lossy(text))?;
        let content = STANDARD.decode(packet.text("content").unwrap_or_default());
        packets.beginning = content.unwrap_or_default().into();
        Ok(packets)
    }

    /// The next packet; whether it was the last.
    pub(crate) fn go_on(&mut self, text: &[u8]) -> Result<bool> {
        let (number, count) = (peek_number(text, NUMBER), peek_number(text, COUNT));
        if (number, count) != (Some(self.next), Some(self.count)) {
            return Err(Error::Malformed(format!(
                "packet {number:?} of {count:?} where {} of {} belongs",
                self.next, self.count
            )));
        }
        self.next += 1;
        Ok(self.is_whole())
    }

    /// Whether this was the last.
    pub(crate) fn is_whole(&self) -> bool {
        self.next == self.count
    }

    /// Whose answer it is.
    pub(crate) fn qid(&self) -> Option<&[u8]> {
        peek_qid(&self.beginning)
    }

    /// Whether it is one of success.
    pub(crate) fn is_good(&self) -> bool {
        memmem::find(&self.beginning, b"\"result\":1").is_some()
    }

    /// How it begins, for people.
    pub(crate) fn beginning(&self) -> String {
        shortened(&String::from_utf8_lossy(&self.beginning))
    }
}

/// How much is read at a time.
const READ_BYTES: usize = 64 << 10;
/// A packet's own number.
const NUMBER: &[u8] = b"\"packetnumber\":";
/// How many there are.
const COUNT: &[u8] = b"\"packetcount\":";

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u64, count: u64, content: &str) -> String {
        let content = STANDARD.encode(content);
        format!(
            r#"["multipart",{{"message-id":"m","packetcount":{count},"packetnumber":{number},"content":"{content}"}}]"#
        )
    }

    #[test]
    fn a_whole_answer_completes_and_other_messages_do_not() {
        let mut awaited = AwaitedAnswer::new("getuserstate", 7);
        let mut take = |text: &str| awaited.take(text.as_bytes());
        assert!(!take(r#"["userstatechanged",{"qid":"8"}]"#).unwrap());
        assert!(take(r#"["getuserstateresult",{"qid":"7","result":1}]"#).unwrap());
        assert!(take(r#"["getuserstateresult",{"qid":"7","result":0,"error":1}]"#).is_err());
    }

    #[test]
    fn the_last_packet_completes() {
        let mut awaited = AwaitedAnswer::new("getpbxnumbers", 7);
        let first = r#"["getpbxnumbersresult",{"qid":"7","result":1,"num"#;
        assert!(!awaited.take(packet(0, 3, first).as_bytes()).unwrap());
        assert!(
            !awaited
                .take(br#"["userstatechanged",{"qid":"8"}]"#)
                .unwrap()
        );
        assert!(!awaited.take(packet(1, 3, "bers").as_bytes()).unwrap());
        assert!(awaited.take(packet(2, 3, "\":[]}]").as_bytes()).unwrap());
    }

    #[test]
    fn packets_out_of_order_or_of_another_answer_are_refused() {
        let mut awaited = AwaitedAnswer::new("getpbxnumbers", 7);
        assert!(awaited.take(packet(1, 3, "").as_bytes()).is_err());
        let refusal = r#"["getpbxnumbersresult",{"qid":"7","result":0"#;
        assert!(awaited.take(packet(0, 3, refusal).as_bytes()).is_err());
        let other = r#"["getpbxnumbersresult",{"qid":"6","result":1"#;
        assert!(awaited.take(packet(0, 3, other).as_bytes()).is_err());
        assert!(awaited.take(br#"["multipart",{}]"#).is_err());
    }
}
