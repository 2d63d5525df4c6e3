//! The limits of a tower's end and of a client's end, each with its reason.

use core::time::Duration;

use crate::limits::{ConnectionLimits, Limits, TimeLimits};

/// Requests of one session that wait for their answers. A client that leaves a thousand channels at once
/// shares syncs of the tower's disk.
pub(crate) const MAX_PENDING: usize = 64;
/// Things that a tower says unasked and that wait for one client. One that reads nothing hears less.
pub(crate) const PUSH_QUEUE: usize = 64;
/// Sessions that one account may have at a time: the old one of a client that came again, and its new one.
pub(crate) const MAX_SESSIONS_PER_ACCOUNT: usize = 2;

/// What one session may ask, per second and in a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRate {
    /// Units: bytes a second.
    pub bytes: u64,
    /// Units: requests a second.
    pub requests: u64,
    /// Units: signatures a second that the tower is made to check.
    pub signatures: u64,
    /// Units: seconds of saved-up allowance.
    pub burst_secs: u64,
}

/// The limits of a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TowerLimits {
    /// Numbers of connections; all are inbound and of strangers.
    pub connections: ConnectionLimits,
    /// Times.
    pub times: TimeLimits,
    /// What one session may ask.
    pub session: SessionRate,
    /// Handshakes a second that all together can make the tower check.
    pub handshakes: u64,
    /// Requests of all sessions that wait for the tower.
    pub request_queue: usize,
}

impl Default for TowerLimits {
    fn default() -> Self {
        let base = Limits::default();
        Self {
            connections: ConnectionLimits {
                total: 4_096,
                strangers: 4_096,
                // Nodes behind one address of a provider.
                strangers_per_ip: 64,
                // Twice the sessions of an account: lost ones end only when their silence is noticed.
                per_peer: 4,
                pending_inbound: 128,
                pending_inbound_per_ip: 16,
                pending_outbound: 0,
                inbound_per_sec: 100,
                inbound_per_ip_per_sec: 10,
            },
            times: TimeLimits {
                // A client asks for a sign of life more often than this.
                silence: Duration::from_secs(120),
                ping: Duration::from_secs(30),
                ..base.times
            },
            session: SessionRate {
                // A thousand appointments with their locks at once, then ten a second.
                bytes: 256 * 1024,
                requests: 100,
                signatures: 500,
                burst_secs: 10,
            },
            handshakes: 100,
            request_queue: 1_024,
        }
    }
}
