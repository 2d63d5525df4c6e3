//! Channels: opened, joined, looked at, closed together.

use super::{describe, peer};
use crate::engine::event::Event;
use crate::engine::opening::{self, Consenter, Wanted};
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use alloy_primitives::Address;
use lockstep_core::ids::{AccountRef, ChannelId, Side};
use lockstep_core::input::Command;
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::money::Amount;
use lockstep_core::record::FreezeReason;
use lockstep_p2p::Contact;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    Channel, ChannelCall, ChannelList, JoinChannel, ListChannels, OpenChannel, PendingOpen,
    RejectChannel, Text, Withdraw,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an open looks for the other node.
const REACH: Duration = Duration::from_secs(30);
/// Channels in one answer, unless the caller says.
const PAGE: u32 = 100;
/// The most in one answer.
const MAX_PAGE: u32 = 500;

/// What an open will be, checked as far as that is possible without the other node.
pub(super) async fn plan_open(
    shared: &Arc<Shared>,
    call: &OpenChannel,
) -> Result<(Contact, Wanted), Failure> {
    shared.check_can_sign()?;
    let (contact, terms) = peer::find_contact(shared, &call.peer)?;
    let settings = &shared.settings;
    let token = call.token.map(|token| token.0).or(terms.map(|terms| terms.token));
    let token = token.unwrap_or_else(|| settings.coin());
    peer::known_token(shared, token)?;
    let deposit = call.deposit.map(|deposit| deposit.0).or(terms.map(|t| t.opener_deposit));
    let deposit = deposit.ok_or_else(|| {
        Failure::new(
            FailureKind::BadAmount,
            "the invite names no deposit, and neither does the order",
        )
        .safe("nothing was done")
        .advice("say how much to bring")
    })?;
    let asked = call.counterparty_deposit.map(|deposit| deposit.0);
    let counterparty_deposit = asked.or(terms.map(|t| t.inviter_deposit)).unwrap_or(Amount::ZERO);
    let period = call.challenge_period.or(terms.map(|terms| terms.challenge_period));
    let challenge_period = period.unwrap_or(settings.challenge_period);
    let (minimum, maximum) = (settings.bounds.minimum, settings.bounds.maximum);
    if challenge_period < minimum || challenge_period > maximum {
        let message = format!(
            "a challenge period of {challenge_period} s is outside the {minimum} to {maximum} s of this network"
        );
        return Err(Failure::new(FailureKind::BadTerms, message).safe("nothing was done"));
    }
    if deposit > settings.max_own_deposit {
        let deposit = settings.words(token, deposit);
        let message = format!("{deposit} is above the most of our own money in one channel");
        return Err(Failure::new(FailureKind::LimitReached, message)
            .safe("nothing was done")
            .advice("raise channel.max_own_deposit, or bring less"));
    }
    if deposit.is_zero() && counterparty_deposit.is_zero() {
        let message = "a channel without any money is of no use";
        return Err(Failure::new(FailureKind::BadAmount, message).safe("nothing was done"));
    }
    // Where there is a bridge, the money may come from L1 once the other side consents.
    match check_funds(shared, token, deposit).await {
        Err(failure)
            if failure.kind != FailureKind::InsufficientFunds || shared.bridge.is_none() =>
        {
            return Err(failure);
        }
        Err(_) | Ok(()) => {}
    }
    Ok((contact, Wanted { token, challenge_period, deposit, counterparty_deposit }))
}

/// Refuses what our account can't pay, before anything is done.
pub(super) async fn check_funds(
    shared: &Arc<Shared>,
    token: AccountRef,
    wanted: Amount,
) -> Result<(), Failure> {
    let AccountRef::Evm(address) = token else {
        return Err(Failure::new(
            FailureKind::NotSupported,
            "this chain's tokens are not supported",
        ));
    };
    let account = shared.settings.account;
    let asked = (address != Address::ZERO).then_some(address);
    let balance = shared.chain.balance(account, asked).await.map_err(|error| {
        Failure::new(FailureKind::ChainUnavailable, wording::chain_of(&error))
            .safe("nothing was done")
            .advice("check the chain's endpoints; `lockstep status` shows them")
    })?;
    // Gas comes out of the same coin.
    let is_enough = if asked.is_some() { balance >= wanted } else { balance > wanted };
    if is_enough {
        return Ok(());
    }
    let words = |amount| shared.settings.words(token, amount);
    let (balance, wanted) = (words(balance), words(wanted));
    let message = format!("account {account} holds {balance}, and {wanted} are wanted besides gas");
    Err(Failure::new(FailureKind::InsufficientFunds, message)
        .safe("nothing was done")
        .advice(format!("send {} to {account}", shared.settings.describe(token).symbol)))
}

/// Offers a channel to another node.
pub(super) async fn open(shared: &Arc<Shared>, call: &OpenChannel) -> Result<Channel, Failure> {
    let (contact, wanted) = plan_open(shared, call).await?;
    peer::reach(shared, &contact, REACH).await?;
    let handle = opening::open(shared, contact, &wanted).await?;
    Ok(describe::channel(shared, &handle.view()))
}

/// What others offer us.
pub(super) fn pending_opens(shared: &Shared) -> Vec<PendingOpen> {
    let offers = shared.offers.all();
    offers
        .into_iter()
        .map(|(channel_id, offer)| PendingOpen {
            channel_id: Text(channel_id),
            counterparty: Text(offer.peer),
            asset: shared.settings.describe(offer.request.terms.token),
            counterparty_deposit: Text(offer.request.deposit1),
            own_deposit: Text(offer.request.deposit2),
            challenge_period: offer.request.terms.challenge_period,
            received_at: offer.received_secs,
        })
        .collect()
}

/// What joining an offer takes of us.
pub(super) async fn plan_join(shared: &Arc<Shared>, call: &JoinChannel) -> Result<Amount, Failure> {
    shared.check_can_sign()?;
    let channel_id = call.channel_id.0;
    let Some(offer) = shared.offers.get(channel_id) else {
        if shared.registry.get(channel_id).is_some() {
            let message = "this channel was joined already";
            return Err(Failure::new(FailureKind::WrongPhase, message).safe("nothing was done"));
        }
        let message = format!("no offer of channel {channel_id} waits");
        return Err(Failure::new(FailureKind::UnknownOffer, message)
            .safe("nothing was done")
            .advice("`lockstep join` without an id lists what waits"));
    };
    let asked = offer.request.deposit2;
    if call.deposit.is_some_and(|deposit| deposit.0 != asked) {
        let words = shared.settings.words(offer.request.terms.token, asked);
        let message = format!("the offer asks for a deposit of {words}, not for another");
        return Err(Failure::new(FailureKind::BadAmount, message)
            .safe("nothing was done")
            .advice("join without saying a deposit, and add to it later with `lockstep deposit`"));
    }
    if !asked.is_zero() {
        check_funds(shared, offer.request.terms.token, asked).await?;
    }
    Ok(asked)
}

/// Accepts an offer.
pub(super) async fn join(shared: &Arc<Shared>, call: &JoinChannel) -> Result<Channel, Failure> {
    plan_join(shared, call).await?;
    let handle = opening::accept(shared, call.channel_id.0, Consenter::Operator).await?;
    Ok(describe::channel(shared, &handle.view()))
}

fn no_offer(channel_id: ChannelId) -> Failure {
    Failure::new(FailureKind::UnknownOffer, format!("no offer of channel {channel_id} waits"))
        .safe("nothing was done")
}

/// What would be declined.
pub(super) fn plan_reject(shared: &Shared, call: &RejectChannel) -> Result<(), Failure> {
    let channel_id = call.channel_id.0;
    shared.offers.get(channel_id).map(drop).ok_or_else(|| no_offer(channel_id))
}

/// Declines an offer.
pub(super) fn reject(shared: &Shared, call: &RejectChannel) -> Result<(), Failure> {
    let channel_id = call.channel_id.0;
    let offer = shared.offers.remove(channel_id).ok_or_else(|| no_offer(channel_id))?;
    let message = PeerMessage::OpenReject { reason: RejectReason::Policy };
    if let Err(error) = shared.network.send(&offer.peer, channel_id, &message) {
        tracing::debug!(%channel_id, error = %error, "a refusal was not sent");
    }
    Ok(())
}

/// Some channels.
pub(super) fn list(shared: &Shared, call: &ListChannels) -> ChannelList {
    let limit = call.limit.unwrap_or(PAGE).min(MAX_PAGE);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut views = Vec::new();
    for handle in shared.registry.all() {
        let view = handle.view();
        let is_meant = call.counterparty.is_none_or(|peer| peer.0 == handle.peer)
            && call.after.is_none_or(|after| view.channel_id > after.0)
            && (call.include_settled.unwrap_or(false) || !view.is_settled());
        if is_meant {
            views.push(view);
        }
        if views.len() > limit {
            break;
        }
    }
    let has_more = views.len() > limit;
    views.truncate(limit);
    let channels = views.iter().map(|view| describe::channel(shared, view)).collect();
    ChannelList { channels, has_more }
}

/// One channel.
pub(super) fn get(shared: &Shared, call: &ChannelCall) -> Result<Channel, Failure> {
    let handle = shared.registry.find(call.channel_id.0)?;
    Ok(describe::channel(shared, &handle.view()))
}

/// Orders something of a channel's driver and waits for its answer.
pub(super) async fn order(
    shared: &Shared,
    channel_id: ChannelId,
    command: Command,
) -> Result<Handle, Failure> {
    let handle = shared.registry.find(channel_id)?;
    let (answer, answered) = oneshot::channel();
    // A counterparty that does not read must not keep us in a channel (P46).
    match command {
        Command::Close | Command::ForceClose | Command::Freeze(_) | Command::CancelOpen => {
            handle.post_urgent(Event::Order(command, answer))?;
        }
        Command::Update(_)
        | Command::AddInvoice { .. }
        | Command::LearnSecret { .. }
        | Command::Withdraw { .. }
        | Command::MarkImported => handle.post(Event::Order(command, answer))?,
    }
    answered.await.map_err(|_| wording::stopping())??;
    Ok(handle)
}

/// The order of a withdrawal of ours.
pub(super) fn withdrawal(shared: &Shared, call: &Withdraw) -> Result<Command, Failure> {
    let view = shared.registry.find(call.channel_id.0)?.view();
    let amount = call.amount.0;
    if amount.is_zero() {
        return Err(Failure::new(FailureKind::BadAmount, "nothing is withdrawn with zero")
            .safe("nothing was done"));
    }
    if !describe::can_withdraw(&view) {
        let message = "the two sides did not agree on withdrawals from an open channel";
        return Err(Failure::new(FailureKind::NotSupported, message)
            .safe("nothing was done")
            .advice("close the channel to get the money"));
    }
    if amount > view.spendable {
        let words = |amount| shared.settings.words(view.setup.terms.token, amount);
        let (spendable, wanted) = (words(view.spendable), words(amount));
        let message = format!("{spendable} can be taken out, {wanted} is wanted");
        return Err(Failure::new(FailureKind::InsufficientFunds, message).safe("nothing was done"));
    }
    Ok(match view.side() {
        Side::One => Command::Withdraw { out1: amount, out2: Amount::ZERO },
        Side::Two => Command::Withdraw { out1: Amount::ZERO, out2: amount },
    })
}

/// Takes money out while the channel stays open.
pub(super) async fn withdraw(shared: &Arc<Shared>, call: &Withdraw) -> Result<Channel, Failure> {
    shared.check_can_sign()?;
    let command = withdrawal(shared, call)?;
    let handle = order(shared, call.channel_id.0, command).await?;
    Ok(describe::channel(shared, &handle.view()))
}

/// Closes together.
pub(super) async fn close(shared: &Arc<Shared>, call: &ChannelCall) -> Result<Channel, Failure> {
    shared.check_can_sign()?;
    let handle = order(shared, call.channel_id.0, Command::Close).await?;
    Ok(describe::channel(shared, &handle.view()))
}

/// Signs nothing more in a channel.
pub(super) async fn freeze(shared: &Arc<Shared>, call: &ChannelCall) -> Result<Channel, Failure> {
    let command = Command::Freeze(FreezeReason::Command);
    let handle = order(shared, call.channel_id.0, command).await?;
    Ok(describe::channel(shared, &handle.view()))
}
