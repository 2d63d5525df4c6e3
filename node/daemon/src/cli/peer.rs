//! Nodes that this node knows: listed, sent away, forgotten.

use super::args::OfPeer;
use super::failure::CliError;
use super::output::{Terminal, table};
use super::session::Session;
use super::wording;
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{Peer, PeerCall};

/// Letters of a key that name a node, at the least: all keys begin with 0x02 or 0x03.
const LEAST_PREFIX: usize = 6;

pub(super) async fn list(session: &Session, terminal: &mut Terminal) -> Result<(), CliError> {
    let peers = session.call(&api::LIST_PEERS, &NoParams {}).await?;
    terminal.answer(&peers, |peers| peer_table(peers))
}

fn peer_table(peers: &[Peer]) -> String {
    if peers.is_empty() {
        return "No peers. `lockstep connect` takes an invite.".to_owned();
    }
    let rows = peers.iter().map(|peer| {
        vec![
            peer.node_id.to_string(),
            if peer.is_connected { "online" } else { "offline" }.to_owned(),
            wording::moment(peer.since),
            peer.channels.to_string(),
            peer.problem.clone().unwrap_or_default(),
        ]
    });
    table(&["NODE", "LINK", "SINCE (UTC)", "CHANNELS", "PROBLEM"], rows)
}

/// The node of a key or of its beginning.
pub(super) async fn find(text: &str, session: &Session) -> Result<Peer, CliError> {
    let prefix = text.to_ascii_lowercase();
    let bad = |message: String| {
        CliError::refused(message)
            .safe("nothing was done")
            .advice("`lockstep peers` lists the keys; give at least six characters of one")
    };
    if !prefix.starts_with("0x") || prefix.len() < LEAST_PREFIX {
        return Err(bad(format!("`{text}` is no key of a node")));
    }
    let mut peers = session.call(&api::LIST_PEERS, &NoParams {}).await?;
    peers.retain(|peer| peer.node_id.to_string().starts_with(&prefix));
    match (peers.pop(), peers.is_empty()) {
        (Some(peer), true) => Ok(peer),
        (Some(_), false) => Err(bad(format!("more than one key begins with {text}"))),
        (None, _) => Err(bad(format!("no node is known whose key begins with {text}"))),
    }
}

pub(super) async fn disconnect(
    args: &OfPeer,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let node_id = find(&args.peer, session).await?.node_id;
    let peer = session.call(&api::DISCONNECT_PEER, &PeerCall { node_id }).await?;
    terminal.answer(&peer, |peer| match peer.channels {
        0 => format!("{} is sent away.", peer.node_id),
        channels => format!(
            "{} is sent away. {channels} channels with it wait until it comes back, or `lockstep connect`.",
            peer.node_id
        ),
    })
}

pub(super) async fn forget(
    args: &OfPeer,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let node_id = find(&args.peer, session).await?.node_id;
    let call = PeerCall { node_id };
    session.call(&api::FORGET_PEER, &call).await?;
    terminal.answer(&call, |call| format!("{} is a stranger from now on.", call.node_id))
}
