//! Arbitrum (One, Nova, Orbit chains): retryable tickets in, outbox out, delayed inbox by force.
//!
//! In reading order. Facts without IO: [`alias`] who an L1 sender is on the rollup; [`ticket`], [`redeem`],
//! [`ether_deposit`] what a message from L1 becomes there and which hash it has; [`submission`] what it costs;
//! [`delayed`] the bridge's chain of messages; [`exit`] and [`send_tree`] a message to L1 and its proof;
//! [`decimals`] amounts of a chain whose gas token counts otherwise than ether.

pub mod abi;
pub mod alias;
pub mod decimals;
pub mod delayed;
pub mod ether_deposit;
pub mod exit;
pub mod redeem;
pub mod send_tree;
pub mod submission;
pub mod ticket;
mod typed;

#[cfg(test)]
mod tests;
