//! The connection between the two nodes: it drops, repeats, reorders, delays and cuts.

use std::collections::VecDeque;

use lockstep_core::ids::Side;
use lockstep_core::message::PeerMessage;

use crate::keys::place;
use crate::rng::Rng;
use crate::scenario::LinkFaults;
use crate::stats::Stats;

/// Messages that wait on one direction; more are dropped, as a bounded queue does by cutting.
const QUEUE_LIMIT: usize = 256;

/// The link.
#[derive(Debug, Default)]
pub struct Link {
    /// By receiver.
    queues: [VecDeque<PeerMessage>; 2],
    is_up: bool,
    /// Something was lost: only a new connection helps.
    is_broken: bool,
}

impl Link {
    /// Whether a connection is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether something was lost since the last connection.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// How many messages wait, in both directions.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues[0].len() + self.queues[1].len()
    }

    /// How many wait for one side.
    #[must_use]
    pub fn waiting_for(&self, side: Side) -> usize {
        self.queues[place(side)].len()
    }

    /// A new connection; nothing of the old one arrives any more.
    pub fn connect(&mut self) {
        self.cut();
        self.is_up = true;
        self.is_broken = false;
    }

    /// The connection is gone, with everything that was on its way.
    pub fn cut(&mut self) {
        self.queues = [VecDeque::new(), VecDeque::new()];
        self.is_up = false;
    }

    /// Puts a message on its way. Without a connection it goes nowhere.
    pub fn send(
        &mut self,
        to: Side,
        message: PeerMessage,
        faults: &LinkFaults,
        rng: &mut Rng,
        stats: &mut Stats,
    ) {
        if !self.is_up {
            return;
        }
        let queue = &mut self.queues[place(to)];
        if rng.per_mille(faults.drop) || queue.len() >= QUEUE_LIMIT {
            stats.count("link: dropped");
            self.is_broken = true;
            return;
        }
        if rng.per_mille(faults.repeat) {
            stats.count("link: repeated");
            queue.push_back(message.clone());
        }
        if rng.per_mille(faults.reorder) && !queue.is_empty() {
            stats.count("link: reordered");
            let at = rng.index(queue.len());
            queue.insert(at, message);
        } else {
            queue.push_back(message);
        }
    }

    /// The next message for a side.
    pub fn receive(&mut self, at: Side) -> Option<PeerMessage> {
        self.queues[place(at)].pop_front()
    }
}
