//! Real processes against each other.
#![allow(unreachable_pub)]

mod bad_input;
mod crash;
mod life;
mod loss;
mod outside;
