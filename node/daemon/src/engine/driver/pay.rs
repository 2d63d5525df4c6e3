//! Payments of ours: all that wait become one update of the channel, one commit and one state.

use super::attend::reply;
use super::{Driver, StepError};
use crate::engine::ledger::Place;
use crate::engine::order::{PayOrder, Taken};
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::ids::Sequence;
use lockstep_core::input::{Command, Input};
use lockstep_core::money::Amount;
use lockstep_core::update::{Action, MAX_PENDING_UPDATES};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::write_set::WriteSet;

impl Driver {
    /// Takes up as many of the payments that wait as the record has room for.
    pub(super) async fn take_held(&mut self) {
        loop {
            let orders = self.next_batch();
            if orders.is_empty() {
                break;
            }
            self.pay(orders).await;
        }
        if !self.has_room_to_hold() {
            self.turn_away();
        }
    }

    /// Orders that fit the record together, and can be paid together.
    fn next_batch(&mut self) -> Vec<PayOrder> {
        let waiting = self.channel.parts().own_pending.len();
        let mut room = MAX_PENDING_UPDATES.saturating_sub(waiting);
        // What the channel would refuse for itself is refused one by one below.
        let mut spendable = self.channel.spendable().unwrap_or(Amount::ZERO);
        let mut orders: Vec<PayOrder> = Vec::new();
        while let Some(order) = self.held.front() {
            let count = order.actions.len();
            let total = order.reserved.total;
            let fits = count <= room && (total <= spendable || orders.is_empty());
            if !fits {
                break;
            }
            room = room.saturating_sub(count);
            spendable = spendable.saturating_sub(total);
            orders.extend(self.held.pop_front());
        }
        orders
    }

    /// Pays a batch of orders with one step.
    async fn pay(&mut self, orders: Vec<PayOrder>) {
        let channel_id = self.channel.channel_id();
        let at_secs = self.shared.clock.unix_secs();
        let next = self.channel.parts().own_sequence.0.saturating_add(1);
        let mut set = WriteSet::default();
        let mut actions = Vec::new();
        let mut firsts = Vec::with_capacity(orders.len());
        for order in &orders {
            let offset = u64::try_from(actions.len()).unwrap_or(u64::MAX);
            let first = Sequence(next.saturating_add(offset));
            let amounts = amounts(&order.actions);
            let place = Place { channel_id, first, amounts: &amounts, at_secs };
            if let Err(refusal) = order.reserved.write(&mut set, &place) {
                tracing::error!(error = %refusal, "an order's own rows do not fit the journal");
            }
            firsts.push(first);
            actions.extend(order.actions.iter().cloned());
        }
        let outcome = self.step_paying(actions, set).await;
        for (order, first) in orders.into_iter().zip(firsts) {
            let PayOrder { actions, reserved, answer } = order;
            let result = match &outcome {
                Err(failure) => Err(failure.clone()),
                Ok(()) => {
                    let amounts = amounts(&actions);
                    let place = Place { channel_id, first, amounts: &amounts, at_secs };
                    reserved.done(&self.shared.ledger, &place);
                    let count = u32::try_from(actions.len()).unwrap_or(u32::MAX);
                    Ok(Taken { first, count, ended: self.outcomes.expect(first, count) })
                }
            };
            reply(answer, result);
        }
    }

    async fn step_paying(&mut self, actions: Vec<Action>, set: WriteSet) -> Result<(), Failure> {
        match self.step(Input::Command(Command::Update(actions)), set).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // A write that broke off may be found on the disk by the next start, and then the payment goes out.
                let is_uncertain =
                    matches!(&error, StepError::Commit(_)) && error.class() == ErrorClass::Fatal;
                let failure = self.failure(&error);
                let failure = if is_uncertain {
                    failure
                        .safe("it is not known whether this was paid")
                        .advice("look at the disk, restart the node, and look at `lockstep payments` before you pay again")
                } else {
                    failure.safe("nothing was paid")
                };
                if error.class() == ErrorClass::Fatal {
                    self.trouble("a payment failed", &error).await;
                }
                if matches!(&error, StepError::Protocol(ProtocolError::InsufficientFunds { .. })) {
                    self.shared.metrics.refused();
                }
                Err(failure)
            }
        }
    }

    /// More waits than the channel can take up soon: the counterparty does not answer.
    fn turn_away(&mut self) {
        while !self.has_room_to_hold()
            && let Some(order) = self.held.pop_back()
        {
            let failure =
                Failure::new(FailureKind::Busy, "too many payments wait for the counterparty")
                    .safe("nothing was paid by this call")
                    .advice("try again once the counterparty answers");
            reply(order.answer, Err(failure));
        }
    }
}

fn amounts(actions: &[Action]) -> Vec<Amount> {
    actions
        .iter()
        .map(|action| match action {
            Action::Pay(payment) => payment.amount,
            Action::AddLock(_)
            | Action::SettleLock { .. }
            | Action::FailLock { .. }
            | Action::ExpireLock { .. } => Amount::ZERO,
        })
        .collect()
}
