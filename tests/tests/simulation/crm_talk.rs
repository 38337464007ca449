//! What the CRM says: answers, questions, and the bytes that carry them.

use std::time::Duration;

use okgate_core::crm::{CrmInput, CrmReport};
use okgate_core::protocol::{Format, split, xml_from_json};
use okgate_core::wire::frame::{append_pong, append_text};
use okgate_core::wire::head::{Limits as HeadLimits, RequestHead};
use okgate_core::wire::hixie;
use okgate_core::wire::upgrade::{Policy, UpgradeRequest, accept};
use serde_json::{Value, json};

use crate::crm::{Crm, Fate, Introduction, Named, Post, Said, Todo};
use crate::line::Mode;
use crate::methods::{self, Reaction};
use crate::people::pick;
use crate::tap::Heard;

impl Crm {
    /// Asks something of the hub.
    pub(crate) fn ask(&mut self, name: &str, mut fields: Value, mut said: Vec<Said>) {
        self.asked += 1;
        let qid = format!("crm-{}", self.asked);
        fields["qid"] = qid.as_str().into();
        let answer = match name {
            "ping" => "pong".to_owned(),
            "whoareyou" => "iam".to_owned(),
            name => format!("{name}result"),
        };
        let login = fields["userlogin"].as_str().map(str::to_owned);
        said.push(Said::Asked { qid, answer, login });
        self.write(name, &fields, said);
    }

    /// Answers, in packets by custom.
    pub(crate) fn say(&mut self, name: &str, fields: &Value, said: Vec<Said>) {
        if !self.chance(self.habits.packets) {
            return self.write(name, fields, said);
        }
        let text = self.text_of(&json!([name, fields]).to_string());
        let chars = [4, 40, 400][self.pick(3)];
        let chars = chars.max(text.len() / 10);
        let id = self.random.guid();
        let packets: Vec<Vec<u8>> = split(&text, id, chars, self.line.format).collect();
        let count = packets.len();
        for (index, packet) in packets.into_iter().enumerate() {
            let text = String::from_utf8(packet).expect("packets are text");
            let said = if index + 1 == count {
                said.clone()
            } else {
                Vec::new()
            };
            self.write_raw(&text, said);
        }
    }

    pub(crate) fn say_later(&mut self, span: Duration, name: &str, fields: Value, said: Vec<Said>) {
        if let Some(id) = self.socket.as_ref().map(|socket| socket.id) {
            self.later(span, id, Todo::Answer(name.to_owned(), fields, said));
        }
    }

    fn write(&mut self, name: &str, fields: &Value, said: Vec<Said>) {
        self.write_text(&json!([name, fields]).to_string(), said);
    }

    /// Writes a message that is given in JSON; what is none stays as it is.
    pub(crate) fn write_text(&mut self, text: &str, said: Vec<Said>) {
        let text = self.text_of(text);
        self.write_raw(&String::from_utf8(text).expect("UTF-8"), said);
    }

    fn write_raw(&mut self, text: &str, said: Vec<Said>) {
        let mut frame = Vec::new();
        if self.line.is_old() {
            hixie::append_text(&mut frame, text);
        } else {
            append_text(&mut frame, text, self.line.mask());
        }
        self.write_bytes(&frame, said);
    }

    /// The text of a message in the link's format.
    pub(crate) fn text_of(&self, json: &str) -> Vec<u8> {
        let mut document = Vec::new();
        match self.line.format {
            Format::Xml if xml_from_json(json.as_bytes(), &mut document).is_ok() => document,
            Format::Xml | Format::Json => json.as_bytes().to_vec(),
        }
    }

    /// What a CRM that connects asks for.
    pub(crate) fn upgrade_request(&self) -> Vec<u8> {
        let mut request = Vec::new();
        let upgrade = UpgradeRequest {
            host: "gateway",
            path: "/",
            version: self.line.version,
            format: self.line.format,
            nonce: [3; 16],
            headers: &[],
        };
        upgrade.write(&mut request).expect("a request");
        request
    }

    /// Writes bytes of frames; several messages may come in one report.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8], said: Vec<Said>) {
        let flushes = self.chance(60) || !self.joins_messages;
        let Some(socket) = self.socket.as_mut().filter(|socket| socket.is_open) else {
            return;
        };
        socket.out.extend_from_slice(bytes);
        let end = socket.out.len();
        socket.said.extend(said.into_iter().map(|said| (end, said)));
        if flushes {
            self.flush();
        }
    }

    /// Reports what is written, in one or two pieces.
    pub(crate) fn flush(&mut self) {
        let Some(socket) = self.socket.as_mut().filter(|it| !it.out.is_empty()) else {
            return;
        };
        let connection = socket.id;
        let bytes = std::mem::take(&mut socket.out);
        let mut said = std::mem::take(&mut socket.said).into_iter().peekable();
        let cut = pick(&mut self.random, bytes.len() * 2).min(bytes.len());
        for (end, part) in [(cut, &bytes[..cut]), (bytes.len(), &bytes[cut..])] {
            if !part.is_empty() {
                let what = CrmInput::Bytes(part.to_vec());
                let report = CrmReport { connection, what };
                let said = std::iter::from_fn(|| said.next_if(|(said_by, _)| *said_by <= end));
                let said = said.map(|(_, said)| said).collect();
                self.posts.push(Post { report, said });
            }
        }
    }

    pub(crate) fn react(&mut self, heard: Heard) {
        match heard {
            Heard::Handshake(request) => self.shake_hands(&request),
            Heard::Message(name, fields) => self.take_message(&name, &fields),
            Heard::Ping(payload) => {
                let mut frame = Vec::new();
                append_pong(&mut frame, &payload, self.line.mask());
                self.write_bytes(&frame, Vec::new());
            }
            Heard::Pong | Heard::Close(_) => {}
        }
    }

    fn shake_hands(&mut self, request: &[u8]) {
        let is_ours = self.line.mode == Mode::In;
        let Some(socket) = &mut self.socket else {
            return;
        };
        if is_ours {
            socket.is_open = true;
            return self.opened();
        }
        match socket.fate {
            Fate::NoHandshake => {}
            Fate::BadHandshake(answer) => {
                socket.out.extend_from_slice(answer.as_bytes());
                self.flush();
            }
            _ => {
                let head = RequestHead::parse(request, &HeadLimits::default());
                let head = head.expect("a request").expect("a whole one");
                let policy = Policy {
                    allow_hixie: true,
                    ..Policy::default()
                };
                let upgrade = accept(&head, &policy);
                let upgrade = upgrade.expect("the gateway asks for a WebSocket");
                upgrade.write_response(&mut socket.out);
                socket.said.push((socket.out.len(), Said::Opened));
                socket.is_open = true;
                self.opened();
            }
        }
    }

    fn opened(&mut self) {
        let fate = self.socket.as_ref().map(|socket| socket.fate);
        if fate == Some(Fate::DroppedOpen) {
            return self.break_off();
        }
        if self.habits.introduction == Introduction::AsksFirst {
            self.ask("whoareyou", identity(), vec![Said::Introduced]);
        }
    }

    fn take_message(&mut self, name: &str, fields: &Value) {
        let is_question = name.starts_with("getavailable") || name == "getactiveusers";
        if is_question && self.chance(self.habits.forgets) {
            if let Some(socket) = &mut self.socket {
                socket.has_forgotten = true;
            }
            return;
        }
        let qid = fields["qid"].clone();
        match name {
            "whoareyou" => self.introduce(&qid),
            // Version 0 has no other.
            "ping" => self.say("pong", &json!({"qid": qid}), Vec::new()),
            "getavailablemethods" => self.declare(Some(qid)),
            "getavailableforms" => {
                let forms = json!({"qid": qid, "forms": [null, {"key": "card"}]});
                self.say("availableforms", &forms, Vec::new());
            }
            "getactiveusers" => {
                let users: Vec<Named> = self.active.values().cloned().collect();
                let listed: Vec<Value> = users.iter().map(Named::entry).collect();
                let fields = json!({"qid": qid, "users": listed});
                self.say("activeusers", &fields, vec![Said::Active(users)]);
            }
            "showform" if self.chance(20) => {
                let mut fields =
                    json!({"windowid": fields["windowid"], "userlogin": fields["userlogin"]});
                let name = ["methodresult", "closeform"][self.pick(2)];
                if name == "methodresult" {
                    fields["outputparameters"] = json!({"comment": "жаль"});
                }
                self.ask(name, fields, Vec::new());
            }
            "executemethod" => {
                let reaction = methods::react(fields, &mut self.random);
                self.answer_method(reaction);
            }
            _ => {}
        }
    }

    pub(crate) fn declare(&mut self, qid: Option<Value>) {
        let mut fields = json!({"methods": methods::catalogue()});
        if let Some(qid) = qid {
            fields["qid"] = qid;
        }
        self.say("availablemethods", &fields, vec![Said::Declared]);
    }

    fn answer_method(&mut self, reaction: Reaction) {
        for (span, fields, said) in reaction {
            if span.is_zero() {
                self.say("methodresult", &fields, vec![said]);
            } else {
                self.say_later(span, "methodresult", fields, vec![said]);
            }
        }
    }

    fn introduce(&mut self, qid: &Value) {
        let mut fields = identity();
        fields["qid"] = qid.clone();
        match self.habits.introduction {
            Introduction::Never => return,
            Introduction::AnswersLate => {
                let span = Duration::from_millis(self.random.below(9000));
                self.say_later(span, "iam", fields, vec![Said::Introduced]);
            }
            Introduction::AsksFirst | Introduction::Answers => {
                self.say("iam", &fields, vec![Said::Introduced]);
            }
        }
        if self.habits.asks_numbers {
            self.ask("getpbxnumbers", json!({}), Vec::new());
        }
    }
}

impl Named {
    /// As `activeusers` lists it.
    fn entry(&self) -> Value {
        let mut entry = json!({"userlogin": self.login, "type": "browser"});
        if let Some(id) = &self.id {
            entry["userid"] = serde_json::from_str(id).expect("ids are JSON");
        }
        entry
    }
}

pub(crate) fn identity() -> Value {
    json!({"type": "ws-server", "name": "Simulated CRM", "version": 1})
}
