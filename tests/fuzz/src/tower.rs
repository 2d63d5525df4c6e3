//! What a tower and its clients read of each other, and what a tower reads of its own disk.

use alloy_primitives::B256;
use lockstep_core::chain::CloseMode;
use lockstep_core::digest::possession_root;
use lockstep_core::ids::{Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::possession::PossessionProof;
use lockstep_core::receipt::{SignedReceipt, Tombstone};
use lockstep_p2p::codec;
use lockstep_p2p::tower::convert;
use lockstep_p2p::tower::message::{Reply, Request};
use lockstep_proto::v1::TowerFrame;
use lockstep_proto::v1::tower_frame::Body;
use lockstep_sim::keys::{BOUNDS, Keys};
use lockstep_watchtower::record::{Account, KeptClose, Record, Reference, Unreadable};
use lockstep_watchtower::seal::RowKey;

/// A frame of `/lockstep/tower/1`, as a tower reads it and as a client does.
///
/// # Panics
/// If something is taken that does not come back as the same, or is taken by both.
pub fn frame(bytes: &[u8]) {
    let Ok(frame) = codec::decode_as::<TowerFrame>(bytes, &mut vec![]) else { return };
    let Some(body) = frame.body else { return };
    let kinds = [request(&body), reply(&body), push(&body)];
    let taken = kinds.into_iter().filter(|taken| *taken).count();
    assert!(taken <= 1, "a frame with {taken} meanings");
}

/// What a tower does with a stranger's request before it asks the chain.
fn request(body: &Body) -> bool {
    let Ok(Some(request)) = convert::request_from(body.clone()) else { return false };
    let again = convert::request_from(convert::request_to(&request));
    assert_eq!(again.as_ref(), Ok(&Some(request.clone())));
    if let Request::Put { appointment, .. } = request
        && let Ok(checked) = appointment.check(BOUNDS, None)
    {
        let kept = Record::new(checked, Version(1));
        assert_eq!(Record::decode(&kept.encode()), Ok(kept));
    }
    true
}

fn reply(body: &Body) -> bool {
    let Ok(Some(reply)) = convert::reply_from(body.clone()) else { return false };
    for is_put in [false, true] {
        let again = convert::reply_from(convert::reply_to(&reply, is_put));
        assert_eq!(again.as_ref(), Ok(&Some(reply.clone())));
    }
    match reply {
        Reply::Promised(receipt) => judge(&receipt),
        Reply::Held(held) => held.receipt.iter().for_each(judge),
        Reply::Proof(proof) => follow(*proof),
        Reply::Subscribed(_) | Reply::Dropped { .. } | Reply::Listed { .. } | Reply::Refused(_) => {
        }
    }
    true
}

fn push(body: &Body) -> bool {
    let Ok(Some(push)) = convert::push_from(body) else { return false };
    assert_eq!(convert::push_from(&convert::push_to(&push)), Ok(Some(push)));
    true
}

/// A receipt's numbers are the tower's: whatever they are, somebody will hold them against a tombstone.
fn judge(receipt: &SignedReceipt) {
    let receipt = &receipt.receipt;
    let tombstone = Tombstone {
        mode: CloseMode::Unilateral,
        version: Version::ZERO,
        closes_at: Some(receipt.valid_until),
        withdraw_version: receipt.withdraw_version,
    };
    for period in [0, receipt.min_window, u32::MAX] {
        let _ = receipt.judge(period, &tombstone);
    }
}

/// A tower signs whatever path it likes: the signature keeps nobody from walking it.
fn follow(mut proof: PossessionProof) {
    let keys = Keys::default();
    let tower = keys.public(Side::Two);
    proof.signed.root.tower = tower.address();
    proof.signed.signature = keys.sign(Side::Two, possession_root(&proof.signed.root));
    let block = proof.signed.root.block_hash;
    let _ = proof.verify(&tower, B256::repeat_byte(1), block, Amount::ZERO);
}

/// A row of the tower's store: the first byte says of which kind.
///
/// # Panics
/// If something is taken that does not come back as the same.
pub fn row(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 5 {
        RECORD => record(bytes),
        REFERENCE => same(bytes, Reference::decode, Reference::encode),
        ACCOUNT => same(bytes, Account::decode, Account::encode),
        CLOSE => close(bytes),
        _ => {
            let key = RowKey::new(&[7; 32]).expect("a key");
            assert!(key.open(b"row", bytes).is_err(), "a row opened that nobody sealed");
        }
    }
}

/// Kinds of rows, as [`row`] reads them; what follows the last is taken for sealed.
pub const RECORD: u8 = 0;
/// One account's interest in a channel.
pub const REFERENCE: u8 = 1;
/// A client.
pub const ACCOUNT: u8 = 2;
/// A close that was seen.
pub const CLOSE: u8 = 3;
/// A row as it lies on the disk.
pub const SEALED: u8 = 4;

fn record(bytes: &[u8]) {
    let holding = Record::decode_holding(bytes);
    let Ok(record) = Record::decode(bytes) else { return };
    assert_eq!(holding, Ok(record.holding()), "the two readers differ");
    assert_eq!(Record::decode(&record.encode()), Ok(record));
}

/// A close that an earlier version kept is written anew in today's form; of that there is one.
fn close(bytes: &[u8]) {
    const FIRST_FORM: u8 = 1;
    if bytes.first() != Some(&FIRST_FORM) {
        return same(bytes, KeptClose::decode, KeptClose::encode);
    }
    let Ok(value) = KeptClose::decode(bytes) else { return };
    same(&value.encode(), KeptClose::decode, KeptClose::encode);
    assert_eq!(KeptClose::decode(&value.encode()), Ok(value));
}

fn same<T: PartialEq + core::fmt::Debug>(
    bytes: &[u8],
    decode: fn(&[u8]) -> Result<T, Unreadable>,
    encode: fn(&T) -> Vec<u8>,
) {
    let Ok(value) = decode(bytes) else { return };
    assert_eq!(encode(&value), bytes, "a row has one form");
    assert_eq!(decode(&encode(&value)), Ok(value));
}
