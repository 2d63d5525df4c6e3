//! EIP-712 digests: the only place where bytes to be signed are made.
//!
//! `sol!` gives the type strings, so that they are the contract's own; vectors in `tests/vectors`
//! hold Solidity, viem and this file to the same bytes.

use crate::adjudicator::{PresentedState, PresentedWithdraw};
use crate::appointment::TowerAccess;
use crate::ids::{AccountRef, ChannelId, Digest, Domain, Version};
use crate::possession::PossessionRoot;
use crate::receipt::Receipt;
use crate::state::{CloseIntent, Open, PartialWithdraw, State, Take};
use crate::terms::AsFlattenedBytes;
use crate::time::BlockTimestamp;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};

mod typed {
    //! The signed structs as Solidity names them.
    #![allow(missing_docs, clippy::too_many_arguments)]

    alloy_sol_types::sol! {
        struct State { bytes32 channelId; uint64 version; uint8 kind; int256 net; uint256 locked1; uint256 locked2; bytes32 locksRoot; }
        struct PartialWithdraw { bytes32 channelId; uint64 version; int256 net; uint256 locked1; uint256 locked2; bytes32 locksRoot; uint256 out1; uint256 out2; uint64 deadline; }
        struct Open { bytes32 channelId; uint256 minDeposit1; uint64 deadline; }
        struct CloseIntent { bytes32 channelId; uint8 side; uint64 minVersion; uint64 deadline; }
        struct TowerReceipt { address tower; bytes32 channelId; uint64 version; bytes32 stateHash; uint64 validFrom; uint64 validUntil; uint32 minWindow; uint256 insured; address beneficiary; uint64 withdrawVersion; }
        struct TowerAccess { bytes32 channelId; uint8 side; uint8 action; address tower; address account; }
        struct PossessionRoot { address tower; uint64 epoch; uint64 chainId; uint64 blockNumber; bytes32 blockHash; bytes32 root; uint256 insured; uint64 channels; }
        struct Take { address token; address account; address to; uint256 amount; uint256 id; uint64 deadline; }
    }
}

/// Name in the EIP-712 domain.
const DOMAIN_NAME: &str = "Lockstep";
/// Version in the EIP-712 domain.
const DOMAIN_VERSION: &str = "1";

/// A domain with its separator computed once; makes every digest of its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SigningDomain {
    domain: Domain,
    separator: B256,
}

impl SigningDomain {
    /// Computes the separator of a domain.
    ///
    /// StarkNet addresses do not fit `verifyingContract`, so there the hub's felt is the `salt`.
    pub fn new(domain: Domain) -> Self {
        let chain_id = U256::from_be_bytes(domain.chain_word().0);
        let (contract, salt) = match domain {
            Domain::Evm { contract, .. } => (Some(contract), None),
            Domain::Starknet { hub, .. } => (None, Some(hub)),
        };
        let separator = Eip712Domain::new(
            Some(DOMAIN_NAME.into()),
            Some(DOMAIN_VERSION.into()),
            Some(chain_id),
            contract,
            salt,
        )
        .separator();
        Self { domain, separator }
    }

    /// The domain.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The domain separator.
    pub fn separator(&self) -> B256 {
        self.separator
    }

    /// Digest of a state.
    pub fn state(&self, state: &State) -> Digest {
        self.presented_state(state.channel_id, &PresentedState::from(state))
    }

    /// Digest of a state as calldata presents it; the contract derives the id from the terms.
    pub fn presented_state(&self, channel_id: ChannelId, state: &PresentedState) -> Digest {
        self.digest(&typed::State {
            channelId: channel_id.0,
            version: state.version.0,
            kind: state.kind,
            net: state.net.to_i256(),
            locked1: state.locked1.to_u256(),
            locked2: state.locked2.to_u256(),
            locksRoot: state.locks_root,
        })
    }

    /// Digest of a partial withdrawal.
    pub fn partial_withdraw(&self, withdraw: &PartialWithdraw) -> Digest {
        self.presented_withdraw(withdraw.channel_id, &PresentedWithdraw::from(withdraw))
    }

    /// Digest of a partial withdrawal as calldata presents it.
    pub fn presented_withdraw(
        &self,
        channel_id: ChannelId,
        withdraw: &PresentedWithdraw,
    ) -> Digest {
        self.digest(&typed::PartialWithdraw {
            channelId: channel_id.0,
            version: withdraw.version.0,
            net: withdraw.net.to_i256(),
            locked1: withdraw.locked1.to_u256(),
            locked2: withdraw.locked2.to_u256(),
            locksRoot: withdraw.locks_root,
            out1: withdraw.out1.to_u256(),
            out2: withdraw.out2.to_u256(),
            deadline: withdraw.deadline.0,
        })
    }

    /// Digest of side 2's consent to an open.
    pub fn open(&self, open: &Open) -> Digest {
        self.digest(&typed::Open {
            channelId: open.channel_id.0,
            minDeposit1: open.min_deposit1.to_u256(),
            deadline: open.deadline.0,
        })
    }

    /// Digest of an order to start a close.
    pub fn close_intent(&self, intent: &CloseIntent) -> Digest {
        let CloseIntent { channel_id, side, min_version, deadline } = *intent;
        self.presented_intent(channel_id, side.number(), min_version, deadline)
    }

    /// Digest of an order to start a close as calldata presents it.
    pub fn presented_intent(
        &self,
        channel_id: ChannelId,
        side: u8,
        min_version: Version,
        deadline: BlockTimestamp,
    ) -> Digest {
        self.digest(&typed::CloseIntent {
            channelId: channel_id.0,
            side,
            minVersion: min_version.0,
            deadline: deadline.0,
        })
    }

    /// Digest of an order to withdraw credit; EVM accounts only, since StarkNet has no such order.
    pub fn take(&self, take: &Take) -> Option<Digest> {
        let address = |account: AccountRef| match account {
            AccountRef::Evm(address) => Some(address),
            AccountRef::Starknet(_) => None::<Address>,
        };
        Some(self.digest(&typed::Take {
            token: address(take.token)?,
            account: address(take.account)?,
            to: address(take.to)?,
            amount: take.amount.to_u256(),
            id: take.id,
            deadline: take.deadline.0,
        }))
    }

    /// Digest of a tower's receipt. It is under the channel contract's domain, so that a bond contract can
    /// make it from what it knows about the channel.
    pub fn receipt(&self, receipt: &Receipt) -> Digest {
        self.digest(&typed::TowerReceipt {
            tower: receipt.tower,
            channelId: receipt.channel_id.0,
            version: receipt.version.0,
            stateHash: receipt.state_hash.0,
            validFrom: receipt.valid_from.0,
            validUntil: receipt.valid_until.0,
            minWindow: receipt.min_window,
            insured: receipt.insured.to_u256(),
            beneficiary: receipt.beneficiary,
            withdrawVersion: receipt.withdraw_version.0,
        })
    }

    /// Digest of one side's word that an account at a tower acts for it.
    pub fn tower_access(&self, access: &TowerAccess) -> Digest {
        self.digest(&typed::TowerAccess {
            channelId: access.channel_id.0,
            side: access.side.number(),
            action: access.action.number(),
            tower: access.tower,
            account: access.account,
        })
    }

    /// `keccak256(0x1901 || separator || hashStruct(value))`.
    fn digest<T: SolStruct>(&self, value: &T) -> Digest {
        let words = [self.separator, value.eip712_hash_struct()];
        let mut bytes = vec![0x19, 0x01];
        bytes.extend(words.as_slice().as_flattened_bytes());
        Digest(keccak256(bytes))
    }
}

/// Digest of a tower's root, in a domain without chain and contract: it covers channels of all of them.
pub fn possession_root(root: &PossessionRoot) -> Digest {
    let domain =
        Eip712Domain::new(Some(DOMAIN_NAME.into()), Some(DOMAIN_VERSION.into()), None, None, None);
    let value = typed::PossessionRoot {
        tower: root.tower,
        epoch: root.epoch,
        chainId: root.chain_id,
        blockNumber: root.block_number.0,
        blockHash: root.block_hash,
        root: root.root.hash,
        insured: root.root.insured.to_u256(),
        channels: root.channels,
    };
    Digest(value.eip712_signing_hash(&domain))
}

#[cfg(test)]
mod tests;
