//! The compiled contract and its Rust reference, driven side by side with random calls.
//!
//! Each step is one transaction. The reference says what must come of it: which error with which values,
//! or what is stored, paid, credited and logged. Then revm runs the committed bytecode and everything is
//! compared. A difference ends the run with the seed and the step at which it shows again.
//!
//! In reading order: [`action`], [`generate`], [`reference`], [`chain`], [`compare`], [`run`]; [`fault`]
//! holds the bugs that a run must find.

pub mod action;
pub mod chain;
pub mod compare;
pub mod fault;
pub mod fixture;
pub mod generate;
pub mod random;
pub mod reference;
pub mod refusal;
pub mod run;
pub mod sign;
pub mod world;
