//! Configuration: flags before environment before file before the network's own values before defaults.
//!
//! An option is one field of [`Config`]. Its names follow from it: `listen` of the section `rpc` is `listen`
//! under `[rpc]` in the file, `LOCKSTEP_RPC_LISTEN` in the environment and `--rpc-listen` as a flag.

mod address;
mod layer;
mod network;
mod options;
mod sample;
mod spec;

pub use address::{address_of, remove_address, write_address};
pub use layer::{ConfigError, Layers, Loaded, Source, Value};
pub use network::{BUILT_IN, NetworkFile, is_network_name};
pub use options::{
    AcceptPolicy, BridgeOptions, ChainKind, ChainOptions, ChannelOptions, Config, JournalOptions,
    KeyOptions, LogFormat, LogOptions, MetricsOptions, P2pOptions, RpcOptions,
};
pub use sample::{file_with, sample};
pub use spec::{OptionKind, OptionSpec, specs};
