//! The tabs' ends of the sockets: what tabs send, what the shards send them, and how either side ends a connection.

use std::hash::Hash as _;

use okgate_core::base::{Action, Engine as _, LinkId, Payload, Peer};
use okgate_core::wire::frame::{CloseCode, append_close, append_pong, append_text};

use crate::mail::{Letter, Way};
use crate::office::{Office, reference};
use crate::people::{SHARDS, user_of};
use crate::tab::{HEAD, Stage, Tab, Wish};

impl Office {
    /// A new tab, whose request may come in two pieces.
    pub(crate) fn connect(&mut self, person: usize) {
        let shard = self.pick(SHARDS);
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let link = self.shards[shard].open(peer, self.now);
        let link = link.expect("there is room for every link");
        let index = self.tabs.len();
        self.tabs
            .push(Tab::new(shard, link, person, user_of(person)));
        self.by_link.insert(reference(shard, link), index);
        self.send_bytes(index, HEAD.as_bytes());
    }

    /// Sends a message of a tab.
    pub(crate) fn send(&mut self, index: usize, text: &str) {
        let mut frame = Vec::new();
        let mask = self.random.number().to_le_bytes();
        append_text(&mut frame, text, Some([mask[0], mask[1], mask[2], mask[3]]));
        self.send_bytes(index, &frame);
        let tab = &mut self.tabs[index];
        if text.starts_with(r#"["subscribeevent""#) && tab.stage == Stage::LoggedIn {
            tab.is_subscribed = true;
        }
    }

    /// The tab's connection breaks.
    pub(crate) fn cut(&mut self, index: usize) {
        let (shard, link) = self.address(index);
        self.tabs[index].stage = Stage::Gone;
        self.by_link.remove(&reference(shard, link));
        self.shards[shard].closed(link, self.now);
        self.settle_shard(shard);
    }

    /// The tab sends a close frame.
    pub(crate) fn close(&mut self, index: usize) {
        self.tabs[index].stage = Stage::Closing;
        let mut frame = Vec::new();
        append_close(&mut frame, Some(CloseCode::Normal), "", Some([1, 2, 3, 4]));
        self.send_bytes(index, &frame);
    }

    /// From now on the tab's socket takes so many bytes.
    pub(crate) fn set_room(&mut self, index: usize, room: usize) {
        let (shard, link) = self.address(index);
        let was_full = std::mem::replace(&mut self.tabs[index].room, room) == 0;
        if was_full && room > 0 && self.tabs[index].stage != Stage::Gone {
            self.shards[shard].writable(link, self.now);
            self.settle_shard(shard);
        }
    }

    fn address(&self, index: usize) -> (usize, LinkId) {
        (self.tabs[index].shard, self.tabs[index].link)
    }

    /// Gives bytes to the tab's shard, cut at one random place.
    fn send_bytes(&mut self, index: usize, bytes: &[u8]) {
        let (shard, link) = self.address(index);
        let cut = self.pick(bytes.len() * 2).min(bytes.len());
        for part in [&bytes[..cut], &bytes[cut..]] {
            if self.tabs[index].stage == Stage::Gone || part.is_empty() {
                continue;
            }
            self.shards[shard].receive(link, &mut part.to_vec(), self.now);
            self.settle_shard(shard);
        }
    }

    /// Does what the shard wants done, as a runtime would, and lets its tabs read.
    pub(crate) fn settle_shard(&mut self, shard: usize) {
        let mut sends: Vec<(LinkId, Payload)> = Vec::new();
        let mut endings = Vec::new();
        while let Some(action) = self.shards[shard].poll_action() {
            match action {
                Action::Send { link, payload } => sends.push((link, payload)),
                Action::Post(message) => self.post(Letter::ToHub(message), Way::Up(shard)),
                ending => endings.push(ending),
            }
        }
        let mut readers = Vec::new();
        let mut full = Vec::new();
        for (link, payload) in sends {
            let Some(&index) = self.by_link.get(&reference(shard, link)) else {
                continue;
            };
            let bytes = self.shards[shard].payload(&payload);
            let tab = &mut self.tabs[index];
            let sent = bytes.len().min(tab.room);
            tab.room = tab
                .room
                .saturating_sub(if tab.room == usize::MAX { 0 } else { sent });
            tab.got.extend_from_slice(&bytes[..sent]);
            (self.now, &bytes[..sent]).hash(&mut self.fingerprint);
            let is_cut = sent < bytes.len();
            readers.push(index);
            if is_cut {
                full.push(link);
                self.shards[shard].unsent(link, &payload, sent);
            }
        }
        for ending in endings {
            match ending {
                Action::Shutdown { link } if full.contains(&link) => {}
                Action::Shutdown { link } => readers.extend(self.ended(shard, link)),
                Action::Close { link } => {
                    if let Some(index) = self.by_link.remove(&reference(shard, link)) {
                        self.tabs[index].stage = Stage::Gone;
                    }
                }
                Action::Send { .. } | Action::Post(_) => unreachable!("taken above"),
            }
        }
        self.shards[shard].end_batch();
        for index in readers {
            self.read(index);
        }
    }

    /// The shard half-closed: the tab reads the end and closes its side.
    fn ended(&mut self, shard: usize, link: LinkId) -> Option<usize> {
        let index = *self.by_link.get(&reference(shard, link))?;
        self.tabs[index].ends = true;
        Some(index)
    }

    fn read(&mut self, index: usize) {
        if self.tabs[index].stage == Stage::Gone {
            return;
        }
        let was_shaking_hands = self.tabs[index].stage == Stage::Handshake;
        let wishes = self.tabs[index].read(&self.ledger);
        if was_shaking_hands && self.tabs[index].stage == Stage::Open {
            self.log_in(index);
        }
        for wish in wishes {
            let mut frame = Vec::new();
            match wish {
                _ if self.tabs[index].stage == Stage::Gone => {}
                Wish::Text(text) if self.tabs[index].is_open() => self.send(index, &text),
                Wish::Pong(payload) => {
                    append_pong(&mut frame, &payload, Some([4, 3, 2, 1]));
                    self.send_bytes(index, &frame);
                }
                Wish::Close(code) if self.tabs[index].is_open() => {
                    self.tabs[index].stage = Stage::Closing;
                    append_close(
                        &mut frame,
                        code.map(CloseCode::from),
                        "",
                        Some([4, 3, 2, 1]),
                    );
                    self.send_bytes(index, &frame);
                }
                Wish::Text(_) | Wish::Close(_) => {}
            }
        }
        if self.tabs[index].ends && self.tabs[index].stage != Stage::Gone {
            self.cut(index);
        }
    }
}
