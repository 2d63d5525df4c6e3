//! What is not counted when it happens but looked at each second: how much there is of it now.

use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::metrics::ChainFigures;
use lockstep_core::chain::Obligation;
use lockstep_core::record::Phase;

/// Shows everything as it is now.
pub(crate) fn show(shared: &Shared) {
    let metrics = &shared.metrics;
    metrics.connected(shared.peers.connected());
    metrics.journal_waiting(shared.journal.waiting());
    metrics.alarms(shared.alarms.counts());
    metrics.chain(chain(shared));
    let waiting: Vec<_> = shared.registry.all().iter().map(Handle::waiting).collect();
    let urgent = waiting.iter().map(|(urgent, _)| *urgent).max();
    let normal = waiting.iter().map(|(_, normal)| *normal).max();
    metrics.queues(urgent.unwrap_or_default(), normal.unwrap_or_default());
    count_channels(shared);
}

/// Before the first block is known, the head is as old as the node.
fn chain(shared: &Shared) -> ChainFigures {
    let status = shared.chain.status();
    let since = status.head.map_or(shared.started_secs, |head| head.timestamp.0);
    let fees = status.owed.iter().map(Obligation::highest_fee_per_gas);
    ChainFigures {
        endpoints: status.endpoints.len(),
        healthy: status.endpoints.iter().filter(|endpoint| endpoint.is_healthy).count(),
        head_age_secs: shared.clock.unix_secs().saturating_sub(since),
        owed: status.owed.len(),
        owed_fee: fees.max().unwrap_or_default(),
    }
}

fn count_channels(shared: &Shared) {
    let mut counts = [0_i64; 6];
    for handle in shared.registry.all() {
        let place = match handle.view().phase {
            Phase::Opening(_) => 0,
            Phase::Funding { .. } => 1,
            Phase::Open => 2,
            Phase::Closing(_) => 3,
            Phase::Disputed(_) => 4,
            Phase::Settled(_) => 5_usize,
        };
        if let Some(count) = counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }
    shared.metrics.channels(counts);
}
