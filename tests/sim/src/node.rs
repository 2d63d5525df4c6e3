//! The driver around one real channel: handle, write, sync, sign, send — and it may die between any two.

use std::cell::RefCell;

use alloy_primitives::Address;
use lockstep_core::chain::{ChainFact, Obligation};
use lockstep_core::channel::{Channel, EvidenceOrder};
use lockstep_core::commit::{Durable, Signer, Transition, commit, recover};
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::ids::{ChannelId, Side};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, SignedState};
use lockstep_core::money::Amount;
use lockstep_core::output::{Effect, Notice, Output};
use lockstep_core::protection::Protection;
use lockstep_core::record::RecordParts;
use lockstep_core::request::SigningRequest;
use lockstep_core::signature::StateSignature;

use crate::audit::Audit;
use crate::brief;
use crate::chain::{Chain, Want};
use crate::disk::{Cut, Disk, DiskError, Writer};
use crate::follower::Follower;
use crate::keys::{Keys, place};
use crate::rng::Rng;
use crate::scenario::GuardPlan;
use crate::stats::Stats;
use crate::trace::Trace;
use crate::violation::{Checked, Violation, expect};

/// What a step may use besides the node itself.
pub struct Env<'a> {
    /// Everybody's keys; a node signs with its own.
    pub keys: &'a Keys,
    /// The chain, to be looked at.
    pub chain: &'a Chain,
    /// The rules.
    pub audit: &'a mut Audit,
    /// Chance.
    pub rng: &'a mut Rng,
    /// Counters.
    pub stats: &'a mut Stats,
    /// The story, if somebody reads it.
    pub trace: &'a mut Trace,
    /// How often a node dies between two steps. Units: times in a thousand.
    pub crash: u64,
}

/// How an input ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It was taken.
    Done,
    /// It changed nothing.
    Refused(ProtocolError),
    /// The node died on the way.
    Died,
}

/// What an input led to.
#[derive(Debug)]
pub struct Outcome {
    /// What left the node, in order; also before it died.
    pub sent: Vec<PeerMessage>,
    /// How it ended.
    pub end: End,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its side.
    pub side: Side,
    /// Its disk.
    pub disk: Disk,
    /// The channel in memory; none while the node is down, or before the channel exists.
    pub channel: Option<Channel>,
    /// Whether the process runs.
    pub is_up: bool,
    /// The first block after which it starts again.
    pub down_until: u64,
    /// What it owes to the chain, as far as it remembers.
    pub duties: Vec<Obligation>,
    /// Its place on the chain.
    pub follower: Follower,
    /// Its towers, if it has any.
    pub protection: Option<Protection>,
    guard: Option<GuardPlan>,
    channel_id: ChannelId,
}

/// Signs for one node, under the eyes of the audit.
struct AuditedSigner<'a> {
    side: Side,
    keys: &'a Keys,
    disk: &'a Disk,
    chain: &'a Chain,
    audit: RefCell<&'a mut Audit>,
}

impl Signer for AuditedSigner<'_> {
    type Error = Violation;

    fn sign_state(&self, request: Durable<SigningRequest>) -> Result<StateSignature, Violation> {
        let request = request.get();
        self.audit.borrow_mut().signing(self.side, request, self.disk, self.chain)?;
        Ok(self.keys.sign(self.side, request.digest()))
    }
}

impl Node {
    /// A node that has never heard of the channel.
    #[must_use]
    pub fn new(side: Side, channel_id: ChannelId, guard: Option<GuardPlan>) -> Self {
        Self {
            side,
            disk: Disk::default(),
            channel: None,
            is_up: true,
            down_until: 0,
            duties: vec![],
            follower: Follower::default(),
            protection: None,
            guard: guard.filter(|plan| plan.side == side),
            channel_id,
        }
    }

    /// What the channel holds, if there is one and the node is up.
    #[must_use]
    pub fn parts(&self) -> Option<&RecordParts> {
        self.channel.as_ref().map(Channel::parts)
    }

    /// Takes an input: handle, write, sync, adopt, then each effect.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn input(&mut self, input: Input, env: &mut Env<'_>) -> Checked<Outcome> {
        let Some(channel) = &self.channel else {
            return Ok(Outcome { sent: vec![], end: End::Died });
        };
        env.trace.note(|| format!("{:?} <- {}", self.side, brief::input(&input)));
        let told = told_by(&input);
        if told == Told::Vanished {
            // The same step may go on with what waited.
            env.audit.of_mut(self.side).sees_close = false;
        }
        let is_clock = matches!(input, Input::Tick { .. });
        let step = match channel.handle(input) {
            Ok(step) => step,
            Err(error) => return self.refused(error, env),
        };
        if is_clock && (step.needs_write() || !step.bindings().is_empty()) {
            let detail = "the engine's clock alone changes the record".to_owned();
            return Err(Violation { property: "P57", detail });
        }
        // Durable or not after a crash in the midst of it: it was ordered.
        match told {
            Told::Force => env.audit.of_mut(self.side).force_ordered = true,
            Told::Withdraw { out } => {
                env.audit.of_mut(self.side).withdrawn.push(out[place(self.side)])
            }
            Told::Close | Told::Vanished | Told::Nothing => {}
        }
        let outcome = self.carry(step, env)?;
        if outcome.end == End::Done {
            self.remember(told, env);
        }
        Ok(outcome)
    }

    /// Begins a channel with a transition that core made outside of any.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn create(&mut self, step: Transition, env: &mut Env<'_>) -> Checked<Outcome> {
        self.carry(step, env)
    }

    fn refused(&mut self, error: ProtocolError, env: &mut Env<'_>) -> Checked<Outcome> {
        env.trace.note(|| format!("{:?} refuses: {error}", self.side));
        env.stats.count(&format!("refused: {:?}", error.class()));
        if error.class() == ErrorClass::Fatal && env.audit.covers(self.side) {
            let detail = format!("{error} ({error:?})");
            return Err(Violation { property: "fatal", detail });
        }
        Ok(Outcome { sent: vec![], end: End::Refused(error) })
    }

    fn carry(&mut self, step: Transition, env: &mut Env<'_>) -> Checked<Outcome> {
        let mut sent = vec![];
        note_coverage(&step, env.stats);
        self.disk.next_cut = self.draw_cut(env);
        let mut writer = Writer { side: self.side, disk: &mut self.disk, audit: env.audit };
        let durable = match commit(&mut writer, vec![step]) {
            Ok(mut durable) => durable.pop(),
            Err(DiskError::PowerCut) => {
                env.stats.count("crash: at a write");
                self.die(env);
                return Ok(Outcome { sent, end: End::Died });
            }
            Err(DiskError::Broken(violation)) => return Err(violation),
        };
        let Some(durable) = durable else {
            return Ok(Outcome { sent, end: End::Died });
        };
        let effects = match &mut self.channel {
            Some(channel) => expect(channel.adopt(durable), "adopt")?,
            None => {
                let (channel, effects) = Channel::create(durable);
                self.channel = Some(channel);
                effects
            }
        };
        if let Some(channel) = &self.channel {
            env.audit.counting(self.side, channel)?;
        }
        self.protect()?;
        for effect in effects {
            if self.dies_between(env, "crash: before an effect") {
                return Ok(Outcome { sent, end: End::Died });
            }
            if !self.carry_out(effect, &mut sent, env)? {
                return Ok(Outcome { sent, end: End::Died });
            }
        }
        Ok(Outcome { sent, end: End::Done })
    }

    /// One effect; false if the node dies between its signature and what the signature is for.
    fn carry_out(
        &mut self,
        effect: Effect,
        sent: &mut Vec<PeerMessage>,
        env: &mut Env<'_>,
    ) -> Checked<bool> {
        let effect = match effect {
            Output::Sign { request, then } => {
                let signer = AuditedSigner {
                    side: self.side,
                    keys: env.keys,
                    disk: &self.disk,
                    chain: env.chain,
                    audit: RefCell::new(env.audit),
                };
                let signature = signer.sign_state(request)?;
                env.stats.count("signatures");
                if self.dies_between(env, "crash: between sign and send") {
                    return Ok(false);
                }
                then.complete(signature)
            }
            other => other,
        };
        match effect {
            Output::Send(message) => {
                env.audit.sending(self.side, &message, &self.disk)?;
                env.trace.note(|| format!("{:?} -> {}", self.side, brief::message(&message)));
                sent.push(message);
            }
            Output::Submit(owed) => self.owe(owed),
            Output::Notify(notice) => {
                env.trace.note(|| format!("{:?} tells {}", self.side, brief::notice(&notice)));
                env.stats.count(name_of(&notice));
            }
            Output::Protect { .. } => env.stats.count("tower: newer state"),
            // The follower hands every secret of the registry to every node.
            Output::Watch { .. } => env.stats.count("registry: asked"),
            Output::Sign { .. } => {}
        }
        Ok(true)
    }

    /// Keeps the books about towers; they are made from the disk where they are not there.
    fn protect(&mut self) -> Checked<()> {
        let (Some(plan), Some(channel)) = (&self.guard, &self.channel) else { return Ok(()) };
        let parts = channel.parts();
        if let Some(protection) = &mut self.protection {
            return expect(protection.observe(parts), "protection");
        }
        let protection = Protection::resume(plan.policy, parts, self.disk.floor);
        let mut protection = expect(protection, "protection")?;
        for (number, _) in (0u8..).zip(&plan.makes) {
            let tower = Address::repeat_byte(0x70 + number);
            protection.add_tower(tower, self.disk.towers.get(&tower).copied());
        }
        self.protection = Some(protection);
        Ok(())
    }

    /// The newest co-signed state with both signatures, for a tower.
    ///
    /// # Errors
    /// If our half may not be signed again.
    pub fn show(&mut self, env: &mut Env<'_>) -> Checked<Option<SignedState>> {
        let Some(order) = self.channel.as_ref().and_then(Channel::evidence) else {
            return Ok(None);
        };
        let EvidenceOrder { evidence, request } = order;
        let Some(request) = request else { return Ok(evidence.complete()) };
        let signer = AuditedSigner {
            side: self.side,
            keys: env.keys,
            disk: &self.disk,
            chain: env.chain,
            audit: RefCell::new(env.audit),
        };
        let signature = signer.sign_state(request)?;
        Ok(evidence.with_signature(self.side, signature).complete())
    }

    fn owe(&mut self, owed: Obligation) {
        self.duties.retain(|known| known.key() != owed.key());
        self.duties.push(owed);
    }

    /// Brings to the chain what is owed, is not on its way, and would do something.
    ///
    /// # Errors
    /// If a duty breaks a property.
    pub fn wants(&self, chain: &Chain, audit: &Audit) -> Checked<Vec<Want>> {
        let mut wants = vec![];
        for owed in &self.duties {
            audit.submitting(self.side, owed, &self.disk)?;
            let want = Want::Call(owed.call().clone());
            if !chain.waits(self.side, &want) && chain.would_act(self.side, &want) {
                wants.push(want);
            }
        }
        Ok(wants)
    }

    fn draw_cut(&self, env: &mut Env<'_>) -> Option<Cut> {
        if !env.rng.per_mille(env.crash) {
            return None;
        }
        let cuts = [Cut::BeforeWrite, Cut::Unsynced, Cut::Lucky, Cut::AfterSync];
        env.rng.pick(&cuts).copied()
    }

    fn dies_between(&mut self, env: &mut Env<'_>, what: &str) -> bool {
        let dies = env.rng.per_mille(env.crash);
        if dies {
            env.stats.count(what);
            self.die(env);
        }
        dies
    }

    /// The process is gone: all that is left is the disk.
    pub fn die(&mut self, env: &mut Env<'_>) {
        env.stats.count("crashes");
        env.trace.note(|| format!("{:?} dies", self.side));
        self.channel = None;
        self.protection = None;
        self.is_up = false;
        self.duties.clear();
        let blocks = 1 + env.rng.below(crate::scenario::MAX_DOWN_BLOCKS / 2);
        self.down_until = env.chain.head().point.number.0 + blocks;
    }

    /// Starts from the disk.
    ///
    /// # Errors
    /// If the record does not hold.
    pub fn start(&mut self, env: &mut Env<'_>) -> Checked<Outcome> {
        env.trace.note(|| format!("{:?} starts", self.side));
        self.is_up = true;
        self.follower = Follower::resume(self.disk.cursor);
        self.duties.clear();
        let mut writer = Writer { side: self.side, disk: &mut self.disk, audit: env.audit };
        match recover(&mut writer, self.channel_id) {
            Ok(None) => Ok(Outcome { sent: vec![], end: End::Done }),
            Ok(Some(record)) => {
                self.channel = Some(Channel::resume(record));
                self.input(Input::Started, env)
            }
            Err(DiskError::Broken(violation)) => Err(violation),
            Err(DiskError::PowerCut) => Ok(Outcome { sent: vec![], end: End::Died }),
        }
    }

    fn remember(&self, told: Told, env: &mut Env<'_>) {
        let memory = env.audit.of_mut(self.side);
        match told {
            Told::Close => {
                memory.sees_close = true;
                let waits = self.parts().is_some_and(|parts| !parts.in_flight.is_empty());
                if waits {
                    env.stats.count("close seen with a proposal in flight");
                }
            }
            Told::Force | Told::Withdraw { .. } | Told::Vanished | Told::Nothing => {}
        }
    }
}

/// Counts what is rare and must not stay away.
fn note_coverage(step: &Transition, stats: &mut Stats) {
    let parts = step.next().parts();
    if !step.bindings().is_empty() && parts.withdrawal.is_some() {
        stats.count("bound while a withdrawal is outstanding");
    }
    if parts.in_flight.len() > 1 {
        stats.count("steps with several proposals in flight");
    }
}

/// What the audit wants to know about an input that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Close,
    Vanished,
    Force,
    Withdraw { out: [Amount; 2] },
}

fn told_by(input: &Input) -> Told {
    match input {
        Input::Chain(event) => match event.fact {
            ChainFact::Closing { .. } | ChainFact::Closed { .. } => Told::Close,
            ChainFact::CloseVanished => Told::Vanished,
            _ => Told::Nothing,
        },
        Input::Command(Command::ForceClose) => Told::Force,
        Input::Command(Command::Withdraw { out1, out2 }) => Told::Withdraw { out: [*out1, *out2] },
        _ => Told::Nothing,
    }
}

/// A counter's name for what a node tells.
fn name_of(notice: &Notice) -> &'static str {
    match notice {
        Notice::OpenConsented => "told: open consented",
        Notice::OpenRejected { .. } => "told: open rejected",
        Notice::Opened => "told: opened",
        Notice::Funded { .. } => "told: funded",
        Notice::Queued { .. } => "told: queued",
        Notice::Applied { action, .. } => match action {
            lockstep_core::update::Action::Pay(_) => "told: payment final",
            lockstep_core::update::Action::AddLock(_) => "told: lock added",
            lockstep_core::update::Action::SettleLock { .. } => "told: lock settled",
            lockstep_core::update::Action::FailLock { .. } => "told: lock failed",
            lockstep_core::update::Action::ExpireLock { .. } => "told: lock expired",
        },
        Notice::Failed { .. } => "told: update failed",
        Notice::Refused { .. } => "told: intent refused",
        Notice::SecretLearned { .. } => "told: secret learned",
        Notice::PeerSilent => "told: peer silent",
        Notice::CloseSeen { .. } => "told: close seen",
        Notice::CloseVanished => "told: close vanished",
        Notice::Withdrawn { .. } => "told: withdrawn",
        Notice::WithdrawalExpired { .. } => "told: withdrawal expired",
        Notice::WithdrawalRefused { .. } => "told: withdrawal refused",
        Notice::CloseRefused { .. } => "told: close refused",
        Notice::LockResolved { .. } => "told: lock resolved",
        Notice::Settled { .. } => "told: settled",
        Notice::Frozen { .. } => "told: frozen",
        Notice::Restored { .. } => "told: restored",
        Notice::Equivocation(_) => "told: equivocation",
        Notice::UnprovenClaim { .. } => "told: unproven claim",
    }
}
