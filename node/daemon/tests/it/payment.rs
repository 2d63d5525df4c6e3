//! Payments: both ways, in batches, across restarts, by invoice, under a caller's name, under a limit.

use crate::kit::{Node, Pair, World, amount};
use crate::tower::{Mood, Tower, with_policy};
use lockstep::config::TowerRule;
use lockstep_core::ids::ChannelId;
use lockstep_rpc::backend::{Backend, Spender, SpendingLimit};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{
    AddTower, BatchItem, CreateInvoice, Direction, EventKind, InvoiceCall, InvoiceState,
    ListEvents, ListPayments, Pay, PayBatch, PaymentState, Text,
};
use lockstep_store::open::Provenance;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn p39_payments_flow_both_ways_at_once_and_both_sides_count_the_same() {
    let (pair, id) = Pair::open(10_000, 10_000).await;
    let (sent, received) =
        tokio::join!(pair.one.pay_batch(id, 500, 3), pair.two.pay_batch(id, 400, 2));
    assert_eq!((sent, received), (500, 400));
    let is_one = |channel: &lockstep_rpc::types::Channel| channel.own_balance == amount(9_300);
    let is_two = |channel: &lockstep_rpc::types::Channel| channel.own_balance == amount(10_700);
    pair.one.until_channel(id, "9,300", is_one).await;
    pair.two.until_channel(id, "10,700", is_two).await;
    let call = ListPayments { limit: Some(1_000), ..ListPayments::default() };
    let page = pair.two.engine.payments(call).await.unwrap();
    assert_eq!(page.payments.len(), 900);
    let indices: Vec<_> = page.payments.iter().map(|payment| payment.index.unwrap()).collect();
    assert_eq!(indices, (0..900).collect::<Vec<_>>());
    let got = page.payments.iter().filter(|p| p.direction == Direction::Received).count();
    assert_eq!(got, 500);
}

/// Each side has as much under way as a channel takes, all the time. What the acceptor asks for next is on its way
/// while the proposer still has its last signatures to read.
#[tokio::test(flavor = "multi_thread")]
async fn p39_two_sides_that_pay_as_much_as_they_can_never_break_a_rule() {
    let (pair, id) = Pair::open(1_000_000, 1_000_000).await;
    let mut callers = tokio::task::JoinSet::new();
    for node in [&pair.one, &pair.two] {
        for _ in 0..8 {
            let engine = Arc::clone(&node.engine);
            callers.spawn(async move {
                for _ in 0..10 {
                    let call = batch(id, 250, 1, None);
                    let receipt = engine.pay_batch(call, Spender::Operator).await.unwrap();
                    assert_eq!(receipt.final_count, 250);
                }
            });
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    for node in [&pair.one, &pair.two] {
        let metrics = node.metrics.render();
        assert!(metrics.contains("p2p_faults_total 0"), "{metrics}");
        node.until_channel(id, "as before", |it| it.own_balance == amount(1_000_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p52_a_restart_in_between_loses_nothing_and_events_go_on_without_a_gap() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    pair.two.pay(id, 30).await;
    let Pair { world, one, two } = pair;
    let parts = two.stop().await;
    // While the other side is away a payment waits, and is not lost.
    let call = Pay { wait_millis: Some(0), ..Node::pay_call(id, 7) };
    let waiting = one.engine.pay(call, Spender::Operator).await.unwrap();
    assert_eq!(waiting.state, PaymentState::Pending);
    let two = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    two.until_channel(id, "all payments", |channel| channel.own_balance == amount(1_077)).await;
    one.until_channel(id, "all payments", |channel| channel.own_balance == amount(923)).await;
    let kind = EventKind::Payments;
    let call = ListEvents { kind, from_index: Some(1), limit: None };
    let page = two.engine.events(call).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(page.next_index, 3);
    assert_eq!(*two.engine.watch_events(kind).wait_for(|next| *next == 3).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_pays_once_also_after_a_restart_and_never_for_something_else() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let key = Some("order 7".to_owned());
    let call = Pay { idempotency_key: key.clone(), ..Node::pay_call(id, 10) };
    let first = pair.one.engine.pay(call.clone(), Spender::Operator).await.unwrap();
    let again = pair.one.engine.pay(call.clone(), Spender::Operator).await.unwrap();
    assert_eq!((first.payment_id, first.state), (again.payment_id, again.state));
    let Pair { world, one, two } = pair;
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    let again = one.engine.pay(call, Spender::Operator).await.unwrap();
    assert_eq!(first.payment_id, again.payment_id);
    let other = Pay { idempotency_key: key, ..Node::pay_call(id, 11) };
    let refused = one.engine.pay(other, Spender::Operator).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::IdempotencyConflict);
    assert_eq!(Node::own(&two.channel(id).await), 10);
}

fn batch(id: ChannelId, count: usize, value: u64, key: Option<&str>) -> PayBatch {
    let item = BatchItem { amount: amount(value), memo: None };
    PayBatch {
        channel_id: Text(id),
        payments: vec![item; count],
        idempotency_key: key.map(ToOwned::to_owned),
        wait_millis: Some(60_000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p37_a_batch_that_is_asked_for_again_is_told_as_it_ended_however_much_was_paid_since() {
    let mute = Tower::start(Mood::Mute).await;
    let world = World::start().await;
    let config = with_policy(TowerRule::Bounded, 100);
    let (one, two) = tokio::join!(Node::start_with(&world, config), Node::start(&world));
    one.engine.add_tower(AddTower { address: mute.address.clone() }).await.unwrap();
    let pair = Pair { world, one, two };
    let id = pair.open_channel(100_000, 10_000).await;
    pair.two.pay(id, 100).await;
    let (one, two) = (&pair.one.engine, &pair.two.engine);
    // More than is left unprotected over there: it is declined.
    let declined = batch(id, 3, 2, Some("declined"));
    let first = two.pay_batch(declined.clone(), Spender::Operator).await.unwrap();
    assert_eq!((first.final_count, first.failed_count), (0, 3));
    let paid = batch(id, 7, 1, Some("paid"));
    let receipt = one.pay_batch(paid.clone(), Spender::Operator).await.unwrap();
    assert_eq!((receipt.final_count, receipt.failed_count), (7, 0));
    for _ in 0..51 {
        let receipt = one.pay_batch(batch(id, 1_000, 1, None), Spender::Operator).await.unwrap();
        assert_eq!(receipt.final_count, 1_000);
    }
    pair.two.until_channel(id, "all of it", |it| it.own_balance == amount(60_907)).await;
    assert_eq!(two.pay_batch(declined, Spender::Operator).await.unwrap(), first);
    assert_eq!(one.pay_batch(paid, Spender::Operator).await.unwrap(), receipt);
    assert_eq!(Node::own(&pair.one.channel(id).await), 49_093);
}

#[tokio::test(flavor = "multi_thread")]
async fn p37_p47_what_a_backup_had_pending_is_called_neither_final_nor_failed() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 10).await;
    let Pair { world, one, two } = pair;
    two.stop().await;
    one.until_channel(id, "no link", |it| !it.is_connected).await;
    let call = PayBatch { wait_millis: Some(0), ..batch(id, 3, 5, Some("order 8")) };
    let receipt = one.engine.pay_batch(call.clone(), Spender::Operator).await.unwrap();
    assert_eq!((receipt.count, receipt.final_count, receipt.failed_count), (3, 0, 0));
    let one = one.stop().await.run(&world, Provenance::Restored).await;
    one.until_channel(id, "the mark", |it| it.restored.is_some()).await;
    let again = one.engine.pay_batch(call, Spender::Operator).await.unwrap();
    assert_eq!((again.count, again.final_count, again.failed_count), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_once_and_only_by_the_counterparty() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let memo = Some("tea".to_owned());
    let call = CreateInvoice { channel_id: Text(id), amount: amount(25), expiry_secs: None, memo };
    let invoice = pair.two.engine.create_invoice(call).await.unwrap();
    assert_eq!((invoice.state, invoice.is_ours), (InvoiceState::Open, true));
    let pay = Pay { invoice: Some(invoice.invoice.clone()), ..Pay::default() };
    let own = pair.two.engine.pay(pay.clone(), Spender::Operator).await.unwrap_err();
    assert_eq!(own.kind, FailureKind::OwnNode);
    let payment = pair.one.engine.pay(pay.clone(), Spender::Operator).await.unwrap();
    assert_eq!((payment.state, payment.amount), (PaymentState::Final, amount(25)));
    assert_eq!(payment.memo.as_deref(), Some("tea"));
    let call = InvoiceCall { invoice: invoice.invoice };
    assert_eq!(pair.two.engine.decode_invoice(call).await.unwrap().state, InvoiceState::Paid);
    // The payee refuses it a second time, and the payer's money stays.
    let second = pair.one.engine.pay(pay, Spender::Operator).await.unwrap();
    assert_eq!(second.state, PaymentState::Failed);
    assert_eq!(Node::own(&pair.one.channel(id).await), 975);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_limit_pays_up_to_it_and_no_more() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let asset = pair.one.channel(id).await.asset.token.0;
    let token_id = alloy_primitives::B256::repeat_byte(1);
    let limit =
        SpendingLimit { token_id, asset, limit: lockstep_core::money::Amount::from(100u64) };
    let spender = Spender::Token(limit);
    let pay = |value| pair.one.engine.pay(Node::pay_call(id, value), spender);
    assert_eq!(pay(60).await.unwrap().state, PaymentState::Final);
    let refused = pay(41).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::SpendingLimit);
    let Pair { world, one, two } = pair;
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    let refused = one.engine.pay(Node::pay_call(id, 41), spender).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::SpendingLimit);
    let last = one.engine.pay(Node::pay_call(id, 40), spender).await.unwrap();
    assert_eq!(last.state, PaymentState::Final);
}
