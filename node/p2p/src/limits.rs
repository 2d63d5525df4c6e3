//! Every limit of the network side, each with its reason.

use core::time::Duration;

use lockstep_proto::limit::MAX_PEER_FRAME_BYTES;

/// Units: bytes of payload in the largest frame.
pub const MAX_FRAME_BYTES: u32 = MAX_PEER_FRAME_BYTES;
/// Streams on one connection, ours and the peer's. A session needs one; identification, relaying
/// and hole punching need a few more for moments.
pub const MAX_STREAMS: usize = 64;
/// Units: bytes that a peer may send on one stream before we read any of it: the smallest window that a
/// stream of yamux can have.
pub const STREAM_WINDOW_BYTES: usize = 256 * 1024;
/// Units: bytes that a peer may send on one connection before we read any of it: no window ever grows.
pub const MAX_CONNECTION_WINDOW_BYTES: usize = MAX_STREAMS * STREAM_WINDOW_BYTES;
/// Frames of yamux on one connection that may wait to be read, however small they are. A whole window of
/// the smallest things that a node of ours says is fewer.
pub(crate) const MAX_UNREAD_FRAMES: usize = 16 * 1024;
/// Addresses that one contact may have; an invite of eight still fits a QR code.
pub const MAX_ADDRESSES: usize = 8;
/// Counterparties that a node can know: far more than it can have sessions with.
pub const MAX_CONTACTS: usize = 10_000;
/// Relays that a node listens through.
pub const MAX_RELAYS: usize = 8;
/// Commands that wait for the service; a caller beyond that waits for room.
pub(crate) const COMMAND_QUEUE: usize = 64;
/// Reports of sessions that wait for the service.
pub(crate) const REPORT_QUEUE: usize = 256;
/// Callers that wait for one contact's session.
pub(crate) const MAX_WAITERS: usize = 16;
/// Addresses whose last peer broke the protocol; beyond it the oldest is forgotten.
pub(crate) const MAX_PENALTIES: usize = 1_024;
/// Places that are remembered because a contact has come from there; beyond it the oldest is forgotten.
pub(crate) const MAX_KNOWN_PLACES: usize = 1_024;
/// Places whose inbound connections are being paced. Far more than [`ConnectionLimits::inbound_per_sec`] can
/// fill before the first are forgotten again.
pub(crate) const MAX_PACED_PLACES: usize = 4_096;
/// Units: seconds of saved-up inbound connections.
pub(crate) const ARRIVAL_BURST_SECS: u64 = 4;
/// Units: seconds of saved-up sessions of one contact.
pub(crate) const SESSION_BURST_SECS: u64 = 16;
/// Addresses of our own that others have told us of and that we try to confirm. None is ever forgotten, and
/// a node has few.
pub(crate) const MAX_CANDIDATES: usize = 64;
/// Of these, from one peer.
pub(crate) const MAX_CANDIDATES_PER_PEER: usize = 4;
/// Inbound streams of one connection that may negotiate their protocol at a time.
pub(crate) const MAX_NEGOTIATING_STREAMS: usize = 8;

/// What one class of peers may send, per second and in a burst of so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units: bytes a second.
    pub bytes: u64,
    /// Units: messages a second.
    pub messages: u64,
    /// Units: signatures a second that we are made to check.
    pub signatures: u64,
    /// Units: messages a second about channels to be, for each of which we derive a key.
    pub opens: u64,
    /// Units: seconds of saved-up allowance.
    pub burst_secs: u64,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections of every kind, contacts' included.
    pub total: usize,
    /// Inbound connections of peers that are no contacts.
    pub strangers: usize,
    /// Inbound connections of strangers from one IPv4 address or one IPv6 /64.
    pub strangers_per_ip: usize,
    /// Connections with one peer: a relayed one, a direct one, and one of each that is about to go.
    pub per_peer: usize,
    /// Inbound connections that have not finished their transport handshake. Places that contacts have come
    /// from have as many again, and so have QUIC and TCP: its datagrams may come from anywhere.
    pub pending_inbound: usize,
    /// Of these, from one IPv4 address or one IPv6 /64.
    pub pending_inbound_per_ip: usize,
    /// Dials under way. Only contacts and our relays get the second half of them.
    pub pending_outbound: usize,
    /// Inbound connections a second from all places that no contact has come from.
    pub inbound_per_sec: u64,
    /// Inbound connections a second from one IPv4 address or one IPv6 /64.
    pub inbound_per_ip_per_sec: u64,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// From the first byte of a connection to its authenticated, multiplexed form.
    pub transport: Duration,
    /// From the opening of a stream to the end of the signed handshake.
    pub handshake: Duration,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// For a peer to take what we write.
    pub write: Duration,
    /// Of silence, before we ask whether the peer is still there.
    pub ping: Duration,
    /// Of silence, before we take it for gone.
    pub silence: Duration,
    /// From a call to connect to its answer.
    pub connect: Duration,
    /// Until a connection that nothing uses is closed.
    pub idle: Duration,
    /// Until a stranger's connection without a session is closed.
    pub stranger: Duration,
    /// Until a stranger's session is ended, unless the stranger has become a contact.
    pub stranger_session: Duration,
    /// For which strangers from an address are refused after one of them broke the protocol.
    pub penalty: Duration,
}

/// All limits that an operator may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Numbers of connections.
    pub connections: ConnectionLimits,
    /// Times.
    pub times: TimeLimits,
    /// What a contact may send.
    pub contact: Rate,
    /// What a stranger may send.
    pub stranger: Rate,
    /// Sessions a second that one contact, or one connection of a stranger, may begin. Each costs both ends
    /// curve arithmetic, and makes contacts tell all that they hold.
    pub sessions_per_sec: u64,
    /// Signatures a second that all strangers together can make us check in handshakes.
    pub stranger_handshakes: u64,
    /// Units: bytes of messages of one session that wait for the engine.
    pub inbound_room_bytes: u32,
    /// Units: bytes of messages that wait to be sent on one session.
    pub outbound_room_bytes: u32,
    /// Events that wait for the engine.
    pub event_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits {
                total: 512,
                // A stranger is a counterparty of tomorrow: there are never many at a time.
                strangers: 64,
                strangers_per_ip: 8,
                per_peer: 4,
                pending_inbound: 64,
                pending_inbound_per_ip: 16,
                pending_outbound: 32,
                // A transport handshake takes about half a millisecond: at most 5 % of one core.
                inbound_per_sec: 100,
                inbound_per_ip_per_sec: 10,
            },
            times: TimeLimits {
                transport: Duration::from_secs(10),
                handshake: Duration::from_secs(10),
                frame: Duration::from_secs(20),
                write: Duration::from_secs(30),
                ping: Duration::from_secs(15),
                silence: Duration::from_secs(45),
                connect: Duration::from_secs(30),
                idle: Duration::from_secs(10),
                stranger: Duration::from_secs(30),
                stranger_session: Duration::from_secs(600),
                penalty: Duration::from_secs(30),
            },
            // Four times the goal of 2,000 states a second, each a proposal and its acceptance.
            contact: Rate {
                bytes: 64 * 1024 * 1024,
                messages: 20_000,
                signatures: 10_000,
                // An operator opens channels one by one, a program a few at a time.
                opens: 20,
                burst_secs: 2,
            },
            // Enough to agree on an open.
            stranger: Rate {
                bytes: 64 * 1024,
                messages: 10,
                signatures: 5,
                opens: 2,
                burst_secs: 4,
            },
            sessions_per_sec: 1,
            // A check takes up to 170 us: at most 2 % of one core.
            stranger_handshakes: 100,
            inbound_room_bytes: 1024 * 1024,
            outbound_room_bytes: 4 * 1024 * 1024,
            event_queue: 1_024,
        }
    }
}

/// Units: bytes of one connection besides what its peer sends: tasks, handlers, cipher states,
/// buffers of the transport.
const CONNECTION_OVERHEAD_BYTES: usize = 256 * 1024;
/// Units: bytes of what waits to be read on one connection beside the windows: a frame that is still
/// coming in, and for each frame its allocation and its places in two queues.
const FRAMES_OVERHEAD_BYTES: usize = STREAM_WINDOW_BYTES + MAX_UNREAD_FRAMES * 112;
/// Inbound handshakes have their limit four times: for strangers and for places that contacts come from,
/// each over streams and over datagrams.
const PENDING_CLASSES: usize = 4;
/// Units: bytes of one session's own buffers: a read buffer, a frame each way and what encodes them.
const SESSION_BUFFER_BYTES: usize = 5 * 64 * 1024;
/// A decoded message takes at most so many times its bytes: an empty update is 2 bytes on the wire.
/// Messages are decoded without a pause, so that as many exist at a time as there are threads.
pub const DECODE_FACTOR: usize = 96;

impl Limits {
    /// The most memory that peers can make the network side hold, whatever they do (P64).
    ///
    /// Units: bytes, beside what the process takes at rest. `threads` decode at the same time.
    ///
    /// The sum of: every connection with a full window and its own overhead; every session with full
    /// queues; transport handshakes under way; one message in decoding per thread.
    pub fn memory_ceiling_bytes(&self, threads: usize) -> usize {
        let room = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let frame = room(MAX_FRAME_BYTES);
        let session = room(self.inbound_room_bytes)
            .saturating_add(room(self.outbound_room_bytes))
            .saturating_add(SESSION_BUFFER_BYTES);
        let connection = MAX_CONNECTION_WINDOW_BYTES
            .saturating_add(CONNECTION_OVERHEAD_BYTES)
            .saturating_add(FRAMES_OVERHEAD_BYTES)
            .saturating_add(session);
        let pending = self
            .connections
            .pending_inbound
            .saturating_mul(PENDING_CLASSES)
            .saturating_add(self.connections.pending_outbound)
            .saturating_mul(CONNECTION_OVERHEAD_BYTES);
        let decoding = frame.saturating_mul(DECODE_FACTOR).saturating_mul(threads);
        self.connections
            .total
            .saturating_mul(connection)
            .saturating_add(pending)
            .saturating_add(decoding)
    }

    /// What strangers alone can make it hold: the part of the ceiling that costs an attacker nothing
    /// but connections.
    ///
    /// Units: bytes, as in [`Self::memory_ceiling_bytes`].
    pub fn stranger_ceiling_bytes(&self, threads: usize) -> usize {
        let total = self.connections.strangers;
        let strangers = ConnectionLimits { total, ..self.connections };
        Self { connections: strangers, ..*self }.memory_ceiling_bytes(threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p64_the_ceiling_grows_with_every_limit_that_it_names() {
        let base = Limits::default();
        let at = |limits: Limits| limits.memory_ceiling_bytes(2);
        let mut more = [base; 5];
        more[0].connections.total += 1;
        more[1].connections.pending_inbound += 1;
        more[2].connections.pending_outbound += 1;
        more[3].inbound_room_bytes += 1;
        more[4].outbound_room_bytes += 1;
        assert!(more.into_iter().all(|limits| at(limits) > at(base)));
        assert!(base.memory_ceiling_bytes(3) > at(base));
    }

    #[test]
    fn p64_strangers_can_take_about_a_gibibyte_and_a_half() {
        let gib = 1024 * 1024 * 1024;
        assert!(Limits::default().stranger_ceiling_bytes(2) < gib * 8 / 5);
    }
}
