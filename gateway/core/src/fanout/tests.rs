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
        while let Some(link) = fanout.poll_ready() {
            sends.extend(fanout.take(link, &mut self.outbox));
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
    let answer = vec![b'l'; bytes].into();
    fanout.share_long(LINK, &mut wire.outbox, &answer)
}

fn say(fanout: &mut Fanout, wire: &mut Wire, text: &str) -> Result<(), Overflow> {
    fanout.write(LINK, &mut wire.outbox, |arena| {
        arena.extend_from_slice(text.as_bytes());
    })
}

/// Whether these are a part of those very bytes, not of a copy.
fn is_of(part: &SharedBytes, whole: &Rc<[u8]>) -> bool {
    whole.as_ptr_range().end == part.rest().as_ptr_range().end
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
    let payload = fanout.take(LINK, &mut wire.outbox);
    let payload = payload.expect("something to say");
    assert_eq!(fanout.payload(&payload), b"one,event,two");
    assert!(fanout.take(LINK, &mut wire.outbox).is_none());
}

#[test]
fn an_event_alone_is_sent_from_the_shared_bytes() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(usize::MAX)), Wire::with_room(0));
    let event: Rc<[u8]> = Rc::from(&b"event"[..]);
    fanout.share(LINK, &mut wire.outbox, &event).expect("room");
    let payload = fanout.take(LINK, &mut wire.outbox);
    assert!(matches!(payload, Some(Payload::Shared(bytes)) if is_of(&bytes, &event)));
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
    let (mut fanout, mut wire) = (Fanout::new(bounds(20)), Wire::with_room(3));
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

#[test]
fn a_long_answer_waits_and_is_sent_where_it_is() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(30));
    let answer: Rc<[u8]> = vec![b'l'; 90].into();
    fanout
        .share_long(LINK, &mut wire.outbox, &answer)
        .expect("room");
    wire.settle(&mut fanout).expect("room");
    assert_eq!(fanout.queued_bytes(), 60);
    fanout.writable(LINK, &mut wire.outbox);
    fanout.poll_ready().expect("the rest");
    let payload = fanout.take(LINK, &mut wire.outbox);
    let Some(Payload::Shared(rest)) = payload else {
        panic!("the rest is shared, not {payload:?}");
    };
    assert!(is_of(&rest, &answer));
    assert_eq!((rest.rest().len(), fanout.queued_bytes()), (60, 0));
}

#[test]
fn what_is_said_around_long_answers_stays_in_order_wherever_the_socket_is_full() {
    let whole = "one,".to_owned() + &"l".repeat(40) + "two,three," + &"l".repeat(30) + "four";
    for room in 0..whole.len() {
        let (mut fanout, mut wire) = (Fanout::new(bounds(100)), Wire::with_room(room));
        let event: Rc<[u8]> = Rc::from(&b"three,"[..]);
        say(&mut fanout, &mut wire, "one,").expect("room");
        ask_for_much(&mut fanout, &mut wire, 40).expect("room");
        say(&mut fanout, &mut wire, "two,").expect("room");
        fanout.share(LINK, &mut wire.outbox, &event).expect("room");
        ask_for_much(&mut fanout, &mut wire, 30).expect("room");
        say(&mut fanout, &mut wire, "four").expect("room");
        wire.settle(&mut fanout).expect("room");
        while !wire.outbox.is_empty() {
            wire.read(&mut fanout, 7).expect("room");
        }
        assert_eq!(String::from_utf8_lossy(&wire.got), whole, "{room}");
        assert_eq!(fanout.queued_bytes(), 0);
    }
}

#[test]
fn what_a_link_says_in_one_batch_is_bounded_but_for_a_single_message() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(1000));
    say(&mut fanout, &mut wire, "a message of many words").expect("one may be long");
    assert_eq!(say(&mut fanout, &mut wire, "another"), Err(Overflow));
    wire.settle(&mut fanout).expect("the socket takes it");
    say(&mut fanout, &mut wire, "another").expect("in the next batch");
}

#[test]
fn what_a_dropped_link_is_handed_back_behind_its_first_bytes_is_forgotten() {
    let (mut fanout, mut wire) = (Fanout::new(bounds(10)), Wire::with_room(0));
    say(&mut fanout, &mut wire, "a message of many words,").expect("one may be long");
    ask_for_much(&mut fanout, &mut wire, 60).expect("room");
    fanout.poll_ready().expect("the link is ready");
    let mut take = || fanout.take(LINK, &mut wire.outbox).expect("a piece");
    let (first, second) = (take(), take());
    assert_eq!(fanout.unsent(&mut wire.outbox, &first, 2), Err(Overflow));
    fanout.forget_behind_first(&mut wire.outbox);
    fanout.append_last(LINK, &mut wire.outbox, b"end");
    fanout
        .unsent(&mut wire.outbox, &second, 0)
        .expect("it is forgotten");
    fanout.poll_ready();
    fanout.end_batch();
    wire.read(&mut fanout, 1000).expect("it is little");
    assert_eq!(wire.got, b"message of many words,end");
}
