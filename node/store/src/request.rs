//! Orders of callers under names of their own, and what was paid with access tokens that have a limit.
//!
//! Each is written in the group of the payment that it is about: after a crash either both are there or
//! neither is.

use alloy_primitives::B256;
use lockstep_core::{
    ids::{AccountRef, ChannelId, Sequence},
    money::Amount,
};
use lockstep_proto::v1;
use prost::Message;

use crate::{
    convert,
    error::{Damage, Refusal, StoreError},
    row_source::RowSource,
    table::{Table, numbered_key},
    write_set::WriteSet,
};

/// First byte of the key of a request.
const REQUEST: u8 = 0;
/// First byte of the key of a sum.
const SPENT: u8 = 1;
/// First byte of the key of a charge.
const CHARGE: u8 = 2;

/// What was ordered under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Hash of the name.
    pub name: B256,
    /// Hash of what was ordered.
    pub fingerprint: B256,
    /// In which channel.
    pub channel_id: ChannelId,
    /// The first payment.
    pub first: Sequence,
    /// How many payments.
    pub count: u32,
    /// When, by the node's own clock. Units: seconds since 1970.
    pub at_secs: u64,
}

/// What was paid with a token in its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Hash of the token.
    pub token: B256,
    /// The only asset that it has paid.
    pub asset: AccountRef,
    /// How much.
    pub amount: Amount,
}

/// A payment that counts against a token's limit, until it is final or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// In which channel.
    pub channel_id: ChannelId,
    /// Our payment.
    pub sequence: Sequence,
    /// Hash of the token.
    pub token: B256,
    /// How much.
    pub amount: Amount,
}

/// Everything of this kind that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Requests.
    pub requests: Vec<Request>,
    /// Sums.
    pub spent: Vec<Spent>,
    /// Charges.
    pub charges: Vec<Charge>,
}

impl WriteSet {
    /// Writes a request.
    ///
    /// # Errors
    /// Never for a request; the signature is that of every write.
    pub fn put_request(&mut self, request: &Request) -> Result<(), Refusal> {
        let row = v1::RequestRow {
            fingerprint: request.fingerprint.to_vec(),
            channel_id: request.channel_id.0.to_vec(),
            first: request.first.0,
            count: request.count,
            at_secs: request.at_secs,
        };
        self.put(Table::Request, key(REQUEST, request.name.as_slice()), row.encode_to_vec())
    }

    /// Forgets a request.
    pub fn remove_request(&mut self, name: B256) {
        self.remove(Table::Request, key(REQUEST, name.as_slice()));
    }

    /// Writes what was paid with a token.
    ///
    /// # Errors
    /// Never for a sum; the signature is that of every write.
    pub fn put_spent(&mut self, spent: &Spent) -> Result<(), Refusal> {
        let row = v1::SpentRow {
            asset: convert::account_bytes(spent.asset),
            amount: convert::amount_bytes(spent.amount),
        };
        self.put(Table::Request, key(SPENT, spent.token.as_slice()), row.encode_to_vec())
    }

    /// Writes a charge.
    ///
    /// # Errors
    /// Never for a charge; the signature is that of every write.
    pub fn put_charge(&mut self, charge: &Charge) -> Result<(), Refusal> {
        let row = v1::ChargeRow {
            token: charge.token.to_vec(),
            amount: convert::amount_bytes(charge.amount),
        };
        self.put(
            Table::Request,
            charge_key(charge.channel_id, charge.sequence),
            row.encode_to_vec(),
        )
    }

    /// Forgets a charge.
    pub fn remove_charge(&mut self, channel_id: ChannelId, sequence: Sequence) {
        self.remove(Table::Request, charge_key(channel_id, sequence));
    }
}

fn key(kind: u8, name: &[u8]) -> Vec<u8> {
    [[kind].as_slice(), name].concat()
}

fn charge_key(channel_id: ChannelId, sequence: Sequence) -> Vec<u8> {
    key(CHARGE, &numbered_key(&channel_id.0.0, sequence.0))
}

/// Everything that is kept of callers' orders.
///
/// # Errors
/// When a row cannot be read.
pub fn all(source: &impl RowSource) -> Result<Orders, StoreError> {
    let mut orders = Orders::default();
    for (key, value) in source.scan(Table::Request, &[])? {
        let damage = || Damage::Row { table: Table::Request, key: key.clone() };
        read(&mut orders, &key, &value).ok_or_else(damage)?;
    }
    Ok(orders)
}

fn read(orders: &mut Orders, key: &[u8], value: &[u8]) -> Option<()> {
    let hash = |bytes: &[u8]| B256::try_from(bytes).ok();
    match key.split_first()? {
        (&REQUEST, name) => {
            let row = v1::RequestRow::decode(value).ok()?;
            orders.requests.push(Request {
                name: hash(name)?,
                fingerprint: hash(&row.fingerprint)?,
                channel_id: ChannelId(hash(&row.channel_id)?),
                first: Sequence(row.first),
                count: row.count,
                at_secs: row.at_secs,
            });
        }
        (&SPENT, token) => {
            let row = v1::SpentRow::decode(value).ok()?;
            let asset = convert::account(&row.asset, "spent.asset").ok()?;
            let amount = convert::amount(&row.amount, "spent.amount").ok()?;
            orders.spent.push(Spent { token: hash(token)?, asset, amount });
        }
        (&CHARGE, name) => {
            let row = v1::ChargeRow::decode(value).ok()?;
            let (channel, sequence) = name.split_first_chunk::<32>()?;
            orders.charges.push(Charge {
                channel_id: ChannelId((*channel).into()),
                sequence: Sequence(u64::from_be_bytes(sequence.try_into().ok()?)),
                token: hash(&row.token)?,
                amount: convert::amount(&row.amount, "charge.amount").ok()?,
            });
        }
        _ => return None,
    }
    Some(())
}
