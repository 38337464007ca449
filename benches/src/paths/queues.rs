//! The parts of a shard that its every link passes through: the queues and the timing wheel.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use okgate_core::base::{Instant, LinkId, Wheel};
use okgate_core::fanout::{Fanout, Outbox, QueueBounds};

use super::{Amount, HotPath, Repeats, Step};

pub(super) const PATHS: &[HotPath] = &[
    path("fan_out/event_to_1000_links", share),
    path("fan_out/event_to_1000_full_links", share_with_full_links),
    path("wheel/1000_links_a_turn", turn),
];

const LINKS: u32 = 1000;

const fn path(name: &'static str, set_up: fn() -> Step) -> HotPath {
    HotPath {
        name,
        amount: Amount::Elements(LINKS as u64),
        repeats: Repeats::Always,
        set_up,
    }
}

/// Links and what they are to be told.
struct Links {
    fanout: Fanout,
    outboxes: Vec<Outbox>,
    event: Rc<[u8]>,
}

impl Links {
    fn new() -> Self {
        Self {
            fanout: Fanout::new(QueueBounds {
                bytes_max: 1 << 20,
                long_bytes_max: 1 << 20,
            }),
            outboxes: (0..LINKS).map(|_| Outbox::default()).collect(),
            event: Rc::from([b'x'; 200]),
        }
    }

    /// Every link is told of the event.
    fn share(&mut self) {
        for (slot, outbox) in (0..).zip(&mut self.outboxes) {
            let shared = self.fanout.share(link(slot), outbox, &self.event);
            shared.expect("within the bound");
        }
    }

    /// Hands out what there is to send, `sent` bytes of each payload to its socket. Gives how many bytes there were.
    fn send(&mut self, sent: usize) -> usize {
        let mut bytes = 0;
        while let Some(link) = self.fanout.poll_ready() {
            let outbox = &mut self.outboxes[link.slot as usize];
            let payload = self
                .fanout
                .take(link, outbox)
                .expect("a ready link says something");
            let length = black_box(self.fanout.payload(&payload)).len();
            bytes += length;
            if sent < length {
                let queued = self.fanout.unsent(outbox, &payload, sent);
                queued.expect("within the bound");
            }
        }
        self.fanout.end_batch();
        bytes
    }
}

const fn link(slot: u32) -> LinkId {
    LinkId {
        slot,
        generation: 0,
    }
}

fn share() -> Step {
    let mut links = Links::new();
    Box::new(move || {
        links.share();
        links.send(usize::MAX)
    })
}

/// The sockets take a part of a first event, a second one is queued behind it, then both go out.
fn share_with_full_links() -> Step {
    let mut links = Links::new();
    Box::new(move || {
        links.share();
        links.send(50);
        links.share();
        for (slot, outbox) in (0..).zip(&mut links.outboxes) {
            links.fanout.writable(link(slot), outbox);
        }
        links.send(usize::MAX)
    })
}

/// Links are due all over one turn of the wheel, and come out as the time goes on.
fn turn() -> Step {
    // 4,096 slots of 10 ms
    const TURN: Duration = Duration::from_millis(40_960);
    let mut now = Instant::from_micros(0);
    let mut wheel = Wheel::new(now);
    Box::new(move || {
        for slot in 0..LINKS {
            wheel.insert(now + TURN / LINKS * slot, link(slot));
        }
        let mut due = 0;
        while let Some(next) = wheel.next() {
            wheel.advance(next, |link| {
                black_box(link);
                due += 1;
            });
        }
        now = now + TURN;
        due
    })
}
