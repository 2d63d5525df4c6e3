//! The limits of messages, each with its reason.

/// Largest frame on `/lockstep/channel/1`, checked against the length prefix before allocation.
///
/// Units: bytes. A full batch of 1,000 plain payments takes about 16 KiB; the rest is room for memos,
/// 32 locks and growth. A stranger can make us hold at most this much per stream.
pub const MAX_PEER_FRAME_BYTES: u32 = 64 * 1024;

/// Largest frame on `/lockstep/tower/1`.
///
/// Units: bytes. An appointment is about 600 bytes and its encrypted locks at most 4 KiB; a
/// possession proof over a million channels has 20 steps of about 70 bytes.
pub const MAX_TOWER_FRAME_BYTES: u32 = 16 * 1024;

/// Largest encrypted lock list in an appointment.
///
/// Units: bytes. 32 locks of about 80 bytes and the cipher's overhead fit with room to spare.
pub const MAX_APPOINTMENT_BLOB_BYTES: u32 = 4 * 1024;

/// Payments that one proposal or intent may carry.
///
/// A larger batch would not fit a frame once payments carry memos.
pub const MAX_PAYMENTS_PER_MESSAGE: u32 = 1_000;

/// Locks that one state may carry, as the contract allows.
pub const MAX_LOCKS: u32 = 32;

/// Longest memo of a payment.
///
/// Units: bytes. Enough for an order number or a hash with a tag, too little to be a message board.
pub const MAX_MEMO_BYTES: u32 = 64;

/// Steps of a possession proof: a tree of 2^40 channels is more than a tower can hold.
pub const MAX_PROOF_STEPS: u32 = 40;

/// Channels that one answer to a `List` names: 8 KiB of them.
pub const MAX_LISTED_CHANNELS: u32 = 256;

/// Contracts that a tower may say it watches.
pub const MAX_TOWER_DOMAINS: u32 = 32;

/// Chains of which a heartbeat tells.
pub const MAX_HEARTBEAT_CHAINS: u32 = 32;

/// Messages nested deeper than this are refused by the decoder (prost's own limit is 100).
///
/// The deepest schema nests five messages.
pub const MAX_NESTING: u32 = 8;
