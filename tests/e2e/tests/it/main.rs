//! Real processes against each other.
#![allow(unreachable_pub)]

mod bad_input;
mod chain;
mod closes;
mod crash;
mod disk;
mod endpoints;
mod life;
mod loss;
mod machines;
mod outside;
mod owner;
mod secrets;
mod surface;
mod tower;
