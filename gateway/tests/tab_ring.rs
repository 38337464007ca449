//! The tab ring over real loopback sockets, with blocking clients.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use okgate::runtime::RingSettings;
use socket2::SockRef;
use support::{Told, eventually, shards};

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("an option");
    stream
}

fn round_trip(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).expect("a send");
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, bytes);
}

#[test]
fn what_a_client_says_comes_back() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    for number in 0..1000_u32 {
        round_trip(&mut client, &number.to_be_bytes());
    }
    shards.stop();
}

#[test]
fn a_pipelined_megabyte_comes_back_in_order() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    let mut writer = client.try_clone().expect("a second handle");
    let sent = pattern(4 << 20);
    let expected = sent.clone();
    let writing = thread::spawn(move || writer.write_all(&sent).expect("a send"));
    let mut received = vec![0; expected.len()];
    client.read_exact(&mut received).expect("all of it");
    writing.join().expect("the writer");
    assert!(received == expected, "bytes were lost or mixed up");
}

#[test]
fn many_clients_are_served_at_once() {
    let _shared = shared();
    let shards = shards(2, RingSettings::default());
    let mut clients: Vec<_> = (0..200).map(|_| connect(shards.address)).collect();
    for round in 0..20_u32 {
        for client in &mut clients {
            client.write_all(&round.to_be_bytes()).expect("a send");
        }
        for client in &mut clients {
            let mut answer = [0; 4];
            client.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, round.to_be_bytes());
        }
    }
    for handle in &shards.handles {
        assert!(
            handle.counters().accepts.value() > 0,
            "the kernel spreads connections over the shards"
        );
    }
}

#[test]
fn a_slow_reader_gets_every_byte_in_order_when_it_reads() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    round_trip(&mut client, b"hello");
    let (counters, piece) = (shards.handles[0].counters(), pattern(256 << 10));
    let mut said = 0;
    while counters.unsent.value() == 0 {
        // One at a time: taken in one go, the pieces would be one huge send.
        let sends = counters.sends.value();
        shards.handles[0]
            .send(Told::Say(piece.clone()))
            .expect("room");
        said += 1;
        eventually("the piece is sent, or kept", || {
            counters.sends.value() > sends || counters.unsent.value() > 0
        });
        assert!(said < 1000, "the socket never filled up");
    }
    for _ in 0..3 {
        shards.handles[0]
            .send(Told::Say(piece.clone()))
            .expect("room");
        said += 1;
    }
    for number in 0..said {
        let mut received = vec![0; piece.len()];
        client.read_exact(&mut received).expect("the piece");
        assert!(received == piece, "piece {number} of {said} is damaged");
    }
    round_trip(&mut client, b"and on");
}

#[test]
fn two_thousand_abrupt_closes_leak_no_descriptor() {
    let _alone = DESCRIPTORS.write().unwrap_or_else(PoisonError::into_inner);
    let shards = shards(2, RingSettings::default());
    // A shard opens descriptors of its own while it starts: all are up before the count.
    eventually("every shard has served a link", || {
        round_trip(&mut connect(shards.address), b"warm");
        let mut handles = shards.handles.iter();
        handles.all(|handle| handle.counters().accepts.value() > 0)
    });
    let closed = || -> u64 { shards.handles.iter().map(|h| h.counters().open()).sum() };
    eventually("the first links are closed", || closed() == 0);
    let before = descriptors();
    for number in 0..2000_u32 {
        let mut client = connect(shards.address);
        match number % 4 {
            0 => drop(client),
            1 => client.write_all(b"unanswered").expect("a send"),
            2 => {
                client.write_all(b"reset").expect("a send");
                let client = SockRef::from(&client);
                client.set_linger(Some(Duration::ZERO)).expect("an option");
            }
            _ => round_trip(&mut client, b"answered"),
        }
    }
    eventually("all links are closed", || closed() == 0);
    // Fewer are fine: threads of earlier tests may have ended meanwhile.
    eventually("all descriptors are closed", || descriptors() <= before);
}

#[test]
fn a_message_from_another_thread_reaches_the_client_soon() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    round_trip(&mut client, b"hello");
    let counters = shards.handles[0].counters();
    let mut slowest = Duration::ZERO;
    for number in 0..50_u32 {
        if number % 2 == 0 {
            let parks = counters.parks.value();
            eventually("the shard sleeps", || counters.parks.value() > parks);
        }
        let start = Instant::now();
        let told = Told::Say(number.to_be_bytes().to_vec());
        shards.handles[0].send(told).expect("room");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("the message");
        assert_eq!(answer, number.to_be_bytes());
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
    assert_eq!(counters.lost_wakeups.value(), 0);
}

#[test]
fn a_client_wakes_a_sleeping_shard() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    let counters = shards.handles[0].counters();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let parks = counters.parks.value();
        eventually("the shard sleeps", || counters.parks.value() > parks);
        let start = Instant::now();
        round_trip(&mut client, b"hello");
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
    assert_eq!(counters.lost_wakeups.value(), 0);
}

#[test]
fn a_timer_fires_when_it_is_due() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    round_trip(&mut client, b"hello");
    for delay in [1, 20, 150].map(Duration::from_millis) {
        let start = Instant::now();
        let told = Told::SayLater(b"tick".to_vec(), delay);
        shards.handles[0].send(told).expect("room");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("the tick");
        let elapsed = start.elapsed();
        assert!(elapsed >= delay, "{elapsed:?} for {delay:?}");
        assert!(
            elapsed < delay + Duration::from_millis(200),
            "{elapsed:?} for {delay:?}"
        );
    }
}

#[test]
fn posts_leave_the_shard() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    round_trip(&mut client, b"hello");
    shards.handles[0].send(Told::Count).expect("room");
    let count = shards.posts.recv_timeout(Duration::from_secs(10));
    assert_eq!(count, Ok(1));
}

#[test]
fn a_half_close_delivers_what_was_said_before_and_a_close_ends_the_link() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    for (last, told) in [(&b"half"[..], Told::Shutdown), (b"full", Told::Close)] {
        let mut client = connect(shards.address);
        round_trip(&mut client, b"hello");
        shards.handles[0]
            .send(Told::Say(last.to_vec()))
            .expect("room");
        shards.handles[0].send(told).expect("room");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("the end");
        assert_eq!(rest, last);
        drop(client);
        let counters = shards.handles[0].counters();
        eventually("the link is closed", || counters.open() == 0);
    }
}

#[test]
fn a_draining_shard_refuses_newcomers_and_keeps_its_links() {
    let _shared = shared();
    let shards = shards(1, RingSettings::default());
    let mut client = connect(shards.address);
    round_trip(&mut client, b"hello");
    shards.handles[0].stop_accepting();
    eventually("the listener is closed", || {
        TcpStream::connect(shards.address).is_err()
    });
    round_trip(&mut client, b"still here");
}

#[test]
fn stopping_closes_every_link_and_ends_the_shards() {
    let _shared = shared();
    let shards = shards(2, RingSettings::default());
    let mut clients: Vec<_> = (0..20).map(|_| connect(shards.address)).collect();
    for client in &mut clients {
        round_trip(client, b"hello");
    }
    shards.stop();
    for client in &mut clients {
        let mut rest = Vec::new();
        match client.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn a_tiny_ring_survives_running_out_of_buffers_and_completions() {
    let _shared = shared();
    let tiny = RingSettings {
        submissions: 4,
        completions: 8,
        buffers: 4,
        buffer_bytes: 64,
        messages_per_wakeup_max: 2,
        ..RingSettings::default()
    };
    let shards = shards(1, tiny);
    let mut clients: Vec<_> = (0..60).map(|_| connect(shards.address)).collect();
    let piece = pattern(3000);
    for _ in 0..30 {
        for client in &mut clients {
            client.write_all(&piece).expect("a send");
        }
        for client in &mut clients {
            let mut answer = vec![0; piece.len()];
            client.read_exact(&mut answer).expect("an answer");
            assert!(answer == piece, "bytes were lost or mixed up");
        }
    }
    let counters = shards.handles[0].counters();
    assert!(
        counters.buffers_exhausted.value() > 0,
        "no shortage of buffers"
    );
    assert!(counters.overflows.value() > 0, "no overflow of completions");
}

#[test]
fn connections_are_refused_near_the_descriptor_limit() {
    let _shared = shared();
    let shards = shards(
        1,
        RingSettings {
            descriptors_max: 0,
            ..RingSettings::default()
        },
    );
    let mut client = connect(shards.address);
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).expect("the end"), 0);
    let counters = shards.handles[0].counters();
    eventually("it is counted", || {
        counters.refused_descriptors.value() == 1
    });
}

fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

fn shared() -> RwLockReadGuard<'static, ()> {
    DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Tests that count the process's descriptors run alone.
static DESCRIPTORS: RwLock<()> = RwLock::new(());
