//! What one payment and one state cost: digest, sign, verify, and `handle` of batches.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]
#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, missing_docs)]

#[allow(dead_code, unreachable_pub, clippy::default_trait_access)]
#[path = "../tests/it/kit.rs"]
mod kit;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kit::{DOMAIN, Pair, pay, sign, signer_key};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::Side;
use lockstep_core::input::{Command, Input};
use std::hint::black_box;

fn primitives(criterion: &mut Criterion) {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let state = pair.one.channel.parts().in_flight[0].state;
    let domain = SigningDomain::new(DOMAIN);
    let digest = domain.state(&state);
    let signature = sign(Side::One, digest);
    let key = signer_key(Side::One);
    criterion.bench_function("digest", |bench| bench.iter(|| domain.state(black_box(&state))));
    criterion.bench_function("sign", |bench| {
        bench.iter(|| sign(Side::One, black_box(digest)));
    });
    criterion.bench_function("verify", |bench| {
        bench.iter(|| key.verify(black_box(digest), signature).unwrap());
    });
}

fn handle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handle");
    for size in [1usize, 100, 1_000] {
        group.throughput(Throughput::Elements(u64::try_from(size).unwrap()));
        let order = Input::Command(Command::Update(vec![pay(1); size]));
        let pair = Pair::open();
        group.bench_with_input(BenchmarkId::new("propose", size), &order, |bench, order| {
            bench.iter(|| pair.one.channel.handle(black_box(order.clone())).unwrap());
        });
        let mut pair = Pair::open();
        pair.one.input(order).unwrap();
        let proposal = Input::Peer(pair.one.outbox.pop_front().unwrap());
        group.bench_with_input(BenchmarkId::new("accept", size), &proposal, |bench, proposal| {
            bench.iter(|| pair.two.channel.handle(black_box(proposal.clone())).unwrap());
        });
        pair.two.input(proposal).unwrap();
        let answer = Input::Peer(pair.two.outbox.pop_front().unwrap());
        group.bench_with_input(BenchmarkId::new("accepted", size), &answer, |bench, answer| {
            bench.iter(|| pair.one.channel.handle(black_box(answer.clone())).unwrap());
        });
        let mut pair = Pair::open();
        pair.two.command(Command::Update(vec![pay(1); size])).unwrap();
        let intent = Input::Peer(pair.two.outbox.pop_front().unwrap());
        group.bench_with_input(BenchmarkId::new("intent", size), &intent, |bench, intent| {
            bench.iter(|| pair.one.channel.handle(black_box(intent.clone())).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, primitives, handle);
criterion_main!(benches);
