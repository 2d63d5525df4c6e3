//! The house rules that no compiler and no lint knows, written as functions that list their violations.
//!
//! A rule takes text or `cargo metadata` and returns sentences, one for each violation, so that it can be tested
//! on planted faults (beside each rule) and run over this repository (`tests/it/main.rs`).
//!
//! Reading order: [`tree`] (which files there are), [`code`] (source without comments, strings and tests), then the
//! rules: [`edges`], [`licences`], [`manifests`], [`bans`], [`matches`], [`errors`], [`length`], [`properties`].

pub mod bans;
pub mod code;
pub mod edges;
pub mod errors;
pub mod length;
pub mod licences;
pub mod manifests;
pub mod matches;
pub mod properties;
pub mod tree;
