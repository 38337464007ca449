//! Credentials and challenges (`okgate_core::wire::credentials`).

use std::time::Duration;

use okgate_core::base::{Instant, Random};
use okgate_core::protocol::Format;
use okgate_core::wire::credentials::{
    Authenticator, ClientCredentials, Denied, Login, Scheme, Tries,
};
use okgate_core::wire::upgrade::{UpgradeRequest, Version};

use crate::frames::AnswerHead;
use crate::records::{number, records, split};

/// The first byte chooses what the server asks for: `b`, Basic; else, Digest. The rest is records: `t` and a digit, time
/// passes; `s`, an `Authorization` for the server; `c`, a `WWW-Authenticate` for the client; `a`, the client's next
/// request begins; `g`, the client asks the server, and answers it; `r` and a digit, it repeats what it said before.
///
/// Nobody comes in who does not know the password, everybody who does; nothing comes in twice; all that is said can be
/// a header.
pub fn auth(input: &[u8]) {
    let (choice, rest) = split(input);
    let scheme = if choice == b'b' {
        Scheme::Basic
    } else {
        Scheme::Digest
    };
    let mut world = World::new(scheme);
    for (operation, operand) in records(rest, 200) {
        let text = std::str::from_utf8(operand).unwrap_or_default();
        match operation {
            b't' => {
                let minutes = number(split(operand).0) as u64;
                world.now = world.now + Duration::from_secs(minutes * 60);
            }
            b's' => assert!(world.check(text).is_err(), "without the password"),
            b'c' => drop(world.answer(&[text])),
            b'a' => world.tries = Tries::default(),
            b'g' => world.there_and_back(),
            b'r' => world.repeat(number(split(operand).0)),
            _ => {}
        }
    }
}

const TARGET: &str = "/oktell?a=\"1\"";

struct World {
    scheme: Scheme,
    server: Authenticator,
    client: ClientCredentials,
    tries: Tries,
    random: Random,
    now: Instant,
    /// What brought the client in.
    said: Vec<String>,
}

impl World {
    fn new(scheme: Scheme) -> Self {
        let mut random = Random::from_number(1);
        let login = || Login::new("crm", "a long \"password\", which no input says: 7F3A");
        Self {
            scheme,
            server: Authenticator::new(scheme, "okgate \"x\"", login(), &mut random),
            client: ClientCredentials::new(login()),
            tries: Tries::default(),
            random,
            now: Instant::default(),
            said: Vec::new(),
        }
    }

    fn check(&mut self, authorization: &str) -> Result<(), Denied> {
        let random = &mut self.random;
        let checked = self
            .server
            .check("GET", TARGET, Some(authorization), self.now, random);
        if let Err(denied) = &checked {
            let mut answer = Vec::new();
            denied.write_response(&mut answer);
            let head = AnswerHead::read(&answer).expect("a whole answer");
            assert_eq!(
                (head.status, head.header("connection")),
                (401, Some("close"))
            );
            assert!((1..=2).contains(&denied.challenges.len()));
        }
        checked
    }

    fn answer(&mut self, challenges: &[&str]) -> Option<String> {
        let answer =
            self.client
                .answer(&mut self.tries, challenges, "GET", TARGET, &mut self.random);
        let answer = answer.ok()?;
        check_header(&answer);
        Some(answer)
    }

    fn header(&mut self) -> String {
        self.client
            .header(&mut self.tries, "GET", TARGET, &mut self.random)
    }

    /// The client asks until it is let in, at most three times.
    fn there_and_back(&mut self) {
        self.tries = Tries::default();
        let mut header = self.header();
        for _ in 0..3 {
            check_header(&header);
            let Err(denied) = self.check(&header) else {
                self.said.push(header);
                return;
            };
            let challenges: Vec<&str> = denied.challenges.iter().map(String::as_str).collect();
            if let Some(answer) = self.answer(&challenges) {
                header = answer;
            } else {
                // It was led to say Digest where Basic is asked for, and begins anew.
                self.tries = Tries::default();
                header = self.header();
            }
        }
        panic!("the one who knows the password is kept out");
    }

    fn repeat(&mut self, place: usize) {
        if let Some(header) = self.said.get(place).cloned() {
            let is_in = self.check(&header).is_ok();
            assert_eq!(is_in, self.scheme == Scheme::Basic, "twice the same Digest");
        }
    }
}

/// It can be sent.
fn check_header(value: &str) {
    let request = UpgradeRequest {
        host: "crm.example",
        path: "/",
        version: Version::V13,
        format: Format::Json,
        nonce: [7; 16],
        headers: &[("Authorization", value)],
    };
    let written = request.write(&mut Vec::new());
    assert_eq!(written, Ok(()), "{value:?}");
}
