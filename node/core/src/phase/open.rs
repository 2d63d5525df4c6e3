//! Open: payments flow. The proposer makes states, the acceptor countersigns them.

pub(crate) mod accept;
pub(crate) mod apply;
pub(crate) mod intent;
pub(crate) mod invoice;
pub(crate) mod propose;
pub(crate) mod secret;
pub(crate) mod withdraw;
