//! What clients ask, decided: everything that the contract would check is checked before anything is kept,
//! everything that is promised is on disk before it is said (P80, P81).

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::appointment::{Appointment, CheckedAppointment, TowerAccess, TowerAction};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Digest, Domain, NodeId, Version};
use lockstep_core::money::Amount;
use lockstep_core::signature::SignerKey;
use lockstep_core::terms::PeriodBounds;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::port::Clock;
use lockstep_p2p::tower::message::{
    Access, Held, RefusalCode, Reply, Request, Subscription, TowerRefusal, TowerTerms,
};
use lockstep_proto::limit::MAX_LISTED_CHANNELS;
use lockstep_signer::KeyRing;
use tokio::sync::mpsc;

use crate::look::{Look, look};
use crate::proof::Proofs;
use crate::record::{Account, Record, SeenHead};
use crate::shared::Shared;
use crate::store::Changes;
use crate::watch::{Board, Recheck};

mod closing;
mod pace;
mod promise;
mod refusal;

use closing::{Closing, Place};
use pace::Pace;
use refusal::Stop;

/// When to ask again where the chain or the disk is in trouble. Units: seconds.
const TROUBLE_SECS: u32 = 15;

/// One contract, as the intake sees it.
pub struct Scene {
    /// The RPC endpoints.
    pub endpoints: Endpoints,
    /// Where the contracts are.
    pub contracts: Contracts,
    /// How its watch stands.
    pub board: Board,
    /// Tells its watch of states that were left while a channel closes.
    pub rechecks: mpsc::Sender<Recheck>,
}

/// What an operator decides about clients.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Channels with a shorter challenge period are refused. Units: seconds.
    pub min_window_secs: u32,
    /// How long a receipt holds. Units: seconds.
    pub receipt_secs: u32,
    /// Channels that one account may refer to.
    pub slots: u32,
    /// Appointments of one account in a minute.
    pub puts_per_minute: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // Enough for an answer through a chain that is stuck for hours.
            min_window_secs: 12 * 3_600,
            receipt_secs: 30 * 24 * 3_600,
            slots: 1_000,
            puts_per_minute: 600,
        }
    }
}

/// The intake of a tower.
pub struct Intake {
    shared: Arc<Shared>,
    scenes: BTreeMap<Domain, Scene>,
    policy: Policy,
    keys: Arc<KeyRing>,
    tower: Address,
    clock: Arc<dyn Clock>,
    proofs: Arc<Proofs>,
    pace: Pace,
    closing: Closing,
}

impl Intake {
    /// For the contracts that are watched.
    pub fn new(
        shared: Arc<Shared>,
        scenes: BTreeMap<Domain, Scene>,
        policy: Policy,
        (keys, tower): (Arc<KeyRing>, Address),
        clock: Arc<dyn Clock>,
        proofs: Arc<Proofs>,
    ) -> Self {
        let (pace, closing) = (Pace::default(), Closing::default());
        Self { shared, scenes, policy, keys, tower, clock, proofs, pace, closing }
    }

    /// Decides one request.
    pub async fn handle(
        &self,
        account: NodeId,
        head: Option<JournalHead>,
        request: Request,
    ) -> Reply {
        let decided = match request {
            Request::Subscribe { slots } => self.subscribe(account, slots).await,
            Request::Put { appointment, access } => {
                self.put(account, head, *appointment, access).await
            }
            Request::Get(access) => self.get(account, access).await,
            Request::Drop(access) => self.drop_reference(account, access).await,
            Request::List { after } => self.list(account, after).await,
            Request::Prove { channel_id } => self.prove(account, channel_id).await,
        };
        match decided {
            Ok(reply) => reply,
            Err(Stop::Refused(refusal)) => Reply::Refused(refusal),
            Err(Stop::Held(held)) => Reply::Held(held),
        }
    }

    /// What this tower asks for and gives.
    pub fn terms(&self) -> TowerTerms {
        TowerTerms {
            min_window_secs: self.policy.min_window_secs,
            receipt_secs: self.policy.receipt_secs,
            puts_per_minute: self.policy.puts_per_minute,
            max_insured: Amount::ZERO,
            domains: self.scenes.keys().copied().collect(),
        }
    }

    async fn subscribe(&self, account: NodeId, slots: u32) -> Result<Reply, Stop> {
        let known = self.shared.store.account(account).await?;
        let before = known.unwrap_or_default();
        let slots = self.policy.slots.min(slots.max(before.used)).max(before.used);
        // Strangers leave nothing behind (P63): an account begins with its first appointment. What was seen of the
        // client's journal stays until it brings one (P47): the answer to this may never reach it.
        if known.is_some() && before.slots != slots {
            let changed = Account { slots, ..before };
            let changes = Changes { account: Some((account, changed)), ..Changes::default() };
            self.shared.write(changes).await?;
        }
        Ok(Reply::Subscribed(Subscription {
            slots,
            used: before.used,
            paid_until_secs: u64::MAX,
            seen_head: before.head.map(shown),
            terms: self.terms(),
        }))
    }

    async fn put(
        &self,
        account: NodeId,
        head: Option<JournalHead>,
        appointment: Appointment,
        access: Access,
    ) -> Result<Reply, Stop> {
        let scene = self.scenes.get(&appointment.domain).ok_or(RefusalCode::UnsupportedChain)?;
        if !self.pace.admits(account, self.clock.now(), self.policy.puts_per_minute) {
            return Err(Stop::Refused(TowerRefusal::later(RefusalCode::RateLimited, 60)));
        }
        let channel_id = appointment.channel_id();
        if access.channel_id != channel_id {
            return Err(RefusalCode::Invalid.into());
        }
        let _guard = self.shared.lock(channel_id).await;
        let view = self.shared.store.view(account, channel_id).await?;
        if view.record.as_ref().is_some_and(|record| record.buried_at > 0) {
            return Err(RefusalCode::ChannelClosed.into());
        }
        let locks = appointment.sealed_locks.clone();
        let (record, is_changed, closing) = match &view.record {
            Some(held) if held.appointment.state.version >= appointment.state.version => {
                self.check_access(&access, TowerAction::Watch, account, held)?;
                let (record, is_changed) = self.refreshed(scene, held).await?;
                (record, is_changed, None)
            }
            known => {
                let known = known.as_ref();
                let newer = self.newer(scene, account, appointment.clone(), &access, known).await?;
                (newer.record, true, newer.closing)
            }
        };
        let is_same = digest_of(&record.appointment) == digest_of(&appointment);
        let receipt = self.promise(scene, &view, &record, access.side)?;
        let kept = is_changed.then_some((&record, is_same.then_some(locks)));
        self.keep((account, head), &view, access.side, kept, &receipt).await?;
        if let Some((recheck, place)) = closing {
            place.keep();
            // A watch that is behind finds the close by itself.
            if scene.rechecks.try_send(recheck).is_err() {
                tracing::debug!("the watch is behind");
            }
        }
        if is_same {
            return Ok(Reply::Promised(receipt));
        }
        let sealed_locks = self.shared.store.locks(channel_id).await?;
        let appointment = Appointment { sealed_locks, ..record.appointment };
        Err(Stop::Held(Box::new(Held { appointment, receipt: Some(receipt) })))
    }

    /// Checks a state that is newer than what is held, cheap checks first.
    async fn newer(
        &self,
        scene: &Scene,
        account: NodeId,
        appointment: Appointment,
        access: &Access,
        held: Option<&Record>,
    ) -> Result<Newer<'_>, Stop> {
        let bounds = PeriodBounds { minimum: self.policy.min_window_secs, maximum: u32::MAX };
        let checked: CheckedAppointment =
            appointment.check(bounds, held.map(|record| record.keys))?;
        let fresh = Record::new(checked, Version::ZERO);
        self.check_access(access, TowerAction::Watch, account, &fresh)?;
        let Some(held) = held.filter(|held| !held.is_chain_news) else {
            let seen: Look = look(&scene.endpoints, &scene.contracts, &fresh.appointment).await?;
            let closing = match seen.closing {
                Some((version, closes_at)) => {
                    let channel_id = fresh.appointment.state.channel_id;
                    let close = (channel_id, closes_at, access.side);
                    // Without a time for another try: the client goes on with its other channels.
                    let place = self.closing.admits(account, close, seen.now);
                    let place = place.ok_or(RefusalCode::RateLimited)?;
                    Some((Recheck { channel_id, version, closes_at }, place))
                }
                None => None,
            };
            let record = Record {
                withdraw_version: seen.withdraw_version,
                // While it closes, every state is played.
                is_chain_news: seen.closing.is_some(),
                insured: held.map_or(Amount::ZERO, |held| held.insured),
                ..fresh
            };
            return Ok(Newer { record, closing });
        };
        let Record { withdraw_version, insured, .. } = *held;
        Ok(Newer { record: Record { withdraw_version, insured, ..fresh }, closing: None })
    }

    /// What is held, after another look where something has happened on the chain, and whether that
    /// changed it: a promise must know of the last withdrawal.
    async fn refreshed(&self, scene: &Scene, held: &Record) -> Result<(Record, bool), Stop> {
        if !held.is_chain_news {
            return Ok((held.clone(), false));
        }
        let Look { withdraw_version, closing, .. } =
            look(&scene.endpoints, &scene.contracts, &held.appointment).await?;
        let is_chain_news = closing.is_some();
        Ok((Record { withdraw_version, is_chain_news, ..held.clone() }, true))
    }

    /// Whether one side's signer allows this to this account at this tower.
    fn check_access(
        &self,
        access: &Access,
        action: TowerAction,
        account: NodeId,
        record: &Record,
    ) -> Result<(), Stop> {
        let account = SignerKey::parse(&account.0).map_err(|_| RefusalCode::NotAuthorised)?;
        let said = TowerAccess {
            channel_id: record.appointment.state.channel_id,
            side: access.side,
            action,
            tower: self.tower,
            account: account.address(),
        };
        let domain = SigningDomain::new(record.appointment.domain);
        said.verify(&domain, record.key(access.side), access.signature)
            .map_err(|_| RefusalCode::NotAuthorised.into())
    }

    async fn get(&self, account: NodeId, access: Access) -> Result<Reply, Stop> {
        let channel_id = access.channel_id;
        let view = self.shared.store.view(account, channel_id).await?;
        let record = view.record.ok_or(RefusalCode::UnknownChannel)?;
        self.check_access(&access, TowerAction::Get, account, &record)?;
        let receipt = match view.reference {
            Some(given) if given.version == record.appointment.state.version => {
                Some(self.sign(&record, &given)?)
            }
            Some(_) | None => None,
        };
        let sealed_locks = self.shared.store.locks(channel_id).await?;
        let appointment = Appointment { sealed_locks, ..record.appointment };
        Ok(Reply::Held(Box::new(Held { appointment, receipt })))
    }

    async fn drop_reference(&self, account: NodeId, access: Access) -> Result<Reply, Stop> {
        let channel_id = access.channel_id;
        let _guard = self.shared.lock(channel_id).await;
        let view = self.shared.store.view(account, channel_id).await?;
        let record = view.record.ok_or(RefusalCode::UnknownChannel)?;
        self.check_access(&access, TowerAction::Drop, account, &record)?;
        if view.reference.is_some() {
            let before = view.account.unwrap_or_default();
            let after = Account { used: before.used.saturating_sub(1), ..before };
            let changes = Changes {
                dropped: Some((account, channel_id)),
                account: Some((account, after)),
                ..Changes::default()
            };
            self.shared.write(changes).await?;
        }
        Ok(Reply::Dropped { channel_id })
    }

    async fn list(&self, account: NodeId, after: Option<ChannelId>) -> Result<Reply, Stop> {
        let limit = usize::try_from(MAX_LISTED_CHANNELS).unwrap_or(0);
        let channel_ids = self.shared.store.channels_of(account, after, limit).await?;
        Ok(Reply::Listed { channel_ids })
    }

    async fn prove(&self, account: NodeId, channel_id: ChannelId) -> Result<Reply, Stop> {
        let view = self.shared.store.view(account, channel_id).await?;
        if view.reference.is_none() {
            return Err(RefusalCode::UnknownChannel.into());
        }
        let later = Stop::Refused(TowerRefusal::later(RefusalCode::NoProof, 60));
        self.proofs.prove(channel_id).map(|proof| Reply::Proof(Box::new(proof))).ok_or(later)
    }
}

/// A state that is newer than what is held.
struct Newer<'a> {
    record: Record,
    /// Where it closes: what the watch must hear once it is kept, and the place that it takes.
    closing: Option<(Recheck, Place<'a>)>,
}

fn digest_of(appointment: &Appointment) -> Digest {
    SigningDomain::new(appointment.domain).state(&appointment.state)
}

fn seen(head: JournalHead) -> SeenHead {
    let JournalHead { journal_id, epoch, incarnation } = head;
    SeenHead { journal_id, epoch, incarnation }
}

fn shown(head: SeenHead) -> JournalHead {
    let SeenHead { journal_id, epoch, incarnation } = head;
    JournalHead { journal_id, epoch, incarnation }
}
