//! Terms, consents, and calls that bring money.

use super::{Generator, Kind, Life, Scene};
use crate::action::{Action, Incoming};
use crate::sign::{expand, flip, sign, sign_both};
use crate::world::{BOUNDS, address_of};
use alloy_primitives::{Address, U256};
use lockstep_core::adjudicator::PresentedConsent;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, Side};
use lockstep_core::money::Amount;
use lockstep_core::state::Open;
use lockstep_core::terms::Terms;
use std::collections::BTreeMap;

impl Generator {
    /// A channel that nobody has opened.
    pub(super) fn new_life(&mut self) -> Life {
        let mut terms = self.good_terms();
        if self.random.once_in(10) {
            self.spoil(&mut terms);
        }
        let id = terms.channel_id(self.world.domain());
        Life { terms, id, known: vec![], lists: BTreeMap::new(), idle: 0 }
    }

    fn good_terms(&mut self) -> Terms {
        let signers: Vec<_> = self.world.signers.iter().map(|signer| signer.address).collect();
        let first = self.random.below(signers.len() as u64) as usize;
        let second = (first + 1 + self.random.below(signers.len() as u64 - 1) as usize) % 6;
        let mut owners1: Vec<_> = self.world.owners1.iter().map(|owner| owner.address).collect();
        owners1.push(self.world.wallet);
        let owners2: Vec<_> = self.world.owners2.iter().map(|owner| owner.address).collect();
        let (owner1, owner2) = (self.random.pick(&owners1), self.random.pick(&owners2));
        // One side may use one key for both roles.
        let own = |generator: &mut Self, owner, signer| {
            if owner != generator.world.wallet && generator.random.once_in(10) {
                owner
            } else {
                signer
            }
        };
        let period = self.random.between(i128::from(BOUNDS.minimum), i128::from(BOUNDS.maximum));
        Terms {
            participant1: AccountRef::Evm(owner1),
            participant2: AccountRef::Evm(owner2),
            signer1: own(self, owner1, signers[first]),
            signer2: own(self, owner2, signers[second]),
            token: AccountRef::Evm(self.random.pick(&self.world.tokens)),
            challenge_period: period as u32,
            salt: self.random.word(),
        }
    }

    /// Makes terms that the contract must refuse.
    fn spoil(&mut self, terms: &mut Terms) {
        let zero = AccountRef::Evm(Address::ZERO);
        match self.random.below(14) {
            0 => terms.participant1 = zero,
            1 => terms.participant2 = zero,
            2 => terms.signer1 = Address::ZERO,
            3 => terms.signer2 = Address::ZERO,
            4 => terms.participant2 = terms.participant1,
            5 => terms.signer2 = terms.signer1,
            6 => terms.signer2 = address_of(terms.participant1),
            7 => terms.participant2 = AccountRef::Evm(terms.signer1),
            8 => terms.participant1 = AccountRef::Evm(self.world.channels),
            9 => terms.participant2 = AccountRef::Evm(self.world.channels),
            10 => terms.challenge_period = BOUNDS.minimum - 1,
            11 => terms.challenge_period = BOUNDS.maximum + 1,
            12 => terms.challenge_period = u32::MAX,
            _ => terms.token = AccountRef::Evm(Address::repeat_byte(0xde)),
        }
    }

    /// An open, a join or a deposit, and who should make it.
    pub(super) fn entry(&mut self, kind: Kind, scene: &Scene<'_>) -> (Action, AccountRef) {
        let terms = *scene.terms();
        let money = self.incoming(address_of(terms.token));
        match kind {
            Kind::Join => {
                let before = scene.slots.deposits.of(Side::One).get();
                let deposit1 = Amount::from(u128::try_from(before).unwrap_or(0));
                let consent = self.consent(scene, deposit1);
                (Action::Join(terms, money, consent), terms.participant2)
            }
            Kind::Deposit => {
                let side = if self.random.once_in(15) {
                    self.random.pick(&[0, 3, 255])
                } else {
                    1 + self.random.below(2) as u8
                };
                let owner = if side == 2 { terms.participant2 } else { terms.participant1 };
                (Action::Deposit(terms, side, money), owner)
            }
            _ => {
                let consent = self.consent(scene, self.announced(scene, money));
                (Action::Open(terms, money, consent), terms.participant1)
            }
        }
    }

    /// Side 1's deposit as it will be when side 2's consent is judged, fees aside.
    fn announced(&self, scene: &Scene<'_>, money: Incoming) -> Amount {
        let before = match scene.slots.status {
            ChannelStatus::Pending => scene.slots.deposits.total().to_u256(),
            ChannelStatus::None
            | ChannelStatus::Active
            | ChannelStatus::Closing
            | ChannelStatus::Closed => U256::ZERO,
        };
        Amount::from_u256(before.saturating_add(money.amount))
    }

    fn consent(&mut self, scene: &Scene<'_>, deposit1: Amount) -> PresentedConsent {
        if self.random.once_in(2) {
            return PresentedConsent::default();
        }
        let deposit1 = deposit1.to_u256();
        let min_deposit1 = Amount::from_u256(match self.random.below(6) {
            0 => deposit1,
            1 => deposit1.saturating_add(U256::from(1)),
            2 => U256::MAX,
            _ => U256::ZERO,
        });
        let deadline = self.deadline(scene.now);
        let open = |id| Open { channel_id: id, min_deposit1, deadline };
        let id = scene.life.id;
        let by_owner = self.world.key_of(address_of(scene.terms().participant2)).cloned();
        let compact = match by_owner.filter(|_| self.random.once_in(3)) {
            Some(key) => sign(&key, self.domain.open(&open(id))),
            None => {
                let manner = self.manner();
                let [one, two] = self.keys(scene.terms());
                let domain = self.world.domain();
                let digest = |domain: &SigningDomain, id| domain.open(&open(id));
                sign_both(&mut self.random, manner, [&one, &two], domain, id, digest).two
            }
        };
        let signature = match self.random.below(16) {
            0 => flip(expand(compact)).to_vec(),
            1 => compact.0[..63].to_vec(),
            2 => [expand(compact).as_slice(), &[0]].concat(),
            3 => {
                let mut long = expand(compact);
                long[64] -= 27;
                long.to_vec()
            }
            4..=7 => expand(compact).to_vec(),
            _ => compact.0.to_vec(),
        };
        PresentedConsent { min_deposit1, deadline, signature }
    }
}
