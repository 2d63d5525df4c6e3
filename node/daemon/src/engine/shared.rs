//! What all parts of the engine share.

use crate::bridge::BridgeHandle;
use crate::chain::ChainHandle;
use crate::clock::EngineClock;
use crate::engine::alarms::{self, AlarmKind, Alarms, Cause};
use crate::engine::births::Births;
use crate::engine::cuts::Cuts;
use crate::engine::feeds::Feeds;
use crate::engine::journal::Journal;
use crate::engine::ledger::Ledger;
use crate::engine::link::hex;
use crate::engine::lock;
use crate::engine::offers::Offers;
use crate::engine::peers::Peers;
use crate::engine::queries::Queries;
use crate::engine::recovery::Strays;
use crate::engine::registry::Registry;
use crate::engine::resets::Resets;
use crate::engine::seldom::Seldom;
use crate::engine::settings::Settings;
use crate::engine::tower::Towers;
use crate::keys::Keys;
use crate::metrics::Metrics;
use alloy_primitives::{Address, B256};
use lockstep_chain::alarm::Alarm as ChainAlarm;
use lockstep_chain::clock::ChainClock;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::money::Amount;
use lockstep_p2p::Network;
use lockstep_rpc::failure::{Failure, FailureKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// How long a peer that broke the protocol is left alone, once more for each time.
const FAULT_PAUSE: Duration = Duration::from_secs(10);
/// Beyond this many faults the pause grows no more.
const MAX_FAULT_PAUSES: u32 = 60;

/// What one of our accounts held when it was last looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    pub(crate) account: Address,
    pub(crate) token: Address,
    pub(crate) balance: Amount,
    pub(crate) credit: Amount,
    pub(crate) block_number: Option<u64>,
}

/// The engine's parts.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: EngineClock,
    pub(crate) started_secs: u64,
    pub(crate) keys: Arc<Keys>,
    pub(crate) node_id: NodeId,
    pub(crate) network: Network,
    pub(crate) chain: ChainHandle,
    /// Money between L1 and the rollup; none without endpoints of L1.
    pub(crate) bridge: Option<BridgeHandle>,
    pub(crate) journal: Journal,
    pub(crate) registry: Registry,
    pub(crate) peers: Peers,
    pub(crate) cuts: Cuts,
    pub(crate) offers: Offers,
    pub(crate) births: Births,
    pub(crate) resets: Resets,
    /// Lines about what strangers offer.
    pub(crate) offer_lines: Seldom,
    pub(crate) queries: Queries,
    pub(crate) strays: Strays,
    pub(crate) towers: Towers,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) alarms: Alarms,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) times: Mutex<ChainClock>,
    pub(crate) processed: Mutex<Option<u64>>,
    pub(crate) holdings: Mutex<Vec<Holding>>,
    pub(crate) accounts: Vec<Address>,
    /// Which channel each payment into the contract belongs to.
    pub(crate) entries: Mutex<BTreeMap<B256, ChannelId>>,
    /// Channels whose records can't be read. Their closes are told of.
    pub(crate) damaged: Mutex<BTreeSet<ChannelId>>,
    /// Counterparties of channels that were forgotten in this run.
    pub(crate) parted: Mutex<BTreeSet<NodeId>>,
    pub(crate) is_signing_stopped: AtomicBool,
    pub(crate) stopping: watch::Sender<bool>,
    #[cfg(feature = "testing")]
    pub(crate) failpoint: crate::engine::failpoint::Failpoint,
    /// What has broken down, if something has.
    pub(crate) broken_part: OnceLock<&'static str>,
}

impl Shared {
    /// Somebody should look at this.
    pub(crate) fn alarm(&self, kind: AlarmKind, channel_id: Option<ChannelId>, message: String) {
        self.alarms.raise(Cause::new(kind, channel_id), message, self.clock.unix_secs());
    }

    /// Somebody should look at the chain, or at what is sent there.
    pub(crate) fn chain_alarm(&self, alarm: &ChainAlarm) {
        let coin = |amount| self.settings.words(self.settings.coin(), amount);
        let message = alarms::chain::words(alarm, &coin);
        self.alarms.raise(alarms::chain::cause_of(alarm), message, self.clock.unix_secs());
    }

    /// The same about L1, whose accounts are others.
    pub(crate) fn l1_alarm(&self, alarm: &ChainAlarm) {
        let coin = |amount| self.settings.words(self.settings.coin(), amount);
        let message = format!("on L1: {}", alarms::chain::words(alarm, &coin));
        let cause = alarms::chain::cause_of(alarm).on_l1();
        self.alarms.raise(cause, message, self.clock.unix_secs());
    }

    /// The journal or the signer failed: nothing more is signed until the next start (P49).
    pub(crate) fn stop_signing(&self, why: &str) {
        self.stop_signing_since(
            why,
            "Nothing is lost; closes are still watched and answered. Look at the disk, then restart the node",
        );
    }

    /// The same for another reason, with what it means and what to do.
    pub(crate) fn stop_signing_since(&self, why: &str, advice: &str) {
        if self.is_signing_stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        self.metrics.stopped_signing();
        tracing::error!(error = why, "nothing more is signed");
        let message = format!("{why}. Nothing more is signed. {advice}");
        self.alarm(AlarmKind::SigningStopped, None, message);
    }

    /// A part of the node has ended before the node: nothing more is signed, and the process ends with an error, so
    /// that whoever supervises it starts it anew.
    pub(crate) fn part_ended(&self, part: &'static str) {
        if self.is_stopping() {
            return;
        }
        // Only the first is the reason.
        self.broken_part.get_or_init(|| part);
        let why = format!("{part} has broken down");
        self.stop_signing_since(
            &why,
            "The node stops; start it again, and report this with its log",
        );
        self.stopping.send_replace(true);
    }

    /// Whether something may still be signed.
    pub(crate) fn is_signing_stopped(&self) -> bool {
        self.is_signing_stopped.load(Ordering::SeqCst)
    }

    /// The chain's time, as far as it is known.
    pub(crate) fn chain_time(&self) -> ChainClock {
        *lock(&self.times)
    }

    /// Waits; whether the node stops meanwhile.
    pub(crate) async fn sleep_or_stop(&self, pause: Duration) -> bool {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            _ = stopping.wait_for(|stopping| *stopping) => true,
        }
    }

    /// Whether the node is on its way down.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// A peer broke the protocol: the link is cut, and a counterparty's is taken up again after a while that
    /// grows. What strangers do is nobody's concern beyond that.
    pub(crate) fn peer_fault(self: &Arc<Self>, peer: NodeId, why: &str) {
        self.metrics.peer_fault();
        tracing::debug!(peer_id = %hex(&peer.0), why, "a peer broke the protocol");
        if self.cuts.is_under_way(&peer) {
            return;
        }
        let faults = self.peers.fault(&peer);
        if faults > 3 && self.registry.has_any_with(&peer) {
            let message = format!(
                "a counterparty broke the protocol: {why}. Nothing was changed; its link was cut and is tried again"
            );
            self.alarm(AlarmKind::PeerMisbehaves, None, message);
        }
        let pause = FAULT_PAUSE.saturating_mul(faults.min(MAX_FAULT_PAUSES));
        self.cut_and_reconnect(peer, pause);
    }

    /// A link is begun anew, so that both sides say what the other may have missed.
    pub(crate) fn reset_link(self: &Arc<Self>, peer: NodeId) {
        let Some(wait) = self.resets.begin(peer, self.clock.now_millis()) else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            if wait == 0 || !shared.sleep_or_stop(Duration::from_millis(wait)).await {
                shared.cut_and_reconnect(peer, Duration::from_millis(200));
            }
        });
    }

    /// One task for each peer, however often it is called. What a peer has said before the cut is still brought
    /// to the channels, which judge it as they would have.
    fn cut_and_reconnect(self: &Arc<Self>, peer: NodeId, pause: Duration) {
        if !self.cuts.begin(peer) {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let is_there = shared.network.session(&peer).is_some();
            if shared.network.disconnect(peer).await.is_err() || !is_there {
                shared.cuts.end(&peer);
            }
            if !shared.peers.is_kept(&peer) || !shared.cuts.begin_pause(peer) {
                return;
            }
            let is_over = shared.sleep_or_stop(pause).await;
            shared.cuts.end_pause(&peer);
            if !is_over {
                shared.look_for(peer).await;
            }
        });
    }

    async fn look_for(&self, peer: NodeId) {
        let Some(known) = self.peers.get(&peer).filter(|known| known.is_kept) else { return };
        if known.contact.addresses.is_empty() || known.is_dismissed {
            return;
        }
        if let Err(error) = self.network.connect(known.contact).await {
            tracing::debug!(error = %error, "a cut link does not come back yet");
        }
    }

    /// Refuses what changes something while the node can't sign.
    ///
    /// # Errors
    /// If signing has stopped, or the node is stopping.
    pub(crate) fn check_can_sign(&self) -> Result<(), Failure> {
        if self.is_stopping() {
            return Err(crate::engine::wording::stopping());
        }
        if self.is_signing_stopped() {
            return Err(Failure::new(FailureKind::SigningStopped, "this node signs nothing more")
                .safe("nothing was done; closes are still watched and answered")
                .advice("`lockstep status` says why; restart the node once that is mended"));
        }
        if self.chain.is_blind() {
            let message = "the chain shows no new blocks, so that a close would not be seen";
            return Err(Failure::new(FailureKind::ChainUnavailable, message)
                .safe("nothing was done")
                .advice("`lockstep status` shows the chain's endpoints"));
        }
        Ok(())
    }
}
