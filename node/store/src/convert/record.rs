//! The rows that a channel's record is spread over.

use alloy_primitives::Address;
use lockstep_core::{
    ids::{NodeId, Sequence},
    record::{
        ChannelSetup, CoSigned, Equivocation, FreezeReason, InFlight, Invoice, InvoiceStatus,
        KnownSecret, LeftOut, PendingUpdate, RestoreReason, Sequences, Withdrawal,
    },
    signature::SignerKey,
    terms::{Features, PeriodBounds, Policy, Terms},
    update::Memo,
};
use lockstep_proto::v1;

use super::{
    Malformed, Stored, amount, amount_bytes, channel, fixed, hash, protos, required, signature,
    signature_bytes, signature_if_any, time, version,
};

impl Stored for ChannelSetup {
    type Proto = v1::SetupRow;

    fn to_proto(&self) -> Self::Proto {
        let key = self.counterparty_key.map(|key| key.to_compressed().to_vec());
        v1::SetupRow {
            domain: Some(self.domain.to_proto()),
            terms: Some(self.terms.to_proto()),
            side: channel::side_to(self.side),
            peer: self.peer.0.to_vec(),
            counterparty_key: key.unwrap_or_default(),
            features: self.features.bits(),
            policy: Some(self.policy.to_proto()),
            deposit1: amount_bytes(self.deposit1),
            deposit2: amount_bytes(self.deposit2),
            own_key: self.own_key.to_compressed().to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let side = channel::side_from(proto.side)?;
        let terms: Terms = required(proto.terms, "setup.terms")?;
        let counterparty_key = if proto.counterparty_key.is_empty() {
            None
        } else {
            let expected = terms.signer(side.other());
            Some(signer_key(&proto.counterparty_key, expected, "setup.counterparty_key")?)
        };
        Ok(Self {
            domain: required(proto.domain, "setup.domain")?,
            terms,
            side,
            peer: NodeId(fixed(&proto.peer, "setup.peer")?),
            own_key: signer_key(&proto.own_key, terms.signer(side), "setup.own_key")?,
            counterparty_key,
            features: features(proto.features)?,
            policy: required(proto.policy, "setup.policy")?,
            deposit1: amount(&proto.deposit1, "setup.deposit1")?,
            deposit2: amount(&proto.deposit2, "setup.deposit2")?,
        })
    }
}

/// A key that belongs to an address in the terms.
fn signer_key(
    bytes: &[u8],
    expected: Address,
    field: &'static str,
) -> Result<SignerKey, Malformed> {
    SignerKey::new(&fixed(bytes, field)?, expected).map_err(|_| Malformed::OutOfRange { field })
}

fn features(bits: u64) -> Result<Features, Malformed> {
    Features::from_bits(bits).ok_or(Malformed::OutOfRange { field: "features" })
}

impl Stored for Policy {
    type Proto = v1::Policy;

    fn to_proto(&self) -> Self::Proto {
        v1::Policy {
            min_period_secs: self.period.minimum,
            max_period_secs: self.period.maximum,
            features: self.features.bits(),
            max_in_flight: self.max_in_flight,
            max_in_flight_value: amount_bytes(self.max_in_flight_value),
            min_counterparty_deposit: amount_bytes(self.min_counterparty_deposit),
            max_own_deposit: amount_bytes(self.max_own_deposit),
            lock_dust: amount_bytes(self.lock_dust),
            max_lock_expiry_secs: self.max_lock_expiry_secs,
            lock_margin_secs: self.lock_margin_secs,
            peer_timeout_millis: self.peer_timeout_millis,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            period: PeriodBounds { minimum: proto.min_period_secs, maximum: proto.max_period_secs },
            features: features(proto.features)?,
            max_in_flight: proto.max_in_flight,
            max_in_flight_value: amount(&proto.max_in_flight_value, "policy.in_flight_value")?,
            min_counterparty_deposit: amount(
                &proto.min_counterparty_deposit,
                "policy.counterparty_deposit",
            )?,
            max_own_deposit: amount(&proto.max_own_deposit, "policy.own_deposit")?,
            lock_dust: amount(&proto.lock_dust, "policy.lock_dust")?,
            max_lock_expiry_secs: proto.max_lock_expiry_secs,
            lock_margin_secs: proto.lock_margin_secs,
            peer_timeout_millis: proto.peer_timeout_millis,
        })
    }
}

impl Stored for Sequences {
    type Proto = v1::Sequences;

    fn to_proto(&self) -> Self::Proto {
        v1::Sequences { one: self.one.0, two: self.two.0 }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self { one: Sequence(proto.one), two: Sequence(proto.two) })
    }
}

impl Stored for Withdrawal {
    type Proto = v1::Withdrawal;

    fn to_proto(&self) -> Self::Proto {
        v1::Withdrawal {
            withdraw: Some(self.withdraw.to_proto()),
            counterparty_signature: signature_bytes(self.counterparty_signature),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            withdraw: required(proto.withdraw, "withdrawal.withdraw")?,
            counterparty_signature: signature_if_any(
                &proto.counterparty_signature,
                "withdrawal.signature",
            )?,
        })
    }
}

impl Stored for CoSigned {
    type Proto = v1::BaseRow;

    fn to_proto(&self) -> Self::Proto {
        v1::BaseRow {
            state: Some(self.state.to_proto()),
            locks: protos(&self.locks),
            counterparty_signature: self.counterparty_signature.0.to_vec(),
            own_signature: signature_bytes(self.own_signature),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            state: channel::state(proto.state, "base.state")?,
            locks: channel::locks(proto.locks)?,
            counterparty_signature: signature(
                &proto.counterparty_signature,
                "base.counterparty_signature",
            )?,
            own_signature: signature_if_any(&proto.own_signature, "base.own_signature")?,
        })
    }
}

impl Stored for Equivocation {
    type Proto = v1::EquivocationRow;

    fn to_proto(&self) -> Self::Proto {
        v1::EquivocationRow {
            first: Some(self.first.to_proto()),
            first_signature: self.first_signature.0.to_vec(),
            second: Some(self.second.to_proto()),
            second_signature: self.second_signature.0.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            first: channel::state(proto.first, "equivocation.first")?,
            first_signature: signature(&proto.first_signature, "equivocation.first_signature")?,
            second: channel::state(proto.second, "equivocation.second")?,
            second_signature: signature(&proto.second_signature, "equivocation.second_signature")?,
        })
    }
}

impl Stored for InFlight {
    type Proto = v1::InFlightRow;

    fn to_proto(&self) -> Self::Proto {
        v1::InFlightRow {
            state: Some(self.state.to_proto()),
            locks: protos(&self.locks),
            sequences: Some(self.sequences.to_proto()),
            is_rejected: self.is_rejected,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            state: channel::state(proto.state, "in_flight.state")?,
            locks: channel::locks(proto.locks)?,
            sequences: required(proto.sequences, "in_flight.sequences")?,
            is_rejected: proto.is_rejected,
        })
    }
}

impl Stored for PendingUpdate {
    type Proto = v1::PendingUpdate;

    fn to_proto(&self) -> Self::Proto {
        let left_out = self.left_out.map(|left_out| v1::LeftOut {
            from_version: left_out.from.0,
            reason: channel::reason_to(left_out.reason),
        });
        v1::PendingUpdate { update: Some(self.update.to_proto()), left_out }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let left_out = match proto.left_out {
            Some(left_out) => Some(LeftOut {
                from: version(left_out.from_version),
                reason: channel::reason_from(left_out.reason)?,
            }),
            None => None,
        };
        Ok(Self { update: required(proto.update, "pending.update")?, left_out })
    }
}

impl Stored for Invoice {
    type Proto = v1::InvoiceRow;

    fn to_proto(&self) -> Self::Proto {
        let paid_version = match self.status {
            InvoiceStatus::Open => None,
            InvoiceStatus::Paid { version } => Some(version.0),
        };
        v1::InvoiceRow {
            amount: amount_bytes(self.amount),
            expiry_secs: self.expiry.0,
            paid_version,
            memo: self.memo.as_bytes().to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let status = match proto.paid_version {
            None => InvoiceStatus::Open,
            Some(paid) => InvoiceStatus::Paid { version: version(paid) },
        };
        Ok(Self {
            amount: amount(&proto.amount, "invoice.amount")?,
            expiry: time(proto.expiry_secs),
            memo: Memo::new(proto.memo)
                .map_err(|_| Malformed::OutOfRange { field: "invoice.memo" })?,
            status,
        })
    }
}

impl Stored for KnownSecret {
    type Proto = v1::SecretRow;

    fn to_proto(&self) -> Self::Proto {
        v1::SecretRow {
            secret: self.secret.to_vec(),
            revealed_at_secs: self.revealed_at.map(|revealed_at| revealed_at.0),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            secret: hash(&proto.secret, "secret.secret")?,
            revealed_at: proto.revealed_at_secs.map(time),
        })
    }
}

/// The stored form of a reason to freeze, or of none.
pub(crate) fn freeze_to(reason: Option<FreezeReason>) -> i32 {
    let proto = match reason {
        None => v1::FreezeReason::Unspecified,
        Some(FreezeReason::InvariantBroken) => v1::FreezeReason::InvariantBroken,
        Some(FreezeReason::Equivocation) => v1::FreezeReason::Equivocation,
        Some(FreezeReason::Command) => v1::FreezeReason::Command,
    };
    proto.into()
}

/// The reason to freeze of a stored form.
pub(crate) fn freeze_from(number: i32) -> Result<Option<FreezeReason>, Malformed> {
    match v1::FreezeReason::try_from(number) {
        Ok(v1::FreezeReason::Unspecified) => Ok(None),
        Ok(v1::FreezeReason::InvariantBroken) => Ok(Some(FreezeReason::InvariantBroken)),
        Ok(v1::FreezeReason::Equivocation) => Ok(Some(FreezeReason::Equivocation)),
        Ok(v1::FreezeReason::Command) => Ok(Some(FreezeReason::Command)),
        Err(_) => Err(Malformed::OutOfRange { field: "frozen" }),
    }
}

/// The stored form of how a loss came out, or of none.
pub(crate) fn restore_to(reason: Option<RestoreReason>) -> i32 {
    let proto = match reason {
        None => v1::RestoreReason::Unspecified,
        Some(RestoreReason::Import) => v1::RestoreReason::Import,
        Some(RestoreReason::OwnSignature) => v1::RestoreReason::OwnSignature,
    };
    proto.into()
}

/// How a loss came out, of a stored form.
pub(crate) fn restore_from(number: i32) -> Result<Option<RestoreReason>, Malformed> {
    match v1::RestoreReason::try_from(number) {
        Ok(v1::RestoreReason::Unspecified) => Ok(None),
        Ok(v1::RestoreReason::Import) => Ok(Some(RestoreReason::Import)),
        Ok(v1::RestoreReason::OwnSignature) => Ok(Some(RestoreReason::OwnSignature)),
        Err(_) => Err(Malformed::OutOfRange { field: "restored" }),
    }
}
