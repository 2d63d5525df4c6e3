//! `lockstep invite` and `lockstep connect`.

use super::args::{Connect, Invite};
use super::failure::CliError;
use super::output::Terminal;
use super::progress;
use super::session::Session;
use lockstep_rpc::api;
use lockstep_rpc::types::{self, CreateInvite};

pub(super) async fn run(
    args: &Invite,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = call(args, session)?;
    let invite = session.call(&api::CREATE_INVITE, &call).await?;
    let with_qr = terminal.is_screen() && !args.no_qr;
    terminal.answer(&invite, |invite: &types::Invite| match &invite.qr {
        Some(qr) if with_qr => format!("{qr}\n{}", invite.invite),
        Some(_) | None => invite.invite.clone(),
    })
}

pub(super) fn call(args: &Invite, session: &Session) -> Result<CreateInvite, CliError> {
    let asked = args.ask.as_deref().map(|text| session.money(text)).transpose()?;
    let brought = args.bring.as_deref().map(|text| session.money(text)).transpose()?;
    if let (Some(asked), Some(brought)) = (&asked, &brought)
        && asked.asset != brought.asset
    {
        return Err(CliError::refused("a channel has one token, and these are two")
            .safe("no invite was made"));
    }
    Ok(CreateInvite {
        token: asked.as_ref().map(|money| money.asset.token),
        opener_deposit: asked.map(|money| money.amount),
        own_deposit: brought.map(|money| money.amount),
        challenge_period: args.challenge_period,
    })
}

pub(super) async fn connect(
    args: &Connect,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = types::Connect { invite: args.invite.clone(), wait_millis: None };
    let work = session.call(&api::CONNECT, &call);
    let peer = progress::watched("looking for the other node", terminal, work).await?;
    terminal.answer(&peer, |peer: &types::Peer| {
        let state = if peer.is_connected { "connected to" } else { "still connecting to" };
        format!("{state} {}", peer.node_id)
    })
}
