//! Owns the answer that a tab waits for: whole, or in packets (protocol 3.3).
//!
//! Thousands of tabs ask for lists of thousands of numbers, so of the packets only the first is read: it says whose answer
//! this is and that it is a good one. Of the others the number is looked at: a server sends them in order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use crate::error::{Error, Result};
use crate::message::{Message, peek_name, peek_qid, shortened};

/// An answer that has not come yet, or not whole.
#[derive(Debug)]
pub(super) struct AwaitedAnswer<'m> {
    method: &'m str,
    qid: String,
    packets: Option<Packets>,
}

/// How far an answer in packets has come.
#[derive(Debug)]
struct Packets {
    next: u64,
    count: u64,
}

impl<'m> AwaitedAnswer<'m> {
    pub(super) fn new(method: &'m str, qid: u32) -> Self {
        Self {
            method,
            qid: qid.to_string(),
            packets: None,
        }
    }

    /// Takes any message that the tab gets. Whether it has completed the answer; a refusal is an error.
    pub(super) fn take(&mut self, text: &[u8]) -> Result<bool> {
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
        let number = number_of(text, b"\"packetnumber\":");
        let count = number_of(text, b"\"packetcount\":");
        let awaited = match &self.packets {
            Some(packets) => (Some(packets.next), Some(packets.count)),
            None => (Some(0), count),
        };
        if (number, count) != awaited || count.is_none() {
            return Err(Error::Malformed(format!(
                "packet {number:?} of {count:?} where {awaited:?} belongs"
            )));
        }
        if number == Some(0) {
            self.check_beginning(text)?;
        }
        let (next, count) = (number.unwrap_or(0) + 1, count.unwrap_or(0));
        self.packets = Some(Packets { next, count });
        Ok(next == count)
    }

    /// The first packet: does the message in it begin as the awaited answer does?
    fn check_beginning(&self, text: &[u8]) -> Result<()> {
        let packet = Message::parse(&String::from_utf8_lossy(text))?;
        let content = STANDARD.decode(packet.text("content").unwrap_or_default());
        let content = content.unwrap_or_default();
        let is_ours = peek_qid(&content) == Some(self.qid.as_bytes());
        if is_ours && memmem::find(&content, b"\"result\":1").is_some() {
            return Ok(());
        }
        let beginning = shortened(&String::from_utf8_lossy(&content));
        Err(Error::Malformed(format!(
            "packets of something else than a good answer to {}: {beginning}",
            self.method
        )))
    }
}

/// The number behind this key.
pub(super) fn number_of(text: &[u8], key: &[u8]) -> Option<u64> {
    let start = memmem::find(text, key)? + key.len();
    let rest = text[start..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&rest[..digits.count()])
        .ok()?
        .parse()
        .ok()
}

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
