//! Orders to a network that makes blocks by itself: one a line, each answered with one line of JSON.
//!
//! For people at a terminal, and for programs that hold both ends of a pipe.

use crate::optimism::{Game, L1_BRIDGE, L1_CHAIN_ID, L2_CHAIN_ID, Optimism, PORTAL, SYSTEM_CONFIG};
use alloy_primitives::Address;
use lockstep_chain::rpc::BlockTag;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufRead, Lines};

/// What can be ordered.
pub const ORDERS: &str = "propose | resolve | warp SECONDS | reorg BLOCKS | pause | unpause | \
                          stop-sequencer | start-sequencer | censor ADDRESS | base-fee WEI";

/// Between two blocks of L1.
const TICK: Duration = Duration::from_secs(1);
/// A root is proposed on L1 once in so many ticks, as a real proposer does once an hour.
const TICKS_PER_ROOT: u64 = 30;

/// Who says when a root is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposer {
    /// Orders alone.
    Ordered,
    /// The network too, from time to time.
    Steady,
}

/// A network under orders.
#[derive(Debug)]
pub struct Control {
    network: Optimism,
    proposer: Proposer,
    ticks: u64,
    /// The newest root.
    game: Option<Game>,
}

impl Control {
    /// Of a network.
    pub fn new(network: Optimism, proposer: Proposer) -> Self {
        Self { network, proposer, ticks: 0, game: None }
    }

    /// Where the network is.
    pub fn place(&self) -> Value {
        let Optimism { l1, l2, .. } = &self.network;
        json!({
            "l1": l1.url(), "l1ChainId": L1_CHAIN_ID, "l2": l2.url(), "l2ChainId": L2_CHAIN_ID,
            "systemConfig": SYSTEM_CONFIG, "portal": PORTAL, "standardBridge": L1_BRIDGE,
        })
    }

    /// Makes blocks and follows orders until the orders end.
    pub async fn run<R: AsyncBufRead + Unpin>(&mut self, mut orders: Lines<R>) {
        loop {
            tokio::select! {
                order = orders.next_line() => match order {
                    Ok(Some(order)) => println!("{}", self.obey(&order).await),
                    Ok(None) | Err(_) => return,
                },
                () = tokio::time::sleep(TICK) => self.tick().await,
            }
        }
    }

    /// Makes blocks for ever.
    pub async fn run_alone(&mut self) {
        loop {
            self.tick().await;
            tokio::time::sleep(TICK).await;
        }
    }

    async fn tick(&mut self) {
        self.network.tick().await;
        self.ticks += 1;
        if self.proposer == Proposer::Steady && self.ticks.is_multiple_of(TICKS_PER_ROOT) {
            println!("{}", self.propose().await);
        }
    }

    async fn propose(&mut self) -> Value {
        let game = self.network.propose().await;
        self.game = Some(game);
        json!({ "proposed": game.address, "block": game.block })
    }

    /// Carries out one order.
    pub async fn obey(&mut self, order: &str) -> Value {
        let words: Vec<&str> = order.split_whitespace().collect();
        match words.as_slice() {
            ["propose"] => self.propose().await,
            ["resolve"] => match self.game {
                Some(game) => {
                    self.network.resolve(game).await;
                    json!({ "resolved": game.address })
                }
                None => json!({ "error": "no root was proposed yet" }),
            },
            ["warp", secs] => match secs.parse() {
                Ok(secs) => {
                    self.network.warp(secs).await;
                    let time = self.network.l1.header(BlockTag::Latest).await.point().timestamp;
                    json!({ "time": time.0 })
                }
                Err(_) => json!({ "error": "warp takes seconds" }),
            },
            ["reorg", blocks] => match blocks.parse() {
                Ok(blocks) => {
                    self.network.reorg_l1(blocks).await;
                    json!({ "replaced": blocks })
                }
                Err(_) => json!({ "error": "reorg takes a number of L1 blocks" }),
            },
            ["pause"] => {
                self.network.pause().await;
                json!({ "paused": true })
            }
            ["unpause"] => {
                self.network.unpause().await;
                json!({ "paused": false })
            }
            words => self.turn(words),
        }
    }

    /// What goes wrong from now on.
    fn turn(&mut self, words: &[&str]) -> Value {
        let knobs = &mut self.network.knobs;
        match words {
            ["stop-sequencer"] => knobs.is_sequencer_stopped = true,
            ["start-sequencer"] => {
                knobs.is_sequencer_stopped = false;
                knobs.censored.clear();
            }
            ["censor", account] => match account.parse::<Address>() {
                Ok(account) => {
                    knobs.censored.insert(account);
                }
                Err(_) => return json!({ "error": "censor takes an address" }),
            },
            ["base-fee", wei] => match wei.parse() {
                Ok(wei) => knobs.l1_base_fee = Some(wei),
                Err(_) => return json!({ "error": "base-fee takes wei" }),
            },
            _other => return json!({ "error": "unknown order", "orders": ORDERS }),
        }
        json!({ "sequencerStopped": knobs.is_sequencer_stopped, "l1BaseFee": knobs.l1_base_fee })
    }
}
