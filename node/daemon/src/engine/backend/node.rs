//! The node itself, from memory.

use super::describe;
use crate::engine::lock;
use crate::engine::shared::{Holding, Shared};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Domain};
use lockstep_core::money::Amount;
use lockstep_core::record::Phase;
use lockstep_rpc::types::{
    AccountBalance, AssetBalance, ChainStatus, ChannelCounts, EndpointStatus, NodeInfo, NodeState,
    Status, Text, Waiting,
};

/// What does not change while the node runs.
pub(super) fn info(shared: &Shared) -> NodeInfo {
    let settings = &shared.settings;
    let (chain_id, contract) = match settings.domain {
        Domain::Evm { chain_id, contract } => (chain_id.to_string(), AccountRef::Evm(contract)),
        Domain::Starknet { chain_id, hub } => (chain_id.to_string(), AccountRef::Starknet(hub)),
    };
    let addresses = shared.network.local_addresses();
    NodeInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: settings.network.clone(),
        chain_id,
        contract: Text(contract),
        node_id: Text(shared.node_id),
        peer_id: shared.network.local_peer().to_string(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        account: Text(AccountRef::Evm(settings.account)),
        owner: Text(AccountRef::Evm(settings.owner)),
        assets: settings.assets.clone(),
        challenge_period_bounds: (settings.bounds.minimum, settings.bounds.maximum),
        challenge_period: settings.challenge_period,
    }
}

/// How the node is.
pub(super) fn status(shared: &Shared) -> Status {
    let mut channels = ChannelCounts::default();
    let mut waiting: Vec<Waiting> = Vec::new();
    for handle in shared.registry.all() {
        let view = handle.view();
        let count = match view.phase {
            Phase::Opening(_) => &mut channels.opening,
            Phase::Funding { .. } => &mut channels.funding,
            Phase::Open => &mut channels.open,
            Phase::Closing(_) => &mut channels.closing,
            Phase::Disputed(_) => &mut channels.disputed,
            Phase::Settled(_) => &mut channels.settled,
        };
        *count = count.saturating_add(1);
        if !view.is_settled() {
            channels.frozen =
                channels.frozen.saturating_add(u32::from(view.marks.frozen.is_some()));
            let restored = u32::from(view.marks.restored.is_some());
            channels.restored = channels.restored.saturating_add(restored);
        }
        waiting.extend(describe::waiting(shared, &view));
    }
    waiting.sort_by_key(|waiting| waiting.until.unwrap_or(u64::MAX));
    let alarms = shared.alarms.all();
    Status {
        state: state(shared, alarms.is_empty()),
        started_at: shared.started_secs,
        chain: chain(shared),
        connected_peers: u32::try_from(shared.peers.connected()).unwrap_or(u32::MAX),
        towers: super::tower::counts(shared),
        channels,
        pending_opens: u32::try_from(shared.offers.len()).unwrap_or(u32::MAX),
        balances: balances(shared),
        accounts: accounts(shared),
        waiting,
        alarms,
    }
}

/// Whether the node can do its work.
pub(super) fn state(shared: &Shared, is_quiet: bool) -> NodeState {
    if shared.is_stopping() {
        NodeState::Stopping
    } else if shared.is_signing_stopped() {
        NodeState::SigningStopped
    } else if shared.chain_time().head().0 == 0 {
        NodeState::Starting
    } else if is_quiet && shared.chain.status().is_following {
        NodeState::Ready
    } else {
        NodeState::Degraded
    }
}

fn chain(shared: &Shared) -> ChainStatus {
    let status = shared.chain.status();
    let trouble = status.trouble.as_ref().filter(|error| error.class() != ErrorClass::Refused);
    let trouble = trouble.map(ToString::to_string);
    ChainStatus {
        head_number: status.head.map(|head| head.number.0),
        head_timestamp: status.head.map(|head| head.timestamp.0),
        finalized_number: status.finalized.map(|block| block.number.0),
        processed_number: *lock(&shared.processed),
        endpoints: status
            .endpoints
            .iter()
            .map(|endpoint| EndpointStatus {
                name: endpoint.name.to_string(),
                is_healthy: endpoint.is_healthy,
                problem: if endpoint.is_healthy { None } else { trouble.clone() },
            })
            .collect(),
    }
}

/// What is ours, by token. Amounts of two tokens are never added.
fn balances(shared: &Shared) -> Vec<AssetBalance> {
    let holdings = lock(&shared.holdings).clone();
    let mut all = Vec::new();
    for asset in &shared.settings.assets {
        let mut in_channels = Amount::ZERO;
        let mut spendable = Amount::ZERO;
        let mut receivable = Amount::ZERO;
        let mut unprotected = Amount::ZERO;
        for handle in shared.registry.all() {
            let view = handle.view();
            if view.setup.terms.token != asset.token.0 || view.is_settled() {
                continue;
            }
            let add = |sum: Amount, more: Amount| sum.checked_add(more).unwrap_or(Amount::MAX);
            in_channels = add(in_channels, view.own_balance);
            unprotected = add(unprotected, view.unprotected());
            receivable = add(receivable, view.balances.of(view.side().other()));
            if view.is_payable() {
                spendable = add(spendable, view.spendable);
            }
        }
        let ours = |holding: &&Holding| AccountRef::Evm(holding.token) == asset.token.0;
        let credit = holdings.iter().filter(ours).map(|holding| holding.credit);
        let credit =
            credit.fold(Amount::ZERO, |sum, more| sum.checked_add(more).unwrap_or(Amount::MAX));
        all.push(AssetBalance {
            asset: asset.clone(),
            in_channels: Text(in_channels),
            spendable: Text(spendable),
            receivable: Text(receivable),
            unprotected: Text(unprotected),
            credit: Text(credit),
        });
    }
    all
}

/// Every account with every asset, from the start on: what is not known yet is said to be so.
fn accounts(shared: &Shared) -> Vec<AccountBalance> {
    let holdings = lock(&shared.holdings).clone();
    let assets = &shared.settings.assets;
    let all =
        shared.accounts.iter().flat_map(|account| assets.iter().map(move |asset| (account, asset)));
    all.map(|(account, asset)| {
        let is_meant = |holding: &&Holding| {
            holding.account == *account && AccountRef::Evm(holding.token) == asset.token.0
        };
        let known = holdings.iter().find(is_meant);
        let role = if *account == shared.settings.owner { "owner" } else { "sender" };
        AccountBalance {
            account: Text(AccountRef::Evm(*account)),
            role: role.to_owned(),
            asset: asset.clone(),
            balance: known.map(|holding| Text(holding.balance)),
            block_number: known.and_then(|holding| holding.block_number),
        }
    })
    .collect()
}
