//! What runs beside the ring: HTTP servers, streams, task mailboxes, signals
//! and the watchdog.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use okgate::runtime::{
    Clock, ExecutorSettings, HttpLimits, ShardMain, Signal, Stream, Watchdog, cores, resolve,
    serve_http, signals, sleep, spawn, start, task_mailbox, timeout,
};
use support::{beside_a_ring, eventually, free_listener};

async fn greet(request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
    assert!(peer.ip().is_loopback());
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("the body");
    let answer = format!("{path}:{}", body.to_bytes().len());
    Response::new(Full::new(Bytes::from(answer)))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    let deadline = Some(Duration::from_secs(10));
    stream.set_read_timeout(deadline).expect("an option");
    stream
}

#[test]
fn http_requests_are_answered_on_one_connection() {
    let (listener, address) = free_listener();
    let client = thread::spawn(move || {
        let mut stream = connect(address);
        let mut text = String::new();
        for path in ["/one", "/two"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
            stream.write_all(head.as_bytes()).expect("a send");
        }
        let last = "GET /three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(last.as_bytes()).expect("a send");
        stream.read_to_string(&mut text).expect("the answers");
        text
    });
    let text = beside_a_ring(move |_| async move {
        let server = spawn(serve_http(listener, HttpLimits::default(), greet));
        while !client.is_finished() {
            sleep(Duration::from_millis(1)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        }
        drop(server);
        client.join().expect("the client")
    });
    for answer in ["/one:3", "/two:3", "/three:0"] {
        assert!(text.contains(answer), "{text}");
    }
}

#[test]
fn an_http_client_that_does_not_finish_its_request_is_let_go() {
    let (listener, address) = free_listener();
    let limits = HttpLimits {
        head_timeout: Duration::from_millis(100),
        ..HttpLimits::default()
    };
    let client = thread::spawn(move || {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("a send");
        let mut rest = Vec::new();
        // Closing with unread bytes resets the connection: both ends are one.
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let rest = beside_a_ring(move |_| async move {
        let server = spawn(serve_http(listener, limits, greet));
        while !client.is_finished() {
            sleep(Duration::from_millis(1)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        }
        drop(server);
        client.join().expect("the client")
    });
    assert!(rest.is_empty());
}

#[test]
fn a_long_http_answer_is_not_cut_by_the_time_out_for_heads() {
    let (listener, address) = free_listener();
    let limits = HttpLimits {
        head_timeout: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let client = thread::spawn(move || {
        let mut stream = connect(address);
        let head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(head).expect("a send");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the answer");
        text
    });
    let text = beside_a_ring(move |_| async move {
        let slow = |_request, _peer| async {
            sleep(Duration::from_millis(300)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
            Response::new(Full::new(Bytes::from_static(b"late")))
        };
        let server = spawn(serve_http(listener, limits, slow));
        while !client.is_finished() {
            sleep(Duration::from_millis(1)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        }
        drop(server);
        client.join().expect("the client")
    });
    assert!(text.ends_with("late"), "{text}");
}

#[test]
fn the_halves_of_a_stream_read_and_write_at_once() {
    let (listener, address) = free_listener();
    let echo = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the connection");
        let mut reader = stream.try_clone().expect("a second handle");
        std::io::copy(&mut reader, &mut stream).expect("an echo");
    });
    let received = beside_a_ring(move |_| async move {
        let stream = Stream::connect(address, Duration::from_secs(5)).await;
        let (mut reader, mut writer) = stream.expect("a connection").split();
        spawn(async move {
            writer.write_all(&vec![7; 8 << 20]).await.expect("a send");
            writer.shutdown().await.expect("a half-close");
        })
        .detach();
        let (mut buffer, mut received) = (vec![0; 64 << 10], 0);
        loop {
            match reader.read(&mut buffer).await.expect("bytes") {
                0 => return received,
                count => received += count,
            }
        }
    });
    assert_eq!(received, 8 << 20);
    drop(echo);
}

#[test]
fn a_connection_that_nobody_accepts_fails_in_time() {
    let (listener, address) = free_listener();
    drop(listener);
    let refused = beside_a_ring(move |_| async move {
        let stream = Stream::connect(address, Duration::from_secs(5)).await;
        stream.expect_err("nobody listens").kind()
    });
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn names_are_resolved_beside_the_shard() {
    let addresses = beside_a_ring(|_| async { resolve("localhost:8045").await.expect("a name") });
    assert!(addresses.iter().all(|address| address.port() == 8045));
    assert!(!addresses.is_empty());
}

#[test]
fn a_time_out_ends_what_takes_too_long() {
    let results = beside_a_ring(|_| async {
        let slow = timeout(Duration::from_millis(10), sleep(Duration::from_secs(60))).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        let quick = timeout(Duration::from_secs(60), async { 7 }).await;
        (slow, quick)
    });
    assert_eq!(results, (None, Some(7)));
}

#[test]
fn a_task_gets_messages_of_other_threads_soon() {
    let slowest = beside_a_ring(|shard| async move {
        let (mailbox, inbox) = task_mailbox::<Instant>(16, shard.waker());
        let (go, went) = mpsc::channel::<()>();
        thread::spawn(move || {
            while went.recv().is_ok() {
                mailbox.send(Instant::now()).expect("room");
            }
        });
        let mut slowest = Duration::ZERO;
        for pause in (0..40).map(|number| Duration::from_micros(number % 4 * 400)) {
            sleep(pause).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
            go.send(()).expect("the thread waits");
            let sent = inbox.receive().await.expect("a message");
            slowest = slowest.max(sent.elapsed());
        }
        slowest
    });
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
}

#[test]
fn signals_become_messages() {
    let signal = beside_a_ring(|shard| async move {
        let (_source, inbox) = signals(shard.waker()).expect("a signal handler");
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).expect("a signal");
        inbox.receive().await
    });
    assert_eq!(signal, Some(Signal::Reload));
}

#[test]
fn the_watchdog_notices_a_shard_that_is_stuck() {
    let stalls = beside_a_ring(|shard| async move {
        let patience = Duration::from_secs(1);
        let watchdog = Watchdog::start(vec![shard.clone()], patience).expect("a thread");
        let progress = shard.counters().progress.value();
        while shard.counters().progress.value() < progress + 3 {
            sleep(Duration::from_millis(50)).await; // check-text: allow sleep: gives a task of the runtime its time, which is under test
        }
        let calm = shard.counters().stalls();
        // Blocks the shard's thread, as a task must not.
        eventually("the stall is seen", || shard.counters().stalls() > calm);
        drop(watchdog);
        (calm, shard.counters().stalls())
    });
    assert_eq!(stalls, (0, 1));
}

#[test]
fn a_panic_on_a_shard_is_reported_with_its_text() {
    let main: ShardMain = Box::new(|_| Box::pin(async { panic!("a broken invariant") }));
    let settings = ExecutorSettings::new(Clock::start());
    let cores = cores(1).expect("a core");
    let executors = start(settings, &cores, vec![main]).expect("an executor");
    let failure = executors.join().expect_err("a failure");
    assert_eq!(failure.shard, 0);
    assert!(failure.reason.contains("a broken invariant"), "{failure}");
}
