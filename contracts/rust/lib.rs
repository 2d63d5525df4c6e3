//! The compiled contracts as Rust sees them: calls and events to encode and decode, errors in plain words,
//! and deployments that can be checked to the byte.
//!
//! Everything is made from the committed artifacts, so building needs neither Node nor a Solidity compiler.
//! This crate never talks to a chain and holds no key: it turns values into bytes and bytes into values.
//!
//! In reading order: [`bindings`], [`artifact`], [`window`], [`config`], [`immutable`], [`create2`],
//! [`deployment`], [`revert`].

pub mod artifact;
pub mod bindings;
pub mod config;
pub mod create2;
pub mod deployment;
pub mod immutable;
pub mod revert;
pub mod window;
