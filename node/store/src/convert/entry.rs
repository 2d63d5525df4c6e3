//! Payments into the contract, and who sent the closes that were seen.

use lockstep_core::{
    chain::CloseOrigin,
    entry::{BridgeCall, Entry, EntryCall, EntryId, EntryStage, MAX_OFFERS, Offer, SignedEntry},
    ids::ChannelId,
    money::Amount,
    state::Open,
    terms::Terms,
    time::BlockNumber,
};
use lockstep_proto::v1::{self, entry_row as row};

use super::{
    Malformed, Stored, account, account_bytes, amount, amount_bytes, channel, hash, list, protos,
    required, signature,
};

impl Stored for Entry {
    type Proto = v1::EntryRow;

    fn to_proto(&self) -> Self::Proto {
        v1::EntryRow {
            id: self.id().0.to_vec(),
            from: account_bytes(self.from()),
            call: Some(call_to(self.call())),
            max_cost: amount_bytes(self.max_cost()),
            stage: Some(stage_to(self.stage())),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let call = proto.call.ok_or(Malformed::Absent { field: "entry.call" })?;
        let stage = proto.stage.ok_or(Malformed::Absent { field: "entry.stage" })?;
        Ok(Self::from_parts(
            EntryId(hash(&proto.id, "entry.id")?),
            account(&proto.from, "entry.from")?,
            call_from(call)?,
            amount(&proto.max_cost, "entry.max_cost")?,
            stage_from(stage)?,
        ))
    }
}

impl Stored for CloseOrigin {
    type Proto = v1::CloseOriginRow;

    fn to_proto(&self) -> Self::Proto {
        v1::CloseOriginRow {
            channel_id: self.channel_id.0.to_vec(),
            transaction: self.transaction.to_vec(),
            sender: account_bytes(self.sender),
            nonce: self.nonce,
            seen_at: self.seen_at.0,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "origin.channel_id")?),
            transaction: hash(&proto.transaction, "origin.transaction")?,
            sender: account(&proto.sender, "origin.sender")?,
            nonce: proto.nonce,
            seen_at: BlockNumber(proto.seen_at),
        })
    }
}

fn call_to(call: &EntryCall) -> row::Call {
    let terms_of = |terms: &Terms| Some(terms.to_proto());
    match call {
        EntryCall::Open { terms, amount, consent } => row::Call::Open(v1::OpenCall {
            terms: terms_of(terms),
            amount: amount_bytes(*amount),
            consent: consent.as_ref().map(|(open, _)| open.to_proto()),
            consent_signature: consent.map(|(_, by)| by.0.to_vec()).unwrap_or_default(),
        }),
        EntryCall::Join { terms, amount } => {
            row::Call::Join(v1::JoinCall { terms: terms_of(terms), amount: amount_bytes(*amount) })
        }
        EntryCall::Deposit { terms, side, amount } => row::Call::Deposit(v1::DepositCall {
            terms: terms_of(terms),
            side: channel::side_to(*side),
            amount: amount_bytes(*amount),
        }),
        EntryCall::CancelOpen { terms } => row::Call::CancelOpen(terms.to_proto()),
        EntryCall::TakeCredit { token, to, amount } => row::Call::TakeCredit(v1::TakeCreditCall {
            token: account_bytes(*token),
            to: account_bytes(*to),
            amount: amount_bytes(*amount),
        }),
        EntryCall::Approve { token, spender, amount } => row::Call::Approve(v1::ApproveCall {
            token: account_bytes(*token),
            spender: account_bytes(*spender),
            amount: amount_bytes(*amount),
        }),
        EntryCall::Bridge(call) => row::Call::Bridge(v1::BridgeCall {
            chain: Some(call.chain.to_proto()),
            to: account_bytes(call.to),
            value: amount_bytes(call.value),
            data: call.data.clone(),
            least_gas: call.least_gas,
        }),
    }
}

fn call_from(call: row::Call) -> Result<EntryCall, Malformed> {
    let terms = |proto: Option<v1::Terms>| required::<Terms>(proto, "entry.terms");
    let sum = |bytes: &[u8]| amount(bytes, "entry.amount");
    Ok(match call {
        row::Call::Open(open) => {
            let consent = match open.consent {
                None => None,
                Some(consent) => {
                    let by = signature(&open.consent_signature, "entry.consent_signature")?;
                    Some((Open::from_proto(consent)?, by))
                }
            };
            EntryCall::Open { terms: terms(open.terms)?, amount: sum(&open.amount)?, consent }
        }
        row::Call::Join(join) => {
            EntryCall::Join { terms: terms(join.terms)?, amount: sum(&join.amount)? }
        }
        row::Call::Deposit(deposit) => EntryCall::Deposit {
            terms: terms(deposit.terms)?,
            side: channel::side_from(deposit.side)?,
            amount: sum(&deposit.amount)?,
        },
        row::Call::CancelOpen(proto) => EntryCall::CancelOpen { terms: Terms::from_proto(proto)? },
        row::Call::TakeCredit(take) => EntryCall::TakeCredit {
            token: account(&take.token, "entry.token")?,
            to: account(&take.to, "entry.to")?,
            amount: sum(&take.amount)?,
        },
        row::Call::Approve(approve) => EntryCall::Approve {
            token: account(&approve.token, "entry.token")?,
            spender: account(&approve.spender, "entry.spender")?,
            amount: sum(&approve.amount)?,
        },
        row::Call::Bridge(call) => EntryCall::Bridge(BridgeCall {
            chain: required(call.chain, "entry.chain")?,
            to: account(&call.to, "entry.to")?,
            value: sum(&call.value)?,
            data: call.data,
            least_gas: call.least_gas,
        }),
    })
}

fn stage_to(stage: &EntryStage) -> row::Stage {
    let place = |tx: &alloy_primitives::B256, block: &BlockNumber| v1::Included {
        tx: tx.to_vec(),
        block: block.0,
    };
    match stage {
        EntryStage::Wanted => row::Stage::StageTag(v1::EntryStageTag::Wanted.into()),
        EntryStage::Signed(signed) => row::Stage::Signed(signed.to_proto()),
        EntryStage::Included { signed, tx, block } => row::Stage::Included(v1::EntryIncluded {
            signed: Some(signed.to_proto()),
            place: Some(place(tx, block)),
        }),
        EntryStage::Done { tx, block } => row::Stage::Done(place(tx, block)),
        EntryStage::Reverted { tx, block } => row::Stage::Reverted(place(tx, block)),
        EntryStage::Displaced { nonce } => row::Stage::DisplacedNonce(*nonce),
    }
}

fn stage_from(stage: row::Stage) -> Result<EntryStage, Malformed> {
    let place = |proto: v1::Included| -> Result<_, Malformed> {
        Ok((hash(&proto.tx, "entry.tx")?, BlockNumber(proto.block)))
    };
    Ok(match stage {
        row::Stage::StageTag(number) => match v1::EntryStageTag::try_from(number) {
            Ok(v1::EntryStageTag::Wanted) => EntryStage::Wanted,
            Ok(v1::EntryStageTag::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "entry.stage" });
            }
        },
        row::Stage::Signed(signed) => EntryStage::Signed(SignedEntry::from_proto(signed)?),
        row::Stage::Included(included) => {
            let (tx, block) =
                place(included.place.ok_or(Malformed::Absent { field: "entry.place" })?)?;
            let signed: SignedEntry = required(included.signed, "entry.signed")?;
            if !signed.offers().iter().any(|offer| offer.tx == tx) {
                return Err(Malformed::OutOfRange { field: "entry.tx" });
            }
            EntryStage::Included { signed, tx, block }
        }
        row::Stage::Done(proto) => {
            let (tx, block) = place(proto)?;
            EntryStage::Done { tx, block }
        }
        row::Stage::Reverted(proto) => {
            let (tx, block) = place(proto)?;
            EntryStage::Reverted { tx, block }
        }
        row::Stage::DisplacedNonce(nonce) => EntryStage::Displaced { nonce },
    })
}

impl Stored for SignedEntry {
    type Proto = v1::SignedEntry;

    fn to_proto(&self) -> Self::Proto {
        v1::SignedEntry {
            nonce: self.nonce(),
            gas_limit: self.gas_limit(),
            offers: protos(self.offers()),
            raw: self.raw().to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let offers = list(proto.offers, MAX_OFFERS, "entry.offers")?;
        Self::from_parts(proto.nonce, proto.gas_limit, offers, proto.raw)
            .map_err(|_| Malformed::Absent { field: "entry.offers" })
    }
}

impl Stored for Offer {
    type Proto = v1::EntryOffer;

    fn to_proto(&self) -> Self::Proto {
        v1::EntryOffer {
            tx: self.tx.to_vec(),
            max_fee_per_gas: amount_bytes(Amount::from(self.max_fee_per_gas)),
            priority_fee_per_gas: amount_bytes(Amount::from(self.priority_fee_per_gas)),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let fee = |bytes: &[u8]| -> Result<u128, Malformed> {
            let fee = amount(bytes, "entry.fee")?.to_u128();
            fee.ok_or(Malformed::OutOfRange { field: "entry.fee" })
        };
        Ok(Self {
            tx: hash(&proto.tx, "entry.tx")?,
            max_fee_per_gas: fee(&proto.max_fee_per_gas)?,
            priority_fee_per_gas: fee(&proto.priority_fee_per_gas)?,
        })
    }
}
