//! What towers and clients say, what a tower keeps, and what a signer has marked.

use alloy_primitives::{Address, B256};
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks};
use lockstep_core::digest::{SigningDomain, possession_root};
use lockstep_core::ids::{ChannelId, Digest, Side, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::possession::{PathStep, PossessionProof, PossessionRoot, SignedRoot, SumNode};
use lockstep_core::receipt::{Receipt, SignedReceipt};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::tower::convert::{push_to, reply_to, request_to};
use lockstep_p2p::tower::message::{
    Access, Acted, ActedStage, ChainHealth, Heartbeat, Held, Push, RefusalCode, Reply, Request,
    Subscription, TowerRefusal, TowerTerms,
};
use lockstep_proto::v1::TowerFrame;
use lockstep_proto::v1::tower_frame::Body;
use lockstep_signer::mark::{Mark, Taker};
use lockstep_sim::keys::{BOUNDS, DOMAIN, Keys};
use lockstep_watchtower::record::{Account, KeptClose, Record, Reference, SeenClose, SeenHead};
use prost::Message;

use super::Corpora;
use crate::{marks, tower};

impl Corpora {
    /// One of each message and row, signed where a tower looks at signatures.
    pub(super) fn invent_tower(&mut self) {
        self.requests();
        self.replies();
        self.pushes();
        self.rows_of_a_tower();
    }

    fn tower_frame(&mut self, kind: &str, body: Body) {
        let frame = TowerFrame { request_id: 7, body: Some(body) };
        self.add("tower_frame", kind, &frame.encode_to_vec());
    }

    fn requests(&mut self) {
        let access = Access {
            channel_id: appointment(3, 0).state.channel_id,
            side: Side::Two,
            signature: StateSignature([2; 64]),
        };
        let put = |appointment| Request::Put { appointment: Box::new(appointment), access };
        let after = Some(access.channel_id);
        for (kind, request) in [
            ("subscribe", Request::Subscribe { slots: 5 }),
            ("put", put(appointment(3, 0))),
            ("put", put(appointment(u64::MAX, 90))),
            ("get", Request::Get(access)),
            ("drop", Request::Drop(access)),
            ("list", Request::List { after: None }),
            ("list", Request::List { after }),
            ("prove", Request::Prove { channel_id: access.channel_id }),
        ] {
            self.tower_frame(&format!("request-{kind}"), request_to(&request));
        }
    }

    fn replies(&mut self) {
        let held =
            |receipt| Reply::Held(Box::new(Held { appointment: appointment(3, 9), receipt }));
        let head = JournalHead { journal_id: [1; 16], epoch: 2, incarnation: [3; 16] };
        let terms = TowerTerms { domains: vec![DOMAIN], ..TowerTerms::default() };
        let subscription = |seen_head| {
            let paid_until_secs = u64::MAX;
            let terms = terms.clone();
            Reply::Subscribed(Subscription { slots: 1, used: 2, paid_until_secs, seen_head, terms })
        };
        let channel_id = appointment(3, 0).state.channel_id;
        let busy = TowerRefusal::later(RefusalCode::Busy, 5);
        for (kind, is_put, reply) in [
            ("subscribed", false, subscription(None)),
            ("subscribed", false, subscription(Some(head))),
            ("promised", true, Reply::Promised(receipt())),
            ("put-held", true, held(Some(receipt()))),
            ("held", false, held(None)),
            ("held", false, held(Some(receipt()))),
            ("dropped", false, Reply::Dropped { channel_id }),
            ("listed", false, Reply::Listed { channel_ids: vec![channel_id; 3] }),
            ("proof", false, Reply::Proof(Box::new(proof(1)))),
            ("proof", false, Reply::Proof(Box::new(proof(40)))),
            ("refused", false, Reply::Refused(TowerRefusal::of(RefusalCode::BadSignature))),
            ("refused", false, Reply::Refused(busy)),
        ] {
            self.tower_frame(&format!("reply-{kind}"), reply_to(&reply, is_put));
        }
    }

    fn pushes(&mut self) {
        let chain = ChainHealth {
            chain_id: 31_337,
            head_number: 2,
            head_hash: B256::repeat_byte(3),
            finalized_number: 1,
            lanes: 5,
            lanes_busy: 4,
            gas_reserve: Amount::MAX,
            is_following: true,
        };
        let acted = Acted {
            channel_id: ChannelId(B256::repeat_byte(1)),
            seen_version: Version(1),
            posted_version: Version(2),
            tx_hash: None,
            stage: ActedStage::Seen,
        };
        let sent = Acted { tx_hash: Some(B256::repeat_byte(9)), stage: ActedStage::Alarm, ..acted };
        let beat = |root| Heartbeat { sequence: 1, chains: vec![chain; 2], root };
        for (kind, push) in [
            ("heartbeat", Push::Heartbeat(Box::new(beat(None)))),
            ("heartbeat", Push::Heartbeat(Box::new(beat(Some(proof(0).signed))))),
            ("acted", Push::Acted(acted)),
            ("acted", Push::Acted(sent)),
        ] {
            self.tower_frame(&format!("push-{kind}"), push_to(&push));
        }
    }

    fn rows_of_a_tower(&mut self) {
        let mut row = |kind: u8, name: &str, bytes: Vec<u8>| {
            self.add("tower_row", name, &[vec![kind], bytes].concat());
        };
        for version in [1, u64::MAX] {
            let checked = appointment(version, 0).check(BOUNDS, None).expect("a good appointment");
            row(tower::RECORD, "record", Record::new(checked, Version(6)).encode());
        }
        let reference = Reference {
            side: Side::Two,
            version: Version(3),
            state_hash: Digest(B256::repeat_byte(1)),
            valid_from: BlockTimestamp(2),
            valid_until: BlockTimestamp(3),
            min_window: 4,
            insured: Amount::from(5_u64),
            withdraw_version: Version(6),
        };
        row(tower::REFERENCE, "reference", reference.encode());
        row(tower::REFERENCE, "reference", Reference { side: Side::One, ..reference }.encode());
        let head = SeenHead { journal_id: [1; 16], epoch: 2, incarnation: [3; 16] };
        for head in [None, Some(head)] {
            row(tower::ACCOUNT, "account", Account { slots: 1, used: 2, head }.encode());
        }
        for version in [Version::ZERO, Version(9)] {
            let transaction = B256::repeat_byte(3);
            let close = SeenClose { version, closes_at: BlockTimestamp(2), transaction };
            let (latest, first_seen) = (BlockTimestamp(4), BlockTimestamp(5));
            for first_seen_on_l1 in [None, Some(BlockTimestamp(6))] {
                let kept = KeptClose { close, latest, first_seen, first_seen_on_l1 };
                row(tower::CLOSE, "close", kept.encode());
            }
        }
        row(tower::SEALED, "sealed", vec![7; 24 + 16 + 5]);
    }

    /// Files of marks, and contents of records that never went through the signer's rule.
    pub(super) fn invent_marks(&mut self) {
        let mark = |channel: u8, version: u64| Mark {
            channel_id: ChannelId(B256::repeat_byte(channel)),
            version: Version(version),
            digest: Digest(B256::repeat_byte(channel ^ 0xff)),
            taker: Taker::State,
        };
        let withdrawal = Mark { taker: Taker::Withdrawal, ..mark(1, 2) };
        let other = Mark { digest: Digest(B256::ZERO), ..mark(1, 1) };
        let plans: [(&str, &[(Mark, u64)]); 7] = [
            ("empty", &[]),
            ("one", &[(mark(1, 1), 0)]),
            ("line", &[(mark(1, 1), 0), (withdrawal, 1), (mark(2, 9), 2), (mark(1, 3), 3)]),
            ("contradiction", &[(mark(1, 1), 0), (other, 1)]),
            ("fall", &[(mark(1, 7), 0), (mark(1, 3), 1)]),
            ("zero", &[(mark(1, 0), 0)]),
            ("promise", &[(mark(1, 1), u64::MAX), (mark(1, 2), 0)]),
        ];
        for (name, marks) in plans {
            let forms = marks.iter().map(|(mark, flushed)| marks::form(mark, *flushed));
            let plan: Vec<u8> = forms.flatten().collect();
            let whole = marks::forge(&plan);
            self.add("marks", &format!("plan-{name}"), &plan);
            self.add("marks", &format!("file-{name}"), &whole);
            self.add(
                "marks",
                &format!("torn-{name}"),
                &whole[..whole.len() - whole.len() % 16 - 9],
            );
        }
    }
}

fn appointment(version: u64, sealed: usize) -> Appointment {
    let keys = Keys::default();
    let terms = keys.terms(3_600);
    let state = State {
        channel_id: terms.channel_id(DOMAIN),
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(-5).expect("a small number"),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    };
    let digest = SigningDomain::new(DOMAIN).state(&state);
    let signatures =
        Signatures { one: keys.sign(Side::One, digest), two: keys.sign(Side::Two, digest) };
    let sealed_locks = SealedLocks::new(vec![7; sealed]).expect("a short list");
    Appointment { domain: DOMAIN, terms, state, signatures, sealed_locks }
}

fn receipt() -> SignedReceipt {
    let receipt = Receipt {
        tower: Address::repeat_byte(1),
        channel_id: appointment(3, 0).state.channel_id,
        version: Version(3),
        state_hash: Digest(B256::repeat_byte(4)),
        valid_from: BlockTimestamp(5),
        valid_until: BlockTimestamp(6),
        min_window: 7,
        insured: Amount::ZERO,
        beneficiary: Address::repeat_byte(8),
        withdraw_version: Version::ZERO,
    };
    SignedReceipt { receipt, signature: StateSignature([1; 64]) }
}

fn proof(steps: usize) -> PossessionProof {
    let keys = Keys::default();
    let node = SumNode { hash: B256::repeat_byte(6), insured: Amount::from(7_u64) };
    let root = PossessionRoot {
        tower: keys.public(Side::Two).address(),
        epoch: 2,
        chain_id: 31_337,
        block_number: BlockNumber(4),
        block_hash: B256::repeat_byte(5),
        root: node,
        channels: 8,
    };
    let signature = keys.sign(Side::Two, possession_root(&root));
    let path = (0..steps).map(|step| PathStep { sibling: node, is_left: step % 2 == 0 }).collect();
    PossessionProof { signed: SignedRoot { root, signature }, insured: Amount::ZERO, path }
}
