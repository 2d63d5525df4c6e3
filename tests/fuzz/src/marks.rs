//! The signer's file of marks: as it lies on the disk, and as whoever writes good checks would forge it.

use std::path::Path;

use lockstep_signer::mark::file::{MarkFile, MarkFileError};
use lockstep_signer::mark::{Mark, Taker};
use sha2::{Digest as _, Sha256};

/// What a file of marks begins with.
pub const HEADER: [u8; 16] = *b"LSMARKS\x01\0\0\0\0\0\0\0\0";
/// Units: bytes of a record, with its check.
const RECORD_BYTES: usize = 88;
/// Units: bytes of a record, without its check.
const BODY_BYTES: usize = 80;
/// Units: bytes that a power cut leaves of one more record.
const TORN_BYTES: usize = 40;

/// Reads bytes as a file, and as the contents of its records.
///
/// # Panics
/// If a mark is made up, or one that was kept is lost to what a power cut leaves behind it.
pub fn marks(bytes: &[u8]) {
    read(bytes);
    read(&forge(bytes));
}

fn read(content: &[u8]) {
    let Ok(found) = marks_of(content) else { return };
    let records = content[HEADER.len()..].chunks(RECORD_BYTES);
    for mark in &found {
        let said = [
            mark.channel_id.0.as_slice(),
            mark.version.0.to_be_bytes().as_slice(),
            mark.digest.0.as_slice(),
        ]
        .concat();
        assert!(records.clone().any(|record| record.starts_with(&said)), "{mark:?} is made up");
    }
    match marks_of(&[content, &[0xa5; TORN_BYTES]].concat()) {
        Ok(again) => assert_eq!(again, found, "a torn tail changes what was kept"),
        // The file says that more had been on disk.
        Err(MarkFileError::Damaged { .. }) => {}
        Err(error) => panic!("a torn tail is no {error}"),
    }
}

/// What the reader takes of a file with this content.
///
/// # Errors
/// As the reader.
pub fn marks_of(content: &[u8]) -> Result<Vec<Mark>, MarkFileError> {
    Ok(MarkFile::read(content, Path::new("marks"))?.marks().collect())
}

/// A file with these bytes as the contents of its records, each behind a byte that says whether it is a state's or
/// a withdrawal's. What is left over at the end is no record.
#[must_use]
pub fn forge(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::from(HEADER);
    for (index, record) in (0_u64..).zip(bytes.chunks(BODY_BYTES + 1)) {
        let (taker, body) = (record[0] % 2, &record[1..]);
        content.extend(body);
        if body.len() == BODY_BYTES {
            content.extend(check(taker, index, body));
        }
    }
    content
}

/// The form of a mark that [`forge`] takes.
#[must_use]
pub fn form(mark: &Mark, flushed: u64) -> Vec<u8> {
    let taker = match mark.taker {
        Taker::State => 0,
        Taker::Withdrawal => 1,
    };
    let version = mark.version.0.to_be_bytes();
    let flushed = flushed.to_be_bytes();
    let parts =
        [&[taker], mark.channel_id.0.as_slice(), &version, mark.digest.0.as_slice(), &flushed];
    parts.concat()
}

fn check(taker: u8, index: u64, body: &[u8]) -> [u8; 8] {
    let domain: &[u8] =
        if taker == 0 { b"lockstep/mark/v1" } else { b"lockstep/mark/v1/withdrawal" };
    let hash = Sha256::new().chain_update(domain).chain_update(index.to_be_bytes());
    let hash = hash.chain_update(body).finalize();
    hash[..8].try_into().expect("eight of 32 bytes")
}
