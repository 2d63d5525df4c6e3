//! Contract and reference, side by side.

mod build;
mod code;
mod faults;
mod mutation;
mod run;
mod vectors;
