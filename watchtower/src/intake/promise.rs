//! Promises: what they say, and that they are on disk before they are given.

use lockstep_core::appointment::SealedLocks;
use lockstep_core::ids::{AccountRef, NodeId, Side};
use lockstep_core::money::Amount;
use lockstep_core::receipt::{Receipt, SignedReceipt};
use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::tower::message::{RefusalCode, TowerRefusal};

use super::refusal::Stop;
use super::{Intake, Scene, TROUBLE_SECS, digest_of, seen};
use crate::record::{Account, Record, Reference};
use crate::store::{Changes, View};

impl Intake {
    /// The promise for what is held: the one that was given before, while it has long to go.
    pub(super) fn promise(
        &self,
        scene: &Scene,
        view: &View,
        record: &Record,
        side: Side,
    ) -> Result<SignedReceipt, Stop> {
        let later = TowerRefusal::later(RefusalCode::ChainUnavailable, TROUBLE_SECS);
        let now = scene.board.time().ok_or(Stop::Refused(later))?;
        let state = &record.appointment.state;
        let state_hash = digest_of(&record.appointment);
        let half = u64::from(self.policy.receipt_secs).div_euclid(2);
        let given = view.reference.filter(|given| {
            given.side == side
                && (given.version, given.state_hash) == (state.version, state_hash)
                && given.withdraw_version == record.withdraw_version
                && given.valid_until.secs_since(now) > half
        });
        let reference = given.unwrap_or(Reference {
            side,
            version: state.version,
            state_hash,
            valid_from: now,
            valid_until: BlockTimestamp(now.0.saturating_add(u64::from(self.policy.receipt_secs))),
            min_window: self.policy.min_window_secs.min(record.appointment.terms.challenge_period),
            insured: Amount::ZERO,
            withdraw_version: record.withdraw_version,
        });
        self.sign(record, &reference)
    }

    pub(super) fn sign(
        &self,
        record: &Record,
        reference: &Reference,
    ) -> Result<SignedReceipt, Stop> {
        let terms = &record.appointment.terms;
        let beneficiary = match terms.participant(reference.side) {
            AccountRef::Evm(address) => address,
            AccountRef::Starknet(_) => return Err(RefusalCode::UnsupportedChain.into()),
        };
        let receipt = Receipt {
            tower: self.tower,
            channel_id: record.appointment.state.channel_id,
            version: reference.version,
            state_hash: reference.state_hash,
            valid_from: reference.valid_from,
            valid_until: reference.valid_until,
            min_window: reference.min_window,
            insured: reference.insured,
            beneficiary,
            withdraw_version: reference.withdraw_version,
        };
        self.keys.sign_receipt(record.appointment.domain, &receipt).map_err(|error| {
            tracing::error!(%error, "the tower's key does not sign");
            Stop::Refused(TowerRefusal::later(RefusalCode::Storage, TROUBLE_SECS))
        })
    }

    /// Makes the record, the reference and the account durable together, before the receipt leaves.
    pub(super) async fn keep(
        &self,
        (account, head): (NodeId, Option<JournalHead>),
        view: &View,
        side: Side,
        kept: Option<(&Record, Option<SealedLocks>)>,
        signed: &SignedReceipt,
    ) -> Result<(), Stop> {
        let receipt = &signed.receipt;
        let reference = Reference {
            side,
            version: receipt.version,
            state_hash: receipt.state_hash,
            valid_from: receipt.valid_from,
            valid_until: receipt.valid_until,
            min_window: receipt.min_window,
            insured: receipt.insured,
            withdraw_version: receipt.withdraw_version,
        };
        let channel_id = receipt.channel_id;
        let mut changes = Changes::default();
        if view.reference != Some(reference) {
            changes.reference = Some((account, channel_id, reference));
        }
        if view.reference.is_none() {
            let before =
                view.account.unwrap_or(Account { slots: self.policy.slots, ..Account::default() });
            if before.used >= before.slots {
                return Err(RefusalCode::NoSlot.into());
            }
            let used = before.used.saturating_add(1);
            let head = head.map(seen).or(before.head);
            changes.account = Some((account, Account { used, head, ..before }));
        }
        if let Some((record, locks)) = kept {
            changes.record = Some(record.clone());
            changes.locks = locks;
        }
        let is_idle = changes.reference.is_none() && changes.record.is_none();
        if is_idle { Ok(()) } else { Ok(self.shared.write(changes).await?) }
    }
}
