//! OP Stack rollups: OP Mainnet, Base, their test networks, and any chain with the same contracts.
//!
//! In reading order: [`abi`]; [`deposit`] and [`withdrawal`], what is hashed and how; [`contracts`] found from
//! the one entry contract.

pub mod abi;
pub mod deposit;
pub mod withdrawal;
