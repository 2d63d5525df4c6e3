//! The protocol through its public door: two channels, and whatever may happen between them.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic, clippy::unreachable)]
#![allow(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, clippy::default_trait_access)]
#![allow(missing_docs, unreachable_pub)]

mod answer;
mod attack;
mod bad_input;
mod closing;
mod contract;
mod entry;
mod hostile;
mod kit;
mod late;
mod limits;
mod lock;
mod loss;
mod mutants;
mod opening;
mod payment;
mod protection;
mod record;
mod recovery;
mod refusal;
mod replay;
mod schedule;
mod session;
mod settlement;
mod sighting;
mod state_machine;
mod tower_vector;
mod vector;
mod waiting;
mod withdraw;
