//! Reading messages: the first look, the fields, and whole requests.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use okgate_core::protocol::{BodyReader, Method, peek, read_user_request};

/// A `ping` as browser libraries send it, 147 bytes.
fn short_message() -> Vec<u8> {
    let message = br#"["ping",{"qid":"EFD478CE-C7D9-4103-91D8-1BAC7528AC49","userlogin":"admin","userid":"1bac7528-c7d9-4103-91d8-efd478ceac49","timestamp":14285714285}]"#;
    assert_eq!(message.len(), 147);
    message.to_vec()
}

/// An answer with a list of numbers, a little over 4 KiB.
fn long_message() -> Vec<u8> {
    let mut message = String::from(r#"["getpbxnumbersresult",{"qid":"0.8231475","numbers":["#);
    let mut number = 100;
    while message.len() < 4096 {
        let comma = if number == 100 { "" } else { "," };
        let row = format!(
            r#"{comma}{{"id":"1bac7528-c7d9-4103-91d8-efd478ce{number:04}","number":"{number}","caption":"Отдел продаж","type":0,"state":1,"isgroup":false}}"#
        );
        message.push_str(&row);
        number += 1;
    }
    message += "]}]";
    message.into_bytes()
}

fn first_look(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peek");
    for message in [short_message(), long_message()] {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(message.len()), |bencher| {
            bencher.iter(|| peek(black_box(&message)).expect("a message").name.len());
        });
    }
    group.finish();
}

fn fields(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body");
    for message in [short_message(), long_message()] {
        let range = peek(&message).expect("a message").fields_range;
        let mut reader = BodyReader::new();
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(message.len()), |bencher| {
            bencher.iter_batched_ref(
                || message[range.clone()].to_vec(),
                |fields| reader.read(fields, |body| body.text("qid").is_ok()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut reader = BodyReader::new();
    let mut group = criterion.benchmark_group("request");
    for (name, message) in [
        (
            "getversion",
            &br#"["getversion",{"qid":"0.82314752938475","showalloweddbstoredprocs":1}]"#[..],
        ),
        (
            "setuserstate",
            br#"["setuserstate",{"qid":"0.82314752938475","userstateid":"2","lunchreasonid":1}]"#,
        ),
        (
            "getcurrentqueue",
            br#"["getcurrentqueue",{"qid":"0.82314752938475"}]"#,
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || message.to_vec(),
                |message| {
                    let peek = peek(message).expect("a message");
                    let (method, range) = (Method::named(peek.name), peek.fields_range);
                    read_user_request(method, &mut message[range], &mut reader)
                        .expect("a request for the hub")
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, first_look, fields, requests);
criterion_main!(benches);
