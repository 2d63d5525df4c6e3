//! Roots of the rollup on L1: proposed, judged and, for tests, wrong.

use super::{Optimism, PORTAL, ether};
use alloy_primitives::{Address, B256, U256, address};
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_bridge::optimism::abi::{
    IAnchorStateRegistry, IDisputeGame, IDisputeGameFactory, IPortal, MESSAGE_PASSER,
    OutputRootProof,
};
use lockstep_bridge::optimism::withdrawal::output_root;
use lockstep_chain::rpc::BlockTag;
use serde_json::json;

/// The only account that may propose in the genesis. Source: its `PermissionedDisputeGame`.
const PROPOSER: Address = address!("147A0ea1b0A0c4A8917f3e448571112548159F2A");

/// What a game that nobody disputed ends with. Source: `GameStatus` of the OP Stack's contracts.
const DEFENDER_WINS: u8 = 2;

/// A proposed root.
#[derive(Clone, Copy, Debug)]
pub struct Game {
    /// Its contract.
    pub address: Address,
    /// The block of the rollup that it is about.
    pub block: u64,
}

impl Optimism {
    /// Proposes the root of the rollup's newest final block.
    pub async fn propose(&mut self) -> Game {
        let block = self.l2.header(BlockTag::Finalized).await.number();
        let root = self.root_of(block).await;
        self.propose_root(block, root).await
    }

    /// Proposes any root, right or wrong.
    pub async fn propose_root(&mut self, block: u64, root: B256) -> Game {
        let factory = self.l1.read(PORTAL, &IPortal::disputeGameFactoryCall {}).await;
        let kind = self.l1.read(PORTAL, &IPortal::respectedGameTypeCall {}).await;
        let bond = IDisputeGameFactory::initBondsCall { gameType: kind };
        let bond = self.l1.read(factory, &bond).await;
        let create = IDisputeGameFactory::createCall {
            gameType: kind,
            rootClaim: root,
            extraData: B256::from(U256::from(block)).to_vec().into(),
        };
        self.l1.set_balance(PROPOSER, ether(1_000)).await;
        let data = create.abi_encode().into();
        let receipt = self.send_l1(PROPOSER, Some(factory), bond, data).await;
        assert!(receipt.is_success(), "the factory takes the root of block {block}");
        let created = receipt
            .logs
            .iter()
            .find_map(|log| IDisputeGameFactory::DisputeGameCreated::decode_log(&log.inner).ok());
        Game { address: created.expect("a game").disputeProxy, block }
    }

    /// The right root of a block.
    pub async fn root_of(&self, block: u64) -> B256 {
        let header = self.l2.ask("eth_getBlockByNumber", json!([format!("{block:#x}"), false]));
        let header = header.await;
        let none: [B256; 0] = [];
        let params = json!([MESSAGE_PASSER, none, format!("{block:#x}")]);
        let account = self.l2.ask("eth_getProof", params).await;
        let word = |value: &serde_json::Value| -> B256 {
            serde_json::from_value(value.clone()).expect("32 bytes")
        };
        output_root(&OutputRootProof {
            version: B256::ZERO,
            stateRoot: word(&header["stateRoot"]),
            messagePasserStorageRoot: word(&account["storageHash"]),
            latestBlockhash: word(&header["hash"]),
        })
    }

    /// Units: seconds that a player of a game has.
    pub async fn clock(&self, game: Game) -> u64 {
        self.l1.read(game.address, &IDisputeGame::maxClockDurationCall {}).await
    }

    /// Lets a game's clock run out and settles it.
    pub async fn resolve(&mut self, game: Game) {
        let clock = self.clock(game).await;
        self.warp(clock + 1).await;
        let claim =
            IDisputeGame::resolveClaimCall { claimIndex: U256::ZERO, numToResolve: U256::ZERO };
        for data in [claim.abi_encode(), IDisputeGame::resolveCall {}.abi_encode()] {
            let to = Some(game.address);
            // Refused once somebody else, such as a node that waits for it, has been quicker.
            self.send_l1(PROPOSER, to, U256::ZERO, data.into()).await;
        }
        let status = self.l1.read(game.address, &IDisputeGame::statusCall {}).await;
        assert_eq!(status, DEFENDER_WINS, "an undisputed game can be settled");
    }

    /// The guardian declares a game void.
    pub async fn blacklist(&mut self, game: Game) {
        let registry = self.l1.read(PORTAL, &IPortal::anchorStateRegistryCall {}).await;
        let call = IAnchorStateRegistry::blacklistDisputeGameCall { game: game.address };
        self.as_guardian(registry, call.abi_encode().into()).await;
    }
}
