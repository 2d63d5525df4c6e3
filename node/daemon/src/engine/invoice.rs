//! Invoices as text: `lsi1`, base32 of the bytes, and a checksum.
//!
//! Version 1, in bytes: version 1 | kind of chain 1 | chain id 32 | contract 32 | channel 32 | payee's node key 33 |
//! invoice id 32 | expiry 8 | amount with its length before it | memo with its length before it.
//! It is a request, not a promise: what may be paid is what the payee's node has in its own record.

use alloy_primitives::{B256, U256, keccak256};
use lockstep_core::ids::{ChannelId, Domain, InvoiceId, NodeId};
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{MAX_MEMO_BYTES, Memo};
use thiserror::Error;

/// What an invoice begins with.
pub const PREFIX: &str = "lsi1";
/// Units: characters. The longest has a full amount and a full memo.
pub const MAX_CHARS: usize = 512;

const VERSION: u8 = 1;
const EVM: u8 = 1;
const STARKNET: u8 = 2;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// One in four thousand million damaged invoices passes.
const CHECKSUM_BYTES: usize = 4;
/// Keeps this checksum apart from other hashes of the same bytes.
const CHECKSUM_TAG: &[u8] = b"lockstep invoice";

/// A request for one payment in one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceText {
    /// Chain and contract.
    pub domain: Domain,
    /// The channel to pay in.
    pub channel_id: ChannelId,
    /// Who is paid.
    pub payee: NodeId,
    /// Its name.
    pub id: InvoiceId,
    /// Exactly this much.
    pub amount: Amount,
    /// Last second at which it may be paid, by the chain's clock.
    pub expiry: BlockTimestamp,
    /// What it is for.
    pub memo: Memo,
}

/// Why a text is no invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvoiceError {
    /// Another kind of text.
    #[error("an invoice begins with {PREFIX}")]
    NotAnInvoice,
    /// Longer than any invoice.
    #[error("invoice of {len} characters is longer than {MAX_CHARS}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A character that no invoice has.
    #[error("character {position} does not belong in an invoice")]
    Character {
        /// Its place, counted from 1.
        position: usize,
    },
    /// Characters are missing, added or changed.
    #[error("invoice is damaged: its checksum does not match")]
    Checksum,
    /// A version that this node does not know.
    #[error("invoice has version {version}, this node knows {VERSION}")]
    Version {
        /// The version.
        version: u8,
    },
    /// It is whole and means nothing.
    #[error("invoice does not hold what it should")]
    Content,
}

impl InvoiceText {
    /// As one line of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = self.to_bytes();
        let mut text = String::from(PREFIX);
        let (mut bits, mut held) = (0_u16, 0_u32);
        for byte in bytes.iter().chain(&checksum(&bytes)) {
            bits = bits.wrapping_shl(8) | u16::from(*byte);
            held = held.saturating_add(8);
            while held >= 5 {
                held = held.saturating_sub(5);
                text.push(letter(bits.wrapping_shr(held)));
                bits &= !u16::MAX.wrapping_shl(held);
            }
        }
        if held > 0 {
            text.push(letter(bits.wrapping_shl(5_u32.saturating_sub(held))));
        }
        text
    }

    /// From one line of text, in either case.
    ///
    /// # Errors
    /// [`InvoiceError`], whatever the text is.
    pub fn from_text(text: &str) -> Result<Self, InvoiceError> {
        let text = text.trim();
        let len = text.chars().count();
        if len > MAX_CHARS {
            return Err(InvoiceError::TooLong { len });
        }
        let start = text.split_at_checked(PREFIX.len());
        let (prefix, body) = start.ok_or(InvoiceError::NotAnInvoice)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(InvoiceError::NotAnInvoice);
        }
        let mut bytes = decode(body)?;
        let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(InvoiceError::Checksum)?;
        let found = bytes.split_off(at);
        if found != checksum(&bytes) {
            return Err(InvoiceError::Checksum);
        }
        match bytes.split_first() {
            Some((&VERSION, content)) => read(content).ok_or(InvoiceError::Content),
            Some((&version, _)) => Err(InvoiceError::Version { version }),
            None => Err(InvoiceError::Content),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.domain {
            Domain::Evm { .. } => EVM,
            Domain::Starknet { .. } => STARKNET,
        };
        let amount = self.amount.to_be_bytes();
        let zeros = amount.iter().take_while(|byte| **byte == 0).count();
        let amount = amount.get(zeros..).unwrap_or_default();
        let memo = self.memo.as_bytes();
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        [
            [VERSION, kind].as_slice(),
            self.domain.chain_word().as_slice(),
            self.domain.contract().to_word().as_slice(),
            self.channel_id.0.as_slice(),
            self.payee.0.as_slice(),
            self.id.0.as_slice(),
            self.expiry.0.to_be_bytes().as_slice(),
            [length(amount)].as_slice(),
            amount,
            [length(memo)].as_slice(),
            memo,
        ]
        .concat()
    }
}

fn letter(bits: u16) -> char {
    let index = usize::from(bits & 31);
    ALPHABET.get(index).copied().map_or(' ', char::from)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = keccak256([CHECKSUM_TAG, bytes].concat()).0;
    [a, b, c, d]
}

fn decode(body: &str) -> Result<Vec<u8>, InvoiceError> {
    let mut bytes = Vec::with_capacity(body.len());
    let (mut bits, mut held) = (0_u16, 0_u32);
    for (at, character) in body.chars().enumerate() {
        let position = PREFIX.len().saturating_add(at).saturating_add(1);
        let wrong = InvoiceError::Character { position };
        let byte = u8::try_from(character.to_ascii_lowercase()).map_err(|_| wrong)?;
        let value = ALPHABET.iter().position(|letter| *letter == byte);
        let value = value.and_then(|value| u16::try_from(value).ok());
        bits = bits.wrapping_shl(5) | value.ok_or(wrong)?;
        held = held.saturating_add(5);
        if held >= 8 {
            held = held.saturating_sub(8);
            let [_, low] = bits.wrapping_shr(held).to_be_bytes();
            bytes.push(low);
            bits &= !u16::MAX.wrapping_shl(held);
        }
    }
    // What is left is the filling of the last letter.
    if bits != 0 || held >= 5 { Err(InvoiceError::Checksum) } else { Ok(bytes) }
}

/// The parts in their one form, and nothing after them.
fn read(bytes: &[u8]) -> Option<InvoiceText> {
    let (kind, rest) = bytes.split_first()?;
    let (chain, rest) = rest.split_first_chunk::<32>()?;
    let (contract, rest) = rest.split_first_chunk::<32>()?;
    let (channel, rest) = rest.split_first_chunk::<32>()?;
    let (payee, rest) = rest.split_first_chunk::<33>()?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let (expiry, rest) = rest.split_first_chunk::<8>()?;
    let (amount, rest) = sized(rest)?;
    let (memo, rest) = sized(rest)?;
    if !rest.is_empty() || amount.first() == Some(&0) || memo.len() > MAX_MEMO_BYTES {
        return None;
    }
    let (chain, contract) = (B256::from(chain), B256::from(contract));
    let domain = match *kind {
        EVM => {
            let chain_id = u64::try_from(U256::from_be_bytes(chain.0)).ok()?;
            let (zeros, address) = contract.0.split_first_chunk::<12>()?;
            if *zeros != [0; 12] {
                return None;
            }
            Domain::Evm { chain_id, contract: address.try_into().ok()? }
        }
        STARKNET => Domain::Starknet { chain_id: chain, hub: contract },
        _ => return None,
    };
    Some(InvoiceText {
        domain,
        channel_id: ChannelId(channel.into()),
        payee: NodeId(*payee),
        id: InvoiceId(id.into()),
        amount: Amount::from_be_slice(amount)?,
        expiry: BlockTimestamp(u64::from_be_bytes(*expiry)),
        memo: Memo::new(memo.to_vec()).ok()?,
    })
}

/// Bytes with their length before them.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    fn invoice() -> InvoiceText {
        InvoiceText {
            domain: Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0x5f) },
            channel_id: ChannelId(B256::repeat_byte(1)),
            payee: NodeId([2; 33]),
            id: InvoiceId(B256::repeat_byte(3)),
            amount: Amount::from(1_500u64),
            expiry: BlockTimestamp(1_700_000_000),
            memo: Memo::new(b"two coffees".to_vec()).unwrap(),
        }
    }

    #[test]
    fn an_invoice_comes_back_from_its_text_in_either_case() {
        let cases = [
            invoice(),
            InvoiceText {
                amount: Amount::MAX,
                memo: Memo::new(vec![0xff; 64]).unwrap(),
                ..invoice()
            },
            InvoiceText { amount: Amount::ZERO, memo: Memo::default(), ..invoice() },
            InvoiceText {
                domain: Domain::Starknet { chain_id: B256::repeat_byte(4), hub: B256::ZERO },
                ..invoice()
            },
        ];
        for invoice in cases {
            let text = invoice.to_text();
            assert!(text.len() <= MAX_CHARS, "{}", text.len());
            assert_eq!(InvoiceText::from_text(&text), Ok(invoice.clone()));
            assert_eq!(InvoiceText::from_text(&text.to_uppercase()), Ok(invoice));
        }
    }

    #[test]
    fn every_single_changed_letter_is_noticed() {
        let text = invoice().to_text();
        for position in PREFIX.len()..text.len() {
            let mut letters = text.clone().into_bytes();
            letters[position] = if letters[position] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(letters).unwrap();
            assert_eq!(InvoiceText::from_text(&changed), Err(InvoiceError::Checksum), "{position}");
        }
    }

    #[test]
    fn p67_what_is_no_invoice_is_refused_each_for_its_own_reason() {
        let parse = |text: &str| InvoiceText::from_text(text).unwrap_err();
        assert_eq!(parse(""), InvoiceError::NotAnInvoice);
        assert_eq!(parse("lockstep:abc"), InvoiceError::NotAnInvoice);
        assert_eq!(parse("lsi1"), InvoiceError::Checksum);
        assert_eq!(parse("lsi1a1"), InvoiceError::Character { position: 6 });
        assert_eq!(parse("lsi1aé"), InvoiceError::Character { position: 6 });
        let long = format!("lsi1{}", "a".repeat(MAX_CHARS));
        assert_eq!(parse(&long), InvoiceError::TooLong { len: MAX_CHARS + 4 });
        let text = invoice().to_text();
        assert_eq!(parse(&text[..text.len() - 2]), InvoiceError::Checksum);
    }
}
