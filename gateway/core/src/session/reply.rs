//! The texts that end a request: answers, and `error` where none can be given
//! (protocol 3.1, 3.4).

use crate::protocol::{Fault, FieldWriter, Fields, JsonWriter, Reply, write_message};

/// Appends the answer to a request: `<method>result` with the request's `qid`.
///
/// A request without a `qid` gets no answer; that it failed is said in an
/// `error` message.
pub fn write_reply(out: &mut Vec<u8>, method: &str, qid: Option<&[u8]>, reply: &Reply) {
    let Some(qid) = qid else {
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
                answer.write(writer);
            }
            Err(fault) => write_fault(writer, fault),
        }
    });
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
const NAME_BYTES: usize = crate::protocol::NAME_BYTES_MAX + 6;
