//! The networks themselves: they are real, they do what their knobs say, and they end with their parent.

mod arbitrum;
mod optimism;
