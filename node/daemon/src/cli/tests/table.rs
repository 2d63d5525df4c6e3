//! Tables as people see them.

use crate::cli::{bridge, channel, payment};
use alloy_primitives::{Address, B256};
use lockstep_core::ids::{AccountRef, ChannelId, NodeId, PaymentId, Sequence, Side};
use lockstep_core::money::Amount;
use lockstep_rpc::types::{
    AmountText, Asset, Channel, ChannelPhase, CloseView, Direction, Payment, PaymentState, Text,
    Transfer, TransferDirection, TransferState, Waiting,
};

fn coin() -> Asset {
    Asset { token: Text(AccountRef::Evm(Address::ZERO)), symbol: "ETH".to_owned(), decimals: 18 }
}

/// Thousandths of a coin.
fn milli(value: u64) -> AmountText {
    Text(Amount::from(u128::from(value).saturating_mul(1_000_000_000_000_000)))
}

fn sample() -> Channel {
    Channel {
        channel_id: Text(ChannelId(B256::repeat_byte(0xab))),
        side: 1,
        counterparty: Text(NodeId([2; 33])),
        is_connected: true,
        asset: coin(),
        phase: ChannelPhase::Open,
        frozen: None,
        restored: None,
        version: 12,
        capacity: milli(1_500),
        own_balance: milli(900),
        spendable: milli(850),
        counterparty_balance: milli(600),
        own_deposit: milli(1_000),
        counterparty_deposit: milli(500),
        unprotected: milli(0),
        pending_payments: 0,
        challenge_period: 86_400,
        close: None,
        settled: None,
        waiting: Vec::new(),
        transaction: None,
        problem: None,
    }
}

#[test]
fn channels_are_listed_in_whole_coins() {
    let mut disputed = sample();
    disputed.channel_id = Text(ChannelId(B256::repeat_byte(0xcd)));
    disputed.phase = ChannelPhase::Disputed;
    disputed.frozen = Some("equivocation".to_owned());
    disputed.is_connected = false;
    let expected = "\
CHANNEL     WITH        STATE             CAN PAY  CAN GET  TOKEN  ONLINE
0xabababab  0x02020202  open              0.85     0.6      ETH    yes
0xcdcdcdcd  0x02020202  disputed, frozen  0.85     0.6      ETH    no";
    assert_eq!(channel::many(&[sample(), disputed]), expected);
    assert!(channel::many(&[]).contains("lockstep invite"));
}

#[test]
fn one_channel_says_what_it_waits_for_and_until_when() {
    let mut channel = sample();
    channel.phase = ChannelPhase::Disputed;
    channel.pending_payments = 2;
    channel.close =
        Some(CloseView { version: 11, closes_at: 1_795_435_200, is_ours: false, is_stale: true });
    channel.waiting.push(Waiting {
        kind: "challenge".to_owned(),
        message: "our newer state is on its way to the chain".to_owned(),
        channel_id: None,
        until: Some(1_795_435_200),
    });
    let expected = format!(
        "\
channel           0x{}
with              0x{}
online            yes
state             disputed
ours              0.9 ETH
theirs            0.6 ETH
can pay           0.85 ETH
deposits          1 ETH and 0.5 ETH
version           12
challenge period  1 d
pending payments  2
close seen        theirs, version 11, until 2026-11-23 12:00:00, older than what we can prove: it is answered
waits for         our newer state is on its way to the chain (until 2026-11-23 12:00:00)",
        "ab".repeat(32),
        "02".repeat(33)
    );
    assert_eq!(channel::one(&channel), expected);
}

#[test]
fn payments_have_a_sign_and_failed_ones_their_reason() {
    let payment = |sequence, direction, state, note: Option<&str>| Payment {
        index: Some(sequence),
        payment_id: Text(PaymentId {
            channel_id: ChannelId(B256::repeat_byte(0xab)),
            payer: Side::One,
            sequence: Sequence(sequence),
        }),
        channel_id: Text(ChannelId(B256::repeat_byte(0xab))),
        counterparty: Text(NodeId([2; 33])),
        direction,
        asset: coin(),
        amount: milli(10),
        memo: note.filter(|_| state == PaymentState::Final).map(str::to_owned),
        invoice_id: None,
        state,
        version: None,
        problem: note.filter(|_| state == PaymentState::Failed).map(str::to_owned),
        at: 1_795_435_200 + sequence,
    };
    let all = [
        payment(8, Direction::Received, PaymentState::Final, Some("coffee")),
        payment(7, Direction::Sent, PaymentState::Failed, Some("the invoice is paid")),
    ];
    let expected = "\
INDEX  TIME (UTC)           CHANNEL     AMOUNT     STATE   NOTE
8      2026-11-23 12:00:08  0xabababab  +0.01 ETH  final   coffee
7      2026-11-23 12:00:07  0xabababab  -0.01 ETH  failed  the invoice is paid";
    assert_eq!(payment::many(&all), expected);
}

#[test]
fn a_transfer_says_until_when_its_next_step_takes_and_when_its_money_arrives() {
    let transfer = |direction, state, waits_for: &str, times: Option<(u64, u64)>| Transfer {
        transfer_id: Text(B256::repeat_byte(0x1a)),
        direction,
        channel_id: None,
        amount: milli(1_000),
        asset: coin(),
        state,
        waits_for: waits_for.to_owned(),
        expected_at: times.map(|(expected_at, _)| expected_at),
        arrives_at: times.map(|(_, arrives_at)| arrives_at),
        is_over: times.is_none(),
        transaction: None,
    };
    let times = Some((1_795_435_200, 1_795_435_224));
    let all = [
        transfer(TransferDirection::Out, TransferState::Proven, "the root to be judged", times),
        transfer(TransferDirection::In, TransferState::Credited, "nothing", None),
    ];
    let expected = "\
TRANSFER    WAY      AMOUNT  STATE     WAITS FOR              UNTIL (UTC)          ARRIVES (UTC)
0x1a1a1a1a  to L1    1 ETH   proven    the root to be judged  2026-11-23 12:00:00  2026-11-23 12:00:24
0x1a1a1a1a  from L1  1 ETH   credited  nothing";
    assert_eq!(bridge::many(&all), expected);
    assert!(bridge::many(&[]).contains("No transfers"));
}
