//! The networks themselves: they are real, they do what their knobs say, and they end with their parent.

mod arbitrum;
mod eta;
mod force;
mod fund;
mod node;
mod optimism;
mod scene;
mod token;
mod tower;
mod withdraw;
