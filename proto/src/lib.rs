//! Wire and storage schemas of Lockstep, generated from `lockstep/v1/*.proto`, and the limits that
//! hold before a message is decoded.
//!
//! There is no logic here. What a field means is in the schema; whether a value is allowed is
//! decided by whoever turns it into a core type. Reading order: `channel.proto` (what a channel is
//! made of), `peer.proto`, `tower.proto`, `record.proto` (what the journal keeps), [`limit`].

pub mod limit;

/// Version 1 of the schemas.
pub mod v1 {
    // Field comments live in the schemas; the generator copies them, in prose that is not rustdoc.
    #![allow(missing_docs, clippy::doc_markdown, clippy::large_enum_variant)]

    include!(concat!(env!("OUT_DIR"), "/lockstep.v1.rs"));
}
