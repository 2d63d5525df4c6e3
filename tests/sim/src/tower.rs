//! Towers: what they hold, what they answer to their client, and whether they answer a close.

use alloy_primitives::Address;
use lockstep_core::chain::Evidence;
use lockstep_core::chain::{ChainCall, ChannelStatus, CloseSighting, EventPosition, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::dispute::{Response, respond};
use lockstep_core::ids::{Digest, Side, Version};
use lockstep_core::message::SignedState;
use lockstep_core::time::{BlockPoint, Finality};

use crate::chain::{Chain, Want};
use crate::keys::{DOMAIN, Keys};
use crate::rng::Rng;
use crate::stats::Stats;

/// What a tower is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Make {
    /// Does what it says.
    Honest,
    /// Answers late, and now and then not at all.
    Slow,
    /// Never answers.
    Silent,
    /// Gives receipts for what nobody gave it, and keeps nothing.
    Liar,
    /// Loses its disk, and does not say so until it is asked for a proof.
    Forgetful,
    /// Takes everything, gives receipts, and never answers a close.
    Idle,
}

/// All of them; honest ones are the most.
pub const MAKES: [Make; 8] = [
    Make::Honest,
    Make::Honest,
    Make::Honest,
    Make::Slow,
    Make::Silent,
    Make::Liar,
    Make::Forgetful,
    Make::Idle,
];

/// A receipt, as far as the client's decisions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// For this version.
    pub version: Version,
    /// Of this content.
    pub digest: Digest,
}

/// A tower with one channel.
#[derive(Clone, Debug)]
pub struct Tower {
    /// Its name.
    pub address: Address,
    /// What it is like.
    pub make: Make,
    /// Sent and not looked at yet; only the newest counts.
    pub inbox: Option<SignedState>,
    held: Option<SignedState>,
}

impl Tower {
    /// A tower that holds nothing.
    #[must_use]
    pub fn new(number: u8, make: Make) -> Self {
        Self { address: Address::repeat_byte(0x70 + number), make, inbox: None, held: None }
    }

    /// Whether it answers a close with what it holds.
    #[must_use]
    pub fn acts(&self) -> bool {
        matches!(self.make, Make::Honest | Make::Slow | Make::Forgetful)
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Option<Version> {
        self.held.as_ref().map(|held| held.state.version)
    }

    /// Looks at what was sent; the answer, if there is one. P80: both signatures, and newer only.
    pub fn answer(&mut self, keys: &Keys, rng: &mut Rng, stats: &mut Stats) -> Option<Receipt> {
        if self.make == Make::Silent || (self.make == Make::Slow && rng.below(4) > 0) {
            return None;
        }
        let sent = self.inbox.take()?;
        let digest = SigningDomain::new(DOMAIN).state(&sent.state);
        if self.make == Make::Liar {
            stats.count("tower: lied");
            let version = Version(sent.state.version.0 + rng.below(3));
            let digest = Digest(alloy_primitives::B256::from(rng.bytes()));
            return Some(Receipt { version, digest });
        }
        let is_signed = keys.public(Side::One).verify(digest, sent.signature1).is_ok()
            && keys.public(Side::Two).verify(digest, sent.signature2).is_ok();
        if !is_signed {
            return None;
        }
        let version = sent.state.version;
        if self.held().is_none_or(|held| held < version) {
            self.held = Some(sent);
        }
        stats.count("tower: receipt");
        // On a mismatch it tells what it holds, with the receipt for that.
        let held = self.held.as_ref().map(|held| held.state)?;
        Some(Receipt { version: held.version, digest: SigningDomain::new(DOMAIN).state(&held) })
    }

    /// A forgetful tower loses everything, now and then.
    pub fn forget(&mut self, rng: &mut Rng, stats: &mut Stats) {
        if self.make == Make::Forgetful && self.held.is_some() && rng.below(12) == 0 {
            stats.count("tower: lost its disk");
            self.held = None;
        }
    }

    /// Whether it proves that it holds a version: its own newest record's leaf.
    #[must_use]
    pub fn proves(&self, version: Version) -> bool {
        self.held() == Some(version)
    }

    /// What it brings to the chain now.
    #[must_use]
    pub fn act(&self, chain: &Chain) -> Option<Want> {
        let held = self.held.as_ref().filter(|_| self.acts())?;
        let slots = chain.head().books.contract.slots();
        if slots.status != ChannelStatus::Closing {
            return None;
        }
        let sighting = CloseSighting {
            point: StoredPoint { version: slots.point.version, ..StoredPoint::default() },
            closes_at: slots.closes_at?,
            initiator: slots.initiator?,
            position: EventPosition::default(),
            first_seen: BlockPoint::default(),
            finality: Finality::Seen,
        };
        let now = chain.head().point.timestamp;
        match respond(&sighting, held.state.version, now) {
            Response::Challenge { .. } => Some(Want::Call(ChainCall::Challenge(Evidence {
                state: held.state,
                locks: held.locks.clone(),
                signature1: Some(held.signature1),
                signature2: Some(held.signature2),
            }))),
            Response::Wait { .. } | Response::Settle => None,
        }
    }
}
