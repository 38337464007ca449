//! Messages through a whole shard and the hub: bytes in, bytes out, without sockets.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use okgate_benches::{Gateway, OPENING, frames, login_frame};

/// Users of the gateway.
const USERS: u32 = 100;

/// Messages that one read brings.
const BATCH: usize = 16;

/// A `ping` as browser libraries send it, 147 bytes.
const PING: &str = r#"["ping",{"qid":"EFD478CE-C7D9-4103-91D8-1BAC7528AC49","userlogin":"admin","userid":"1bac7528-c7d9-4103-91d8-efd478ceac49","timestamp":14285714285}]"#;

/// Each of a user's tabs gets the events of the user's state.
const TABS: usize = 1000;

fn answers(criterion: &mut Criterion) {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.tab("user1");
    let mut group = criterion.benchmark_group("gateway");
    for (name, message, count) in [
        ("ping", PING, 1),
        ("ping_batch", PING, BATCH),
        ("getuserstate", r#"["getuserstate",{"qid":"1"}]"#, 1),
        (
            "getextendedlineinfo",
            r#"["getextendedlineinfo",{"qid":"1"}]"#,
            1,
        ),
    ] {
        let mut bytes = frames(&vec![message; count]);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| gateway.receive(link, &mut bytes));
        });
    }
    let mut opening = frames(&OPENING);
    let sent = gateway.receive(link, &mut opening);
    assert!(sent > 30_000, "only {sent} bytes went out");
    // Reading a message in place leaves it as it was.
    assert_eq!(gateway.receive(link, &mut opening), sent);
    group.throughput(Throughput::Elements(OPENING.len() as u64));
    group.bench_function("opening", |bencher| {
        bencher.iter(|| gateway.receive(link, &mut opening));
    });
    group.finish();
}

fn login(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gateway");
    group.bench_function("connect_and_log_in", |bencher| {
        bencher.iter_batched_ref(
            || (Gateway::new(USERS), login_frame("user1")),
            |(gateway, _)| gateway.tab("user1"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Two states in turn, so that each request is a change; its answer and the events
/// go out in one batch.
fn fan_out(criterion: &mut Criterion) {
    let mut gateway = Gateway::new(USERS);
    let link = gateway.tab("user1");
    for _ in 1..TABS {
        gateway.tab("user1");
    }
    let break_and_back = [3, 1].map(|state| {
        frames(&[&format!(
            r#"["setuserstate",{{"qid":"1","userstateid":{state}}}]"#
        )])
    });
    let sent = gateway.receive(link, &mut break_and_back[0].clone());
    assert!(sent > TABS * 100, "only {sent} bytes went out");
    gateway.receive(link, &mut break_and_back[1].clone());
    let mut turns = break_and_back.into_iter().cycle();
    let mut group = criterion.benchmark_group("gateway");
    group.throughput(Throughput::Elements(TABS as u64));
    group.bench_function("event_to_1000_tabs", |bencher| {
        bencher.iter_batched_ref(
            || turns.next().expect("they go round"),
            |bytes| gateway.receive(link, bytes),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, answers, login, fan_out);
criterion_main!(benches);
