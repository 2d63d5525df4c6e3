//! `lockstep check`: what one of the other commands would do, without doing it.

mod here;

use super::args::{CareOrder, ChannelOrder, Destination, MoneyOrder, OfflineOrder, Order};
use super::args::{Recover, RunningOrder, Stream, TowerCheck};
use super::failure::CliError;
use super::output::Terminal;
use super::session::Session;
use super::{Place, amount, bridge, channel, deploy, invite, payment, peer, recovery, tower};
use lockstep_core::money::Amount;
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{
    AddTower, Backup, CancelOpen, CashCredit, ChannelCall, ChannelIdText, CheckCall, CheckReport,
    CheckStep, Connect, ExportProof, ForceClose, Pay, PeerCall, Text, TowerCall,
};

/// Those that need no running node; none if this is not one of them.
pub(super) fn offline(
    order: &Order,
    place: &Place,
    terminal: &mut Terminal,
) -> Option<Result<(), CliError>> {
    match order {
        Order::Offline(OfflineOrder::Deploy(args)) => Some(deploy::check(args, place, terminal)),
        Order::Offline(OfflineOrder::Init(args)) => Some(here::init(args, place, terminal)),
        Order::Offline(OfflineOrder::Node(args)) => Some(here::node(args, place, terminal)),
        Order::Care(CareOrder::Recover(Recover { from_backup: Some(file), .. })) => {
            Some(recovery::check_backup(file, place, terminal))
        }
        Order::Channel(_) | Order::Money(_) | Order::Care(_) | Order::Running(_) => None,
    }
}

pub(super) async fn run(
    order: &Order,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let report = match order {
        Order::Channel(order) => ask(session, channel_call(order, session).await?).await?,
        Order::Money(MoneyOrder::Stream(args)) => {
            let one = stream_call(args, session).await?;
            let mut report = ask(session, one).await?;
            whole_stream(args, session, &mut report).await?;
            report
        }
        Order::Money(order) => ask(session, money_call(order, session).await?).await?,
        Order::Care(order) => ask(session, care_call(order, session).await?).await?,
        Order::Running(RunningOrder::Stop) => here::stop(session).await?,
        Order::Running(RunningOrder::Token { order }) => here::token(order, session).await?,
        // Answered before a node was looked for.
        Order::Offline(_) => return Err(CliError::usage()),
    };
    terminal.answer(&report, |report| text(report, session))
}

async fn ask(session: &Session, call: CheckCall) -> Result<CheckReport, CliError> {
    session.call(&api::CHECK, &call).await
}

async fn id_of(name: &str, session: &Session) -> Result<ChannelIdText, CliError> {
    Ok(session.channel(name).await?.channel_id)
}

async fn of_peer(text: &str, session: &Session) -> Result<PeerCall, CliError> {
    Ok(PeerCall { node_id: peer::find(text, session).await?.node_id })
}

async fn channel_call(order: &ChannelOrder, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        ChannelOrder::Invite(args) => CheckCall::CreateInvite(invite::call(args, session)?),
        ChannelOrder::Connect(args) => {
            CheckCall::Connect(Connect { invite: args.invite.clone(), wait_millis: None })
        }
        ChannelOrder::Disconnect(args) => {
            CheckCall::DisconnectPeer(of_peer(&args.peer, session).await?)
        }
        ChannelOrder::Forget(args) => CheckCall::ForgetPeer(of_peer(&args.peer, session).await?),
        ChannelOrder::Open(args) => CheckCall::OpenChannel(channel::open_call(args, session)?),
        ChannelOrder::Join(args) => {
            let offers = session.call(&api::LIST_PENDING_OPENS, &NoParams {}).await?;
            let text = args.channel.as_deref().ok_or_else(CliError::usage)?;
            CheckCall::JoinChannel(channel::join_call(args, text, &offers, session).await?)
        }
        ChannelOrder::Reject(args) => {
            CheckCall::RejectChannel(channel::reject_call(args, session).await?)
        }
        ChannelOrder::Cancel(args) => {
            CheckCall::CancelOpen(CancelOpen { channel_id: id_of(&args.channel, session).await? })
        }
        ChannelOrder::Close(args) => CheckCall::CloseChannel(ChannelCall {
            channel_id: id_of(&args.channel, session).await?,
        }),
        ChannelOrder::ForceClose(args) => {
            let channel_id = id_of(&args.channel, session).await?;
            CheckCall::ForceClose(ForceClose { channel_id, dry_run: Some(true) })
        }
        ChannelOrder::Freeze(args) => CheckCall::FreezeChannel(ChannelCall {
            channel_id: id_of(&args.channel, session).await?,
        }),
    })
}

async fn money_call(order: &MoneyOrder, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        MoneyOrder::Deposit(args) => {
            let found = session.channel(&args.channel).await?;
            CheckCall::Deposit(channel::deposit_call(args, &found)?)
        }
        MoneyOrder::Withdraw(args) if args.to == Destination::L1 => {
            CheckCall::WithdrawToL1(bridge::withdraw_call(args, session)?)
        }
        MoneyOrder::Withdraw(args) => {
            CheckCall::Withdraw(channel::withdraw_call(args, session).await?.1)
        }
        MoneyOrder::Fund(args) => CheckCall::Fund(bridge::fund_call(args, session).await?),
        MoneyOrder::Credit(args) => {
            CheckCall::CashCredit(CashCredit { token: channel::token_of(args, session)? })
        }
        MoneyOrder::Invoice(args) => {
            CheckCall::CreateInvoice(payment::invoice_call(args, session).await?)
        }
        MoneyOrder::Pay(args) => CheckCall::Pay(payment::pay_call(args, session).await?),
        MoneyOrder::Stream(args) => stream_call(args, session).await?,
    })
}

/// One payment of a stream.
async fn stream_call(args: &Stream, session: &Session) -> Result<CheckCall, CliError> {
    let found = session.channel(&args.channel).await?;
    let amount = Some(amount::read_in(&args.amount, &found.asset)?);
    let channel_id = Some(found.channel_id);
    Ok(CheckCall::Pay(Pay { channel_id, amount, ..Pay::default() }))
}

async fn care_call(order: &CareOrder, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        CareOrder::ExportProof(args) => {
            recovery::check_target(args.to.as_deref())?;
            let equivocation = args.equivocation.then_some(true);
            let channel_id = id_of(&args.channel, session).await?;
            CheckCall::ExportProof(ExportProof { channel_id, equivocation })
        }
        CareOrder::Backup(args) => {
            recovery::check_target(args.to.as_deref())?;
            CheckCall::Backup(Backup::default())
        }
        CareOrder::Recover(args) => CheckCall::Recover(recovery::recover_call(args)?),
        CareOrder::Tower { order: TowerCheck::Add { address } } => {
            CheckCall::AddTower(AddTower { address: address.clone() })
        }
        CareOrder::Tower { order: TowerCheck::Remove { tower: name } } => {
            CheckCall::RemoveTower(TowerCall { tower: tower::find(name, session).await? })
        }
    })
}

/// What is said here and costs nothing on the chain.
pub(super) fn report<T: Into<String>>(
    steps: impl IntoIterator<Item = T>,
    warnings: Vec<String>,
) -> CheckReport {
    let step = |message: T| CheckStep { message: message.into(), cost: None };
    CheckReport { steps: steps.into_iter().map(step).collect(), warnings }
}

/// A report that no node is needed to read: nothing in it costs anything on the chain.
pub(super) fn plain(report: &CheckReport) -> String {
    lines(report, |_| String::new())
}

/// So many times an amount; the largest there is where that is too much.
fn times(each: Amount, count: u64) -> Amount {
    let add = |sum: Amount, more| sum.checked_add(more).unwrap_or(Amount::MAX);
    let bits = (0..u64::BITS).rev().map(|bit| count.checked_shr(bit).unwrap_or(0) & 1 == 1);
    bits.fold(Amount::ZERO, |sum, is_set| {
        let doubled = add(sum, sum);
        if is_set { add(doubled, each) } else { doubled }
    })
}

/// One payment was checked; a stream is as many as it is.
async fn whole_stream(
    args: &Stream,
    session: &Session,
    report: &mut CheckReport,
) -> Result<(), CliError> {
    let found = session.channel(&args.channel).await?;
    let Text(each) = amount::read_in(&args.amount, &found.asset)?;
    let rate = args.rate;
    report.steps.iter_mut().for_each(|step| {
        step.message = format!("{rate} payments in a second are made: {}", step.message);
    });
    let Some(count) = args.count else {
        let message = "it goes on until Ctrl-C, or until the money in the channel is spent";
        report.warnings.push(message.to_owned());
        return Ok(());
    };
    let whole = times(each, count);
    if whole > found.spendable.0 {
        report.warnings.push(format!(
            "{} are wanted in all, and {} may be spent now: the rest needs income on the way",
            amount::show(Text(whole), &found.asset),
            amount::show(found.spendable, &found.asset)
        ));
    }
    Ok(())
}

fn text(report: &CheckReport, session: &Session) -> String {
    lines(report, |step| {
        let cost = step.cost.as_ref().map(|cost| format!(", {}", channel::fee_text(cost, session)));
        cost.unwrap_or_default()
    })
}

fn lines(report: &CheckReport, cost: impl Fn(&CheckStep) -> String) -> String {
    let mut lines = vec!["It would work:".to_owned()];
    for (index, step) in report.steps.iter().enumerate() {
        let number = index.saturating_add(1);
        lines.push(format!("{number}. {}{}", step.message, cost(step)));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_costs_its_amount_as_often_as_it_pays() {
        let amount = |value: u64| Amount::from(value);
        for (each, count, whole) in [(7, 0, 0), (7, 1, 7), (7, 6, 42), (3, 1_000_001, 3_000_003)] {
            assert_eq!(times(amount(each), count), amount(whole), "{each} x {count}");
        }
        assert_eq!(times(Amount::MAX, 2), Amount::MAX);
    }
}
