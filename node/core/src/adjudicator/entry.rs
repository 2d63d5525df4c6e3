//! How money comes in: open, join, deposit.

use super::{Adjudicator, Call, Payout, PresentedConsent, Refusal, Slots, Step, acceptance};
use crate::chain::{ChainFact, ChannelStatus};
use crate::ids::{AccountRef, Side};
use crate::money::{Amount, Deposits};
use crate::signature::StateSignature;
use crate::state::Open;

impl Adjudicator {
    /// `openChannel`: opens, adds to a pending open, or is a deposit or credit of side 1.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn open_channel(
        &self,
        call: Call,
        received: Amount,
        consent: &PresentedConsent,
    ) -> Result<Step, Refusal> {
        match self.slots.status {
            ChannelStatus::None => self.create(call, received, consent),
            ChannelStatus::Pending => self.add_to_pending(call, received, consent),
            ChannelStatus::Active | ChannelStatus::Closing | ChannelStatus::Closed => {
                self.deposit(1, received)
            }
        }
    }

    /// `joinChannel`: makes a pending channel active, or is a deposit or credit of side 2.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn join_channel(
        &self,
        call: Call,
        received: Amount,
        consent: &PresentedConsent,
    ) -> Result<Step, Refusal> {
        if self.slots.status != ChannelStatus::Pending {
            return self.deposit(2, received);
        }
        let is_owner = call.sender == self.terms.participant2;
        let deposit1 = self.slots.deposits.total();
        if !is_owner && !self.is_accepted(call, deposit1, consent)? {
            if received.is_zero() {
                return Err(Refusal::NotAuthorized { caller: call.sender });
            }
            return Ok(self.credited(Side::Two, received));
        }
        let deposits = acceptance::add_deposit(self.slots.deposits, Side::Two, received)?;
        let next = Slots { status: ChannelStatus::Active, deposits, ..self.slots };
        Ok(Step::quiet(next, vec![ChainFact::Joined { deposit2: received }]))
    }

    /// `deposit`: adds to a side that can still take it; later it is that participant's credit.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn deposit(&self, side: u8, received: Amount) -> Result<Step, Refusal> {
        let side = Side::from_number(side).ok_or(Refusal::InvalidSide { side })?;
        let status = self.slots.status;
        if status == ChannelStatus::None {
            return Err(Refusal::WrongStatus { status });
        }
        if received.is_zero() {
            return Err(match status {
                ChannelStatus::Closed => Refusal::IdUsed { channel_id: self.channel_id },
                ChannelStatus::None
                | ChannelStatus::Pending
                | ChannelStatus::Active
                | ChannelStatus::Closing => Refusal::NothingReceived,
            });
        }
        let takes = status == ChannelStatus::Active
            || (status == ChannelStatus::Pending && side == Side::One);
        if !takes {
            return Ok(self.credited(side, received));
        }
        let deposits = acceptance::add_deposit(self.slots.deposits, side, received)?;
        let next = Slots { deposits, ..self.slots };
        Ok(Step::quiet(next, vec![ChainFact::Funded { side, amount: received }]))
    }

    fn create(
        &self,
        call: Call,
        received: Amount,
        consent: &PresentedConsent,
    ) -> Result<Step, Refusal> {
        self.terms.validate(self.domain.domain(), self.bounds)?;
        let is_active = self.is_accepted(call, received, consent)?;
        if !is_active && call.sender != self.terms.participant1 {
            if received.is_zero() {
                return Err(Refusal::NotAuthorized { caller: call.sender });
            }
            return Ok(self.credited(Side::One, received));
        }
        let deposits = acceptance::add_deposit(Deposits::ZERO, Side::One, received)?;
        let status = pending_or_active(is_active);
        let next = Slots { status, deposits, ..self.slots };
        Ok(Step::quiet(next, vec![ChainFact::Opened { deposit1: received, is_active }]))
    }

    fn add_to_pending(
        &self,
        call: Call,
        received: Amount,
        consent: &PresentedConsent,
    ) -> Result<Step, Refusal> {
        let deposits = acceptance::add_deposit(self.slots.deposits, Side::One, received)?;
        let is_active = self.is_accepted(call, deposits.total(), consent)?;
        if received.is_zero() && !is_active {
            return Err(Refusal::NothingReceived);
        }
        let mut events = vec![];
        if !received.is_zero() {
            events.push(ChainFact::Funded { side: Side::One, amount: received });
        }
        if is_active {
            events.push(ChainFact::Joined { deposit2: Amount::ZERO });
        }
        let status = pending_or_active(is_active);
        Ok(Step::quiet(Slots { status, deposits, ..self.slots }, events))
    }

    /// Whether side 2 consents. What the caller could have known is an error; a deadline that has
    /// passed since is a no.
    fn is_accepted(
        &self,
        call: Call,
        deposit1: Amount,
        consent: &PresentedConsent,
    ) -> Result<bool, Refusal> {
        if consent.signature.is_empty() {
            return Ok(false);
        }
        let min_deposit1 = consent.min_deposit1;
        if deposit1 < min_deposit1 {
            return Err(Refusal::DepositTooSmall { deposit1, min_deposit1 });
        }
        if call.now > consent.deadline {
            return Ok(false);
        }
        let open = Open { channel_id: self.channel_id, min_deposit1, deadline: consent.deadline };
        let recovered = compact(&consent.signature)
            .and_then(|signature| signature.recover_address(self.domain.open(&open)).ok())
            .flatten();
        match recovered {
            Some(by)
                if by == self.terms.signer2 || AccountRef::Evm(by) == self.terms.participant2 =>
            {
                Ok(true)
            }
            Some(_) | None => Err(Refusal::BadSignature { side: Side::Two }),
        }
    }

    /// Money that the channel cannot take.
    fn credited(&self, side: Side, amount: Amount) -> Step {
        let mut step = Step::nothing(self.slots);
        step.credits.push(Payout { side, amount });
        step
    }
}

fn pending_or_active(is_active: bool) -> ChannelStatus {
    if is_active { ChannelStatus::Active } else { ChannelStatus::Pending }
}

/// A 64-byte signature as it is, a 65-byte one in its compact form; none if it is neither.
fn compact(signature: &[u8]) -> Option<StateSignature> {
    if let Ok(bytes) = signature.try_into() {
        return Some(StateSignature(bytes));
    }
    let bytes: [u8; 65] = signature.try_into().ok()?;
    let (body, v) = bytes.split_at(64);
    let mut compact: [u8; 64] = body.try_into().ok()?;
    let top = compact.get_mut(32)?;
    // The top bit of a canonical `s` is free; where it is set, `s` is in the upper half.
    if *top & 0x80 != 0 {
        return None;
    }
    match v {
        [27] => {}
        [28] => *top |= 0x80,
        _ => return None,
    }
    Some(StateSignature(compact))
}
