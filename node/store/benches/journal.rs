//! What a group costs, and what reading a record costs.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a bench that cannot run must say so"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lockstep_core::{
    commit::{self, Journal, Transition},
    ids::Side,
    record::ChannelSetup,
};
use lockstep_store::{
    convert::Stored, fixture::ChannelFixture, journal::DiskJournal, open::Options,
};

/// Steps of `size` channels to their next version.
fn next_batch(channels: &[ChannelFixture], version: &mut u64) -> Vec<Transition> {
    *version += 1;
    channels.iter().map(|channel| channel.step(*version)).collect()
}

fn commit_group(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    for size in [1_u64, 8, 64] {
        let dir = tempfile::tempdir_in(".").expect("a folder on a real disk");
        let opened = DiskJournal::open(&dir.path().join("data"), &Options::default());
        let (mut journal, _) = opened.expect("a new journal");
        let channels: Vec<_> = (0..size).map(|n| ChannelFixture::new(n, Side::Two)).collect();
        let mut version = 0;
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("group_of_{size}"), |bencher| {
            bencher.iter_batched(
                || next_batch(&channels, &mut version),
                |batch| commit::commit(&mut journal, batch).expect("a commit"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn read_record(c: &mut Criterion) {
    let dir = tempfile::tempdir_in(".").expect("a folder on a real disk");
    let opened = DiskJournal::open(&dir.path().join("data"), &Options::default());
    let (mut journal, _) = opened.expect("a new journal");
    let idle = ChannelFixture::new(1, Side::Two);
    let busy = ChannelFixture::new(2, Side::One);
    let batch = vec![idle.step(5), busy.transition(busy.busy_record(5, 64, 1_000))];
    commit::commit(&mut journal, batch).expect("a commit");
    let mut group = c.benchmark_group("decode");
    group.bench_function("read_and_check_idle_record", |bencher| {
        bencher.iter(|| journal.read(black_box(idle.id())).expect("a record"));
    });
    group.bench_function("read_and_check_busy_record", |bencher| {
        bencher.iter(|| journal.read(black_box(busy.id())).expect("a record"));
    });
    let setup = idle.parts(5, 0).setup.encode();
    group.bench_function("setup_row", |bencher| {
        bencher.iter(|| ChannelSetup::decode(black_box(&setup)).expect("a setup"));
    });
    group.finish();
}

criterion_group!(benches, commit_group, read_record);
criterion_main!(benches);
