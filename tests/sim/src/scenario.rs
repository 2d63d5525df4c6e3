//! What a seed decides before the first step.

use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::protection::TowerPolicy;
use lockstep_core::terms::{Features, PeriodBounds, Policy};

use crate::rng::Rng;
use crate::tower::{MAKES, Make};

/// What a hostile side does besides running the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vice {
    /// Signs two states of one version.
    Equivocator,
    /// Closes on chain with an old state, or with none.
    StaleCloser,
    /// Sends again what it sent long ago.
    Replayer,
    /// Stops talking, now and then.
    Silent,
    /// Lies about what it holds after a connection.
    Liar,
    /// As acceptor keeps its signatures back and closes at the best state in flight.
    Withholder,
    /// Hides its newest state from a counterparty that lost data.
    Hider,
    /// Claims a newer state without proof.
    Claimer,
    /// Sends old intents again after a reconnect.
    IntentReplayer,
    /// As proposer takes more than the updates say, or touches locks that are not due.
    Skimmer,
    /// Says no and means yes: keeps its signatures, and sends them when nobody expects them any more.
    Haunter,
}

/// All of them.
pub const VICES: [Vice; 11] = [
    Vice::Equivocator,
    Vice::StaleCloser,
    Vice::Replayer,
    Vice::Silent,
    Vice::Liar,
    Vice::Withholder,
    Vice::Hider,
    Vice::Claimer,
    Vice::IntentReplayer,
    Vice::Skimmer,
    Vice::Haunter,
];

/// One side's towers, and how long it stays away.
#[derive(Clone, Debug)]
pub struct GuardPlan {
    /// Whose; an honest side.
    pub side: Side,
    /// When income waits for them.
    pub policy: TowerPolicy,
    /// What the towers are like.
    pub makes: Vec<Make>,
    /// It goes offline for longer than a challenge period, and the cheat closes meanwhile.
    pub is_absent: bool,
}

/// How bad the link is. Units: times in a thousand messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkFaults {
    /// A message is lost; the connection must be made anew.
    pub drop: u64,
    /// A message arrives twice.
    pub repeat: u64,
    /// A message overtakes others.
    pub reorder: u64,
}

/// How the channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// This side asks for a cooperative close.
    Cooperative(Side),
    /// This side leaves with what it holds.
    Force(Side),
}

/// A run, as its seed has decided it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Which side is hostile, and how.
    pub hostile: Option<(Side, Vice)>,
    /// Which side loses data to an old backup, once.
    pub restored: Option<Side>,
    /// The link.
    pub link: LinkFaults,
    /// The connection is cut. Units: times in a thousand steps.
    pub cut: u64,
    /// A node dies at a step between two others. Units: times in a thousand such steps.
    pub crash: u64,
    /// The chain is reorganised. Units: times in a thousand steps.
    pub reorg: u64,
    /// A node's engine clock jumps. Units: times in a thousand steps.
    pub clock_jump: u64,
    /// Blocks from the head to the newest finalized one.
    pub finality: u64,
    /// Units: seconds.
    pub challenge_period: u32,
    /// What each side brings.
    pub deposits: [u64; 2],
    /// The open carries side two's consent, so that the channel is active at once.
    pub opens_with_consent: bool,
    /// Proposals in flight.
    pub max_in_flight: u32,
    /// Locks are used.
    pub has_locks: bool,
    /// Partial withdrawals are used.
    pub has_withdrawals: bool,
    /// An operator may order an early force close, or two at once. Units: times in a thousand steps.
    pub early_close: u64,
    /// Steps with faults.
    pub steps: u64,
    /// The end.
    pub ending: Ending,
    /// One side has towers.
    pub guard: Option<GuardPlan>,
}

/// Units: seconds between blocks.
pub const BLOCK_SECS: u64 = 12;
/// A node stays down for at most this many blocks, and a transaction waits for at most as many.
/// The challenge period is far longer, as a deployment's bounds make it.
pub const MAX_DOWN_BLOCKS: u64 = 8;

impl Scenario {
    /// What a seed decides.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let side = |rng: &mut Rng| if rng.coin() { Side::One } else { Side::Two };
        let level = |rng: &mut Rng, high: u64| match rng.below(4) {
            0 | 1 => 0,
            2 => high / 4,
            _ => high,
        };
        let hostile = rng.coin().then(|| (side(rng), VICES[rng.index(VICES.len())]));
        let hides = hostile.filter(|(_, vice)| *vice == Vice::Hider);
        let restored = match (hides, hostile) {
            (Some((hider, _)), _) => Some(hider.other()),
            (None, Some(_)) => None,
            (None, None) => (rng.below(6) == 0).then(|| side(rng)),
        };
        let ending = side(rng);
        let scenario = Self {
            seed,
            hostile,
            restored,
            link: LinkFaults {
                drop: level(rng, 60),
                repeat: level(rng, 100),
                reorder: level(rng, 100),
            },
            cut: level(rng, 30),
            crash: level(rng, 16),
            reorg: level(rng, 30),
            clock_jump: level(rng, 20),
            finality: [1, 2, 4, 6][rng.index(4)],
            challenge_period: u32::try_from(1_200 + rng.below(4) * 600).unwrap_or(u32::MAX),
            deposits: [1_000 + rng.below(20) * 1_000, rng.below(12) * 1_000],
            opens_with_consent: rng.coin(),
            max_in_flight: [1, 2, 4, 64][rng.index(4)],
            has_locks: rng.coin(),
            has_withdrawals: rng.below(3) == 0,
            early_close: if rng.below(3) == 0 { 6 } else { 0 },
            steps: 80 + rng.below(160),
            ending: if rng.coin() { Ending::Cooperative(ending) } else { Ending::Force(ending) },
            guard: None,
        };
        scenario.with_guard(&mut Rng::new(seed ^ 0x70e5_70e5_70e5_70e5))
    }

    /// Every fourth seed has towers on one side; chance of its own, so that no other seed changes.
    fn with_guard(mut self, rng: &mut Rng) -> Self {
        if rng.below(4) > 0 || self.restored.is_some() {
            return self;
        }
        let any = if rng.coin() { Side::One } else { Side::Two };
        let side = self.hostile.map_or(any, |(hostile, _)| hostile.other());
        let max_unprotected = Amount::from(50 + rng.below(400));
        let policy = match rng.below(3) {
            0 => TowerPolicy::Async,
            1 => TowerPolicy::Bounded { max_unprotected },
            _ => TowerPolicy::Quorum { receipts: 2, max_unprotected, patience_millis: 8_000 },
        };
        let makes = (0..1 + rng.below(3)).map(|_| MAKES[rng.index(MAKES.len())]).collect();
        let is_absent = self.hostile.is_some() && rng.coin();
        // What becomes of locks while their side is away is no question of towers.
        self.has_locks &= !is_absent;
        self.guard = Some(GuardPlan { side, policy, makes, is_absent });
        self
    }

    /// After somebody else has decided who cheats: towers belong to an honest side, and it stays away only where the
    /// other one cheats and no lock is at stake.
    pub fn fit_guard(&mut self) {
        let Some(plan) = &mut self.guard else { return };
        if let Some((hostile, _)) = self.hostile {
            plan.side = hostile.other();
        }
        plan.is_absent &= self.hostile.is_some() && !self.has_locks;
        if self.restored.is_some() {
            self.guard = None;
        }
    }

    /// Whether a side follows the protocol.
    #[must_use]
    pub fn is_honest(&self, side: Side) -> bool {
        self.hostile.is_none_or(|(hostile, _)| hostile != side)
    }

    /// Whether nobody cheats.
    #[must_use]
    pub fn is_all_honest(&self) -> bool {
        self.hostile.is_none()
    }

    /// Both nodes' policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            period: PeriodBounds { minimum: 600, maximum: 10_000 },
            features: Features::ALL,
            max_in_flight: self.max_in_flight,
            max_in_flight_value: Amount::from(8_000u64),
            lock_margin_secs: 40 * BLOCK_SECS,
            max_lock_expiry_secs: 400 * BLOCK_SECS,
            peer_timeout_millis: 30_000,
            ..Policy::default()
        }
    }
}
