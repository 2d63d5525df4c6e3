//! `lockstep check`: what one of the other commands would do, without doing it.

use super::args::{Destination, Order, Stream, TowerCheck};
use super::failure::CliError;
use super::output::Terminal;
use super::session::Session;
use super::{Place, amount, bridge, channel, deploy, invite, payment, peer, recovery, tower};
use lockstep_core::money::Amount;
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{
    AddTower, Backup, CancelOpen, CashCredit, ChannelCall, ChannelIdText, CheckCall, CheckReport,
    Connect, ForceClose, Pay, PeerCall, Text, TowerCall,
};

/// Those that need no running node; none if this is not one of them.
pub(super) fn offline(
    order: &Order,
    place: &Place,
    terminal: &mut Terminal,
) -> Option<Result<(), CliError>> {
    match order {
        Order::Deploy(args) => Some(deploy::check(args, place, terminal)),
        Order::Recover(args) => {
            let file = args.from_backup.as_ref()?;
            Some(recovery::check_backup(file, place, terminal))
        }
        Order::Invite(_)
        | Order::Connect(_)
        | Order::Disconnect(_)
        | Order::Forget(_)
        | Order::Open(_)
        | Order::Join(_)
        | Order::Reject(_)
        | Order::Cancel(_)
        | Order::Deposit(_)
        | Order::Withdraw(_)
        | Order::Fund(_)
        | Order::Credit(_)
        | Order::Invoice(_)
        | Order::Pay(_)
        | Order::Stream(_)
        | Order::Close(_)
        | Order::ForceClose(_)
        | Order::Freeze(_)
        | Order::ExportProof(_)
        | Order::Backup(_)
        | Order::Tower { .. } => None,
    }
}

pub(super) async fn run(
    order: &Order,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = call(order, session).await?;
    let mut report = session.call(&api::CHECK, &call).await?;
    if let Order::Stream(args) = order {
        whole_stream(args, session, &mut report).await?;
    }
    terminal.answer(&report, |report| text(report, session))
}

async fn id_of(name: &str, session: &Session) -> Result<ChannelIdText, CliError> {
    Ok(session.channel(name).await?.channel_id)
}

async fn call(order: &Order, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        Order::Invite(args) => CheckCall::CreateInvite(invite::call(args, session)?),
        Order::Connect(args) => {
            CheckCall::Connect(Connect { invite: args.invite.clone(), wait_millis: None })
        }
        Order::Disconnect(args) => CheckCall::DisconnectPeer(of_peer(&args.peer, session).await?),
        Order::Forget(args) => CheckCall::ForgetPeer(of_peer(&args.peer, session).await?),
        Order::Open(args) => CheckCall::OpenChannel(channel::open_call(args, session)?),
        Order::Join(args) => {
            let offers = session.call(&api::LIST_PENDING_OPENS, &NoParams {}).await?;
            let text = args.channel.as_deref().ok_or_else(CliError::usage)?;
            CheckCall::JoinChannel(channel::join_call(args, text, &offers, session).await?)
        }
        Order::Reject(args) => CheckCall::RejectChannel(channel::reject_call(args, session).await?),
        Order::Cancel(args) => {
            CheckCall::CancelOpen(CancelOpen { channel_id: id_of(&args.channel, session).await? })
        }
        Order::Close(args) => CheckCall::CloseChannel(ChannelCall {
            channel_id: id_of(&args.channel, session).await?,
        }),
        Order::ForceClose(args) => {
            let channel_id = id_of(&args.channel, session).await?;
            CheckCall::ForceClose(ForceClose { channel_id, dry_run: Some(true) })
        }
        Order::Freeze(args) => CheckCall::FreezeChannel(ChannelCall {
            channel_id: id_of(&args.channel, session).await?,
        }),
        Order::Deposit(_)
        | Order::Withdraw(_)
        | Order::Fund(_)
        | Order::Credit(_)
        | Order::Invoice(_)
        | Order::Pay(_)
        | Order::Stream(_) => money(order, session).await?,
        Order::ExportProof(_)
        | Order::Backup(_)
        | Order::Recover(_)
        | Order::Tower { .. }
        | Order::Deploy(_) => care(order, session).await?,
    })
}

async fn of_peer(text: &str, session: &Session) -> Result<PeerCall, CliError> {
    Ok(PeerCall { node_id: peer::find(text, session).await?.node_id })
}

async fn money(order: &Order, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        Order::Deposit(args) => {
            let found = session.channel(&args.channel).await?;
            CheckCall::Deposit(channel::deposit_call(args, &found)?)
        }
        Order::Withdraw(args) if args.to == Destination::L1 => {
            CheckCall::WithdrawToL1(bridge::withdraw_call(args, session)?)
        }
        Order::Withdraw(args) => {
            CheckCall::Withdraw(channel::withdraw_call(args, session).await?.1)
        }
        Order::Fund(args) => CheckCall::Fund(bridge::fund_call(args, session).await?),
        Order::Credit(args) => {
            CheckCall::CashCredit(CashCredit { token: channel::token_of(args, session)? })
        }
        Order::Invoice(args) => {
            CheckCall::CreateInvoice(payment::invoice_call(args, session).await?)
        }
        Order::Pay(args) => CheckCall::Pay(payment::pay_call(args, session).await?),
        Order::Stream(args) => {
            let found = session.channel(&args.channel).await?;
            let amount = Some(amount::read_in(&args.amount, &found.asset)?);
            let channel_id = Some(found.channel_id);
            CheckCall::Pay(Pay { channel_id, amount, ..Pay::default() })
        }
        // `call` hands over none of these.
        Order::Invite(_)
        | Order::Connect(_)
        | Order::Disconnect(_)
        | Order::Forget(_)
        | Order::Open(_)
        | Order::Join(_)
        | Order::Reject(_)
        | Order::Cancel(_)
        | Order::Close(_)
        | Order::ForceClose(_)
        | Order::Freeze(_)
        | Order::ExportProof(_)
        | Order::Backup(_)
        | Order::Recover(_)
        | Order::Tower { .. }
        | Order::Deploy(_) => return Err(CliError::usage()),
    })
}

async fn care(order: &Order, session: &Session) -> Result<CheckCall, CliError> {
    Ok(match order {
        Order::ExportProof(args) => {
            recovery::check_target(args.to.as_deref())?;
            CheckCall::ExportProof(ChannelCall { channel_id: id_of(&args.channel, session).await? })
        }
        Order::Backup(args) => {
            recovery::check_target(args.to.as_deref())?;
            CheckCall::Backup(Backup::default())
        }
        Order::Recover(args) => CheckCall::Recover(recovery::recover_call(args)?),
        Order::Tower { order: TowerCheck::Add { address } } => {
            CheckCall::AddTower(AddTower { address: address.clone() })
        }
        Order::Tower { order: TowerCheck::Remove { tower: name } } => {
            CheckCall::RemoveTower(TowerCall { tower: tower::find(name, session).await? })
        }
        // `call` hands over none of these.
        Order::Invite(_)
        | Order::Connect(_)
        | Order::Disconnect(_)
        | Order::Forget(_)
        | Order::Open(_)
        | Order::Join(_)
        | Order::Reject(_)
        | Order::Cancel(_)
        | Order::Close(_)
        | Order::ForceClose(_)
        | Order::Freeze(_)
        | Order::Deposit(_)
        | Order::Withdraw(_)
        | Order::Fund(_)
        | Order::Credit(_)
        | Order::Invoice(_)
        | Order::Pay(_)
        | Order::Stream(_)
        | Order::Deploy(_) => return Err(CliError::usage()),
    })
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
    let mut lines = vec!["It would work:".to_owned()];
    for (index, step) in report.steps.iter().enumerate() {
        let cost = step.cost.as_ref().map(|cost| format!(", {}", channel::fee_text(cost, session)));
        let number = index.saturating_add(1);
        lines.push(format!("{number}. {}{}", step.message, cost.unwrap_or_default()));
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
