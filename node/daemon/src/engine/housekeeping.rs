//! What has to be done from time to time: ticks for drivers, contacts to look for, balances to look at, names to
//! forget.

use crate::engine::alarms::{self, chain::Now};
use crate::engine::event::{Barrier, Event};
use crate::engine::figures;
use crate::engine::lock;
use crate::engine::retire;
use crate::engine::shared::{Holding, Shared};
use crate::engine::tower;
use lockstep_core::ids::AccountRef;
use lockstep_core::input::Command;
use lockstep_core::output::Notice;
use lockstep_core::record::{OpeningStage, Phase};
use lockstep_store::feed::{self, Count};
use lockstep_store::write_set::WriteSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often drivers are told that time passes.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at our balances on the chain.
const BALANCE_TICKS: u64 = 5;
/// Ticks between two looks for names that are forgotten.
const FORGET_TICKS: u64 = 600;
/// Names that are forgotten in one group.
const FORGET_BATCH: usize = 1_000;
/// Ticks between two looks for settled channels that were kept long enough.
const RETIRE_TICKS: u64 = 10;
/// Ticks between two lines about a node that signs nothing more.
const REMIND_TICKS: u64 = 60;
/// How long an offer of ours stands, in one run of the node. Units: milliseconds.
const OFFER_MILLIS: u64 = 24 * 3_600 * 1_000;
/// Events that are read at a time when charges of a former run are settled.
const CHARGE_PAGE: usize = 1_000;

/// Runs until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    look_for_peers(&shared).await;
    // Beside the ticks, which must not wait for a long history or for a slow endpoint (P65).
    let settling = Arc::clone(&shared);
    tokio::spawn(async move { settle_charges(&settling).await });
    let (is_looking, is_retiring) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let mut ticks: u64 = 0;
    while !shared.sleep_or_stop(TICK).await {
        ticks = ticks.wrapping_add(1);
        let now = shared.clock.engine_time();
        for handle in shared.registry.all() {
            if handle.view().is_connected {
                handle.nudge(Event::Tick(now));
            }
        }
        clear_alarms(&shared);
        figures::show(&shared);
        tower::look_after(&shared);
        if ticks.checked_rem(BALANCE_TICKS) == Some(1) {
            let shared = Arc::clone(&shared);
            spawn_round(&is_looking, || async move { look_at_balances(&shared).await });
        }
        if ticks.checked_rem(RETIRE_TICKS) == Some(1) {
            let shared = Arc::clone(&shared);
            spawn_round(&is_retiring, || async move { retire::look(&shared).await });
        }
        if ticks.checked_rem(REMIND_TICKS) == Some(1) {
            remind(&shared);
        }
        if ticks.checked_rem(FORGET_TICKS) == Some(1) {
            forget_names(&shared).await;
            take_back_old_offers(&shared);
            drop_what_never_was(&shared).await;
        }
    }
}

/// Does something beside the ticks, unless its last round goes on still.
fn spawn_round<F: Future<Output = ()> + Send + 'static>(
    is_under_way: &Arc<AtomicBool>,
    round: impl FnOnce() -> F,
) {
    if is_under_way.swap(true, Ordering::SeqCst) {
        return;
    }
    let (is_under_way, round) = (Arc::clone(is_under_way), round());
    tokio::spawn(async move {
        round.await;
        is_under_way.store(false, Ordering::SeqCst);
    });
}

/// A node that signs nothing more needs its operator: said again and again, and to the service manager.
fn remind(shared: &Shared) {
    if !shared.is_signing_stopped() {
        return;
    }
    tracing::error!("this node signs nothing more; `lockstep status` says why");
    let status = "signs nothing more: look at its alarms with `lockstep status`";
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Status(status)]) {
        tracing::debug!(error = %error, "the service manager was not told");
    }
}

/// Our offers that nobody has answered for a day: a consent that comes months later would still cost our deposit.
fn take_back_old_offers(shared: &Shared) {
    let now_millis = shared.clock.now_millis();
    for handle in shared.registry.all() {
        let since_millis = *handle.since_millis.get_or_init(|| now_millis);
        if has_stood_too_long(&handle.view().phase, since_millis, now_millis) {
            let (answer, _) = oneshot::channel();
            handle.nudge(Event::Order(Command::CancelOpen, answer));
        }
    }
}

/// Only what nobody has answered: what is agreed to ends with the consent.
fn has_stood_too_long(phase: &Phase, since_millis: u64, now_millis: u64) -> bool {
    let is_unanswered = *phase == Phase::Opening(OpeningStage::Requested);
    is_unanswered && now_millis.saturating_sub(since_millis) > OFFER_MILLIS
}

/// Channels that were never opened and can't be any more are no longer followed. Settled ones stay to be looked at.
async fn drop_what_never_was(shared: &Arc<Shared>) {
    for handle in shared.registry.all() {
        let view = handle.view();
        if !view.is_over || view.is_settled() {
            continue;
        }
        let channel_id = handle.channel_id;
        let (barrier, wait) = Barrier::new();
        handle.urge(Event::Stop(barrier)).await;
        if !wait.wait().await {
            continue;
        }
        tracing::info!(%channel_id, "a channel that never was is dropped");
        shared.registry.remove(channel_id);
        if let Err(failure) = retire::remove(shared, channel_id).await {
            tracing::debug!(%channel_id, error = %failure, "its record goes with the next start");
        }
    }
}

/// Contacts with channels that live are looked for until they are found; the others may come to us.
async fn look_for_peers(shared: &Arc<Shared>) {
    for known in shared.peers.all() {
        let is_needed = shared.registry.live_with(&known.contact.node_id) > 0;
        if is_needed && !known.contact.addresses.is_empty() {
            let (network, contact) = (shared.network.clone(), known.contact);
            tokio::spawn(async move {
                if let Err(error) = network.connect(contact).await {
                    tracing::debug!(error = %error, "a counterparty is not there yet");
                }
            });
        } else if let Err(error) = shared.network.register(known.contact).await {
            tracing::warn!(error = %error, "a contact is not registered");
        }
    }
}

/// What the chain side is no longer alarmed of is over.
fn clear_alarms(shared: &Shared) {
    let status = shared.chain.status();
    let owed: Vec<_> = status.owed.iter().map(|obligation| *obligation.key()).collect();
    let now = Now {
        standing: &status.standing,
        owed: &owed,
        is_blind: shared.chain.is_blind(),
        is_following: status.is_following,
    };
    let now_secs = shared.clock.unix_secs();
    shared.alarms.retain(now_secs, |cause, age| alarms::chain::stands(cause, age, &now));
}

/// What our accounts hold, for `status`, which asks nobody.
async fn look_at_balances(shared: &Arc<Shared>) {
    let block_number = shared.chain.status().head.map(|head| head.number.0);
    let mut holdings = Vec::new();
    for account in &shared.accounts {
        for asset in &shared.settings.assets {
            let AccountRef::Evm(token) = asset.token.0 else { continue };
            let is_coin = token.is_zero();
            let asked = (!is_coin).then_some(token);
            let (Ok(balance), Ok(credit)) = (
                shared.chain.balance(*account, asked).await,
                shared.chain.credit(*account, asked).await,
            ) else {
                continue;
            };
            let account = *account;
            holdings.push(Holding { account, token, balance, credit, block_number });
        }
    }
    if !holdings.is_empty() {
        *lock(&shared.holdings) = holdings;
    }
}

async fn forget_names(shared: &Arc<Shared>) {
    let mut names = shared.ledger.expired(shared.clock.unix_secs());
    names.truncate(FORGET_BATCH);
    if names.is_empty() {
        return;
    }
    let mut set = WriteSet::default();
    for name in &names {
        set.remove_request(*name);
    }
    match shared.journal.write(set).await {
        Ok(()) => shared.ledger.forget(&names),
        Err(error) => tracing::debug!(error = %error, "old names are not forgotten yet"),
    }
}

/// Charges of a former run whose payment has ended since: the run may have died in between.
async fn settle_charges(shared: &Arc<Shared>) {
    let mut open = shared.ledger.charges();
    let mut from = 0_u64;
    while !open.is_empty() {
        let page = shared
            .journal
            .look(move |journal| feed::read(journal.engine(), Count::Payments, from, CHARGE_PAGE));
        let Ok(Ok(page)) = page.await else { return };
        let Some(last) = page.last() else { return };
        from = last.index.saturating_add(1);
        for entry in &page {
            let (id, has_failed) = if let Notice::Applied { id, .. } = &entry.notice {
                (*id, false)
            } else if let Notice::Failed { id, .. } = &entry.notice {
                (*id, true)
            } else {
                continue;
            };
            let side = shared.registry.get(entry.channel_id).map(|handle| handle.view().side());
            if side != Some(id.payer) {
                continue;
            }
            let is_meant = |charge: &lockstep_store::request::Charge| {
                charge.channel_id == id.channel_id && charge.sequence == id.sequence
            };
            if let Some(place) = open.iter().position(is_meant) {
                let charge = open.swap_remove(place);
                shared.ledger.settle(&shared.journal, charge, has_failed).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn an_offer_that_nobody_answers_stands_for_a_day_and_what_is_agreed_to_is_left_alone() {
        let day = 24 * 3_600 * 1_000;
        let offered = Phase::Opening(OpeningStage::Requested);
        for (phase, now, is_over) in [
            (&offered, 5 + day, false),
            (&offered, 5 + day + 1, true),
            // A clock that was set back makes nothing older.
            (&offered, 0, false),
            (&Phase::Opening(OpeningStage::Rejected), 5 + 9 * day, false),
            (&Phase::Funding { consent: None }, 5 + 9 * day, false),
            (&Phase::Open, 5 + 9 * day, false),
        ] {
            assert_eq!(has_stood_too_long(phase, 5, now), is_over, "{phase:?} at {now}");
        }
    }

    #[tokio::test]
    async fn p65_a_round_that_hangs_holds_up_nobody_and_is_not_begun_twice() {
        let (is_under_way, begun) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (release, held) = oneshot::channel::<()>();
        let mut held = Some(held);
        for _ in 0..3 {
            let (begun, held) = (Arc::clone(&begun), held.take());
            spawn_round(&is_under_way, || async move {
                begun.fetch_add(1, Ordering::SeqCst);
                if let Some(held) = held {
                    held.await.unwrap();
                }
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        release.send(()).unwrap();
        while is_under_way.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        let again = Arc::clone(&begun);
        spawn_round(&is_under_way, || async move {
            again.fetch_add(1, Ordering::SeqCst);
        });
        while is_under_way.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
