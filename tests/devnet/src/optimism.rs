//! An OP Stack network of two local chains with the real contracts of L1 and of the rollup.
//!
//! [`Optimism::tick`] makes one L1 block and the rollup's blocks of it: first what L1 forces in, in the order
//! of its logs, then what waits in the rollup's pool. Nothing happens by itself, unless [`Optimism::run`] is
//! asked to. [`Knobs`] are what goes wrong on a real network: a sequencer that stands still or leaves somebody
//! out, an L1 that reorganises or costs more, a bridge that is paused, a root that is wrong.

mod derive;
mod game;
mod genesis;
mod pool;

pub use game::Game;
pub use genesis::Genesis;

use crate::chain::LocalChain;
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use derive::Deriver;
use lockstep_chain::rpc::{BlockTag, Receipt};
use pool::Pool;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Chain id of L1.
pub const L1_CHAIN_ID: u64 = 900;
/// Chain id of the rollup.
pub const L2_CHAIN_ID: u64 = 901;
/// The one address that the bridge is found by. Source: supersim's genesis of chain 900.
pub const SYSTEM_CONFIG: Address = address!("3feb7f8765b9341b054eb4671cc47d3e33d1606d");
/// The portal. Source: as above.
pub const PORTAL: Address = address!("75CEb25776D0402972B736F6E13Fd0616BE98f22");
/// L1's side of the standard bridge. Source: as above.
pub const L1_BRIDGE: Address = address!("52AF4Dff31d13449b70993E21eb599C615a66541");
const SUPERCHAIN_CONFIG: Address = address!("811d626A3444C5c10Fa01607EE11EFBEaf19b0fF");
const GUARDIAN: Address = address!("9E6a4A0bAb4de21d43eCc97bFA9D65eB3053793A");

/// Units: seconds between L1's blocks.
const L1_BLOCK_SECS: u64 = 12;

sol! {
    interface ISuperchainConfig {
        function pause(address identifier) external;
        function unpause(address identifier) external;
    }
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Knobs {
    /// The sequencer includes nothing; what L1 forces in is derived all the same.
    pub is_sequencer_stopped: bool,
    /// Whose transactions the sequencer leaves out.
    pub censored: BTreeSet<Address>,
    /// L1's base fee from the next block on. Units: wei per gas.
    pub l1_base_fee: Option<u64>,
}

/// How a network starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Of L1; zero is any.
    pub l1: u16,
    /// Of the rollup; zero is any.
    pub l2: u16,
}

/// A running network.
#[derive(Debug)]
pub struct Optimism {
    /// L1, chain 900.
    pub l1: LocalChain,
    /// The rollup, chain 901.
    pub l2: LocalChain,
    /// What goes wrong.
    pub knobs: Knobs,
    deriver: Deriver,
    pool: Pool,
}

impl Optimism {
    /// Starts both chains.
    ///
    /// # Panics
    /// When the pinned packages are not installed.
    pub async fn start() -> Self {
        Self::start_at(Ports::default()).await
    }

    /// The same on ports of one's choice.
    ///
    /// # Panics
    /// As [`Optimism::start`].
    pub async fn start_at(ports: Ports) -> Self {
        let genesis = Genesis::lift();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let (time, l1_port, l2_port) =
            (time.to_string(), ports.l1.to_string(), ports.l2.to_string());
        let (l1_file, l2_file) =
            (genesis.l1.display().to_string(), genesis.l2.display().to_string());
        let common = ["--no-mining", "--order", "fifo", "--timestamp", &time];
        let l1 = ["--chain-id", "900", "--init", &l1_file, "--port", &l1_port]
            .into_iter()
            .chain(["--slots-in-an-epoch", "1", "--gas-limit", "60000000"])
            .chain(["--base-fee", "1000000000"])
            .chain(common);
        let l1 = LocalChain::start(&l1.collect::<Vec<_>>());
        // Safe two blocks and final four blocks behind: with two blocks per L1 block, no sooner than L1 is.
        let l2 = ["--chain-id", "901", "--init", &l2_file, "--port", &l2_port]
            .into_iter()
            .chain(["--optimism", "--slots-in-an-epoch", "2"])
            .chain(common);
        let l2 = LocalChain::start(&l2.collect::<Vec<_>>());
        // Calls from nobody are charged the data fee too.
        l2.set_balance(Address::ZERO, ether(1_000_000)).await;
        let deriver = Deriver::new(l1.head().await, l2.head().await);
        let mut network = Self { l1, l2, knobs: Knobs::default(), deriver, pool: Pool::default() };
        network.ticks(5).await;
        network
    }

    /// One block of L1 and the rollup's blocks of it.
    pub async fn tick(&mut self) {
        if let Some(fee) = self.knobs.l1_base_fee {
            let fee = format!("{fee:#x}");
            self.l1.ask("anvil_setNextBlockBaseFeePerGas", json!([fee])).await;
        }
        let parent = self.l1.header(BlockTag::Latest).await;
        self.l1.mine_at(parent.point().timestamp.0 + L1_BLOCK_SECS).await;
        self.derive().await;
    }

    /// Many of them.
    pub async fn ticks(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.tick().await;
        }
    }

    /// Makes blocks by itself, a tick at a time, for as long as it is polled.
    pub async fn run(&mut self, pause: Duration) {
        loop {
            self.tick().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Derives every L1 block that the rollup has not seen.
    async fn derive(&mut self) {
        self.pool.take_out(&self.l2).await;
        let knobs = self.knobs.clone();
        self.deriver.catch_up(&self.l1, &self.l2, &mut self.pool, &knobs).await;
    }

    /// Lets L1's clock run on, and the rollup with it.
    pub async fn warp(&mut self, secs: u64) {
        let parent = self.l1.header(BlockTag::Latest).await;
        self.l1.mine_at(parent.point().timestamp.0 + secs).await;
        self.derive().await;
        self.ticks(3).await;
    }

    /// Replaces the newest L1 blocks by empty ones, and the rollup's blocks of them. The transactions of the
    /// old ones are gone from L1; whoever wants them sends them again.
    pub async fn reorg_l1(&mut self, depth: u64) {
        self.pool.take_out(&self.l2).await;
        self.l1.ask("anvil_reorg", json!([depth, []])).await;
        let kept = self.l1.head().await - depth;
        let keep = self.deriver.rewind(kept);
        let gone = self.l2.head().await - keep;
        if gone > 0 {
            self.l2.ask("anvil_rollback", json!([gone])).await;
        }
        self.derive().await;
    }

    /// The guardian stops withdrawals; deposits go on, as on the real network.
    pub async fn pause(&mut self) {
        let call = ISuperchainConfig::pauseCall { identifier: Address::ZERO };
        self.as_guardian(SUPERCHAIN_CONFIG, call.abi_encode().into()).await;
    }

    /// Withdrawals go on.
    pub async fn unpause(&mut self) {
        let call = ISuperchainConfig::unpauseCall { identifier: Address::ZERO };
        self.as_guardian(SUPERCHAIN_CONFIG, call.abi_encode().into()).await;
    }

    async fn as_guardian(&mut self, to: Address, data: Bytes) -> Receipt {
        self.l1.set_balance(GUARDIAN, ether(1_000)).await;
        let sent = self.l1.send_as(GUARDIAN, Some(to), U256::ZERO, data).await;
        self.tick().await;
        let receipt = self.l1.landed(sent).await;
        assert!(receipt.is_success(), "the guardian's call works");
        receipt
    }

    /// Sends on L1 and waits for the block.
    pub async fn send_l1(
        &mut self,
        from: Address,
        to: Option<Address>,
        value: U256,
        data: Bytes,
    ) -> Receipt {
        let sent = self.l1.send_as(from, to, value, data).await;
        self.tick().await;
        self.l1.landed(sent).await
    }

    /// Sends on the rollup and waits for the block.
    pub async fn send_l2(
        &mut self,
        from: Address,
        to: Option<Address>,
        value: U256,
        data: Bytes,
    ) -> Receipt {
        let sent = self.l2.send_as(from, to, value, data).await;
        self.tick().await;
        self.l2.landed(sent).await
    }

    /// Deposits that were derived, newest last.
    pub fn derived(&self) -> &[B256] {
        self.deriver.derived()
    }
}

/// Units: wei.
pub fn ether(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}
