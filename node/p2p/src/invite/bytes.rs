//! The bytes of an invite.

use alloy_primitives::{Address, B256};
use libp2p::{Multiaddr, PeerId};
use lockstep_core::ids::{AccountRef, Domain, NodeId};
use lockstep_core::money::Amount;

use super::{Invite, InviteError, InviteTerms};
use crate::limits::MAX_ADDRESSES;

const VERSION: u8 = 1;
const KIND_EVM: u8 = 1;
const KIND_STARKNET: u8 = 2;
const HAS_TERMS: u8 = 1;

/// The one form of an invite.
pub(super) fn encode(invite: &Invite) -> Vec<u8> {
    let flags = if invite.terms.is_some() { HAS_TERMS } else { 0 };
    let mut bytes = vec![VERSION, flags];
    match invite.domain {
        Domain::Evm { chain_id, contract } => {
            bytes.push(KIND_EVM);
            bytes.extend(chain_id.to_be_bytes());
            bytes.extend(contract);
        }
        Domain::Starknet { chain_id, hub } => {
            bytes.push(KIND_STARKNET);
            bytes.extend(chain_id);
            bytes.extend(hub);
        }
    }
    bytes.extend(invite.node_id.0);
    put_short(&mut bytes, &invite.peer_id.to_bytes());
    // An invite has at most a handful.
    bytes.push(u8::try_from(invite.addresses.len()).unwrap_or(u8::MAX));
    for address in &invite.addresses {
        put_short(&mut bytes, address.as_ref());
    }
    if let Some(terms) = &invite.terms {
        put_terms(&mut bytes, terms);
    }
    bytes
}

fn put_terms(bytes: &mut Vec<u8>, terms: &InviteTerms) {
    match terms.token {
        AccountRef::Evm(address) => bytes.extend(address),
        AccountRef::Starknet(felt) => bytes.extend(felt),
    }
    bytes.extend(terms.challenge_period.to_be_bytes());
    for amount in [terms.opener_deposit, terms.inviter_deposit] {
        let word = amount.to_be_bytes();
        let zeros = word.iter().take_while(|byte| **byte == 0).count();
        put_short(bytes, word.get(zeros..).unwrap_or_default());
    }
}

/// Bytes after their length. What does not fit is cut, which decoding refuses; nothing that is put is
/// as long.
fn put_short(bytes: &mut Vec<u8>, part: &[u8]) {
    let len = u8::try_from(part.len()).unwrap_or(u8::MAX);
    bytes.push(len);
    bytes.extend(part.iter().take(usize::from(len)));
}

/// The invite of these bytes, whatever they are.
pub(super) fn decode(bytes: &[u8]) -> Result<Invite, InviteError> {
    let mut reader = Reader(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(InviteError::Version { version });
    }
    let flags = reader.byte()?;
    if flags & !HAS_TERMS != 0 {
        return Err(InviteError::Part { part: "flags" });
    }
    let domain = reader.domain()?;
    let node_id = NodeId(reader.array()?);
    let peer_id =
        PeerId::from_bytes(reader.short()?).map_err(|_| InviteError::Part { part: "peer id" })?;
    let count = usize::from(reader.byte()?);
    if count > MAX_ADDRESSES {
        return Err(InviteError::Addresses { count });
    }
    let addresses = (0..count).map(|_| reader.address()).collect::<Result<Vec<_>, _>>()?;
    let terms = if flags & HAS_TERMS != 0 { Some(reader.terms(domain)?) } else { None };
    let invite = Invite::new(domain, node_id, peer_id, addresses, terms)?;
    // Also refuses whatever follows the end.
    if encode(&invite) == bytes { Ok(invite) } else { Err(InviteError::NotCanonical) }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], InviteError> {
        let (part, rest) = self.0.split_at_checked(len).ok_or(InviteError::Truncated)?;
        self.0 = rest;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], InviteError> {
        self.take(N)?.try_into().map_err(|_| InviteError::Truncated)
    }

    fn byte(&mut self) -> Result<u8, InviteError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn short(&mut self) -> Result<&'a [u8], InviteError> {
        let len = usize::from(self.byte()?);
        self.take(len)
    }

    fn domain(&mut self) -> Result<Domain, InviteError> {
        match self.byte()? {
            KIND_EVM => Ok(Domain::Evm {
                chain_id: u64::from_be_bytes(self.array()?),
                contract: Address::new(self.array()?),
            }),
            KIND_STARKNET => Ok(Domain::Starknet {
                chain_id: B256::new(self.array()?),
                hub: B256::new(self.array()?),
            }),
            _ => Err(InviteError::Part { part: "chain" }),
        }
    }

    fn address(&mut self) -> Result<Multiaddr, InviteError> {
        let bytes = self.short()?.to_vec();
        Multiaddr::try_from(bytes).map_err(|_| InviteError::Part { part: "address" })
    }

    fn amount(&mut self) -> Result<Amount, InviteError> {
        Amount::from_be_slice(self.short()?).ok_or(InviteError::Part { part: "deposit" })
    }

    fn terms(&mut self, domain: Domain) -> Result<InviteTerms, InviteError> {
        let token = match domain {
            Domain::Evm { .. } => AccountRef::Evm(Address::new(self.array()?)),
            Domain::Starknet { .. } => AccountRef::Starknet(B256::new(self.array()?)),
        };
        Ok(InviteTerms {
            token,
            challenge_period: u32::from_be_bytes(self.array()?),
            opener_deposit: self.amount()?,
            inviter_deposit: self.amount()?,
        })
    }
}
