//! The proxy before plain TCP servers: each fault does what it says, and nothing else.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;

/// Everything that must come comes within this time.
const SOON: Duration = Duration::from_secs(20);
/// What must not come is waited for so long.
const QUIET: Duration = Duration::from_millis(300);

/// An echo server with a proxy before it.
async fn echo(plan: Plan) -> FaultProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // It ends with an error where the connection is broken.
                let _end = tokio::io::copy(&mut read, &mut write).await;
                let _gone = write.shutdown().await;
            });
        }
    });
    proxy(address, plan)
}

fn proxy(address: SocketAddr, plan: Plan) -> FaultProxy {
    FaultProxy::start(FaultOptions::before(address, 1, plan)).unwrap()
}

/// Both ends of a connection through a proxy with this plan.
async fn pair(plan: Plan) -> (FaultProxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy(listener.local_addr().unwrap(), plan);
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let (server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    server.set_nodelay(true).unwrap();
    (proxy, client, server)
}

fn plan(text: &str) -> Plan {
    Plan::from_toml(text).unwrap()
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..=250).cycle().take(bytes).collect()
}

/// Sends this and reads it back.
async fn there_and_back(proxy: &FaultProxy, bytes: usize) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let sent = pattern(bytes);
    let mut received = Vec::new();
    let (mut read, mut write) = stream.split();
    let sending = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let all = async { tokio::join!(sending, read.read_to_end(&mut received)) };
    let ((), end) = timeout(SOON, all).await.unwrap();
    end.unwrap();
    assert!(received == sent, "{} of {bytes} bytes", received.len());
    started.elapsed()
}

/// Reads to the end of the stream, or to the error that ends it.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap();
    (bytes, end.err().map(|error| error.kind()))
}

/// The record of the next connection that is over.
async fn record(reader: &mut Reader<FaultRecord>) -> FaultRecord {
    reader.next(SOON).await.unwrap().as_ref().clone()
}

async fn is_quiet(stream: &mut TcpStream) -> bool {
    timeout(QUIET, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn without_faults_every_byte_and_both_ends_of_the_stream_come_through() {
    let proxy = echo(Plan::none()).await;
    let mut records = proxy.records();
    there_and_back(&proxy, 3 << 20).await;
    let record = record(&mut records).await;
    assert_eq!((record.end, record.up_bytes), (End::Closed, 3 << 20));
    assert_eq!((record.down_bytes, record.faults), (3 << 20, vec![]));
}

#[tokio::test]
async fn shaped_bytes_come_whole_in_their_order_and_as_late_as_told() {
    for (text, bytes, least_ms) in [
        ("[[fault]]\nkind = \"delay\"\ndelay_ms = 60", 100_000, 120),
        (
            "[[fault]]\nkind = \"delay\"\ndelay_ms = 60\ndirection = \"down\"",
            1000,
            60,
        ),
        (
            "[[fault]]\nkind = \"jitter\"\njitter_ms = [20, 40]",
            300_000,
            0,
        ),
        (
            "[[fault]]\nkind = \"bandwidth\"\nbytes_per_s = 40_000\ndirection = \"up\"",
            20_000,
            400,
        ),
        ("[[fault]]\nkind = \"byte-by-byte\"\npause_ms = 0", 5_000, 0),
        (
            "[[fault]]\nkind = \"byte-by-byte\"\npause_ms = 2\ndirection = \"up\"",
            100,
            190,
        ),
    ] {
        let proxy = echo(plan(text)).await;
        let took = there_and_back(&proxy, bytes).await;
        assert!(took >= Duration::from_millis(least_ms), "{text}: {took:?}");
        assert_eq!(proxy.counts().faults.values().sum::<u64>(), 1, "{text}");
    }
}

#[tokio::test]
async fn byte_by_byte_each_read_gets_one_byte() {
    let text = "[[fault]]\nkind = \"byte-by-byte\"\npause_ms = 3\n";
    let (_proxy, mut client, mut server) = pair(plan(text)).await;
    client.write_all(&pattern(50)).await.unwrap();
    let mut reads = Vec::new();
    while reads.iter().sum::<usize>() < 50 {
        let mut buffer = [0; 50];
        let read = timeout(SOON, server.read(&mut buffer)).await.unwrap();
        reads.push(read.unwrap());
    }
    // A reader that is held up itself may find some together.
    assert!(reads.len() >= 25, "{reads:?}");
}

#[tokio::test]
async fn a_cut_after_bytes_lets_exactly_these_through_and_ends_both_sides_in_order() {
    let text = "[[fault]]\nkind = \"cut\"\nafter_bytes = 700\ndirection = \"up\"\n";
    let (proxy, mut client, mut server) = pair(plan(text)).await;
    let mut records = proxy.records();
    server.write_all(&pattern(5000)).await.unwrap();
    let mut downwards = vec![0; 5000];
    client.read_exact(&mut downwards).await.unwrap();
    client.write_all(&pattern(1000)).await.unwrap();
    assert_eq!(rest(&mut server).await, (pattern(700), None));
    assert_eq!(rest(&mut client).await, (vec![], None));
    drop((client, server));
    let record = record(&mut records).await;
    assert_eq!((record.end, record.up_bytes), (End::Cut, 700));
    assert_eq!(proxy.counts().faults[&Kind::Cut], 1);
}

#[tokio::test]
async fn a_cut_after_time_comes_in_the_middle_of_what_is_sent_next() {
    let text = "[[fault]]\nkind = \"cut\"\nafter_ms = 100\n";
    let (_proxy, mut client, mut server) = pair(plan(text)).await;
    assert!(is_quiet(&mut server).await);
    client.write_all(&pattern(1000)).await.unwrap();
    let (received, end) = rest(&mut server).await;
    assert!(received.len() < 1000, "{}", received.len());
    assert_eq!(
        (&received[..], end),
        (&pattern(1000)[..received.len()], None)
    );
    assert_eq!(rest(&mut client).await, (vec![], None));
}

#[tokio::test]
async fn a_reset_is_a_reset_on_both_sides() {
    let text = "[[fault]]\nkind = \"reset\"\nafter_bytes = 10\ndirection = \"down\"\n";
    let (proxy, mut client, mut server) = pair(plan(text)).await;
    let mut records = proxy.records();
    server.write_all(&pattern(20)).await.unwrap();
    let reset = Some(ErrorKind::ConnectionReset);
    let (received, end) = rest(&mut client).await;
    // A reset throws away what was not read yet.
    assert!(received.len() <= 10, "{received:?}");
    assert_eq!(end, reset);
    assert_eq!(rest(&mut server).await, (vec![], reset));
    assert_eq!(record(&mut records).await.end, End::Reset);
}

#[tokio::test]
async fn half_open_connections_say_nothing_and_stay_open_until_their_time_is_over() {
    let text =
        "[[fault]]\nkind = \"half-open\"\nafter_bytes = 10\nlasts_ms = 1500\ndirection = \"up\"\n";
    let (proxy, mut client, mut server) = pair(plan(text)).await;
    let mut records = proxy.records();
    client.write_all(&pattern(20)).await.unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).await.unwrap();
    assert!(is_quiet(&mut server).await);
    // The other way is as before.
    server.write_all(&pattern(5)).await.unwrap();
    let mut heard = [0; 5];
    client.read_exact(&mut heard).await.unwrap();
    let reset = Some(ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut server).await, (vec![], reset));
    assert_eq!(rest(&mut client).await, (vec![], reset));
    let record = record(&mut records).await;
    assert_eq!((record.end, record.server_left), (End::HalfOpen, false));
    assert!(record.lasted_ms >= 1500, "{record}");
    assert_eq!(proxy.counts().unnoticed, 1);
}

#[tokio::test]
async fn who_leaves_a_half_open_connection_does_not_tell_the_other() {
    let text = "[[fault]]\nkind = \"half-open\"\nafter_ms = 0\nlasts_ms = 60_000\n";
    let (proxy, client, mut server) = pair(plan(text)).await;
    let mut records = proxy.records();
    drop(client);
    assert!(is_quiet(&mut server).await);
    assert_eq!(proxy.open(), [1]);
    drop(server);
    let record = record(&mut records).await;
    assert_eq!(record.end, End::HalfOpen);
    assert!(record.client_left && record.server_left);
    assert_eq!((proxy.open(), proxy.counts().unnoticed), (vec![], 0));
}

#[tokio::test]
async fn the_same_seed_does_the_same_to_the_same_connections() {
    let story = async |seed| {
        let first = echo(Plan::none()).await;
        let mut options = FaultOptions::before(first.address(), seed, Plan::heavy());
        options.is_armed = false;
        let proxy = FaultProxy::start(options).unwrap();
        let mut records = proxy.records();
        let mut faults = Vec::new();
        for _ in 0..20 {
            there_and_back(&proxy, 10).await;
            faults.push(record(&mut records).await.faults);
        }
        faults
    };
    let first = story(5).await;
    assert_eq!(first, story(5).await);
    assert_ne!(first, story(6).await);
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_its_sender_and_little_is_kept() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let slow = "[[fault]]\nkind = \"delay\"\ndelay_ms = 1\n";
    let proxy = proxy(listener.local_addr().unwrap(), plan(slow));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();
    let mut client = socket.connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut sent = 0;
    let chunk = pattern(16 << 10);
    while let Ok(written) = timeout(QUIET, client.write(&chunk)).await {
        sent += written.unwrap();
        assert!(sent < 4 << 20, "the proxy takes without end");
    }
    // Once it reads again everything comes.
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await.0.len(), sent);
}

#[tokio::test]
async fn chosen_connections_are_cut_reset_and_stalled_and_the_others_are_left_alone() {
    let proxy = echo(Plan::none()).await;
    let mut streams = Vec::new();
    for number in 1..=4 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_u8(number).await.unwrap();
        let echoed = timeout(SOON, stream.read_u8()).await.unwrap();
        assert_eq!(echoed.unwrap(), number);
        streams.push(stream);
    }
    assert_eq!(proxy.open(), [1, 2, 3, 4]);
    proxy.cut(&Chosen::These(vec![1]));
    proxy.reset(&Chosen::These(vec![2]));
    proxy.stall(&Chosen::These(vec![3]), Direction::Both);
    assert_eq!(rest(&mut streams[0]).await, (vec![], None));
    let reset = Some(ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut streams[1]).await, (vec![], reset));
    for stream in &mut streams[2..] {
        stream.write_u8(9).await.unwrap();
    }
    let echoed = timeout(SOON, streams[3].read_u8()).await.unwrap();
    assert_eq!(echoed.unwrap(), 9);
    assert!(is_quiet(&mut streams[2]).await);
    proxy.heal();
    let echoed = timeout(SOON, streams[2].read_u8()).await.unwrap();
    assert_eq!(echoed.unwrap(), 9);
    proxy.reset(&Chosen::All);
    assert_eq!(rest(&mut streams[3]).await, (vec![], reset));
}

#[tokio::test]
async fn faults_come_only_while_they_are_switched_on_also_to_connections_that_are_there() {
    let text = "[[fault]]\nkind = \"cut\"\nafter_bytes = 3\ndirection = \"up\"\n";
    let (proxy, mut client, mut server) = pair(plan(text)).await;
    proxy.heal();
    client.write_all(&pattern(10)).await.unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).await.unwrap();
    proxy.arm();
    client.write_all(&pattern(10)).await.unwrap();
    assert_eq!(rest(&mut server).await, (pattern(3), None));
}

#[tokio::test]
async fn who_cannot_be_connected_to_is_a_reset_for_the_one_who_connects() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = proxy(address, Plan::none());
    let mut records = proxy.records();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let reset = Some(ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut client).await, (vec![], reset));
    assert_eq!(record(&mut records).await.end, End::NotConnected);
}

#[tokio::test]
async fn a_reset_of_one_side_is_passed_on() {
    let (proxy, client, mut server) = pair(Plan::none()).await;
    let mut records = proxy.records();
    client.set_zero_linger().unwrap();
    drop(client);
    let reset = Some(ErrorKind::ConnectionReset);
    assert_eq!(rest(&mut server).await, (vec![], reset));
    assert_eq!(record(&mut records).await.end, End::ResetByPeer);
}

#[tokio::test]
async fn a_proxy_that_is_dropped_ends_its_connections_and_frees_its_address() {
    let (proxy, mut client, mut server) = pair(Plan::none()).await;
    let address = proxy.address();
    drop(proxy);
    for stream in [&mut client, &mut server] {
        assert_eq!(rest(stream).await.0, [0_u8; 0]);
    }
    TcpListener::bind(address).await.unwrap();
}
