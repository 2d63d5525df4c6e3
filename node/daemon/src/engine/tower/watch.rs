//! What the operator should know about towers: all of them gone, income that waits, money unprotected.

use crate::engine::alarms::AlarmKind;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use lockstep_core::money::Amount;
use lockstep_core::protection::TowerPolicy;
use std::sync::Arc;

/// Towers may be gone for this long before anybody is told. Units: milliseconds.
const GONE_MILLIS: u64 = 20_000;
/// Parts of a million in one.
const MILLION: u128 = 1_000_000;

/// Once a second.
pub(crate) fn look_after(shared: &Arc<Shared>) {
    let views: Vec<_> = shared.registry.all().iter().map(Handle::view).collect();
    let live: Vec<_> = views.iter().filter(|view| !view.is_settled()).collect();
    measure(shared, &live);
    watch_links(shared, &live);
    for view in live {
        watch_income(shared, view);
    }
}

fn measure(shared: &Shared, live: &[&Arc<View>]) {
    let connected = shared.towers.all().iter().filter(|(_, known)| known.is_connected).count();
    let exposed = live.iter().filter(|view| !view.shelter.unprotected.is_zero()).count();
    let waiting = live.iter().filter(|view| view.shelter.is_waiting).count();
    let worst = live.iter().map(|view| part_of_capacity(view)).max().unwrap_or_default();
    shared.metrics.towers(connected, exposed, waiting, worst);
}

/// How much of a channel is unprotected. Units: parts per million.
fn part_of_capacity(view: &View) -> u64 {
    let capacity = view.chain.deposits.total().to_u128().unwrap_or(u128::MAX);
    let unprotected = view.shelter.unprotected.to_u128().unwrap_or(u128::MAX);
    let part = unprotected.saturating_mul(MILLION).checked_div(capacity).unwrap_or_default();
    u64::try_from(part.min(MILLION)).unwrap_or_default()
}

fn watch_links(shared: &Shared, live: &[&Arc<View>]) {
    let towers = shared.towers.all();
    let now = shared.clock.now_millis();
    let is_gone = |gone_since: u64| now.saturating_sub(gone_since) >= GONE_MILLIS;
    let are_all_gone = !towers.is_empty()
        && towers.iter().all(|(_, known)| !known.is_connected && is_gone(known.gone_since_millis));
    if !are_all_gone {
        shared.alarms.clear(AlarmKind::TowersDown, None);
        return;
    }
    let stops = live.iter().any(|view| view.shelter.policy != TowerPolicy::Async);
    let what = if stops {
        "payments to this node stop once the bound of `towers.max_unprotected` is reached; payments from it go on"
    } else {
        "payments go on in both directions, as the policy `async` says, and what comes in is unprotected"
    };
    let message = format!(
        "none of {} towers can be reached: {what}. This node itself still watches and answers. `lockstep tower \
         list` says why",
        towers.len()
    );
    shared.alarm(AlarmKind::TowersDown, None, message);
}

fn watch_income(shared: &Shared, view: &View) {
    let (id, shelter) = (view.channel_id, &view.shelter);
    if shelter.is_degraded {
        let message = "too few towers have answered in time; instead of the quorum the bound of \
                       `towers.max_unprotected` holds until they do"
            .to_owned();
        shared.alarm(AlarmKind::TowerQuorumMissed, Some(id), message);
    } else {
        shared.alarms.clear(AlarmKind::TowerQuorumMissed, Some(id));
    }
    let has_stopped = shelter.is_waiting || shelter.has_declined;
    if has_stopped && shelter.unprotected > Amount::ZERO {
        let token = view.setup.terms.token;
        let message = format!(
            "payments to this node wait or are declined, since {} would be lost to an old state and no tower holds \
             the newest. Payments from it go on. Bring a tower back, add one, or raise `towers.max_unprotected`",
            shared.settings.words(token, shelter.unprotected)
        );
        shared.alarm(AlarmKind::IncomeWaits, Some(id), message);
    } else {
        shared.alarms.clear(AlarmKind::IncomeWaits, Some(id));
    }
}
