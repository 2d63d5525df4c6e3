//! Nodes that are killed while they pay each other: nothing may be lost, and nothing done twice.
//!
//! `KILLS=200 SEED=1` repeats a longer run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use lockstep_e2e::channel::Pair;
use lockstep_e2e::dice::{Dice, number_of};
use lockstep_e2e::node::{Caller, Node};
use serde_json::{Value, json};

/// What each side brings; far more than is paid.
const BROUGHT: u64 = 1_000_000_000;
/// Callers on each side that pay one after the other.
const CALLERS: u64 = 4;
/// The latest moment of a kill after both nodes serve. Units: milliseconds.
const LATEST: u64 = 600;

/// Payments by the note on them: what each was worth.
type Book = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn p37_no_payment_is_lost_or_doubled_however_often_nodes_are_killed() {
    let mut dice = Dice::from_environment();
    let kills = number_of("KILLS").unwrap_or(20);
    let deposit = BROUGHT.to_string();
    let mut pair = Pair::open(&deposit, &deposit).await;
    let is_over = Cell::new(false);
    let payers = [&pair.one, &pair.two].into_iter().enumerate().flat_map(|(side, node)| {
        let payer =
            |caller| Payer { node: node.caller(), id: pair.id.clone(), name: (side, caller) };
        (0..CALLERS).map(payer).collect::<Vec<_>>()
    });
    let payers: Vec<_> = payers.collect();
    let paying = join_all(payers.iter().map(|payer| payer.pay_until(&is_over)));
    let killing = async {
        for _ in 0..kills {
            kill_somebody(&mut pair, &mut dice).await;
        }
        is_over.set(true);
    };
    let (books, ()) = tokio::join!(paying, killing);
    let book = |side: usize| {
        let own = payers.iter().zip(&books).filter(|(payer, _)| payer.name.0 == side);
        own.flat_map(|(_, book)| book.clone()).collect::<Book>()
    };
    let (ones, twos) = (book(0), book(1));
    println!("{kills} kills, {} and {} payments", ones.len(), twos.len());
    assert!(ones.len() > 100 && twos.len() > 100, "too little was paid for this to show anything");

    let (from_one, from_two) = (ones.values().sum::<u64>(), twos.values().sum::<u64>());
    let left = [BROUGHT - from_one + from_two, BROUGHT - from_two + from_one].map(u128::from);
    pair.until_balances(left[0], left[1]).await;
    for (node, sent, received) in [(&pair.one, &ones, &twos), (&pair.two, &twos, &ones)] {
        assert_eq!(listed(node, "sent").await, *sent);
        assert_eq!(listed(node, "received").await, *received);
    }
    pair.one.ask("lockstep_closeChannel", json!([pair.id])).await;
    pair.assert_settled(left[0], left[1]).await;
}

/// Waits for a moment, kills one node or both, sometimes again while it starts, and lets them serve again.
async fn kill_somebody(pair: &mut Pair, dice: &mut Dice) {
    let moment = |dice: &mut Dice| Duration::from_millis(dice.below(LATEST));
    tokio::time::sleep(moment(dice)).await;
    let victims = match dice.below(5) {
        0 | 1 => vec![&mut pair.one],
        2 | 3 => vec![&mut pair.two],
        _ => vec![&mut pair.one, &mut pair.two],
    };
    for node in victims {
        node.kill();
        if dice.below(4) == 0 {
            node.launch(&[]);
            // Somewhere between its first file and its first message.
            tokio::time::sleep(moment(dice) * 4).await;
            node.kill();
        }
        node.start().await;
    }
}

/// Somebody who pays one after the other, and asks again under the same key if there was no answer.
struct Payer {
    node: Caller,
    id: String,
    name: (usize, u64),
}

impl Payer {
    async fn pay_until(&self, is_over: &Cell<bool>) -> Book {
        let mut paid = Book::new();
        let mut number = 0;
        while !is_over.get() {
            let (side, caller) = self.name;
            let note = format!("{side}.{caller}.{number}");
            let worth = 1 + number % 97;
            if self.pay(&note, worth).await {
                paid.insert(note, worth);
            }
            number += 1;
        }
        paid
    }

    /// Whether the payment was made in the end; it can fail only for good.
    async fn pay(&self, note: &str, worth: u64) -> bool {
        let call = json!({
            "channelId": self.id, "amount": worth.to_string(), "memo": note,
            "idempotencyKey": note, "waitMillis": 2_000,
        });
        lockstep_e2e::patiently("an end of the payment", async || {
            match self.node.call("lockstep_pay", call.clone()).await {
                Ok(payment) => match payment["state"].as_str() {
                    Some("final") => Some(true),
                    Some("failed") => Some(false),
                    _ => None,
                },
                Err(error) => {
                    assert!(is_passing(&error), "{note}: {error}");
                    None
                }
            }
        })
        .await
    }
}

/// Whether it may work later: no answer at all, or an error of that class.
fn is_passing(error: &Value) -> bool {
    error.is_null()
        || error["code"].as_i64().is_some_and(|code| (-32_059..=-32_050).contains(&code))
}

/// What a node has listed as final, each note once.
async fn listed(node: &Node, direction: &str) -> Book {
    let mut book = Book::new();
    for payment in node.payments().await {
        if payment["direction"] != direction || payment["state"] != "final" {
            continue;
        }
        let note = payment["memo"].as_str().expect("a note").to_owned();
        let worth = payment["amount"].as_str().expect("text").parse().expect("a number");
        let before = book.insert(note, worth);
        assert_eq!(before, None, "twice: {payment}");
    }
    book
}
