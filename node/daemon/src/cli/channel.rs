//! Commands about channels.

use super::amount::{self, Money};
use super::args::{
    Channels, Close, Credit, ForceClose, Freeze, Join, OfAmount, OfChannel, Open, WithdrawTo,
};
use super::failure::CliError;
use super::output::{Terminal, pairs, table};
use super::progress::{self, until};
use super::session::Session;
use super::{payment, wording};
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{
    self, Asset, CancelOpen, CashCredit, Channel, ChannelCall, ChannelPhase, Cost,
    ForceCloseReport, JoinChannel, OpenChannel, PendingOpen, RejectChannel,
};

pub(super) async fn open(
    args: &Open,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = open_call(args, session)?;
    let work = session.call(&api::OPEN_CHANNEL, &call);
    let channel =
        progress::watched("looking for the other node, then offering the channel", terminal, work)
            .await?;
    terminal.note(&format!("channel {}", channel.channel_id))?;
    let channel = if args.wait.no_wait {
        channel
    } else {
        until(channel, session, terminal, |channel| !is_on_its_way(channel)).await?
    };
    terminal.answer(&channel, one)
}

pub(super) fn open_call(args: &Open, session: &Session) -> Result<OpenChannel, CliError> {
    let deposit = session.money_of(&args.deposit)?;
    let asked = args.ask.as_deref().map(|text| session.money(text)).transpose()?;
    let token = one_token(&[deposit.as_ref(), asked.as_ref()])?;
    Ok(OpenChannel {
        peer: args.peer.clone(),
        deposit: deposit.map(|money| money.amount),
        counterparty_deposit: asked.map(|money| money.amount),
        token: token.map(|asset| asset.token),
        challenge_period: args.challenge_period,
    })
}

/// The asset of all amounts that are given; it must be one.
fn one_token(amounts: &[Option<&Money>]) -> Result<Option<Asset>, CliError> {
    let mut assets = amounts.iter().flatten().map(|money| &money.asset);
    let first = assets.next();
    if assets.any(|asset| Some(asset) != first) {
        return Err(CliError::refused("a channel has one token, and these are two")
            .safe("nothing was done"));
    }
    Ok(first.cloned())
}

pub(super) async fn join(
    args: &Join,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let offers = session.call(&api::LIST_PENDING_OPENS, &NoParams {}).await?;
    let Some(text) = &args.channel else {
        return terminal.answer(&offers, |offers| offer_table(offers));
    };
    let call = join_call(args, text, &offers, session).await?;
    let asked = offer_of(text, &offers)?.map(|offer| offer.own_deposit);
    let channel = session.call(&api::JOIN_CHANNEL, &call).await?;
    let channel = if args.wait.no_wait {
        channel
    } else {
        // The channel may be open before our own deposit counts.
        let brought = call.deposit.or(asked).unwrap_or_default();
        let is_in = |channel: &Channel| {
            !is_on_its_way(channel)
                && (channel.own_deposit >= brought || channel.phase != ChannelPhase::Open)
        };
        until(channel, session, terminal, is_in).await?
    };
    terminal.answer(&channel, one)
}

/// An offer is not a channel yet, so the id's beginning is looked for in both.
pub(super) async fn join_call(
    args: &Join,
    text: &str,
    offers: &[PendingOpen],
    session: &Session,
) -> Result<JoinChannel, CliError> {
    let (channel_id, asset) = match offer_of(text, offers)? {
        Some(offer) => (offer.channel_id, offer.asset.clone()),
        None => {
            let channel = session.channel(text).await?;
            (channel.channel_id, channel.asset)
        }
    };
    let deposit =
        if args.deposit.is_empty() { None } else { Some(amount::read_in(&args.deposit, &asset)?) };
    Ok(JoinChannel { channel_id, deposit })
}

fn offer_of<'a>(
    text: &str,
    offers: &'a [PendingOpen],
) -> Result<Option<&'a PendingOpen>, CliError> {
    let prefix = text.to_ascii_lowercase();
    let mut found = offers.iter().filter(|offer| offer.channel_id.to_string().starts_with(&prefix));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(CliError::refused(format!("more than one offer begins with {text}"))
                .safe("nothing was done")
                .advice("give more of the id"))
        }
        (first, _) => Ok(first),
    }
}

pub(super) async fn reject(
    args: &OfChannel,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = reject_call(args, session).await?;
    session.call(&api::REJECT_CHANNEL, &call).await?;
    terminal
        .answer(&call, |call| format!("Offer {} is declined.", wording::short(&call.channel_id)))
}

pub(super) async fn reject_call(
    args: &OfChannel,
    session: &Session,
) -> Result<RejectChannel, CliError> {
    let offers = session.call(&api::LIST_PENDING_OPENS, &NoParams {}).await?;
    let offer = offer_of(&args.channel, &offers)?.ok_or_else(|| {
        CliError::refused(format!("no offer begins with {}", args.channel))
            .safe("nothing was done")
            .advice("`lockstep join` lists the offers")
    })?;
    Ok(RejectChannel { channel_id: offer.channel_id })
}

pub(super) async fn cancel(
    args: &OfChannel,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel(&args.channel).await?.channel_id;
    let channel = session.call(&api::CANCEL_OPEN, &CancelOpen { channel_id }).await?;
    let channel = until(channel, session, terminal, is_over).await?;
    terminal.answer(&channel, one)
}

pub(super) async fn deposit(
    args: &OfAmount,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel = session.channel(&args.channel).await?;
    let call = deposit_call(args, &channel)?;
    let before = channel.own_deposit;
    let channel = session.call(&api::DEPOSIT, &call).await?;
    let channel = if args.wait.no_wait {
        channel
    } else {
        until(channel, session, terminal, |channel| channel.own_deposit != before).await?
    };
    terminal.answer(&channel, one)
}

pub(super) fn deposit_call(args: &OfAmount, channel: &Channel) -> Result<types::Deposit, CliError> {
    Ok(types::Deposit {
        channel_id: channel.channel_id,
        amount: amount::read_in(&args.amount, &channel.asset)?,
        idempotency_key: Some(payment::new_key()?),
    })
}

pub(super) async fn withdraw(
    args: &WithdrawTo,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let (channel, call) = withdraw_call(args, session).await?;
    let before = channel.capacity;
    let channel = session.call(&api::WITHDRAW, &call).await?;
    let channel = if args.wait.no_wait {
        channel
    } else {
        until(channel, session, terminal, |channel| channel.capacity != before).await?
    };
    terminal.answer(&channel, one)
}

/// Out of a channel, to this node's account.
pub(super) async fn withdraw_call(
    args: &WithdrawTo,
    session: &Session,
) -> Result<(Channel, types::Withdraw), CliError> {
    let Some((channel, amount)) = args.words.split_first() else { return Err(CliError::usage()) };
    if amount.is_empty() || args.recipient.is_some() {
        return Err(CliError::usage());
    }
    let channel = session.channel(channel).await?;
    let amount = amount::read_in(amount, &channel.asset)?;
    let call = types::Withdraw { channel_id: channel.channel_id, amount };
    Ok((channel, call))
}

pub(super) async fn credit(
    args: &Credit,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = CashCredit { token: token_of(args, session)? };
    let hash = session.call(&api::CASH_CREDIT, &call).await?;
    terminal.answer(&hash, |hash| format!("Fetched by transaction {hash}."))
}

pub(super) fn token_of(
    args: &Credit,
    session: &Session,
) -> Result<Option<types::AccountText>, CliError> {
    let Some(symbol) = &args.token else { return Ok(None) };
    let asset = session.info.assets.iter().find(|asset| asset.symbol.eq_ignore_ascii_case(symbol));
    let asset = asset.ok_or_else(|| {
        CliError::refused(format!("this node knows no token {symbol}"))
            .safe("nothing was done")
            .advice("add it to channel.tokens of the configuration")
    })?;
    Ok(Some(asset.token))
}

pub(super) async fn list(
    args: &Channels,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    if let Some(text) = &args.channel {
        let channel = session.channel(text).await?;
        return terminal.answer(&channel, one);
    }
    let channels = session.channels(args.all).await?;
    terminal.answer(&channels, |channels| many(channels))
}

pub(super) async fn close(
    args: &Close,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel(&args.channel).await?.channel_id;
    let channel = session.call(&api::CLOSE_CHANNEL, &ChannelCall { channel_id }).await?;
    let channel = if args.wait.no_wait {
        channel
    } else {
        until(channel, session, terminal, is_over).await?
    };
    terminal.answer(&channel, one)
}

pub(super) async fn force_close(
    args: &ForceClose,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel(&args.channel).await?.channel_id;
    let call = |dry_run| types::ForceClose { channel_id, dry_run: Some(dry_run) };
    if !args.yes {
        let planned = session.call(&api::FORCE_CLOSE, &call(true)).await?;
        terminal.note(&force_text(&planned, session))?;
        if !terminal.confirm("Close it?")? {
            return Err(CliError::refused("not confirmed").safe("nothing was done"));
        }
    }
    let report = session.call(&api::FORCE_CLOSE, &call(false)).await?;
    terminal.answer(&report, |report| force_text(report, session))
}

pub(super) async fn freeze(
    args: &Freeze,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel(&args.channel).await?.channel_id;
    if !args.yes {
        terminal.note(
            "A frozen channel signs nothing more, for ever. It is watched and can be closed.",
        )?;
        if !terminal.confirm("Freeze it?")? {
            return Err(CliError::refused("not confirmed").safe("nothing was done"));
        }
    }
    let channel = session.call(&api::FREEZE_CHANNEL, &ChannelCall { channel_id }).await?;
    terminal.answer(&channel, one)
}

fn is_on_its_way(channel: &Channel) -> bool {
    matches!(channel.phase, ChannelPhase::Opening | ChannelPhase::Funding)
}

fn is_over(channel: &Channel) -> bool {
    channel.phase == ChannelPhase::Settled
}

/// What a phase alone does not say.
fn state_of(channel: &Channel) -> String {
    let mut state = wording::phase(channel.phase).to_owned();
    if channel.frozen.is_some() {
        state.push_str(", frozen");
    }
    if channel.restored.is_some() {
        state.push_str(", restored");
    }
    state
}

/// A list of channels.
pub(super) fn many(channels: &[Channel]) -> String {
    if channels.is_empty() {
        return "No channels. `lockstep invite` makes a link with which one can be opened."
            .to_owned();
    }
    let rows = channels.iter().map(|channel| {
        let decimals = channel.asset.decimals;
        vec![
            wording::short(&channel.channel_id),
            wording::short(&channel.counterparty),
            state_of(channel),
            amount::decimal(channel.spendable, decimals),
            amount::decimal(channel.counterparty_balance, decimals),
            channel.asset.symbol.clone(),
            if channel.is_connected { "yes" } else { "no" }.to_owned(),
        ]
    });
    table(&["CHANNEL", "WITH", "STATE", "CAN PAY", "CAN GET", "TOKEN", "ONLINE"], rows)
}

/// One channel in full.
pub(super) fn one(channel: &Channel) -> String {
    let show = |amount| amount::show(amount, &channel.asset);
    let mut rows = vec![
        ("channel", channel.channel_id.to_string()),
        ("with", channel.counterparty.to_string()),
        ("online", if channel.is_connected { "yes" } else { "no" }.to_owned()),
        ("state", state_of(channel)),
        ("ours", show(channel.own_balance)),
        ("theirs", show(channel.counterparty_balance)),
        ("can pay", show(channel.spendable)),
        (
            "deposits",
            format!("{} and {}", show(channel.own_deposit), show(channel.counterparty_deposit)),
        ),
        ("version", channel.version.to_string()),
        ("challenge period", wording::duration(u64::from(channel.challenge_period))),
    ];
    if channel.pending_payments > 0 {
        rows.push(("pending payments", channel.pending_payments.to_string()));
    }
    for (name, reason) in [("frozen", &channel.frozen), ("restored", &channel.restored)] {
        rows.extend(reason.clone().map(|reason| (name, reason)));
    }
    if let Some(close) = &channel.close {
        rows.push(("close seen", close_text(close)));
    }
    if let Some((ours, theirs)) = channel.settled {
        rows.push(("paid out", format!("{} to us, {} to them", show(ours), show(theirs))));
    }
    rows.extend(channel.transaction.map(|hash| ("transaction", hash.to_string())));
    rows.extend(channel.waiting.iter().map(|waiting| ("waits for", waiting_text(waiting))));
    rows.extend(channel.problem.clone().map(|problem| ("problem", problem)));
    pairs(rows.into_iter().map(|(name, value)| (name.to_owned(), value)))
}

fn close_text(close: &types::CloseView) -> String {
    let whose = if close.is_ours { "ours" } else { "theirs" };
    let stale = if close.is_stale { ", older than what we can prove: it is answered" } else { "" };
    format!("{whose}, version {}, until {}{stale}", close.version, wording::moment(close.closes_at))
}

/// Something that is waited for, with its end.
pub(super) fn waiting_text(waiting: &types::Waiting) -> String {
    match waiting.until {
        Some(until) => format!("{} (until {})", waiting.message, wording::moment(until)),
        None => waiting.message.clone(),
    }
}

fn offer_table(offers: &[PendingOpen]) -> String {
    if offers.is_empty() {
        return "No offers.".to_owned();
    }
    let rows = offers.iter().map(|offer| {
        vec![
            wording::short(&offer.channel_id),
            wording::short(&offer.counterparty),
            amount::show(offer.counterparty_deposit, &offer.asset),
            amount::show(offer.own_deposit, &offer.asset),
            wording::duration(u64::from(offer.challenge_period)),
        ]
    });
    table(&["CHANNEL", "FROM", "THEY BRING", "WE BRING", "CHALLENGE PERIOD"], rows)
}

/// The coin in which fees are paid.
pub(super) fn fee_text(cost: &Cost, session: &Session) -> String {
    match session.info.assets.first() {
        Some(coin) => format!("about {} ({} gas)", amount::show(cost.fee, coin), cost.gas),
        None => format!("{} gas", cost.gas),
    }
}

fn force_text(report: &ForceCloseReport, session: &Session) -> String {
    let asset = &report.channel.asset;
    let cost = report.cost.as_ref();
    let cost =
        cost.map_or_else(|| "can't be estimated now".to_owned(), |cost| fee_text(cost, session));
    let rows = [
        ("channel", report.channel.channel_id.to_string()),
        ("ordered", if report.is_ordered { "yes" } else { "not yet" }.to_owned()),
        ("you get", amount::show(report.own_payout, asset)),
        ("they get", amount::show(report.counterparty_payout, asset)),
        ("at version", report.version.to_string()),
        ("takes at least", wording::duration(report.wait_secs)),
        ("costs", cost),
    ];
    let warnings = report.warnings.iter().map(|warning| ("warning", warning.clone()));
    pairs(rows.into_iter().chain(warnings).map(|(name, value)| (name.to_owned(), value)))
}
