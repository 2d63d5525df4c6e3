//! What tests need: keys, a clock, seeded randomness, and sample messages of every kind.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, NodeId, Sequence, Version};
use lockstep_core::lock::{Lock, locks_root};
use lockstep_core::message::{
    OpenConsent, OpenOffer, OpenQuery, OpenRequest, PeerMessage, Proposal, ReestablishBody,
    RejectReason, SignedState,
};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::state::{Open, PartialWithdraw, State, StateKind};
use lockstep_core::terms::{Features, Terms};
use lockstep_core::time::{BlockTimestamp, EngineTime};
use lockstep_core::update::{Action, Memo, Payment, Update};
use lockstep_p2p::handshake::Handshake;
use lockstep_p2p::port::{Clock, Entropy, NoEntropy, NodeKey, SigningRefused};

/// A node key in the open.
pub struct TestKey(SigningKey);

impl TestKey {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed.max(1); 32]).unwrap())
    }

    pub fn sign(&self, digest: Digest) -> StateSignature {
        let (signature, recovery) = self.0.sign_prehash_recoverable(digest.0.as_slice()).unwrap();
        StateSignature::from_parts(&signature, recovery).unwrap()
    }
}

impl NodeKey for TestKey {
    fn node_id(&self) -> NodeId {
        NodeId(SignerKey::from_verifying_key(*self.0.verifying_key()).to_compressed())
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        Ok(self.sign(handshake.digest()))
    }
}

/// A clock that follows tokio's, which tests may pause.
pub struct TokioClock(tokio::time::Instant);

impl TokioClock {
    pub fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// SplitMix64: good enough for nonces that only have to differ, and the same for the same seed.
pub struct SeededEntropy(AtomicU64, Mutex<()>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed), Mutex::new(()))
    }

    fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        let _whole = self.1.lock().unwrap();
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            let len = chunk.len();
            chunk.copy_from_slice(&bytes[..len]);
        }
        Ok(())
    }
}

pub const DOMAIN: Domain = Domain::Evm { chain_id: 10, contract: Address::repeat_byte(0xcc) };

pub fn terms() -> Terms {
    Terms {
        participant1: AccountRef::Evm(Address::repeat_byte(1)),
        participant2: AccountRef::Evm(Address::repeat_byte(2)),
        signer1: Address::repeat_byte(3),
        signer2: Address::repeat_byte(4),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: 86_400,
        salt: B256::repeat_byte(9),
    }
}

pub fn channel() -> ChannelId {
    terms().channel_id(DOMAIN)
}

pub fn signature(byte: u8) -> StateSignature {
    StateSignature([byte; 64])
}

pub fn lock(byte: u8) -> Lock {
    Lock {
        hash: B256::repeat_byte(byte),
        resolver: AccountRef::Evm(Address::ZERO),
        amount: Amount::from(u128::from(byte)),
        expiry: BlockTimestamp(1_700_000_000),
        from1: byte.is_multiple_of(2),
    }
}

pub fn payment(sequence: u64, memo_len: usize) -> Update {
    Update {
        sequence: Sequence(sequence),
        action: Action::Pay(Payment {
            amount: Amount::from(sequence.max(1)),
            memo: Memo::new(vec![7; memo_len]).unwrap(),
            invoice: None,
        }),
    }
}

pub fn state(version: u64, locks: &[Lock]) -> State {
    State {
        channel_id: channel(),
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(-5).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::from(1_000u64),
        locks_root: locks_root(locks),
    }
}

pub fn proposal(version: u64, updates: Vec<Update>) -> PeerMessage {
    let locks = vec![lock(1), lock(2)];
    let proposal = Proposal {
        base_version: Version(version - 1),
        state: state(version, &locks),
        locks,
        updates,
        intents_through: Sequence(7),
        refused: vec![Sequence(3), Sequence(300)],
    };
    PeerMessage::Propose { proposal, signature: signature(0x11) }
}

fn withdraw() -> PartialWithdraw {
    PartialWithdraw {
        channel_id: channel(),
        version: Version(4),
        net: Net::new(1 << 100).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
        out1: Amount::from(1u64),
        out2: Amount::from(u128::MAX),
        deadline: BlockTimestamp(u64::MAX),
    }
}

fn every_update() -> Vec<Update> {
    let hash = B256::repeat_byte(5);
    let invoice = Some(lockstep_core::ids::InvoiceId(B256::repeat_byte(8)));
    let memo = Memo::new(vec![1; 64]).unwrap();
    let paid = Payment { amount: Amount::MAX, memo, invoice };
    [
        Action::Pay(paid),
        Action::AddLock(lock(3)),
        Action::SettleLock { hash, secret: B256::repeat_byte(6) },
        Action::FailLock { hash },
        Action::ExpireLock { hash },
    ]
    .into_iter()
    .zip(1..)
    .map(|(action, sequence)| Update { sequence: Sequence(sequence), action })
    .collect()
}

/// One message of each kind.
pub fn every_message() -> Vec<PeerMessage> {
    let newest = SignedState {
        state: state(3, &[lock(4)]),
        locks: vec![lock(4)],
        signature1: signature(1),
        signature2: signature(2),
    };
    let reestablish = |newest| {
        let (sequence1, sequence2) = (Sequence(1), Sequence(u64::MAX));
        let highest_bound = Version(9);
        PeerMessage::Reestablish(ReestablishBody { newest, highest_bound, sequence1, sequence2 })
    };
    let reason = RejectReason::NotNow;
    let open =
        Open { channel_id: channel(), min_deposit1: Amount::ZERO, deadline: BlockTimestamp(9) };
    vec![
        PeerMessage::OpenRequest(OpenRequest {
            domain: DOMAIN,
            terms: terms(),
            deposit1: Amount::from(1_000_000u64),
            deposit2: Amount::ZERO,
            features: Features::ALL,
            signer_key: [2; 33],
        }),
        PeerMessage::OpenAccept {
            consent: OpenConsent { open, features: Features::NONE, signer_key: [3; 33] },
            signature: signature(3),
        },
        PeerMessage::OpenReject { reason: RejectReason::Policy },
        proposal(2, every_update()),
        PeerMessage::Accept { version: Version(2), signature: signature(4) },
        PeerMessage::Reject {
            version: Version(2),
            reason,
            update: Some(Sequence(0)),
            base: Version(1),
        },
        PeerMessage::Reject { version: Version(2), reason, update: None, base: Version(0) },
        PeerMessage::Intent { updates: every_update() },
        PeerMessage::Refuse { sequence: Sequence(1), reason: RejectReason::InsufficientBalance },
        PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: Amount::from(5u64) },
        PeerMessage::WithdrawPropose { withdraw: withdraw(), signature: signature(5) },
        PeerMessage::WithdrawAccept { version: Version(4), signature: signature(6) },
        PeerMessage::WithdrawReject { version: Version(4), reason: RejectReason::Mismatch },
        PeerMessage::CloseRequest { min_version: Version(10) },
        reestablish(Some(newest)),
        reestablish(None),
        PeerMessage::OpenQuery(OpenQuery { domain: DOMAIN }),
        PeerMessage::OpenOffer(OpenOffer {
            participant: terms().participant2,
            signer_key: [2; 33],
        }),
    ]
}
