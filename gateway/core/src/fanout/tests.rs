use super::*;

/// A link with a socket that takes only so many bytes until it is read from.
struct Wire {
    outbox: Outbox,
    room: usize,
    got: Vec<u8>,
}

const LINK: LinkId = LinkId {
    slot: 0,
    generation: 0,
};

impl Wire {
    fn with_room(room: usize) -> Self {
        Self {
            outbox: Outbox::default(),
            room,
            got: Vec::new(),
        }
    }

    fn settle(&mut self, fanout: &mut Fanout) -> Result<(), Overflow> {
        let mut sends = Vec::new();
        while fanout.poll_ready().is_some() {
            sends.extend(fanout.take(&mut self.outbox));
        }
        let mut result = Ok(());
        for payload in sends {
            let bytes = fanout.payload(&payload);
            let sent = if self.outbox.is_blocked() {
                0
            } else {
                bytes.len().min(self.room)
            };
            self.got.extend_from_slice(&bytes[..sent]);
            self.room -= sent;
            if sent < bytes.len() {
                result = result.and(fanout.unsent(&mut self.outbox, &payload, sent));
            }
        }
        fanout.end_batch();
        result
    }

    fn read(&mut self, fanout: &mut Fanout, room: usize) -> Result<(), Overflow> {
        self.room = room;
        fanout.writable(LINK, &mut self.outbox);
        self.settle(fanout)
    }
}

/// So much may wait, and a hundred bytes more of long answers.
fn bounds(bytes_max: usize) -> QueueBounds {
    QueueBounds {
        bytes_max,
        long_bytes_max: 100,
    }
}

fn ask_for_much(fanout: &mut Fanout, wire: &mut Wire, bytes: usize) -> Result<(), Overflow> {
    fanout.write_long(LINK, &mut wire.outbox, |arena| {
        arena.resize(arena.len() + bytes, b'l');
    })
}

fn say(fanout: &mut Fanout, wire: &mut Wire, text: &str) -> Result<(), Overflow> {
    fanout.write(LINK, &mut wire.outbox, |arena| {
        arena.extend_from_slice(text.as_bytes());
    })
}

#[test]
fn all_that_a_link_says_in_a_batch_goes_out_in_one_send_and_in_order() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(usize::MAX)), Wire::with_room(1000));
    let (mut other, event) = (Outbox::default(), Rc::from(&b"event,"[..]));
    say(&mut fanout, &mut wire, "one,").expect("room");
    fanout
        .write(LINK, &mut other, |arena| arena.push(b'x'))
        .expect("room");
    fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    say(&mut fanout, &mut wire, "two").expect("room");
    fanout.poll_ready().expect("one link is ready");
    let payload = fanout.take(&mut wire.outbox).expect("something to say");
    assert_eq!(fanout.payload(&payload), b"one,event,two");
    assert!(fanout.take(&mut wire.outbox).is_none());
}

#[test]
fn an_event_alone_is_sent_from_the_shared_bytes() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(usize::MAX)), Wire::with_room(0));
    let event: Rc<[u8]> = Rc::from(&b"event"[..]);
    fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    let payload = fanout.take(&mut wire.outbox);
    assert!(matches!(payload, Some(Payload::Shared(bytes)) if Rc::ptr_eq(&bytes, &event)));
}

#[test]
fn a_slow_reader_gets_every_byte_in_order() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(usize::MAX)), Wire::with_room(3));
    let event: Rc<[u8]> = Rc::from(&b"-event-"[..]);
    say(&mut fanout, &mut wire, "hello").expect("room");
    wire.settle(&mut fanout).expect("no bound");
    fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    say(&mut fanout, &mut wire, "world").expect("room");
    assert_eq!(fanout.queued_bytes(), "lo-event-world".len());
    for _ in 0..10 {
        wire.read(&mut fanout, 2).expect("no bound");
    }
    assert_eq!(wire.got, b"hello-event-world");
    assert!(wire.outbox.is_empty());
    assert_eq!(fanout.queued_bytes(), 0);
}

#[test]
fn a_link_over_its_bound_is_reported_and_forgotten() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(0));
    say(&mut fanout, &mut wire, "12345678").expect("room");
    assert_eq!(wire.settle(&mut fanout), Ok(()));
    assert_eq!(say(&mut fanout, &mut wire, "12345678"), Err(Overflow));
    fanout.forget(&mut wire.outbox);
    assert_eq!(fanout.queued_bytes(), 0);
    assert!(wire.outbox.is_empty());
}

#[test]
fn a_long_answer_may_wait_and_what_comes_behind_it_too() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(3));
    let event: Rc<[u8]> = Rc::from(&b"event"[..]);
    ask_for_much(&mut fanout, &mut wire, 60).expect("long answers may wait");
    assert_eq!(wire.settle(&mut fanout), Ok(()));
    fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    ask_for_much(&mut fanout, &mut wire, 40).expect("room for another");
    say(&mut fanout, &mut wire, "short").expect("room");
    for _ in 0..4 {
        assert_eq!(wire.read(&mut fanout, 20), Ok(()));
        fanout.share(LINK, &mut wire.outbox, &event).expect("room");
        wire.read(&mut fanout, 10).expect("it reads, if slowly");
    }
    assert!(wire.got.starts_with(&[b'l'; 60]) && wire.got[60..].starts_with(b"eventlll"));
}

#[test]
fn events_behind_a_long_answer_that_is_not_read_meet_their_bound() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(0));
    let event: Rc<[u8]> = Rc::from(&b"event"[..]);
    ask_for_much(&mut fanout, &mut wire, 60).expect("room");
    assert_eq!(wire.settle(&mut fanout), Ok(()));
    for _ in 0..2 {
        fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    }
    let third = fanout.share(LINK, &mut wire.outbox, &event);
    assert_eq!(third, Err(Overflow));
}

#[test]
fn long_answers_have_a_bound_of_their_own_also_within_one_batch() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(1000));
    ask_for_much(&mut fanout, &mut wire, 90).expect("room");
    assert_eq!(ask_for_much(&mut fanout, &mut wire, 90), Err(Overflow));
    let mut slow = Wire::with_room(0);
    ask_for_much(&mut fanout, &mut slow, 90).expect("room");
    assert_eq!(slow.settle(&mut fanout), Ok(()));
    assert_eq!(ask_for_much(&mut fanout, &mut slow, 90), Err(Overflow));
}
