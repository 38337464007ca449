//! The texts that end a request: answers, and `error` where none can be given
//! (protocol 3.1, 3.4).

use super::answer::{Answer, Reply};
use super::directory::UserRef;
use super::fault::Fault;
use super::json::{JsonWriter, MESSAGE_END, write_fields, write_message};
use super::write::{FieldWriter, Fields};

/// What of a request stands in its answer again, as JSON text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo<'a> {
    /// `qid`.
    pub qid: Option<&'a [u8]>,
    /// `userlogin`; on the server link only (protocol 5).
    pub user_login: Option<&'a [u8]>,
    /// `userid`; on the server link only (protocol 5).
    pub user_id: Option<&'a [u8]>,
}

/// Appends the answer to a request: `<method>result` with the request's `qid`.
///
/// A request without a `qid` gets no answer; that it failed is said in an
/// `error` message.
pub fn write_reply(out: &mut Vec<u8>, method: &str, qid: Option<&[u8]>, reply: &Reply) {
    let echo = Echo {
        qid,
        ..Echo::default()
    };
    write_reply_with(out, method, echo, reply);
}

/// Appends the answer to a request as [`write_reply`] does, with the request's
/// user in it.
pub fn write_reply_with(out: &mut Vec<u8>, method: &str, echo: Echo<'_>, reply: &Reply) {
    let Some(qid) = echo.qid else {
        if let Err(fault) = reply {
            write_error(out, fault, Some(method), None);
        }
        return;
    };
    let mut name = [0; NAME_BYTES];
    let name = result_name(&mut name, method);
    write_message(out, name, |writer| {
        writer.raw("qid", qid);
        match reply {
            Ok(answer) => {
                writer.number("result", 1);
                write_user(writer, &echo, answer.user());
                answer.write(writer);
            }
            Err(fault) => {
                write_user(writer, &echo, None);
                write_fault(writer, fault);
                if has_error_code(method) {
                    writer.number("errorcode", i64::from(fault.number.code()));
                }
            }
        }
    });
}

/// Appends the beginning of what [`write_reply`] writes of an answer that names no
/// user: that which is the request's own. White space may follow, then the rest.
pub fn write_answer_start(out: &mut Vec<u8>, method: &str, qid: &[u8]) {
    let mut name = [0; NAME_BYTES];
    write_message(out, result_name(&mut name, method), |writer| {
        writer.raw("qid", qid);
        writer.number("result", 1);
    });
    out.truncate(out.len() - MESSAGE_END.len());
    out.push(b',');
}

/// Appends the rest: the answer's fields and the end of the message.
pub fn write_answer_rest(out: &mut Vec<u8>, answer: &Answer) {
    debug_assert!(answer.user().is_none(), "the user stands before the fields");
    write_fields(out, |writer| answer.write(writer));
    out.extend_from_slice(MESSAGE_END);
}

/// Whether the method's answer carries `errorcode`, 0 for success (protocol 6.7-b, 6.7-c).
fn has_error_code(method: &str) -> bool {
    matches!(method, "execpredefineddbstoredproc" | "execsvcscript")
}

/// `userid` and `userlogin`: those of the request, else those of the answer.
fn write_user(writer: &mut JsonWriter<'_>, echo: &Echo<'_>, own: Option<&UserRef>) {
    match (echo.user_id, own) {
        (Some(id), _) => writer.raw("userid", id),
        (None, Some(own)) => writer.guid("userid", own.id.0),
        (None, None) => {}
    }
    match (echo.user_login, own) {
        (Some(login), _) => writer.raw("userlogin", login),
        (None, Some(own)) => writer.string("userlogin", &own.login),
        (None, None) => {}
    }
}

/// Appends an `error` message (protocol 3.4).
pub fn write_error(out: &mut Vec<u8>, fault: &Fault, method: Option<&str>, qid: Option<&[u8]>) {
    write_message(out, "error", |writer| {
        if let Some(qid) = qid {
            writer.raw("qid", qid);
        }
        write_fault(writer, fault);
        writer.optional("method", method);
    });
}

fn write_fault(writer: &mut JsonWriter<'_>, fault: &Fault) {
    writer.number("result", 0);
    writer.number("error", i64::from(fault.number.code()));
    writer.string("errormsg", &fault.text);
}

/// `<method>result`, without allocating.
fn result_name<'a>(buffer: &'a mut [u8; NAME_BYTES], method: &str) -> &'a str {
    const SUFFIX: &[u8] = b"result";
    let kept = method.len().min(NAME_BYTES - SUFFIX.len());
    let end = kept + SUFFIX.len();
    buffer[..kept].copy_from_slice(&method.as_bytes()[..kept]);
    buffer[kept..end].copy_from_slice(SUFFIX);
    std::str::from_utf8(&buffer[..end]).expect("method names are printable ASCII")
}

/// Room for the longest name that a message can have, and `result` behind it.
const NAME_BYTES: usize = super::peek::NAME_BYTES_MAX + 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_parts_of_an_answer_are_the_answer() {
        let answer = Answer::RedirectRules(std::sync::Arc::new([]));
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let method = "getredirectrules";
        write_answer_start(&mut parts, method, b"\"7\"");
        write_answer_rest(&mut parts, &answer);
        write_reply(&mut whole, method, Some(b"\"7\""), &Ok(answer));
        assert_eq!(parts, whole);
    }
}
