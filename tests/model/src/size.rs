//! The searches that the tests make to the end, and the form in which `docs/spec/model.md` tells of them.

use crate::ledger::{Side, Step};
use crate::plan::Plan;

/// One search over a whole space.
#[derive(Clone, Debug)]
pub struct Size {
    /// Its name on the page and in the tests.
    pub name: &'static str,
    /// What is searched.
    pub plan: Plan,
}

/// Every search that the tests make to the end.
#[must_use]
pub fn all() -> [Size; 8] {
    let deep = Plan { width: 3, rejections: 0, ..Plan::hostile(Side::Two) };
    [
        ("hostile acceptor", Plan::hostile(Side::Two)),
        ("hostile acceptor that locks", Plan::hostile(Side::Two).mirrored()),
        ("hostile acceptor, three in flight", deep),
        ("hostile proposer", Plan::hostile(Side::One)),
        ("hostile proposer, acceptor locks", Plan::hostile(Side::One).mirrored()),
        ("hostile network", Plan::honest()),
        ("hostile network, acceptor locks", Plan::honest().mirrored()),
        ("hostile network with crashes", Plan::troubled()),
    ]
    .map(|(name, plan)| Size { name, plan })
}

impl Size {
    /// The search of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        all().into_iter().find(|size| size.name == name)
    }

    /// One more payment, proposal in flight and tick where there is an adversary; one more crash where there is none.
    #[must_use]
    pub fn enlarged(mut self) -> Self {
        let plan = &mut self.plan;
        if plan.adversary.is_none() {
            plan.crashes += 1;
            return self;
        }
        plan.script_one.push(Step::Pay);
        plan.script_two.push(Step::Pay);
        plan.width += 1;
        plan.max_version += 1;
        plan.window += 1;
        plan.outage += 1;
        plan.expiry += 2;
        self
    }

    /// The line of the page: the bounds, and how many different states were looked at.
    #[must_use]
    pub fn row(&self, states: usize) -> String {
        let plan = &self.plan;
        let updates = |side| {
            let steps = plan.script(side).iter().map(|step| format!("{step:?}").to_lowercase());
            steps.collect::<Vec<_>>().join(" ")
        };
        // The model has a chain and an adversary's versions only where there is an adversary.
        let hostile = |bound: u8| plan.adversary.map_or("-".to_owned(), |_| bound.to_string());
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            updates(Side::One),
            updates(Side::Two),
            plan.width,
            hostile(plan.max_version),
            plan.losses,
            plan.repeats,
            plan.crashes,
            plan.rejections,
            hostile(plan.window),
            hostile(plan.outage),
            hostile(plan.expiry),
            grouped(states),
        )
    }
}

/// A count as the page writes it: 1,234,567.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
