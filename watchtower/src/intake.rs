//! What clients ask, decided: everything that the contract would check is checked before anything is kept,
//! everything that is promised is on disk before it is said (P80, P81).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::Address;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::appointment::{
    Appointment, AppointmentError, CheckedAppointment, SealedLocks, TowerAccess, TowerAction,
};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, NodeId, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::receipt::{Receipt, SignedReceipt};
use lockstep_core::signature::SignerKey;
use lockstep_core::terms::{PeriodBounds, TermsError};
use lockstep_core::time::{BlockTimestamp, EngineTime};
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::port::Clock;
use lockstep_p2p::tower::message::{
    Access, Held, RefusalCode, Reply, Request, Subscription, TowerRefusal, TowerTerms,
};
use lockstep_proto::limit::MAX_LISTED_CHANNELS;
use lockstep_signer::KeyRing;
use tokio::sync::mpsc;

use crate::look::{Look, NotActionable, look};
use crate::proof::Proofs;
use crate::record::{Account, Record, Reference, SeenHead};
use crate::shared::Shared;
use crate::store::{Changes, TowerStoreError, View};
use crate::watch::{Board, Recheck};

/// Accounts whose pace is remembered; beyond it the oldest minute is forgotten.
const MAX_PACED: usize = 16_384;
/// Units: milliseconds.
const MINUTE: u64 = 60_000;
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
    pace: Mutex<BTreeMap<NodeId, (u64, u32)>>,
}

/// A request that is refused, or that failed for a reason of ours.
enum Stop {
    Refused(TowerRefusal),
    Held(Box<Held>),
}

impl From<RefusalCode> for Stop {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(TowerRefusal::of(code))
    }
}

impl From<TowerStoreError> for Stop {
    fn from(error: TowerStoreError) -> Self {
        tracing::error!(%error, "the tower's store fails");
        Self::Refused(TowerRefusal::later(RefusalCode::Storage, TROUBLE_SECS))
    }
}

impl From<NotActionable> for Stop {
    fn from(reason: NotActionable) -> Self {
        let later = |code| Self::Refused(TowerRefusal::later(code, TROUBLE_SECS));
        match reason {
            NotActionable::NotOpen => later(RefusalCode::UnknownChannel),
            NotActionable::Closed => RefusalCode::ChannelClosed.into(),
            NotActionable::Stale { .. } | NotActionable::Refused => {
                RefusalCode::NotActionable.into()
            }
            NotActionable::Chain(error) => {
                tracing::warn!(%error, "the chain cannot be asked about an appointment");
                later(RefusalCode::ChainUnavailable)
            }
        }
    }
}

impl From<AppointmentError> for Stop {
    fn from(error: AppointmentError) -> Self {
        tracing::debug!(%error, "appointment refused");
        let code = match error {
            AppointmentError::ForeignChain => RefusalCode::UnsupportedChain,
            AppointmentError::Terms(TermsError::PeriodOutOfBounds { .. }) => {
                RefusalCode::WindowTooShort
            }
            AppointmentError::Terms(
                TermsError::InvalidParticipant { .. }
                | TermsError::ZeroSigner { .. }
                | TermsError::SameOnBothSides { .. }
                | TermsError::ForeignAccount { .. },
            )
            | AppointmentError::OtherChannel { .. }
            | AppointmentError::VersionZero
            | AppointmentError::Refusal(_) => RefusalCode::Invalid,
            AppointmentError::Signature { .. } => RefusalCode::BadSignature,
        };
        code.into()
    }
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
        let pace = Mutex::new(BTreeMap::new());
        Self { shared, scenes, policy, keys, tower, clock, proofs, pace }
    }

    /// Decides one request.
    pub async fn handle(
        &self,
        account: NodeId,
        head: Option<JournalHead>,
        request: Request,
    ) -> Reply {
        let decided = match request {
            Request::Subscribe { slots } => self.subscribe(account, head, slots).await,
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

    async fn subscribe(
        &self,
        account: NodeId,
        head: Option<JournalHead>,
        slots: u32,
    ) -> Result<Reply, Stop> {
        let known = self.shared.store.account(account).await?;
        let before = known.unwrap_or_default();
        let slots = self.policy.slots.min(slots.max(before.used)).max(before.used);
        let head = head.map(seen).or(before.head);
        // Strangers leave nothing behind (P63): an account begins with its first appointment.
        if known.is_some() && (before.head != head || before.slots != slots) {
            let changed = Account { slots, head, ..before };
            let changes = Changes { account: Some((account, changed)), ..Changes::default() };
            self.shared.store.write(changes).await?;
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
        if !self.is_within_pace(account) {
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
        let (record, is_changed) = match &view.record {
            Some(held) if held.appointment.state.version >= appointment.state.version => {
                self.check_access(&access, TowerAction::Watch, account, held)?;
                self.refreshed(scene, held).await?
            }
            known => {
                let known = known.as_ref();
                (self.newer(scene, account, appointment.clone(), &access, known).await?, true)
            }
        };
        let is_same = digest_of(&record.appointment) == digest_of(&appointment);
        let receipt = self.promise(scene, &view, &record, access.side)?;
        let kept = is_changed.then_some((&record, is_same.then_some(locks)));
        self.keep((account, head), &view, access.side, kept, &receipt).await?;
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
    ) -> Result<Record, Stop> {
        let bounds = PeriodBounds { minimum: self.policy.min_window_secs, maximum: u32::MAX };
        let checked: CheckedAppointment =
            appointment.check(bounds, held.map(|record| record.keys))?;
        let fresh = Record::new(checked, Version::ZERO);
        self.check_access(access, TowerAction::Watch, account, &fresh)?;
        let Some(held) = held.filter(|held| !held.is_chain_news) else {
            let seen: Look = look(&scene.endpoints, &scene.contracts, &fresh.appointment).await?;
            if let Some((version, closes_at)) = seen.closing {
                let channel_id = fresh.appointment.state.channel_id;
                let recheck = Recheck { channel_id, version, closes_at };
                // A watch that is behind finds the close by itself.
                if scene.rechecks.try_send(recheck).is_err() {
                    tracing::debug!("the watch is behind");
                }
            }
            return Ok(Record {
                withdraw_version: seen.withdraw_version,
                // While it closes, every state is played.
                is_chain_news: seen.closing.is_some(),
                insured: held.map_or(Amount::ZERO, |held| held.insured),
                ..fresh
            });
        };
        let Record { withdraw_version, insured, .. } = *held;
        Ok(Record { withdraw_version, insured, ..fresh })
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

    /// The promise for what is held: the one that was given before, while it has long to go.
    fn promise(
        &self,
        scene: &Scene,
        view: &View,
        record: &Record,
        side: Side,
    ) -> Result<SignedReceipt, Stop> {
        let later = TowerRefusal::later(RefusalCode::ChainUnavailable, TROUBLE_SECS);
        let now = scene.board.time().ok_or(Stop::Refused(later))?;
        let state = &record.appointment.state;
        let state_hash = digest_of(&record.appointment);
        let half = u64::from(self.policy.receipt_secs).div_euclid(2);
        let given = view.reference.filter(|given| {
            given.side == side
                && (given.version, given.state_hash) == (state.version, state_hash)
                && given.withdraw_version == record.withdraw_version
                && given.valid_until.secs_since(now) > half
        });
        let reference = given.unwrap_or(Reference {
            side,
            version: state.version,
            state_hash,
            valid_from: now,
            valid_until: BlockTimestamp(now.0.saturating_add(u64::from(self.policy.receipt_secs))),
            min_window: self.policy.min_window_secs.min(record.appointment.terms.challenge_period),
            insured: Amount::ZERO,
            withdraw_version: record.withdraw_version,
        });
        self.sign(record, &reference)
    }

    fn sign(&self, record: &Record, reference: &Reference) -> Result<SignedReceipt, Stop> {
        let terms = &record.appointment.terms;
        let beneficiary = match terms.participant(reference.side) {
            AccountRef::Evm(address) => address,
            AccountRef::Starknet(_) => return Err(RefusalCode::UnsupportedChain.into()),
        };
        let receipt = Receipt {
            tower: self.tower,
            channel_id: record.appointment.state.channel_id,
            version: reference.version,
            state_hash: reference.state_hash,
            valid_from: reference.valid_from,
            valid_until: reference.valid_until,
            min_window: reference.min_window,
            insured: reference.insured,
            beneficiary,
            withdraw_version: reference.withdraw_version,
        };
        self.keys.sign_receipt(record.appointment.domain, &receipt).map_err(|error| {
            tracing::error!(%error, "the tower's key does not sign");
            Stop::Refused(TowerRefusal::later(RefusalCode::Storage, TROUBLE_SECS))
        })
    }

    /// Makes the record, the reference and the account durable together, before the receipt leaves.
    async fn keep(
        &self,
        (account, head): (NodeId, Option<JournalHead>),
        view: &View,
        side: Side,
        kept: Option<(&Record, Option<SealedLocks>)>,
        signed: &SignedReceipt,
    ) -> Result<(), Stop> {
        let receipt = &signed.receipt;
        let reference = Reference {
            side,
            version: receipt.version,
            state_hash: receipt.state_hash,
            valid_from: receipt.valid_from,
            valid_until: receipt.valid_until,
            min_window: receipt.min_window,
            insured: receipt.insured,
            withdraw_version: receipt.withdraw_version,
        };
        let channel_id = receipt.channel_id;
        let mut changes = Changes::default();
        if view.reference != Some(reference) {
            changes.reference = Some((account, channel_id, reference));
        }
        if view.reference.is_none() {
            let before =
                view.account.unwrap_or(Account { slots: self.policy.slots, ..Account::default() });
            if before.used >= before.slots {
                return Err(RefusalCode::NoSlot.into());
            }
            let used = before.used.saturating_add(1);
            let head = head.map(seen).or(before.head);
            changes.account = Some((account, Account { used, head, ..before }));
        }
        if let Some((record, locks)) = kept {
            changes.record = Some(record.clone());
            changes.locks = locks;
        }
        let is_idle = changes.reference.is_none() && changes.record.is_none();
        if is_idle { Ok(()) } else { Ok(self.shared.store.write(changes).await?) }
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
            self.shared.store.write(changes).await?;
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

    /// Whether an account may leave another appointment in this minute.
    fn is_within_pace(&self, account: NodeId) -> bool {
        let EngineTime(now) = self.clock.now();
        let minute = now.div_euclid(MINUTE);
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.len() >= MAX_PACED {
            pace.retain(|_, (since, _)| *since == minute);
        }
        let entry = pace.entry(account).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= self.policy.puts_per_minute
    }
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
