//! A channel in the words of the API.

use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::record::{ClosingStage, OpeningStage, Phase};
use lockstep_core::terms::Features;
use lockstep_rpc::types::{Channel, ChannelPhase, CloseView, Text, Waiting};

/// A channel as a caller sees it.
pub(super) fn channel(shared: &Shared, view: &View) -> Channel {
    let side = view.side();
    let deposits = view.chain.deposits;
    let deposit = |side: Side| {
        // What was taken out beyond the deposit is no negative deposit to a caller.
        let net = u128::try_from(deposits.of(side).get()).unwrap_or_default();
        Amount::from(net)
    };
    Channel {
        channel_id: Text(view.channel_id),
        side: side.number(),
        counterparty: Text(view.setup.peer),
        is_connected: view.is_connected,
        asset: shared.settings.describe(view.setup.terms.token),
        phase: phase(&view.phase),
        frozen: view.marks.frozen.map(|reason| wording::freeze_reason(reason).to_owned()),
        restored: view.marks.restored.map(|reason| wording::restore_reason(reason).to_owned()),
        version: view.version.0,
        capacity: Text(deposits.total()),
        own_balance: Text(view.own_balance),
        spendable: Text(if view.is_payable() { view.spendable } else { Amount::ZERO }),
        counterparty_balance: Text(view.balances.of(side.other())),
        own_deposit: Text(deposit(side)),
        counterparty_deposit: Text(deposit(side.other())),
        unprotected: Text(view.unprotected()),
        pending_payments: u64::try_from(view.pending).unwrap_or(u64::MAX),
        challenge_period: view.setup.terms.challenge_period,
        close: close(view),
        settled: settled(view),
        waiting: waiting(shared, view),
        transaction: view.transaction.map(Text),
        problem: view.problem.clone(),
    }
}

fn phase(phase: &Phase) -> ChannelPhase {
    match phase {
        Phase::Opening(_) => ChannelPhase::Opening,
        Phase::Funding { .. } => ChannelPhase::Funding,
        Phase::Open => ChannelPhase::Open,
        Phase::Closing(_) => ChannelPhase::Closing,
        Phase::Disputed(_) => ChannelPhase::Disputed,
        Phase::Settled(_) => ChannelPhase::Settled,
    }
}

fn close(view: &View) -> Option<CloseView> {
    let Phase::Disputed(dispute) = &view.phase else { return None };
    let sighting = &dispute.sighting;
    Some(CloseView {
        version: sighting.point.version.0,
        closes_at: sighting.closes_at.0,
        is_ours: sighting.initiator == view.side(),
        is_stale: sighting.point.version < view.version,
    })
}

fn settled(view: &View) -> Option<(Text<Amount>, Text<Amount>)> {
    let Phase::Settled(settlement) = &view.phase else { return None };
    let (one, two) = (Text(settlement.paid1), Text(settlement.paid2));
    Some(match view.side() {
        Side::One => (one, two),
        Side::Two => (two, one),
    })
}

/// What a channel waits for, soonest first.
pub(super) fn waiting(shared: &Shared, view: &View) -> Vec<Waiting> {
    let mut all = Vec::new();
    let mut wait = |kind: &str, message: String, until: Option<u64>| {
        let channel_id = Some(Text(view.channel_id));
        all.push(Waiting { kind: kind.to_owned(), message, channel_id, until });
    };
    match &view.phase {
        Phase::Opening(OpeningStage::Requested) => {
            wait("peer", "the counterparty has not agreed to the channel yet".to_owned(), None);
        }
        Phase::Opening(OpeningStage::Rejected) => {}
        Phase::Funding { consent } => {
            let until = consent.map(|consent| consent.open.deadline.0);
            let message = match (view.side(), view.chain.status) {
                (_, ChannelStatus::Active) => "the counterparty's key is not known yet",
                (Side::One, _) => "our deposit is on its way into the contract and not final yet",
                (Side::Two, _) => "the counterparty's deposit is not final on the chain yet",
            };
            wait("finality", message.to_owned(), until);
        }
        Phase::Open => {}
        Phase::Closing(stage) => {
            let (kind, message) = closing(*stage);
            wait(kind, message.to_owned(), None);
        }
        Phase::Disputed(dispute) => {
            let until = dispute.sighting.closes_at.0;
            let is_over = shared.chain_time().head().0 >= until;
            let message = if is_over {
                "the challenge period is over; the settlement is on its way"
            } else {
                "the challenge period runs; the money is paid after it"
            };
            wait("challengePeriod", message.to_owned(), Some(until));
        }
        Phase::Settled(settlement) if !settlement.is_final => {
            wait("finality", "the settlement is not final yet".to_owned(), None);
        }
        Phase::Settled(_) => {}
    }
    if let Some(outstanding) = &view.withdrawal {
        let until = Some(outstanding.withdraw.deadline.0);
        wait("withdrawal", "a withdrawal is not final yet".to_owned(), until);
    }
    if view.pending > 0 {
        let message = if view.is_connected && view.is_silent {
            format!("{} payments wait; the counterparty owes an answer for too long", view.pending)
        } else if view.is_connected {
            format!("{} payments wait for the counterparty's answer", view.pending)
        } else {
            format!("{} payments wait until the counterparty is connected", view.pending)
        };
        wait("peer", message, None);
    } else if view.is_silent {
        wait("peer", "the counterparty owes an answer for too long".to_owned(), None);
    }
    all
}

fn closing(stage: ClosingStage) -> (&'static str, &'static str) {
    match stage {
        ClosingStage::Requested => ("peer", "the counterparty was asked to close together"),
        ClosingStage::Draining { .. } => ("peer", "what is under way must be answered first"),
        ClosingStage::FinalBound { .. } => ("peer", "the counterparty has not signed the end yet"),
        ClosingStage::FinalSigned { .. } => {
            ("chain", "both have signed; the contract pays as soon as it is on the chain")
        }
        ClosingStage::Unilateral => ("chain", "the close is on its way to the chain"),
    }
}

/// Whether money can be taken out while the channel stays open.
pub(super) fn can_withdraw(view: &View) -> bool {
    view.setup.features.contains(Features::PARTIAL_WITHDRAW)
}
