//! A shard with its hub: several links, what they send, the time, and the telephone switch (`okgate_core::shard`).
//!
//! The rule that a request with a `qid` gets one answer is held here for whatever fields it has; the seeded simulation in
//! `tests/tests/simulation` holds the rules about what the answers and events say.

mod peer;
mod world;

use std::time::Duration;

use okgate_core::protocol::password_hashes;
use okgate_core::wire::frame::{CloseCode, append_close, append_ping, append_text};

use crate::records::{number, records, split, text};
use world::World;

/// The first byte chooses the settings; the rest is records of an operation and its operand, which begins with the
/// link's digit where a link does something. See [`step`].
///
/// Nothing panics, what goes out are whole frames with nothing behind the last one, nothing goes to a link that is
/// gone, requests get one answer, queues keep their bounds, time goes on, and when all links are gone nothing is left.
pub fn shard(input: &[u8]) {
    let (choice, program) = split(input);
    let mut world = World::new(choice);
    for (operation, operand) in records(program, RECORDS_MAX) {
        step(&mut world, operation, operand);
    }
    world.end();
}

const RECORDS_MAX: usize = 300;

/// Does what one record says.
fn step(world: &mut World, operation: u8, operand: &[u8]) {
    let (digit, rest) = split(operand);
    let link = number(digit);
    match operation {
        b'o' => world.open(),
        // A handshake that is right but for the headers in the operand, or exactly the bytes there.
        b'h' => world.receive(link, &[HANDSHAKE, rest, b"\r\n"].concat(), true),
        b'b' => world.receive(link, rest, true),
        b'j' => world.receive(link, &[HANDSHAKE, JSON, b"\r\n"].concat(), false),
        b'l' => log_in(world, link, number(split(rest).0)),
        b'm' => {
            let (method, fields) = split(rest);
            let fields = text(fields).unwrap_or_default();
            world.request(link, METHODS[number(method) % METHODS.len()], fields);
        }
        b't' => {
            let mut frame = Vec::new();
            append_text(&mut frame, &String::from_utf8_lossy(rest), MASK);
            // It might bear the `qid` of another request.
            let is_wild = rest.iter().any(|byte| matches!(byte, b'#' | b'\\'));
            world.receive(link, &frame, is_wild);
        }
        b'p' => {
            let mut frame = Vec::new();
            append_ping(&mut frame, rest, MASK);
            world.receive(link, &frame, false);
        }
        b'c' => {
            let mut frame = Vec::new();
            let code = rest.first_chunk().map(|code| u16::from_be_bytes(*code));
            append_close(&mut frame, code.map(CloseCode::from), "", MASK);
            world.receive(link, &frame, true);
        }
        b'r' => world.make_room(link, ROOMS[number(split(rest).0) % ROOMS.len()]),
        b'x' => world.hang_up(link),
        b'w' => world.pass(SPANS[link % SPANS.len()]),
        b'd' => world.drain(SPANS[link % SPANS.len()]),
        b'i' => world.call_in(number(split(rest).0) % 6, link % 6),
        b'a' => world.answer_call(link),
        b'g' => world.end_call(link),
        _ => {}
    }
}

/// The login of a user as browser libraries send it.
fn log_in(world: &mut World, link: usize, user: usize) {
    let hash = password_hashes("password").expect("a plain password");
    let digits = hash.lower_cased.map(|byte| format!("{byte:02x}")).concat();
    let user = user % world::USERS + 1;
    let fields = format!(r#""userlogin":"user{user}","password":"{digits}""#);
    world.request(link, "login", &fields);
}

/// A request to upgrade without its last empty line.
const HANDSHAKE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const JSON: &[u8] = b"Sec-WebSocket-Protocol: json\r\n";

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

/// How far time goes.
const SPANS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(20),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(31),
    Duration::from_secs(61),
    Duration::from_secs(3600),
];

/// Bytes that a socket takes from now on.
const ROOMS: [usize; 6] = [usize::MAX, 0, 1, 100, 1000, 5000];

/// Methods whose every request with a `qid` is answered.
const METHODS: [&str; 60] = [
    "ping",
    "login",
    "logout",
    "subscribeevent",
    "unsubscribeevent",
    "getversion",
    "getmyuserinfo",
    "cc_getlunchtypes",
    "getuserstate",
    "setuserstate",
    "getredirectrules",
    "getpbxnumbers",
    "getallusernumbers",
    "getalluserphotolink",
    "getextendedlineinfo",
    "getcurrentqueue",
    "pbxautocallstart",
    "pbxautocallabort",
    "pbxanswercall",
    "pbxabortcall",
    "pbxdeclinecall",
    "pbxmakeflash",
    "nosuchmethod",
    "triggercustomevent",
    "sendusertextmessage",
    "createchat",
    "renamechat",
    "addchatmembers",
    "removechatmembers",
    "leavechat",
    "sendchatmessage",
    "viewchatmessage",
    "getchats",
    "getchatmessages",
    "execpredefineddbstoredproc",
    "execsvcscript",
    "gettemphttppass",
    "getuserphoto",
    "setmyuserphoto",
    "changepassword",
    "saveredirectrules",
    "deleteredirectrules",
    "getflashedabonentinfo",
    "getchaincontent",
    "getpbxcalljournal",
    "pbxmaketransfer",
    "pbxtransfercall",
    "buildconferencefromcommutation",
    "createnewconference",
    "invitetoconference",
    "checkcanconnecttogathertoconference",
    "connecttogathertoconference",
    "getconferenceinfo",
    "getconferencecompetitors",
    "confdisconnectcompetitor",
    "exitconference",
    "confhandleevent",
    "attachasghost",
    "confsetghostmode",
    "confsetvoiceparams",
];
