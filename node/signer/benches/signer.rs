//! What a signature costs: alone, and in groups that share one write of the marks.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a bench shares the scene of the tests"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lockstep_core::commit::Durable;
use lockstep_core::request::SigningRequest;
use lockstep_signer::ChannelSigner;
use lockstep_signer::mark::file::{MarkFile, SyncPolicy};

#[path = "../tests/it/scene.rs"]
mod scene;

/// One new version of each of `channels` channels.
fn group(channels: u8, version: u64) -> Vec<Durable<SigningRequest>> {
    (0..channels).map(|channel| scene::durable_state(channel, version, 0)).collect()
}

fn groups(criterion: &mut Criterion) {
    for (name, policy) in
        [("on_demand", SyncPolicy::OnDemand), ("every_append", SyncPolicy::EveryAppend)]
    {
        let mut bench = criterion.benchmark_group(format!("sign_group/{name}"));
        for size in [1, 8, 64] {
            let folder = tempfile::tempdir().unwrap();
            let file = MarkFile::create(&folder.path().join("marks"), policy).unwrap();
            let signer = ChannelSigner::new(scene::keys(), Default::default(), file);
            let mut version = 0;
            bench.throughput(Throughput::Elements(size.into()));
            bench.bench_function(size.to_string(), |bencher| {
                bencher.iter_batched(
                    || {
                        version += 1;
                        group(size, version)
                    },
                    |requests| black_box(signer.sign_batch(&requests)),
                    BatchSize::PerIteration,
                );
            });
        }
        bench.finish();
    }
}

fn keys(criterion: &mut Criterion) {
    let keys = scene::keys();
    let context = scene::context(1);
    criterion.bench_function("channel_key", |bencher| {
        bencher.iter(|| keys.channel_key(black_box(&context)).unwrap());
    });
}

criterion_group!(benches, groups, keys);
criterion_main!(benches);
