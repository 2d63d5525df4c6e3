//! Single values and how they are written: core's types as JSON strings.

use alloy_primitives::{Address, B256, U256, hex};
use lockstep_core::ids::{AccountRef, ChannelId, InvoiceId, NodeId, PaymentId, Sequence, Side};
use lockstep_core::money::Amount;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// The largest integer that every JSON library keeps exact; a larger amount must be text.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// Digits of the largest amount.
const MAX_AMOUNT_DIGITS: usize = 78;
/// As much of a caller's text as belongs in an error. Units: characters.
const MAX_QUOTED: usize = 80;

/// An amount of one token: a decimal string of base units without sign, separator or leading zero.
/// A JSON integer below 2^53 is taken, too.
pub type AmountText = Text<Amount>;
/// 32 bytes, such as the hash of a transaction.
pub type HashText = Text<B256>;
/// A channel's id.
pub type ChannelIdText = Text<ChannelId>;
/// An invoice's id.
pub type InvoiceIdText = Text<InvoiceId>;
/// An account or token: 20 bytes on EVM chains, 32 on StarkNet. Zero as a token is the chain's own coin.
pub type AccountText = Text<AccountRef>;
/// A node's long-lived public key.
pub type NodeKeyText = Text<NodeId>;
/// A payment by name: `<channel id>/<side that pays, 1 or 2>/<its sequence>`.
pub type PaymentName = Text<PaymentId>;

/// A value that travels as one string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<T>(pub T);

/// How a value is written as one string.
pub trait TextForm: Sized {
    /// Its name in the API's description.
    const NAME: &'static str;
    /// What a reader expects, for people.
    const EXPECTED: &'static str;
    /// The same as a regular expression.
    const PATTERN: &'static str;

    /// The value of a text; none if it is not in the one form.
    fn read(text: &str) -> Option<Self>;

    /// Writes the one form.
    ///
    /// # Errors
    /// As the formatter.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A text that is no value of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct TextError {
    /// What it should be.
    pub expected: &'static str,
}

impl TextForm for Amount {
    const NAME: &'static str = "Amount";
    const EXPECTED: &'static str = "an amount as a decimal string of base units, such as \"1500\"";
    const PATTERN: &'static str = "^(0|[1-9][0-9]{0,77})$";

    fn read(text: &str) -> Option<Self> {
        let is_plain = !text.is_empty()
            && text.len() <= MAX_AMOUNT_DIGITS
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        let value = is_plain.then(|| U256::from_str_radix(text, 10).ok()).flatten()?;
        Some(Self::from_u256(value))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What stands for 32 bytes.
const HASH_PATTERN: &str = "^0x[0-9a-f]{64}$";

impl TextForm for B256 {
    const NAME: &'static str = "Hash";
    const EXPECTED: &'static str = "32 bytes as 0x and 64 hex digits";
    const PATTERN: &'static str = HASH_PATTERN;

    fn read(text: &str) -> Option<Self> {
        bytes_of(text).map(Self::new)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self))
    }
}

impl TextForm for ChannelId {
    const NAME: &'static str = "ChannelId";
    const EXPECTED: &'static str = "a channel id as 0x and 64 hex digits";
    const PATTERN: &'static str = HASH_PATTERN;

    fn read(text: &str) -> Option<Self> {
        B256::read(text).map(Self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

impl TextForm for InvoiceId {
    const NAME: &'static str = "InvoiceId";
    const EXPECTED: &'static str = "an invoice id as 0x and 64 hex digits";
    const PATTERN: &'static str = HASH_PATTERN;

    fn read(text: &str) -> Option<Self> {
        B256::read(text).map(Self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

impl TextForm for AccountRef {
    const NAME: &'static str = "Account";
    const EXPECTED: &'static str = "an account as 0x and 40 hex digits (64 on StarkNet)";
    const PATTERN: &'static str = "^0x([0-9a-f]{40}|[0-9a-f]{64})$";

    fn read(text: &str) -> Option<Self> {
        let evm = bytes_of(text).map(|bytes| Self::Evm(Address::new(bytes)));
        evm.or_else(|| B256::read(text).map(Self::Starknet))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(address) => f.write_str(&hex::encode_prefixed(address)),
            Self::Starknet(felt) => felt.write(f),
        }
    }
}

impl TextForm for NodeId {
    const NAME: &'static str = "NodeKey";
    const EXPECTED: &'static str = "a node key as 0x and 66 hex digits";
    const PATTERN: &'static str = "^0x[0-9a-f]{66}$";

    fn read(text: &str) -> Option<Self> {
        bytes_of(text).map(Self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

impl TextForm for PaymentId {
    const NAME: &'static str = "PaymentName";
    const EXPECTED: &'static str = "a payment as <channel id>/<1 or 2>/<sequence>";
    const PATTERN: &'static str = "^0x[0-9a-f]{64}/[12]/(0|[1-9][0-9]*)$";

    fn read(text: &str) -> Option<Self> {
        let (channel, rest) = text.split_once('/')?;
        let (side, sequence) = rest.split_once('/')?;
        Some(Self {
            channel_id: ChannelId::read(channel)?,
            payer: Side::from_number(side.parse().ok()?)?,
            sequence: Sequence(sequence.parse().ok()?),
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel_id.write(f)?;
        write!(f, "/{}/{}", self.payer.number(), self.sequence)
    }
}

/// Exactly `N` bytes, written as `0x` and hex digits of either case.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: TextForm> FromStr for Text<T> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        T::read(text).map(Self).ok_or(TextError { expected: T::EXPECTED })
    }
}

impl<T: TextForm> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

impl<T: TextForm> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: TextForm> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

impl<T: TextForm> JsonSchema for Text<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": T::EXPECTED, "pattern": T::PATTERN })
    }
}

/// Reads a value from a JSON string; an amount from a small integer, too.
struct TextVisitor<T>(PhantomData<T>);

impl<T: TextForm> Visitor<'_> for TextVisitor<T> {
    type Value = Text<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<T>, E> {
        let refused = || E::invalid_value(Unexpected::Str(&shortened(text)), &T::EXPECTED);
        T::read(text).map(Text).ok_or_else(refused)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text<T>, E> {
        let small = (value <= MAX_SAFE_INTEGER).then(|| T::read(&value.to_string())).flatten();
        small.map(Text).ok_or_else(|| E::invalid_type(Unexpected::Unsigned(value), &T::EXPECTED))
    }
}

fn shortened(text: &str) -> Cow<'_, str> {
    if text.chars().count() <= MAX_QUOTED {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(MAX_QUOTED).chain("...".chars()).collect())
}

#[cfg(test)]
mod tests;
