use futures::io::Cursor;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use proptest::prelude::*;

use super::*;

fn frame(kind: u8, flags: u16, stream: u32, len: u32, body: usize) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(stream.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend(vec![7; body]);
    bytes
}

/// Passes bytes by a guard, `portion` at a time, and says what it made of them.
fn pass(bytes: &[u8], portion: usize) -> (io::Result<()>, Ledger) {
    let ledger = Ledger::default();
    let mut guarded = Guarded::new(Cursor::new(bytes.to_vec()), ledger.clone());
    let mut buffer = vec![0; portion];
    loop {
        match guarded.read(&mut buffer).now_or_never().unwrap() {
            Ok(0) => return (Ok(()), ledger),
            Ok(_) => {}
            Err(error) => return (Err(error), ledger),
        }
    }
}

fn is_abuse(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

#[test]
fn p60_a_length_that_fits_no_window_ends_the_connection_before_any_of_it_is_read() {
    let window = u32::try_from(STREAM_WINDOW_BYTES).unwrap();
    for len in [window + 1, 1024 * 1024, u32::MAX] {
        assert!(is_abuse(&pass(&frame(DATA, SYN, 1, len, 0), 12).0), "{len}");
    }
    let whole = frame(DATA, SYN, 1, window, STREAM_WINDOW_BYTES);
    assert!(pass(&whole, 4_096).0.is_ok());
    // The number of another kind of frame is no length.
    assert!(pass(&frame(1, SYN, 1, u32::MAX, 0), 12).0.is_ok());
}

#[test]
fn p61_only_so_many_frames_may_wait_to_be_read() {
    let mut bytes = frame(DATA, SYN, 1, 0, 0);
    bytes.extend(frame(DATA, 0, 1, 1, 1).repeat(MAX_UNREAD_FRAMES));
    // Neither an empty frame waits, nor one of a stream that there is not.
    bytes.extend(frame(DATA, 0, 1, 0, 0).repeat(10));
    bytes.extend(frame(DATA, 0, 3, 1, 1).repeat(10));
    let (passed, ledger) = pass(&bytes, 1_000);
    assert!(passed.is_ok(), "{passed:?}");
    assert_eq!(ledger.frames().count, MAX_UNREAD_FRAMES);
    bytes.extend(frame(DATA, 0, 1, 1, 1));
    assert!(is_abuse(&pass(&bytes, 1_000).0));
}

#[test]
fn p61_what_is_read_or_given_up_makes_room() {
    let ledger = Ledger::default();
    let mut frames = ledger.frames();
    frames.opened(1).unwrap();
    frames.opened(3).unwrap();
    for len in [5, 1, 1, 9] {
        frames.arrived(1, len).unwrap();
        frames.arrived(3, len).unwrap();
    }
    frames.read(1, 4);
    assert_eq!(frames.count, 8);
    frames.read(1, 2);
    assert_eq!(frames.count, 6);
    frames.read(1, 10);
    assert_eq!(frames.count, 4);
    frames.closed(3);
    assert_eq!(frames.count, 0);
    frames.closed(3);
    frames.read(3, 1);
    assert_eq!(frames.count, 0);
}

#[test]
fn p61_more_beginnings_of_streams_than_there_may_be_end_the_connection() {
    let bytes: Vec<u8> = (0..1_000).flat_map(|n| frame(DATA, SYN, 2 * n + 1, 0, 0)).collect();
    assert!(is_abuse(&pass(&bytes, 1_000).0));
}

#[test]
fn p61_nothing_is_read_after_our_goodbye() {
    let inbound = Cursor::new(frame(2, SYN, 0, 1, 0).repeat(100));
    let mut guarded = Guarded::new(inbound, Ledger::default());
    let mut buffer = [0; 12];
    assert_eq!(guarded.read(&mut buffer).now_or_never().unwrap().unwrap(), 12);
    // A go-away, in two portions.
    let goodbye = frame(GO_AWAY, 0, 0, 1, 0);
    for part in goodbye.chunks(5) {
        guarded.write_all(part).now_or_never().unwrap().unwrap();
    }
    assert_eq!(guarded.read(&mut buffer).now_or_never().unwrap().unwrap(), 0);
}

proptest! {
    #[test]
    fn p60_headers_are_found_whatever_the_portions(
        lens in proptest::collection::vec(0_u32..300, 1..20),
        portion in 1_usize..400,
    ) {
        let mut bytes = Vec::new();
        for len in &lens {
            bytes.extend(frame(DATA, 0, 1, *len, usize::try_from(*len).unwrap()));
            bytes.extend(frame(1, 0, 1, 99, 0));
        }
        let (mut headers, mut found) = (Headers::default(), Vec::new());
        for part in bytes.chunks(portion) {
            headers.pass(part, |header| { found.push(header.len); Ok(()) }).unwrap();
        }
        let expected: Vec<_> = lens.iter().flat_map(|len| [*len, 99]).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn p67_no_bytes_stop_a_guard(bytes: Vec<u8>, portion in 1_usize..100) {
        drop(pass(&bytes, portion));
    }
}
