//! Dry runs of what keeps a node safe: proofs, backups, recovery, towers.

use super::{Checked, report, works};
use crate::engine::backend::{guide, tower};
use crate::engine::shared::Shared;
use lockstep_rpc::types::{AddTower, Backup, ExportProof, Recover, TowerCall};
use std::sync::Arc;

pub(super) async fn export_proof(shared: &Arc<Shared>, call: &ExportProof) -> Checked {
    let proof = guide::export_proof(shared, call).await?;
    if call.equivocation.unwrap_or_default() {
        return works([format!(
            "the proof that the counterparty signed two states of version {} is written out, for anybody to check",
            proof.version
        )]);
    }
    works([format!(
        "version {} is written out with both signatures, ready for anybody to bring to the chain",
        proof.version
    )])
}

pub(super) fn backup(shared: &Shared, call: &Backup) -> Checked {
    let path = guide::plan_backup(shared, call)?;
    let count = shared.registry.all().len();
    let mut report = report([format!(
        "{count} channels and the list of peers are written to {}, encrypted with a key of this node's seed",
        path.display()
    )]);
    report.warnings.push("channels that come back from a backup only close".to_owned());
    Ok(report)
}

pub(super) fn recover(shared: &Shared, call: &Recover) -> Checked {
    guide::plan_recover(shared, call)?;
    let mut steps = Vec::new();
    if call.proof.is_some() {
        steps.push("the state of the proof file is shown to its channel, which is made again if it is lost");
    }
    if call.invite.is_some() {
        steps.push("the counterparty is asked for the channels that it has with this node");
    }
    if call.from_towers.unwrap_or_default() {
        steps.push("the towers are asked for the channels that this node has lost");
    }
    steps.push("the chain is read again from the contract's first block on");
    let mut report = report(steps);
    report.warnings.push("channels that come back only close".to_owned());
    Ok(report)
}

pub(super) fn add_tower(shared: &Shared, call: &AddTower) -> Checked {
    let key = tower::plan_add(shared, call)?;
    let mut report = report([
        "the tower is written down and connected to",
        "it is given the newest state of each channel from now on; payments to this node wait for it beyond \
         towers.max_unprotected",
    ]);
    if shared.towers.get(&key).is_some() {
        report.warnings.push("the tower is known already: its address is replaced".to_owned());
    }
    Ok(report)
}

pub(super) fn remove_tower(shared: &Shared, call: &TowerCall) -> Checked {
    tower::plan_remove(shared, call)?;
    let mut report = report(["the tower gets nothing new; what it holds it still answers with"]);
    if shared.towers.all().len() == 1 {
        let message = "it is the last one: nobody answers while this node is away";
        report.warnings.push(message.to_owned());
    }
    Ok(report)
}
