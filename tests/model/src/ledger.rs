//! What a state is worth: two fixed scripts of updates, and how far into each a state reaches.

use crate::plan::Plan;

/// What one payment moves.
pub const PAY: i8 = 1;
/// What the one lock holds.
pub const LOCK: i8 = 2;
/// What each side brings.
pub const DEPOSIT: i8 = 4;

/// A side of the channel. One proposes, Two accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The proposer.
    One,
    /// The acceptor.
    Two,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// Where this side's things stand in an array of two.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

/// One update of a side's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Pays the other side.
    Pay,
    /// Locks money for the other side.
    Lock,
    /// Shows the secret of the other side's lock and takes its money.
    Settle,
}

/// A channel state: its version, and how many updates of each script it includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// Its place in the line of versions; zero is never signed.
    pub version: u8,
    /// How many of side One's updates.
    pub one: u8,
    /// How many of side Two's.
    pub two: u8,
    /// A liar took one more unit from side Two than the updates say.
    pub skims: bool,
}

impl State {
    /// How many updates of a side it includes.
    #[must_use]
    pub fn of(&self, side: Side) -> u8 {
        match side {
            Side::One => self.one,
            Side::Two => self.two,
        }
    }

    /// Whether it holds the same updates as another, at whatever version.
    #[must_use]
    pub fn has_updates_of(&self, other: &Self) -> bool {
        (self.one, self.two) == (other.one, other.two)
    }
}

/// What a state says about money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// What One has paid Two.
    net: i8,
    /// Who locked money, if somebody did.
    pub payer: Option<Side>,
}

impl Content {
    /// What a side has besides the lock.
    #[must_use]
    pub fn balance(&self, side: Side) -> i8 {
        let locked = if self.payer == Some(side) { LOCK } else { 0 };
        match side {
            Side::One => DEPOSIT - self.net - locked,
            Side::Two => DEPOSIT + self.net - locked,
        }
    }
}

impl Plan {
    /// The money of a state; none if it settles a lock that is not there.
    #[must_use]
    pub fn content(&self, state: &State) -> Option<Content> {
        let mut content = Content { net: if state.skims { -1 } else { 0 }, payer: None };
        let mut settled = None;
        for side in [Side::One, Side::Two] {
            let sign = if side == Side::One { 1 } else { -1 };
            for step in self.script(side).iter().take(usize::from(state.of(side))) {
                match step {
                    Step::Pay => content.net += sign * PAY,
                    Step::Lock => content.payer = Some(side),
                    Step::Settle => settled = Some((side, -sign)),
                }
            }
        }
        if let Some((payee, sign)) = settled {
            if content.payer != Some(payee.other()) {
                return None;
            }
            content.payer = None;
            content.net += sign * LOCK;
        }
        Some(content)
    }

    /// What a side gets in the end if a state is settled and its lock is or is not paid.
    #[must_use]
    pub fn payout(&self, state: &State, side: Side, is_paid: bool) -> Option<i8> {
        let content = self.content(state)?;
        let gets_lock = match content.payer {
            Some(payer) => (payer == side) != is_paid,
            None => false,
        };
        Some(content.balance(side) + if gets_lock { LOCK } else { 0 })
    }

    /// The least that a side may have to live with if a state is settled: its own lock may be claimed,
    /// a lock for which it knows the secret it gets itself.
    #[must_use]
    pub fn worst(&self, state: &State, side: Side) -> Option<i8> {
        let honest = State { skims: false, ..*state };
        self.payout(&honest, side, true)
    }
}
