//! The local networks, and the product's bridge code against them.

mod arbitrum;
