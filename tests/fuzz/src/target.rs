//! All targets, with what a short run of each costs.

use crate::{decode, inputs, marks, rows, tower};

/// A function of bytes that must not panic.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its corpus as well.
    pub name: &'static str,
    /// What it does with bytes.
    pub run: fn(&[u8]),
    /// Neighbours of the corpus in a short run.
    pub neighbours: u64,
    /// Random inputs in a short run.
    pub random: u64,
}

const fn target(name: &'static str, run: fn(&[u8]), neighbours: u64, random: u64) -> Target {
    Target { name, run, neighbours, random }
}

/// Frames from a peer.
pub const FRAME: Target = target("frame", decode::frame, 200_000, 50_000);
/// Values of the journal, one at a time.
pub const STORED: Target = target("stored", decode::stored, 300_000, 50_000);
/// The journal's rows, together.
pub const ROWS: Target = target("rows", rows::rows, 5_000, 5_000);
/// Pasted text.
pub const TEXT: Target = target("text", decode::text, 20_000, 10_000);
/// What is inside an invite.
pub const INVITE: Target = target("invite", decode::invite, 50_000, 10_000);
/// Key files.
pub const KEY_FILE: Target = target("key_file", decode::key_file, 20_000, 5_000);
/// Bytes that the core reads itself.
pub const RAW: Target = target("raw", decode::raw, 10_000, 5_000);
/// What one node hears, one input after the other.
pub const INPUTS: Target = target("inputs", inputs::sequence, 1_000, 1_000);
/// What a tower and its clients say to each other.
pub const TOWER_FRAME: Target = target("tower_frame", tower::frame, 100_000, 50_000);
/// Rows of a tower's store, one at a time.
pub const TOWER_ROW: Target = target("tower_row", tower::row, 100_000, 50_000);
/// The signer's file of marks.
pub const MARKS: Target = target("marks", marks::marks, 50_000, 20_000);

/// Every target.
pub const ALL: [Target; 11] =
    [FRAME, STORED, ROWS, TEXT, INVITE, KEY_FILE, RAW, INPUTS, TOWER_FRAME, TOWER_ROW, MARKS];
