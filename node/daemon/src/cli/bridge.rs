//! Money between L1 and the rollup.

use super::amount::{self, Money};
use super::args::{Fund, Nothing, WithdrawTo};
use super::failure::CliError;
use super::output::{Terminal, table};
use super::payment;
use super::session::Session;
use super::wording;
use lockstep_core::ids::AccountRef;
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{
    self, AccountText, NetworkReport, Text, TextForm, Transfer, TransferDirection,
};

pub(super) async fn fund(
    args: &Fund,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = fund_call(args, session).await?;
    let transfer = session.call(&api::FUND, &call).await?;
    terminal.answer(&transfer, one)
}

pub(super) async fn fund_call(args: &Fund, session: &Session) -> Result<types::Fund, CliError> {
    let channel = session.channel(&args.channel).await?;
    let amount = match args.amount.is_empty() {
        true => None,
        false => Some(amount::read_in(&args.amount, &channel.asset)?),
    };
    Ok(types::Fund {
        channel_id: channel.channel_id,
        amount,
        l1_token: args.l1_token.as_deref().map(account).transpose()?,
        idempotency_key: Some(payment::new_key()?),
    })
}

/// To L1, from this node's own account on the rollup.
pub(super) async fn withdraw(
    args: &WithdrawTo,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = withdraw_call(args, session)?;
    let transfer = session.call(&api::WITHDRAW_TO_L1, &call).await?;
    terminal.answer(&transfer, one)
}

pub(super) fn withdraw_call(
    args: &WithdrawTo,
    session: &Session,
) -> Result<types::WithdrawToL1, CliError> {
    let Some(Money { amount, asset }) = session.money_of(&args.words)? else {
        return Err(CliError::usage());
    };
    let coin = asset.token.0.is_zero();
    Ok(types::WithdrawToL1 {
        amount,
        token: (!coin).then_some(asset.token),
        recipient: args.recipient.as_deref().map(account).transpose()?,
        idempotency_key: Some(payment::new_key()?),
    })
}

pub(super) async fn transfers(
    _: &Nothing,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let all = session.call(&api::LIST_TRANSFERS, &NoParams {}).await?;
    terminal.answer(&all, |all| many(all))
}

pub(super) async fn networks(
    _: &Nothing,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let all = session.call(&api::LIST_NETWORKS, &NoParams {}).await?;
    terminal.answer(&all, |all| compared(all))
}

fn account(text: &str) -> Result<AccountText, CliError> {
    let read = AccountRef::read(&text.to_ascii_lowercase());
    read.map(Text).ok_or_else(|| {
        CliError::refused(format!("{text} is no account: 0x and 40 hex digits"))
            .safe("nothing was done")
    })
}

fn state(transfer: &Transfer) -> String {
    let text = serde_json::to_value(transfer.state).ok();
    text.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn one(transfer: &Transfer) -> String {
    many(std::slice::from_ref(transfer))
}

pub(super) fn many(transfers: &[Transfer]) -> String {
    if transfers.is_empty() {
        return "No transfers between L1 and the rollup.".to_owned();
    }
    let rows = transfers.iter().map(|transfer| {
        let way = match transfer.direction {
            TransferDirection::In => "from L1",
            TransferDirection::Out => "to L1",
        };
        let when = |time: Option<u64>| time.map_or_else(String::new, wording::moment);
        vec![
            transfer.transfer_id.to_string().chars().take(10).collect(),
            way.to_owned(),
            amount::show(transfer.amount, &transfer.asset),
            state(transfer),
            transfer.waits_for.clone(),
            when(transfer.expected_at),
            when(transfer.arrives_at),
        ]
    });
    table(
        &[
            "transfer",
            "way",
            "amount",
            "state",
            "waits for",
            "until about (UTC)",
            "arrives about (UTC)",
        ],
        rows,
    )
}

fn compared(reports: &[NetworkReport]) -> String {
    if reports.is_empty() {
        return "No endpoints of L1 are configured: see bridge.endpoints.".to_owned();
    }
    let rows = reports.iter().map(|report| {
        let secs = |secs: u64| format!("{secs} s");
        vec![
            report.network.clone(),
            format!("{} ms", report.block_millis),
            format!("{} wei", report.gas_price),
            format!("{} wei", report.open_fee),
            format!("{} wei", report.challenge_fee),
            format!("{} wei", report.close_fee),
            format!("{} wei", report.challenge_data_fee),
            secs(report.withdraw_secs),
            report.force_secs.map_or_else(|| "never".to_owned(), secs),
            secs(report.least_challenge_secs),
            format!("{} wei", report.locked),
            if report.is_paused { "yes" } else { "no" }.to_owned(),
        ]
    });
    let head = [
        "network",
        "block",
        "gas",
        "open",
        "challenge",
        "close",
        "data",
        "to L1",
        "forced",
        "least window",
        "locked",
        "paused",
    ];
    table(&head, rows)
}
