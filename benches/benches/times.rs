//! How long the hot paths take.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use okgate_benches::{Amount, Repeats, hot_paths};

fn times(criterion: &mut Criterion) {
    for path in hot_paths() {
        let (group, name) = path.name.split_once('/').expect("a name has a group");
        let mut group = criterion.benchmark_group(group);
        group.throughput(match path.amount {
            Amount::Bytes(bytes) => Throughput::Bytes(bytes),
            Amount::Elements(elements) => Throughput::Elements(elements),
        });
        group.bench_function(name, |bencher| match path.repeats {
            Repeats::Always => bencher.iter((path.set_up)()),
            Repeats::Once => {
                bencher.iter_batched_ref(path.set_up, |step| step(), BatchSize::SmallInput);
            }
        });
    }
}

criterion_group!(benches, times);
criterion_main!(benches);
