//! A channel and its towers: what waits at its door, and what it shows of itself.

use super::Driver;
use crate::engine::event::Event;
use crate::engine::view::Shelter;
use lockstep_core::input::Input;
use lockstep_core::message::PeerMessage;
use lockstep_core::protection::{Lapse, Protection};
use lockstep_core::record::RecordParts;
use lockstep_core::time::EngineTime;
use lockstep_store::write_set::WriteSet;

use crate::engine::shared::Shared;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::ChannelId;

/// The books about a channel's towers, as the journal has them.
pub(super) fn resume(
    shared: &Shared,
    channel_id: ChannelId,
    parts: &RecordParts,
) -> Result<Protection, ProtocolError> {
    let has_towers = !shared.towers.is_empty();
    let policy = shared.settings.towers.policy(has_towers, parts.chain.deposits.total());
    let mut protection = Protection::resume(policy, parts, shared.towers.floor(channel_id))?;
    for (tower, held) in shared.towers.of_channel(channel_id) {
        protection.add_tower(tower, held);
    }
    protection.set_pays_tower(shared.settings.towers.paying.contains(&channel_id));
    Ok(protection)
}

/// What others see of it.
pub(super) fn shelter(protection: &Protection, has_declined: bool) -> Shelter {
    let lacks = |tower: &_| !protection.unprotected_by(*tower).is_zero();
    Shelter {
        policy: protection.policy(),
        unprotected: protection.unprotected(),
        lacking: protection.towers().filter(lacks).collect(),
        floor: protection.floor(),
        is_waiting: protection.is_waiting(),
        is_degraded: protection.is_degraded(),
        has_declined,
    }
}

impl Driver {
    /// After every step: what an older version would cost, and whether a tower should hear of this one.
    pub(super) fn observe_exposure(&mut self) {
        let parts = self.channel.parts();
        let has_towers = self.protection.towers().next().is_some();
        let policy = self.shared.settings.towers.policy(has_towers, parts.chain.deposits.total());
        self.protection.set_policy(policy);
        if let Err(error) = self.protection.observe(parts) {
            let channel_id = self.channel.channel_id();
            tracing::error!(%channel_id, error = %error, "a channel's amounts do not add up");
        }
        if self.protection.needs_any() {
            self.shared.towers.stir();
        }
    }

    /// A message of the counterparty, if it need not wait for towers.
    pub(super) fn admit(&mut self, message: PeerMessage) -> Option<PeerMessage> {
        let now = self.shared.clock.engine_time();
        let admitted = self.protection.arrive(message, self.channel.parts(), now);
        if admitted.is_none() {
            self.shared.metrics.income_waited();
            self.shared.towers.stir();
        }
        admitted
    }

    /// Takes what need not wait any longer.
    pub(super) async fn release(&mut self) {
        while let Some(message) = self.protection.release(self.channel.parts()) {
            if !self.take_income(Input::Peer(message)).await {
                return;
            }
        }
        self.publish();
    }

    /// Time passes for what waits.
    pub(super) async fn lapse(&mut self, now: EngineTime) {
        let limit = self.shared.settings.towers.hold_millis;
        while let Some(lapse) = self.protection.tick(now, limit) {
            match lapse {
                Lapse::Degraded => self.release().await,
                Lapse::Decline(message) => {
                    let channel_id = self.channel.channel_id();
                    tracing::warn!(%channel_id, "a payment to this node is declined: no tower holds the newest");
                    self.shared.metrics.income_declined();
                    self.has_declined = true;
                    if !self.take_income(Input::Decline(*message)).await {
                        return;
                    }
                }
            }
        }
        if self.protection.unprotected().is_zero() {
            self.has_declined = false;
        }
        self.publish();
    }

    async fn take_income(&mut self, input: Input) -> bool {
        match self.step(input, WriteSet::default()).await {
            Ok(()) => true,
            Err(error) => {
                self.answer_fault(error).await;
                false
            }
        }
    }

    /// News of towers.
    pub(super) async fn attend_tower(&mut self, event: Event) {
        if let Event::Receipt(tower, held) = event {
            self.protection.receipt(tower, held);
        } else {
            self.learn_towers();
        }
        self.observe_exposure();
        self.release().await;
    }

    /// Which towers there are has changed.
    fn learn_towers(&mut self) {
        let now = self.shared.towers.of_channel(self.channel.channel_id());
        let gone: Vec<_> = self.protection.towers().collect();
        for tower in gone {
            if now.iter().all(|(known, _)| *known != tower) {
                self.protection.remove_tower(tower);
            }
        }
        for (tower, held) in now {
            self.protection.add_tower(tower, held);
        }
    }
}
