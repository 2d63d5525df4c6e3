//! Two nodes, a link, two disks, a clock and a chain, all driven by one seed.
//!
//! Everything that decides is real: the channels, the commit, the signatures, the contract's reference.
//! Everything around it is played: a link that drops, repeats, reorders and cuts; disks that lose what
//! was not synced; a chain that reorganises; operators; and one side that may cheat in ten ways. A node may
//! die between any two of handle, write, sync, sign and send. A run first lives through faults ([`storm`]),
//! then must come to a good end without them ([`calm`]).
//!
//! In reading order: [`scenario`], [`world`], [`storm`], [`calm`], [`payout`]; the played parts: [`node`],
//! [`disk`], [`link`], [`chain`], [`call`], [`follower`], [`keys`], [`mischief`], [`tower`], [`guard`]; the judges: [`audit`], [`ledger`];
//! and [`brief`], [`rng`], [`stats`], [`trace`], [`violation`], [`run`].

pub mod audit;
pub mod brief;
pub mod call;
pub mod calm;
pub mod chain;
pub mod disk;
pub mod follower;
pub mod guard;
pub mod keys;
pub mod ledger;
pub mod link;
pub mod mischief;
pub mod node;
pub mod payout;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod stats;
pub mod storm;
pub mod tower;
pub mod trace;
pub mod violation;
pub mod world;
