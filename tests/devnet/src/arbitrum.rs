//! An Arbitrum rollup beside its L1: production contracts on L1, ArbOS' part played by [`Network`].
//!
//! L1 is a plain chain with the real bridge, inbox, outbox, assertions and gateways, deployed from their npm
//! packages. The rollup is a second chain with stand-ins for ArbOS' precompiles, behind a JSON-RPC facade that
//! knows Arbitrum's own hashes. It reads a message only once its L1 block is final, as the real sequencer does,
//! and catches up with L1 whenever it is asked anything.

mod abi;
mod arbos;
mod deploy;
mod facade;
mod live;
mod names;
pub mod package;
mod server;
mod token_bridge;
mod validator;

pub use arbos::Knobs;
pub use deploy::L1Contracts;
pub use live::live;
pub use token_bridge::TokenBridge;
pub use validator::Asserted;

use crate::chain::LocalChain;
use abi::IArbSysDouble;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_sol_types::SolCall;
use arbos::ArbOs;
use deploy::Crew;
use lockstep_bridge::arbitrum::abi::{ARB_SYS, IInbox};
use serde_json::json;
use server::Server;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How the network is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
    /// L1 blocks in which an assertion can be challenged; 45,818 on Arbitrum One.
    pub confirm_blocks: u64,
    /// L1 blocks after which a message can be forced in; 5,760 on Arbitrum One.
    pub delay_blocks: u64,
    /// Whether that delay shrinks while the sequencer is late, as on Arbitrum One.
    pub is_delay_buffered: bool,
    /// Seconds between blocks of L1; none makes one for each transaction.
    pub l1_block_secs: Option<u64>,
    /// Port of L1; zero for a free one.
    pub l1_port: u16,
    /// Port of the rollup; zero for a free one.
    pub l2_port: u16,
    /// What goes wrong from the start.
    pub knobs: Knobs,
}

impl Default for Settings {
    fn default() -> Self {
        let knobs = Knobs {
            is_paused: false,
            auto_redeem_gas: None,
            base_fee: 100_000_000,
            posts_batches: true,
        };
        Self {
            l1_chain_id: 1_337,
            l2_chain_id: 412_346,
            confirm_blocks: 20,
            delay_blocks: 30,
            is_delay_buffered: false,
            l1_block_secs: None,
            l1_port: 0,
            l2_port: 0,
            knobs,
        }
    }
}

/// A running network.
pub struct Network {
    /// L1.
    pub l1: Arc<LocalChain>,
    /// The chain behind the rollup, for clocks and balances; users talk to [`Network::url`].
    pub l2: Arc<LocalChain>,
    /// Contracts on L1.
    pub contracts: L1Contracts,
    /// Gateways for tokens.
    pub tokens: TokenBridge,
    /// An unlocked account of both chains that owns the contracts and the token.
    pub owner: Address,
    /// How it was set up.
    pub settings: Settings,
    arbos: Arc<Mutex<ArbOs>>,
    server: Server,
}

/// Blocks of L1 until one is final.
const FINALITY_BLOCKS: u64 = 3;

/// Ether that the bridge holds from the start.
const BACKING_ETHER: u64 = 1_000;

impl Network {
    /// Starts both chains and deploys everything.
    ///
    /// # Panics
    /// When the packages or tools are not installed.
    pub async fn start(settings: Settings) -> Self {
        let l1_id = settings.l1_chain_id.to_string();
        let mut arguments =
            vec!["--chain-id", &l1_id, "--slots-in-an-epoch", "1", "--base-fee", "1000000000"];
        let l1_port = settings.l1_port.to_string();
        arguments.extend(["--port", &l1_port]);
        let secs = settings.l1_block_secs.map(|secs| secs.to_string());
        if let Some(secs) = &secs {
            arguments.extend(["--block-time", secs, "--mixed-mining"]);
        }
        let l1 = Arc::new(LocalChain::start(&arguments));
        let (l2_id, fee) = (settings.l2_chain_id.to_string(), settings.knobs.base_fee.to_string());
        let l2 = LocalChain::start(&["--chain-id", &l2_id, "--base-fee", &fee]);
        let l2 = Arc::new(l2);
        let accounts: Vec<Address> =
            serde_json::from_value(l1.ask("eth_accounts", json!([])).await).expect("accounts");
        let crew = Crew { owner: accounts[0], sequencer: accounts[1] };
        let contracts = deploy::rollup(&l1, &settings, crew).await;
        let tokens = token_bridge::connect(&l1, &l2, crew.owner, contracts.inbox).await;
        let arbos =
            ArbOs::install(&settings, l1.clone(), l2.clone(), contracts, crew.sequencer).await;
        let arbos = Arc::new(Mutex::new(arbos));
        let server = Server::start(arbos.clone(), settings.l2_port).await;
        let network =
            Self { l1, l2, contracts, tokens, owner: crew.owner, settings, arbos, server };
        network.back().await;
        network.finalize_l1().await;
        network
    }

    /// Puts ether into the bridge, since the rollup's accounts begin with some that nobody has paid in.
    async fn back(&self) {
        let ether = U256::from(BACKING_ETHER) * U256::from(10).pow(U256::from(18));
        let call = IInbox::depositEthCall {};
        deploy::transact(&self.l1, self.owner, self.contracts.inbox, ether, &call).await;
    }

    /// Where users reach the rollup.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Changes what goes wrong.
    pub async fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.arbos.lock().await.knobs);
    }

    /// Makes whatever happened on L1 final, and lets the rollup read it.
    pub async fn finalize_l1(&self) {
        let mut arbos = self.arbos.lock().await;
        arbos.mine_l1(FINALITY_BLOCKS).await;
        arbos.catch_up().await;
        // The batch of what was read is final too, so that the rollup is.
        arbos.mine_l1(FINALITY_BLOCKS).await;
    }

    /// Lets the rollup do whatever is due. It does so too whenever it is asked anything.
    pub async fn catch_up(&self) {
        self.arbos.lock().await.catch_up().await;
    }

    /// Makes blocks on L1.
    pub async fn mine_l1(&self, blocks: u64) {
        self.arbos.lock().await.mine_l1(blocks).await;
    }

    /// A validator asserts the rollup's present state.
    pub async fn assert_state(&self) -> Asserted {
        let mut arbos = self.arbos.lock().await;
        arbos.catch_up().await;
        arbos.assert_state().await
    }

    /// Lets the time for challenges run out and confirms an assertion.
    pub async fn confirm(&self, asserted: &Asserted) {
        self.arbos.lock().await.confirm(asserted).await;
    }

    /// Moves the rollup's clock.
    pub async fn pass_l2_time(&self, secs: u64) {
        self.l2.ask("evm_increaseTime", json!([U64::from(secs)])).await;
        self.l2.ask("evm_mine", json!([])).await;
    }
}

/// The root of all messages to L1 after a block, as the stand-in of ArbSys has it.
async fn send_root(l2: &LocalChain, block: u64) -> B256 {
    let call = IArbSysDouble::sendMerkleTreeStateCall {};
    let request =
        json!([{"to": ARB_SYS, "data": Bytes::from(call.abi_encode())}, U64::from(block)]);
    let answer: Bytes = serde_json::from_value(l2.ask("eth_call", request).await).expect("bytes");
    IArbSysDouble::sendMerkleTreeStateCall::abi_decode_returns(&answer).expect("our stand-in").root
}
