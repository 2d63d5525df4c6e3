//! A run: so many steps from a seed, each compared in full.

use crate::action::{Action, Step};
use crate::chain::{Chain, Outcome};
use crate::compare::{self, Difference};
use crate::fault::Fault;
use crate::generate::Generator;
use crate::random::Random;
use crate::reference::{Reference, Told};
use crate::world::{Build, World};
use alloy_primitives::Bytes;
use lockstep_contracts::artifact::Artifact;
use lockstep_core::chain::ChainFact;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Every so many steps all channels are compared, not only those that a call is about (P3).
const COMPARE_ALL_EVERY: u64 = 40;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Determines everything.
    pub seed: u64,
    /// How many calls.
    pub steps: u64,
    /// By whose rules.
    pub build: Build,
    /// Creation code of the channel contract.
    pub code: Bytes,
    /// A bug of the reference.
    pub fault: Option<Fault>,
}

/// What a run without a difference has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls.
    pub steps: u64,
    /// Calls that succeeded, by function.
    pub done: BTreeMap<&'static str, u64>,
    /// Calls that were refused, by error.
    pub refused: BTreeMap<&'static str, u64>,
    /// What the logs told, by kind.
    pub told: BTreeMap<&'static str, u64>,
}

/// Where a run ended.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// The step, counted from 1.
    pub step: u64,
    /// Chain time.
    pub now: u64,
    /// The call.
    pub call: Step,
    /// The difference.
    pub difference: Difference,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, now, call, difference } = self;
        let Difference { what, reference, contract } = difference;
        writeln!(f, "contract and reference differ in: {what}")?;
        writeln!(f, "reference: {reference}\ncontract: {contract}")?;
        writeln!(f, "at {now}, step {step} of seed {seed}; LOCKSTEP_SEED={seed} shows it again")?;
        write!(f, "call: {call:?}")
    }
}

impl Plan {
    /// The committed bytecode, or that of the folder in `LOCKSTEP_ARTIFACTS`.
    ///
    /// # Panics
    /// If the artifact can't be read.
    #[must_use]
    pub fn new(seed: u64, steps: u64, build: Build) -> Self {
        let artifact = match std::env::var_os("LOCKSTEP_ARTIFACTS") {
            Some(folder) => {
                let file = Path::new(&folder).join(format!("{}.json", build.artifact().as_str()));
                let json = std::fs::read_to_string(&file)
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                Artifact::parse(&json)
            }
            None => Artifact::committed(build.artifact()),
        };
        let code = artifact.expect("an artifact").creation_code;
        Self { seed, steps, build, code, fault: None }
    }

    /// The same with a bug in the reference.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Runs it.
    ///
    /// # Errors
    /// At the first difference.
    pub fn run(&self) -> Result<Report, Box<Found>> {
        let (world, chain) = World::create(self.build, &self.code);
        let mut stage = Stage {
            generator: Generator::new(world.clone(), Random::new(self.seed)),
            reference: Reference::new(world.clone(), self.fault),
            world,
            chain,
            report: Report::default(),
        };
        for step in 1..=self.steps {
            let pause = stage.generator.pause(stage.chain.now, &stage.reference);
            stage.chain.now += pause;
            let call = stage.generator.step(stage.chain.now, &mut stage.reference);
            stage.play(step, &call).map_err(|difference| {
                let (seed, now) = (self.seed, stage.chain.now);
                Box::new(Found { seed, step, now, call, difference })
            })?;
        }
        Ok(stage.report)
    }
}

/// Everything that a run changes.
struct Stage {
    world: World,
    chain: Chain,
    generator: Generator,
    reference: Reference,
    report: Report,
}

impl Stage {
    fn play(&mut self, number: u64, step: &Step) -> Result<(), Difference> {
        let Self { world, chain, reference, report, .. } = self;
        let before = compare::balances(world, chain);
        let outcome = chain.send(&step.transaction(world));
        let expected = reference.perform(chain.now, step);
        compare::verdict(&expected, &outcome, step)?;
        report.steps += 1;
        match (&expected, &outcome) {
            (Ok(done), Outcome::Success { logs, .. }) => {
                *report.done.entry(name(&step.action)).or_default() += 1;
                compare::logs(world, logs, done, reference)?;
                for told in &done.told {
                    *report.told.entry(kind_of(told)).or_default() += 1;
                }
                compare::money(world, chain, reference, &before, &done.moves)?;
                compare::credits(world, chain, reference, &done.told)?;
                for id in &done.touched {
                    let slots = reference.channels().find(|(known, _)| *known == id);
                    let (_, channel) = slots.expect("a touched channel is known");
                    compare::storage(world, chain, *id, channel.slots())?;
                }
            }
            (Err(error), _) => {
                *report.refused.entry(compare::name_of(error)).or_default() += 1;
                compare::money(world, chain, reference, &before, &[])?;
            }
            (Ok(_), Outcome::Revert(_) | Outcome::Halt(_)) => {}
        }
        if number.is_multiple_of(COMPARE_ALL_EVERY) {
            for (id, channel) in reference.channels() {
                compare::storage(world, chain, *id, channel.slots())?;
            }
        }
        Ok(())
    }
}

/// What a log tells, for statistics.
fn kind_of(told: &Told) -> &'static str {
    match told {
        Told::Fact(_, ChainFact::LockResolved { is_paid: true, .. }) => "lock paid",
        Told::Fact(_, ChainFact::LockResolved { .. }) => "lock refunded",
        Told::Fact(_, ChainFact::Closed { held1, held2, .. }) => {
            if held1.is_zero() && held2.is_zero() { "closed" } else { "closed with locks" }
        }
        Told::Fact(..) => "other fact",
        Told::Credited(..) => "credited",
        Told::Withdrawn(..) => "withdrawn",
        Told::OrderExecuted(..) => "order executed",
        Told::Skipped(..) => "challenge skipped",
    }
}

/// The function's name.
fn name(action: &Action) -> &'static str {
    match action {
        Action::Open(..) => "openChannel",
        Action::Join(..) => "joinChannel",
        Action::Deposit(..) => "deposit",
        Action::CancelOpen(..) => "cancelOpen",
        Action::Update(..) => "updateState",
        Action::Withdraw(..) => "partialWithdraw",
        Action::Initiate(..) => "initiateClose",
        Action::Challenge(..) => "challengeClose",
        Action::Batch(_) => "challengeCloseBatch",
        Action::Close(_) => "closeChannel",
        Action::Cooperate(..) => "cooperativeClose",
        Action::Resolve(..) => "resolveLocks",
        Action::TakeCredit(..) => "withdraw",
        Action::TakeFor(..) => "withdrawFor",
        Action::Register(_) => "registerSecret",
        Action::Answer(..) => "resolver answers",
        Action::Refuse(..) => "payee refuses",
    }
}
