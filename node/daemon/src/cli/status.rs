//! How the node is, what happened, and its end.

use super::args::{Events, Line};
use super::channel::waiting_text;
use super::failure::CliError;
use super::output::{Terminal, pairs, table};
use super::session::Session;
use super::{amount, wording};
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{
    ChainStatus, ChannelCounts, Direction, Event, EventBody, EventKind, ListEvents, NodeState,
    Status,
};
use std::time::Duration;

/// Events of one page.
const PAGE: u32 = 1_000;
/// How often news are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn show(session: &Session, terminal: &mut Terminal) -> Result<(), CliError> {
    let status = session.call(&api::STATUS, &NoParams {}).await?;
    terminal.answer(&status, |status| describe(status, session))
}

/// The node's state in full.
fn describe(status: &Status, session: &Session) -> String {
    let info = &session.info;
    let head = [
        ("node", info.node_id.to_string()),
        ("network", format!("{} (chain {})", info.network, info.chain_id)),
        ("contract", info.contract.to_string()),
        ("account", info.account.to_string()),
        ("owner", info.owner.to_string()),
        ("state", state(status.state).to_owned()),
        ("since", wording::moment(status.started_at)),
        ("chain", chain(&status.chain)),
        ("peers online", status.connected_peers.to_string()),
        ("channels", counts(&status.channels)),
    ];
    let mut text = pairs(head.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if status.pending_opens > 0 {
        text.push_str(&format!(
            "\n\n{} offers wait: `lockstep join` lists them",
            status.pending_opens
        ));
    }
    text.push_str(&format!("\n\n{}", balances(status)));
    let accounts = status.accounts.iter().map(|account| {
        vec![
            account.account.to_string(),
            account.role.clone(),
            account.balance.map_or_else(
                || "not known yet".to_owned(),
                |balance| amount::show(balance, &account.asset),
            ),
        ]
    });
    text.push_str(&format!("\n\n{}", table(&["ACCOUNT", "FOR", "HOLDS"], accounts)));
    for waiting in &status.waiting {
        text.push_str(&format!("\nwaits for: {}", waiting_text(waiting)));
    }
    for alarm in &status.alarms {
        text.push_str(&format!(
            "\nALARM: {} (since {})",
            alarm.message,
            wording::moment(alarm.since)
        ));
    }
    text
}

fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Starting => "starting",
        NodeState::Ready => "ready",
        NodeState::Degraded => "works, but look at the alarms",
        NodeState::SigningStopped => "SIGNS NOTHING MORE: its journal failed; it still watches",
        NodeState::Stopping => "stopping",
    }
}

fn chain(chain: &ChainStatus) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let healthy = chain.endpoints.iter().filter(|endpoint| endpoint.is_healthy).count();
    format!(
        "block {}, finalized {}, {healthy} of {} endpoints answer",
        number(chain.head_number),
        number(chain.finalized_number),
        chain.endpoints.len()
    )
}

fn counts(counts: &ChannelCounts) -> String {
    let all = [
        (counts.opening, "opening"),
        (counts.funding, "funding"),
        (counts.open, "open"),
        (counts.closing, "closing"),
        (counts.disputed, "disputed"),
        (counts.settled, "settled"),
        (counts.frozen, "frozen"),
        (counts.restored, "restored"),
    ];
    let some: Vec<String> = all
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn balances(status: &Status) -> String {
    let rows = status.balances.iter().map(|balance| {
        let show = |amount| amount::decimal(amount, balance.asset.decimals);
        vec![
            balance.asset.symbol.clone(),
            show(balance.in_channels),
            show(balance.spendable),
            show(balance.receivable),
            show(balance.credit),
        ]
    });
    table(&["TOKEN", "IN CHANNELS", "CAN PAY", "CAN GET", "TO FETCH"], rows)
}

pub(super) async fn events(
    args: &Events,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let kind = match args.kind {
        Line::Payments => EventKind::Payments,
        Line::Channels => EventKind::Channels,
        Line::Disputes => EventKind::Disputes,
    };
    let mut from_index = args.from;
    loop {
        let call = ListEvents { kind, from_index, limit: Some(PAGE) };
        let page = session.call(&api::LIST_EVENTS, &call).await?;
        let is_end = page.events.is_empty();
        for event in &page.events {
            // One line each, in JSON too, so that a reader can follow.
            terminal.answer(event, one_line)?;
        }
        from_index = Some(page.next_index);
        if is_end {
            if !args.follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }
}

fn one_line(event: &Event) -> String {
    let what = match &event.body {
        EventBody::Payment { payment } => {
            let sign = match payment.direction {
                Direction::Sent => "-",
                Direction::Received => "+",
            };
            let amount = amount::show(payment.amount, &payment.asset);
            let state = wording::payment(payment.state);
            format!("{} {sign}{amount} {state}", wording::short(&payment.channel_id))
        }
        EventBody::Channel { message, channel_id, .. }
        | EventBody::Dispute { message, channel_id, .. } => {
            format!("{} {message}", wording::short(channel_id))
        }
    };
    format!("{:>6}  {}  {what}", event.index, wording::moment(event.at))
}

pub(super) async fn stop(session: &Session, terminal: &mut Terminal) -> Result<(), CliError> {
    session.call(&api::STOP, &NoParams {}).await?;
    terminal.answer(&serde_json::json!({ "stopping": true }), |_| {
        "The node is stopping. Nobody watches its channels until it is back.".to_owned()
    })
}
