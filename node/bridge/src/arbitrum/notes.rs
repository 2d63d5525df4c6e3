//! What is kept along with a transfer, in a form that a later version can still read.

use super::exit::Exit;
use crate::error::BridgeError;
use crate::step::{Call, Layer};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolValue;

alloy_sol_types::sol! {
    #![sol(all_derives)]

    /// As it is kept.
    struct StoredToken {
        address token;
        address router;
        address gateway;
        address box;
        address l2Token;
        uint256 amount;
        address refundTo;
        address channelContract;
        bytes collect;
    }

    /// As it is kept.
    struct StoredDeposit {
        uint8 version;
        StoredToken[] token;
    }

    /// As it is kept.
    struct StoredExit {
        uint64 position;
        address l2Sender;
        address to;
        uint256 l2Block;
        uint256 l1Block;
        uint256 l2Timestamp;
        uint256 value;
        bytes data;
    }

    /// As it is kept.
    struct StoredWithdrawal {
        uint8 version;
        StoredExit[] exit;
        uint64 scannedTo;
        uint64 assertedAt;
        bytes32[] root;
        bytes32[] proof;
    }
}

/// The form that is written; another is not read.
const VERSION: u8 = 1;

/// A token on its way: what is paid in, and how it gets from its box to the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenNotes {
    pub(super) token: Address,
    pub(super) router: Address,
    pub(super) gateway: Address,
    pub(super) box_address: Address,
    pub(super) l2_token: Address,
    pub(super) amount: U256,
    pub(super) refund_to: Address,
    pub(super) channel_contract: Address,
    pub(super) collect: Bytes,
}

/// Notes of a deposit; a coin needs none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DepositNotes {
    pub(super) token: Option<TokenNotes>,
}

impl DepositNotes {
    pub(super) fn encode(&self) -> Vec<u8> {
        let token = self.token.iter().map(|notes| StoredToken {
            token: notes.token,
            router: notes.router,
            gateway: notes.gateway,
            r#box: notes.box_address,
            l2Token: notes.l2_token,
            amount: notes.amount,
            refundTo: notes.refund_to,
            channelContract: notes.channel_contract,
            collect: notes.collect.clone(),
        });
        StoredDeposit { version: VERSION, token: token.collect() }.abi_encode()
    }

    pub(super) fn decode(id: B256, memo: &[u8]) -> Result<Self, BridgeError> {
        let bad = BridgeError::BadMemo { id };
        let Ok(stored) = StoredDeposit::abi_decode_validate(memo) else { return Err(bad) };
        if stored.version != VERSION {
            return Err(bad);
        }
        let token = stored.token.into_iter().next().map(|token| TokenNotes {
            token: token.token,
            router: token.router,
            gateway: token.gateway,
            box_address: token.r#box,
            l2_token: token.l2Token,
            amount: token.amount,
            refund_to: token.refundTo,
            channel_contract: token.channelContract,
            collect: token.collect,
        });
        Ok(Self { token })
    }
}

/// Notes of a withdrawal: the message, how far L1 was searched for its root, and the proof once there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WithdrawNotes {
    pub(super) exit: Option<Exit>,
    pub(super) scanned_to: u64,
    /// L1 block of the first assertion that holds the message; zero if there is none yet.
    pub(super) asserted_at: u64,
    pub(super) proven: Option<(B256, Vec<B256>)>,
}

impl WithdrawNotes {
    pub(super) fn encode(&self) -> Vec<u8> {
        let exit = self.exit.iter().map(|exit| StoredExit {
            position: exit.position,
            l2Sender: exit.l2_sender,
            to: exit.to,
            l2Block: exit.l2_block,
            l1Block: exit.l1_block,
            l2Timestamp: exit.l2_timestamp,
            value: exit.value,
            data: exit.data.clone(),
        });
        StoredWithdrawal {
            version: VERSION,
            exit: exit.collect(),
            scannedTo: self.scanned_to,
            assertedAt: self.asserted_at,
            root: self.proven.iter().map(|(root, _)| *root).collect(),
            proof: self.proven.iter().flat_map(|(_, proof)| proof.clone()).collect(),
        }
        .abi_encode()
    }

    pub(super) fn decode(id: B256, memo: &[u8]) -> Result<Self, BridgeError> {
        let bad = BridgeError::BadMemo { id };
        let Ok(stored) = StoredWithdrawal::abi_decode_validate(memo) else { return Err(bad) };
        if stored.version != VERSION {
            return Err(bad);
        }
        let exit = stored.exit.into_iter().next().map(|exit| Exit {
            position: exit.position,
            l2_sender: exit.l2Sender,
            to: exit.to,
            l2_block: exit.l2Block,
            l1_block: exit.l1Block,
            l2_timestamp: exit.l2Timestamp,
            value: exit.value,
            data: exit.data,
        });
        let proof = stored.proof;
        let proven = stored.root.first().map(|root| (*root, proof));
        let (scanned_to, asserted_at) = (stored.scannedTo, stored.assertedAt);
        Ok(Self { exit, scanned_to, asserted_at, proven })
    }
}

/// A call on the rollup without coin.
pub(super) fn on_l2(to: Address, data: Vec<u8>, least_gas: u64) -> Call {
    Call { layer: Layer::L2, to, value: U256::ZERO, data: data.into(), least_gas }
}
