//! The sequencer's batches and a validator's assertions, sent to the real contracts on L1.

use super::abi::{
    AssertionInputs, AssertionState, BeforeStateData, ConfigData, GlobalState, IBatchPoster,
    IValidator, IWeth,
};
use super::arbos::{ArbOs, Batch};
use super::deploy::{ASSERTION_PERIOD, transact};
use alloy::rpc::types::Filter;
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_sol_types::SolEvent;
use lockstep_bridge::arbitrum::abi::IBridge;
use lockstep_chain::rpc::{BlockTag, Receipt};
use serde_json::json;

/// An assertion that waits to be confirmed.
#[derive(Clone, Debug)]
pub struct Asserted {
    /// Its hash.
    pub hash: B256,
    parent: B256,
    after: AssertionState,
    config: ConfigData,
    accumulator: B256,
}

impl ArbOs {
    /// Posts what the rollup has done so far.
    pub(super) async fn post_batch(&mut self) {
        let bridge = self.contracts.bridge;
        let count = self.l1.read(bridge, &IBridge::sequencerMessageCountCall {}).await;
        let call = IBatchPoster::addSequencerL2BatchFromOriginCall {
            sequenceNumber: count,
            // Nobody here decodes a batch; ArbOS executed its messages already.
            data: Bytes::from_static(&[0, 0xc0, 0xff, 0xee]),
            afterDelayedMessagesRead: U256::from(self.next_message),
            gasRefunder: Address::ZERO,
            prevMessageCount: U256::ZERO,
            newMessageCount: U256::ZERO,
        };
        let l2_head = self.l2.head().await;
        let inbox = self.contracts.sequencer_inbox;
        let receipt = transact(&self.l1, self.sequencer, inbox, U256::ZERO, &call).await;
        self.batches.push(Batch { l1_block: receipt.block_number().0, l2_head });
    }

    async fn newest_assertion(&self) -> IValidator::AssertionCreated {
        let filter = Filter::new().from_block(0).address(self.contracts.rollup);
        let filter = filter.event_signature(IValidator::AssertionCreated::SIGNATURE_HASH);
        let logs = self.l1.endpoint().logs(&filter).await.expect("logs of L1");
        let newest = logs.last().expect("the rollup begins with an assertion");
        IValidator::AssertionCreated::decode_log(&newest.inner).expect("an event").data
    }

    /// Asserts the rollup's present state, root of messages to L1 included.
    pub(super) async fn assert_state(&mut self) -> Asserted {
        let before = self.newest_assertion().await;
        let target = before.inboxMaxCount;
        let bridge = self.contracts.bridge;
        let count = IBridge::sequencerMessageCountCall {};
        self.post_batch().await;
        while self.l1.read(bridge, &count).await < target {
            self.post_batch().await;
        }
        let config = ConfigData {
            wasmModuleRoot: before.wasmModuleRoot,
            requiredStake: before.requiredStake,
            challengeManager: before.challengeManager,
            confirmPeriodBlocks: before.confirmPeriodBlocks,
            nextInboxPosition: target.to::<u64>(),
        };
        let head = self.l2.head().await;
        let block = self.l2.header(BlockTag::Number(head)).await.hash;
        let root = super::send_root(&self.l2, head).await;
        let after = AssertionState {
            globalState: GlobalState {
                bytes32Vals: [block, root],
                u64Vals: [config.nextInboxPosition, 0],
            },
            machineStatus: 1,
            endHistoryRoot: keccak256("a local network has no history to argue about"),
        };
        let assertion = AssertionInputs {
            beforeStateData: BeforeStateData {
                prevPrevAssertionHash: before.parentAssertionHash,
                sequencerBatchAcc: before.afterInboxBatchAcc,
                configData: config.clone(),
            },
            beforeState: before.assertion.afterState.clone(),
            afterState: after.clone(),
        };
        self.mine_l1(ASSERTION_PERIOD + 1).await;
        let receipt = self.stake_on(assertion, config.requiredStake).await;
        let created = receipt
            .logs
            .iter()
            .find_map(|log| IValidator::AssertionCreated::decode_log(&log.inner).ok())
            .expect("the rollup says what was asserted");
        Asserted {
            hash: created.assertionHash,
            parent: before.assertionHash,
            after,
            config,
            accumulator: created.afterInboxBatchAcc,
        }
    }

    async fn stake_on(&self, assertion: AssertionInputs, stake: U256) -> Receipt {
        let (rollup, me) = (self.contracts.rollup, self.sequencer);
        if self.l1.read(rollup, &IValidator::isStakedCall { staker: me }).await {
            let call = IValidator::stakeOnNewAssertionCall {
                assertion,
                expectedAssertionHash: B256::ZERO,
            };
            return transact(&self.l1, me, rollup, U256::ZERO, &call).await;
        }
        let weth = self.contracts.stake_token;
        transact(&self.l1, me, weth, stake, &IWeth::depositCall {}).await;
        let approve = IWeth::approveCall { spender: rollup, amount: U256::MAX };
        transact(&self.l1, me, weth, U256::ZERO, &approve).await;
        let call = IValidator::newStakeOnNewAssertionCall {
            tokenAmount: stake,
            assertion,
            expectedAssertionHash: B256::ZERO,
        };
        transact(&self.l1, me, rollup, U256::ZERO, &call).await
    }

    /// Lets the time run out in which an assertion can be challenged, and confirms it.
    pub(super) async fn confirm(&self, asserted: &Asserted) {
        self.mine_l1(asserted.config.confirmPeriodBlocks).await;
        let call = IValidator::confirmAssertionCall {
            assertionHash: asserted.hash,
            prevAssertionHash: asserted.parent,
            confirmState: asserted.after.clone(),
            winningEdgeId: B256::ZERO,
            prevConfig: asserted.config.clone(),
            inboxAcc: asserted.accumulator,
        };
        transact(&self.l1, self.sequencer, self.contracts.rollup, U256::ZERO, &call).await;
    }

    pub(super) async fn mine_l1(&self, blocks: u64) {
        self.l1.ask("anvil_mine", json!([U64::from(blocks), U64::from(self.l1_block_secs)])).await;
    }
}
