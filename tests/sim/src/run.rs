//! One seed, from its scenario to its end.

use crate::scenario::Scenario;
use crate::stats::Stats;
use crate::trace::Trace;
use crate::violation::{Checked, Violation};
use crate::world::World;

/// A seed that broke a property.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}: {violation}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What broke.
    pub violation: Violation,
    /// What had happened, if it was kept.
    pub trace: Vec<String>,
}

/// Runs a seed.
///
/// # Errors
/// If a property does not hold.
pub fn run(seed: u64, trace: Trace) -> Result<(Stats, Trace), Box<Failure>> {
    run_scenario(Scenario::of_seed(seed), trace)
}

/// Runs a scenario, whoever decided it.
///
/// # Errors
/// If a property does not hold.
pub fn run_scenario(scenario: Scenario, trace: Trace) -> Result<(Stats, Trace), Box<Failure>> {
    let seed = scenario.seed;
    let fail = |violation, trace: &Trace| {
        Box::new(Failure { seed, violation, trace: trace.lines().to_vec() })
    };
    let name = scenario.hostile.map_or_else(
        || "actors: all honest".to_owned(),
        |(side, vice)| format!("actors: {vice:?} on side {}", side.number()),
    );
    let mut world = match World::new(scenario, trace) {
        Ok(world) => world,
        Err(violation) => return Err(fail(violation, &Trace::default())),
    };
    world.stats.count(&name);
    world.stats.count("runs");
    match play(&mut world) {
        Ok(()) => {
            let versions = world.nodes.iter().filter_map(|node| node.disk.record());
            let most = versions.map(|record| record.parts().guard.highest.0).max();
            // A restored channel jumps far ahead; that is no version that anybody signed.
            world.stats.add("versions", most.filter(|most| *most < 1 << 30).unwrap_or(0));
            let writes = world.nodes.iter().map(|node| node.disk.writes).sum();
            world.stats.add("writes", writes);
            Ok((world.stats, world.trace))
        }
        Err(violation) => Err(fail(violation, &world.trace)),
    }
}

fn play(world: &mut World) -> Checked<()> {
    world.storm()?;
    world.absence()?;
    world.calm()
}
