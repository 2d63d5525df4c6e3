//! Two names for one transaction: the hash that Arbitrum gives it, and that of the chain behind.

use alloy_primitives::{Address, B256};
use serde_json::Value;
use std::collections::BTreeMap;

/// A transaction of ArbOS, and what stands for it on the chain behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) backend: B256,
    /// ArbOS' type of transaction.
    pub(super) kind: u8,
    pub(super) from: Address,
    pub(super) to: Address,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<B256, Known>,
    canonical: BTreeMap<B256, B256>,
}

fn hash_in(text: &str) -> Option<B256> {
    (text.len() == 66).then(|| text.parse().ok()).flatten()
}

impl Names {
    pub(super) fn insert(&mut self, canonical: B256, known: Known) {
        self.known.insert(canonical, known);
        self.canonical.insert(known.backend, canonical);
    }

    pub(super) fn get(&self, canonical: B256) -> Option<&Known> {
        self.known.get(&canonical)
    }

    /// What Arbitrum would call it, wherever the chain behind names it.
    pub(super) fn outward(&self, value: &mut Value) {
        walk(value, &mut |text| {
            let found = hash_in(text).and_then(|hash| self.canonical.get(&hash));
            found.map(B256::to_string)
        });
    }

    /// What the chain behind calls it, wherever somebody asks for it. A hash that is a topic or a word in a call
    /// stays as it is.
    pub(super) fn inward(&self, value: &mut Value) {
        if let Value::String(text) = value
            && let Some(known) = hash_in(text).and_then(|hash| self.known.get(&hash))
        {
            *text = known.backend.to_string();
        }
    }
}

/// Replaces texts anywhere in a document, but not in topics and data, which are words of contracts.
fn walk(value: &mut Value, change: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(changed) = change(text) {
                *text = changed;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if !["topics", "data", "input"].contains(&name.as_str()) {
                    walk(field, change);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
