//! Towers in the words of the API.

use crate::engine::shared::Shared;
use crate::engine::tower::{self, Known};
use alloy_primitives::hex;
use lockstep_core::ids::{AccountRef, ChannelId, Domain, NodeId};
use lockstep_core::receipt::SignedReceipt;
use lockstep_core::record::ChannelSetup;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    AddTower, ListReceipts, TermsView, Text, Tower, TowerCall, TowerCounts, TowerReceipt,
};
use std::sync::Arc;

pub(super) async fn add(shared: &Arc<Shared>, call: &AddTower) -> Result<Tower, Failure> {
    let key = tower::add(shared, &call.address).await?;
    let known = shared.towers.get(&key).ok_or_else(|| {
        Failure::new(FailureKind::Busy, "the tower was removed meanwhile").safe("nothing was lost")
    })?;
    Ok(describe(shared, key, &known))
}

pub(super) async fn remove(shared: &Arc<Shared>, call: &TowerCall) -> Result<(), Failure> {
    tower::remove(shared, call.tower.0).await
}

pub(super) fn list(shared: &Shared) -> Vec<Tower> {
    let all = shared.towers.all();
    all.iter().map(|(key, known)| describe(shared, *key, known)).collect()
}

pub(super) fn counts(shared: &Shared) -> TowerCounts {
    let all = shared.towers.all();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let connected = all.iter().filter(|(_, known)| known.is_connected).count();
    TowerCounts { known: count(all.len()), connected: count(connected) }
}

/// What removing a tower takes.
pub(super) fn plan_remove(shared: &Shared, call: &TowerCall) -> Result<(), Failure> {
    tower::find(shared, call.tower.0).map(drop)
}

/// What adding a tower takes.
pub(super) fn plan_add(shared: &Shared, call: &AddTower) -> Result<NodeId, Failure> {
    tower::plan(shared, &call.address).map(|known| known.address.key)
}

fn describe(shared: &Shared, key: NodeId, known: &Known) -> Tower {
    let (mut protected_channels, mut exposed_channels) = (0_u32, 0_u32);
    for handle in shared.registry.all() {
        let view = handle.view();
        if view.is_settled() {
            continue;
        }
        let is_exposed = view.shelter.lacking.contains(&known.signer);
        let is_held = shared.towers.receipt(view.channel_id, key).is_some();
        exposed_channels = exposed_channels.saturating_add(u32::from(is_exposed));
        protected_channels = protected_channels.saturating_add(u32::from(is_held && !is_exposed));
    }
    Tower {
        tower: Text(key),
        signer: Text(AccountRef::Evm(known.signer)),
        address: known.address.to_string(),
        is_connected: known.is_connected,
        heard_at: known.heard_at_secs,
        added_at: known.added_at_secs,
        protected_channels,
        exposed_channels,
        problem: known.problem.clone(),
    }
}

/// The newest receipts. One of a channel that this node no longer has says too little to be checked by others,
/// and is left out.
pub(super) fn receipts(shared: &Shared, call: &ListReceipts) -> Vec<TowerReceipt> {
    let asked = call.channel_id.map(|id| id.0);
    let all = shared.towers.receipts(asked).into_iter();
    all.filter_map(|(tower, signed)| {
        let setup = shared.registry.get(signed.receipt.channel_id)?.view().setup;
        receipt(&setup, tower, &signed)
    })
    .collect()
}

/// The newest receipts of one channel, as they are handed out.
pub(crate) fn receipts_of(shared: &Shared, channel_id: ChannelId) -> Vec<TowerReceipt> {
    receipts(shared, &ListReceipts { channel_id: Some(Text(channel_id)) })
}

fn receipt(setup: &ChannelSetup, tower: NodeId, signed: &SignedReceipt) -> Option<TowerReceipt> {
    let Domain::Evm { chain_id, contract } = setup.domain else { return None };
    let (terms, receipt) = (&setup.terms, &signed.receipt);
    let evm = |address| Text(AccountRef::Evm(address));
    Some(TowerReceipt {
        chain_id: chain_id.to_string(),
        contract: evm(contract),
        terms: TermsView {
            participant1: Text(terms.participant1),
            participant2: Text(terms.participant2),
            signer1: evm(terms.signer1),
            signer2: evm(terms.signer2),
            token: Text(terms.token),
            challenge_period: terms.challenge_period,
            salt: Text(terms.salt),
        },
        channel_id: Text(receipt.channel_id),
        tower: Text(tower),
        signer: evm(receipt.tower),
        version: receipt.version.0,
        state_hash: Text(receipt.state_hash.0),
        valid_from: receipt.valid_from.0,
        valid_until: receipt.valid_until.0,
        min_window: receipt.min_window,
        insured: Text(receipt.insured),
        beneficiary: evm(receipt.beneficiary),
        withdraw_version: receipt.withdraw_version.0,
        signature: format!("0x{}", hex::encode(signed.signature.0)),
    })
}
