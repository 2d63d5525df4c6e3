//! The sequencer's choice: what waits in the rollup's pool, taken out before a block and put back as far as the
//! sequencer includes it.

use super::Knobs;
use crate::chain::LocalChain;
use alloy_primitives::{Address, B256, Bytes, U64};
use serde_json::{Value, json};

/// A transaction that waits.
#[derive(Clone, Debug)]
struct Waiting {
    from: Address,
    nonce: u64,
    raw: Bytes,
}

/// What waits outside of the chain's own pool, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Pool {
    waiting: Vec<Waiting>,
}

impl Pool {
    /// Takes everything out of the chain's pool.
    pub(super) async fn take_out(&mut self, l2: &LocalChain) {
        let content = l2.ask("txpool_content", json!([])).await;
        let mut found: Vec<Value> = Vec::new();
        for kind in ["pending", "queued"] {
            let senders = content[kind].as_object().cloned().unwrap_or_default();
            for by_nonce in senders.into_iter().map(|(_, by_nonce)| by_nonce) {
                let of_sender = by_nonce.as_object().cloned().unwrap_or_default();
                found.extend(of_sender.into_iter().map(|(_, transaction)| transaction));
            }
        }
        // All are read before the first is dropped: the chain drops with one what depends on it.
        let mut taken = Vec::new();
        for transaction in found {
            let hash: B256 = parse(&transaction["hash"]);
            let raw = l2.ask("eth_getRawTransactionByHash", json!([hash])).await;
            // Null once another caller has mined it; impersonated ones have no signature to send again.
            if raw.is_null() || is_unsigned(&transaction) {
                continue;
            }
            let nonce: U64 = parse(&transaction["nonce"]);
            let (from, nonce) = (parse(&transaction["from"]), nonce.to::<u64>());
            taken.push((hash, Waiting { from, nonce, raw: parse(&raw) }));
        }
        for (hash, one) in taken {
            l2.ask("anvil_dropTransaction", json!([hash])).await;
            // A replacement takes the place of what it replaces.
            self.waiting.retain(|old| (old.from, old.nonce) != (one.from, one.nonce));
            self.waiting.push(one);
        }
        self.waiting.sort_by_key(|transaction| transaction.nonce);
    }

    /// Puts back what the sequencer includes.
    pub(super) async fn put_back(&mut self, l2: &LocalChain, knobs: &Knobs) {
        if knobs.is_sequencer_stopped {
            return;
        }
        let is_censored = |one: &Waiting| knobs.censored.contains(&one.from);
        let (left_out, included): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(is_censored);
        self.waiting = left_out;
        for transaction in included {
            // Its nonce may be used up since; then it is dropped, as a pool does.
            let _sent = l2.try_ask("eth_sendRawTransaction", json!([transaction.raw])).await;
        }
    }
}

fn is_unsigned(transaction: &Value) -> bool {
    let number = |name: &str| transaction[name].as_str().unwrap_or("0x0").to_owned();
    let is_zero = |text: String| text.trim_start_matches("0x").trim_matches('0').is_empty();
    is_zero(number("s"))
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}
