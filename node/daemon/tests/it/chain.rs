//! The chain's tasks over a real journal: what they keep, what they give back after a restart, what goes on
//! when the disk is gone.

mod deploy;
mod kit;
mod task;
