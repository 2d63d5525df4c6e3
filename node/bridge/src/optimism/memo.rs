//! What is kept with a transfer, in the encoding of the contracts' own calls.
#![allow(missing_docs)]

use super::abi::{OutputRootProof, WithdrawalTransaction};
use crate::error::BridgeError;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolValue, sol};
use lockstep_core::transfer::TransferRecord;

sol! {
    /// What is kept with money on its way in.
    #[derive(Debug, PartialEq, Eq)]
    struct DepositMemo {
        uint8 version;
        bytes32 channelId;
        address payer;
        address refundTo;
        /// Whom the rollup calls with the money; the deposit box for a token.
        address target;
        address channelContract;
        uint256 value;
        uint64 gas;
        /// The call on the rollup; for a token the call that empties the box.
        bytes data;
        /// Zero for the native coin.
        address l1Token;
        address l2Token;
    }

    /// What is kept with money on its way out.
    #[derive(Debug, PartialEq, Eq)]
    struct WithdrawMemo {
        uint8 version;
        address prover;
        /// All zero until it is in a final block of the rollup.
        WithdrawalTransaction withdrawal;
        uint64 block;
        /// The root that it is proven against; zero while there is none.
        address game;
        uint256 gameIndex;
        OutputRootProof root;
        bytes[] proof;
    }
}

const VERSION: u8 = 1;

impl DepositMemo {
    pub(super) const VERSION: u8 = VERSION;

    pub(super) fn of(record: &TransferRecord) -> Result<Self, BridgeError> {
        let memo = Self::abi_decode_validate(&record.memo).ok();
        memo.filter(|memo| memo.version == VERSION)
            .ok_or(BridgeError::BadMemo { id: record.transfer.id })
    }
}

impl WithdrawMemo {
    pub(super) fn new(prover: Address) -> Self {
        let withdrawal = WithdrawalTransaction {
            nonce: U256::ZERO,
            sender: Address::ZERO,
            target: Address::ZERO,
            value: U256::ZERO,
            gasLimit: U256::ZERO,
            data: Bytes::new(),
        };
        Self {
            version: VERSION,
            prover,
            withdrawal,
            block: 0,
            game: Address::ZERO,
            gameIndex: U256::ZERO,
            root: OutputRootProof {
                version: B256::ZERO,
                stateRoot: B256::ZERO,
                messagePasserStorageRoot: B256::ZERO,
                latestBlockhash: B256::ZERO,
            },
            proof: Vec::new(),
        }
    }

    pub(super) fn of(record: &TransferRecord) -> Result<Self, BridgeError> {
        let memo = Self::abi_decode_validate(&record.memo).ok();
        memo.filter(|memo| memo.version == VERSION)
            .ok_or(BridgeError::BadMemo { id: record.transfer.id })
    }

    /// Without the root and its proof.
    pub(super) fn unproven(self) -> Self {
        let (prover, withdrawal, block) = (self.prover, self.withdrawal, self.block);
        Self { withdrawal, block, ..Self::new(prover) }
    }
}
