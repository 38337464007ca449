//! Runs random programs for the target `crm`, made of whole records: `crm_programs COUNT [FIRST_SEED]`. One that breaks an
//! invariant is printed with its seed, as short as leaving records out makes it.

use std::panic::catch_unwind;
use std::time::Instant;

use okgate_core::base::Random;
use okgate_invariants::crm;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let (count, first) = (number(100_000), number(0));
    let (begun, mut records) = (Instant::now(), 0);
    let hook = std::panic::take_hook();
    for seed in first..first + count {
        let program = program(&mut Random::from_number(seed));
        records += program.len();
        if holds(&program) {
            continue;
        }
        std::panic::set_hook(Box::new(|_| {}));
        let short = shortened(program);
        std::panic::set_hook(hook);
        let text = bytes(&short).escape_ascii().to_string();
        println!("seed {seed}: {}", text.replace(r"\x1e", "\n"));
        crm(&bytes(&short));
        return;
    }
    println!(
        "{count} programs of {records} records in {:?}: all invariants hold",
        begun.elapsed()
    );
}

fn holds(program: &[Vec<u8>]) -> bool {
    let bytes = bytes(program);
    catch_unwind(|| crm(&bytes)).is_ok()
}

fn bytes(program: &[Vec<u8>]) -> Vec<u8> {
    program.join(&0x1E)
}

/// Leaves records out as long as what is left still breaks something.
fn shortened(mut program: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut size = program.len() / 2;
    while size > 0 {
        let mut at = 1;
        while at < program.len() {
            let mut shorter = program.clone();
            shorter.drain(at..(at + size).min(program.len()));
            if holds(&shorter) {
                at += size;
            } else {
                program = shorter;
            }
        }
        size /= 2;
    }
    program
}

/// The first byte, and records.
fn program(random: &mut Random) -> Vec<Vec<u8>> {
    let choice = b'0'.wrapping_add(u8::try_from(random.below(128)).expect("a byte"));
    let count = 5 + random.below(90);
    let records = (0..count).map(|_| record(random));
    // The first record stands behind the first byte.
    let mut program: Vec<Vec<u8>> = records.collect();
    program.insert(0, vec![choice]);
    program
}

fn record(random: &mut Random) -> Vec<u8> {
    let mut pick = |bound: usize| usize::try_from(random.below(bound as u64)).expect("small");
    let operations =
        b"aaaggggggjjcxfuuuubtttttttttpmmmmmmmyyyyyyyyyywwwwwwwzeeeeFFrrrrrrkkssllhhqoo";
    let operation = operations[pick(operations.len())];
    if operation == b'q' && pick(20) > 0 {
        return vec![b'w', b'3'];
    }
    let digit = b'0' + u8::try_from(pick(12)).expect("a digit");
    let mut record = vec![operation];
    let flag = b'0' + u8::try_from(pick(2)).expect("a digit");
    match operation {
        b's' | b'l' | b'h' => record.push(flag),
        b'g' => record.push(b'0' + [0, 0, 0, 1, 1, 2, 4, 5, 8, 16, 17, 20, 3, 6][pick(14)]),
        b'u' if pick(4) > 0 => {}
        b'u' => record.extend_from_slice(ANSWER_LINES[pick(ANSWER_LINES.len())].as_bytes()),
        b'b' => record.extend_from_slice(BYTES[pick(BYTES.len())]),
        b't' => record.extend_from_slice(MESSAGES[pick(MESSAGES.len())].as_bytes()),
        b'm' => {
            record.push(digit);
            record.extend_from_slice(FIELDS[pick(FIELDS.len())].as_bytes());
        }
        b'r' => {
            record.push(b'0' + u8::try_from(pick(8)).expect("a digit"));
            record.extend_from_slice(INPUTS[pick(INPUTS.len())].as_bytes());
        }
        b'y' => {
            record.push(digit);
            record.push(b"0111222333345678;:<="[pick(20)]);
            record.extend_from_slice(MESSAGES[pick(MESSAGES.len())].as_bytes());
        }
        b'o' => {
            record.push(digit);
            record.extend_from_slice(MESSAGES[pick(MESSAGES.len())].as_bytes());
        }
        _ => record.push(digit),
    }
    record
}

const ANSWER_LINES: [&str; 4] = [
    "Sec-WebSocket-Protocol: json\r\n",
    "Sec-WebSocket-Protocol: xml\r\n",
    "Sec-WebSocket-Extensions: x\r\n",
    "\r\nA",
];

const BYTES: [&[u8]; 10] = [
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\"\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x88\x02\x03\xe8",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x82\x81\0\0\0\0x",
    b"\xFF\0",
    b"\x8a\x80\0\0\0\0",
];

const MESSAGES: [&str; 20] = [
    r#"["iam",{"name":"CRM"}]"#,
    r#"["whoareyou",{}]"#,
    r#"["availablemethods",{"methods":[{"key":"m","allowcancel":1},{"key":"другой","connectiontype":"http"}]}]"#,
    r#"["availablemethods",{"methods":[{"key":"m","allowcancel":1},{"key":"другой","defineuser":1,"inputparams":[{"key":"a","type":"number"}]}]}]"#,
    r#"["availableforms",{"forms":[{"key":"card"},null]}]"#,
    r#"["activeusers",{"users":[{"userlogin":"anna","userid":7},{"userlogin":"ВЕРА"}]}]"#,
    r#"["methodresult",{"executionid":"00000000-0000-0000-0000-000000000001","outputparameters":{"b":[]}}]"#,
    r#"["methodresult",{"qid":"00000000-0000-0000-0000-000000000002"}]"#,
    r#"["methodresult",{"qid":"00000000-0000-0000-0000-000000000003","result":0}]"#,
    r#"["methodresult",{"qid":"1","windowid":"00000000-0000-0000-0000-000000000001"}]"#,
    r#"["error",{"qid":"00000000-0000-0000-0000-000000000001","errormsg":"no"}]"#,
    r#"["pong",{"qid":"1"}]"#,
    r#"["executemethodresult",{"qid":"00000000-0000-0000-0000-000000000002","result":0}]"#,
    r#"["multipart",{"message-id":"1","packetcount":2,"packetnumber":1,"content":"e31d"}]"#,
    r#"["multipart",{"message-id":"1","packetcount":2,"packetnumber":0,"content":"WyJpYW0iLHt9"}]"#,
    r#"["multipart",{"message-id":"2","packetcount":1,"packetnumber":0,"content":"WyJpYW0iLHt9XQ=="}]"#,
    r#"[["iam",{}],["availablemethods",{"methods":[{"key":"m"}]}]]"#,
    r#"["iam","#,
    "<html>oh</html>",
    "",
];

const FIELDS: [&str; 5] = [
    "",
    r#""userlogin":"anna""#,
    r#""userlogin":"Вера","userid":"7""#,
    r#""eventmethod":["userstatechanged","phoneevent"]"#,
    r#""x":"long enough to go out in packets, as answers on this link do beyond a hundred bytes of text, and so it does""#,
];

const INPUTS: [&str; 5] = ["{}", r#"{"a":1}"#, r#"{"a":"x"}"#, "[]", r#"{"a":1e999}"#];
