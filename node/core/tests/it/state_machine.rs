//! Writes `docs/state-machine.md` from what the code does: every phase against every kind of input.
//!
//! The test fails if the page is stale; `UPDATE=1` writes it anew.

use crate::kit::*;
use lockstep_core::chain::{ChainEvent, ChainFact, CloseMode, EventPosition, StoredPoint};
use lockstep_core::channel::Channel;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::record::{ClosingStage, FreezeReason, OpeningStage, Phase, RecordParts};
use lockstep_core::time::{BlockNumber, BlockTimestamp, Finality};
use std::fmt::Write;

fn phase_name(parts: &RecordParts) -> String {
    let phase = match &parts.phase {
        Phase::Opening(OpeningStage::Requested) => "Opening(Requested)",
        Phase::Opening(OpeningStage::Rejected) => "Opening(Rejected)",
        Phase::Funding { .. } => "Funding",
        Phase::Open => "Open",
        Phase::Closing(ClosingStage::Requested) => "Closing(Requested)",
        Phase::Closing(ClosingStage::Draining { .. }) => "Closing(Draining)",
        Phase::Closing(ClosingStage::FinalBound { .. }) => "Closing(FinalBound)",
        Phase::Closing(ClosingStage::FinalSigned { .. }) => "Closing(FinalSigned)",
        Phase::Closing(ClosingStage::Unilateral) => "Closing(Unilateral)",
        Phase::Disputed(_) => "Disputed",
        Phase::Settled(settlement) if settlement.is_final => "Settled(final)",
        Phase::Settled(_) => "Settled(seen)",
    };
    let mut name = phase.to_owned();
    if parts.marks.frozen.is_some() {
        name.push_str(" + frozen");
    }
    if parts.marks.restored.is_some() {
        name.push_str(" + restored");
    }
    name
}

fn error_name(error: &ProtocolError) -> String {
    let text = format!("{error:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    text[..end].to_owned()
}

fn chain(finality: Finality, fact: ChainFact) -> Input {
    let position = EventPosition { block: BlockNumber(50), log_index: 1 };
    Input::Chain(ChainEvent { position, timestamp: BlockTimestamp(50), finality, fact })
}

fn closing() -> ChainFact {
    ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: BlockTimestamp(5_000),
        initiator: Side::Two,
        evidence: None,
    }
}

fn closed() -> ChainFact {
    ChainFact::Closed {
        version: Version(0),
        paid1: amount(DEPOSIT),
        paid2: amount(DEPOSIT),
        held1: amount(0),
        held2: amount(0),
        mode: CloseMode::Unilateral,
    }
}

/// Every kind of input, with its name.
fn inputs(side: Side) -> Vec<(&'static str, Input)> {
    let reason = RejectReason::Policy;
    let mut all = vec![
        ("order a payment", Input::Command(Command::Update(vec![pay(1)]))),
        ("order a close", Input::Command(Command::Close)),
        ("order a close by force", Input::Command(Command::ForceClose)),
        ("freeze", Input::Command(Command::Freeze(FreezeReason::Command))),
        ("record comes from a backup", Input::Command(Command::MarkImported)),
    ];
    match side {
        Side::One => {
            all.push(("peer rejects the open", Input::Peer(PeerMessage::OpenReject { reason })));
            let min_version = Version(1);
            let request = PeerMessage::CloseRequest { min_version };
            all.push(("peer asks to close", Input::Peer(request)));
        }
        Side::Two => {
            let mut peer = Pair::open();
            peer.one.pay(1).unwrap();
            let ordinary = peer.one.outbox.pop_front().unwrap();
            all.push(("peer proposes a payment", Input::Peer(ordinary)));
            let mut peer = Pair::open();
            peer.one.command(Command::Close).unwrap();
            let last = peer.one.outbox.pop_front().unwrap();
            all.push(("peer proposes the final state", Input::Peer(last)));
        }
    }
    let opened = ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: true };
    all.extend([
        ("open seen", chain(Finality::Seen, opened.clone())),
        ("open final", chain(Finality::Final, opened)),
        ("close seen", chain(Finality::Seen, closing())),
        ("close vanished, final", chain(Finality::Final, ChainFact::CloseVanished)),
        ("settlement seen", chain(Finality::Seen, closed())),
        ("settlement final", chain(Finality::Final, closed())),
    ]);
    all
}

/// One node in every phase that this side can be in.
fn nodes(side: Side) -> Vec<Node> {
    let take = |mut pair: Pair| {
        let other = Pair::funding();
        match side {
            Side::One => std::mem::replace(&mut pair.one, other.one),
            Side::Two => std::mem::replace(&mut pair.two, other.two),
        }
    };
    let open_then = |act: &dyn Fn(&mut Pair)| {
        let mut pair = Pair::open();
        act(&mut pair);
        take(pair)
    };
    let order = |command: Command| {
        open_then(&move |pair: &mut Pair| pair.node(side).command(command.clone()).unwrap())
    };
    let fact = |finality, fact: ChainFact| {
        open_then(&move |pair: &mut Pair| pair.node(side).fact(40, finality, fact.clone()))
    };
    let mut nodes = vec![];
    if side == Side::One {
        nodes.push(Node::requested());
        let mut rejected = Node::requested();
        let reason = RejectReason::Policy;
        rejected.peer(PeerMessage::OpenReject { reason }).unwrap();
        nodes.push(rejected);
    }
    nodes.push(take(Pair::funding()));
    nodes.push(take(Pair::open()));
    match side {
        Side::One => {
            nodes.push(open_then(&|pair| {
                pair.one.pay(1).unwrap();
                pair.one.command(Command::Close).unwrap();
            }));
            nodes.push(order(Command::Close));
        }
        Side::Two => nodes.push(order(Command::Close)),
    }
    nodes.push(open_then(&|pair| {
        pair.one.command(Command::Close).unwrap();
        pair.exchange();
    }));
    nodes.push(order(Command::ForceClose));
    nodes.push(fact(Finality::Seen, closing()));
    nodes.push(fact(Finality::Seen, closed()));
    nodes.push(fact(Finality::Final, closed()));
    nodes.push(order(Command::Freeze(FreezeReason::Command)));
    nodes.push(order(Command::MarkImported));
    nodes
}

/// What an input makes of a channel: another phase, the same, or the error that changes nothing.
fn outcome(channel: &Channel, input: Input) -> String {
    let before = phase_name(channel.parts());
    match channel.handle(input) {
        Ok(transition) => {
            let after = phase_name(transition.next().parts());
            if after == before { "stays".to_owned() } else { format!("**{after}**") }
        }
        Err(error) => format!("_{}_", error_name(&error)),
    }
}

fn page() -> String {
    let mut page = String::from(
        "# State machine\n\n\
         Generated from the code by `node/core/tests/it/state_machine.rs`; do not edit. Refresh with\n\
         `UPDATE=1 cargo test -p lockstep-core --test it state_machine`.\n\n\
         Each cell is what an input does to a channel in that phase: the next **phase**, `stays`, or the\n\
         _error_ that leaves everything as it was. \"Final\" facts are at the chain's finality class,\n\
         \"seen\" ones are in the newest head. Rules: `docs/spec/protocol.md`.\n",
    );
    for side in [Side::One, Side::Two] {
        let role = match side {
            Side::One => "Side 1, the proposer",
            Side::Two => "Side 2, the acceptor",
        };
        writeln!(page, "\n## {role}").unwrap();
        for node in nodes(side) {
            writeln!(page, "\n### {}\n", phase_name(node.channel.parts())).unwrap();
            page.push_str("| input | result |\n|---|---|\n");
            for (name, input) in inputs(side) {
                writeln!(page, "| {name} | {} |", outcome(&node.channel, input)).unwrap();
            }
        }
    }
    page
}

#[test]
fn the_page_about_the_state_machine_says_what_the_code_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state-machine.md");
    let expected = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "docs/state-machine.md is stale: run again with UPDATE=1");
}
