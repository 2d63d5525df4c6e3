use std::io::{Seek, SeekFrom};

use super::*;
use crate::mark::book::{STATES_PER_CHANNEL, Verdict};
use proptest::prelude::*;

fn mark(channel: u8, version: u64) -> Mark {
    Mark {
        channel_id: ChannelId(B256::repeat_byte(channel)),
        version: Version(version),
        digest: Digest(B256::from(alloy_primitives::U256::from(version))),
        taker: Taker::State,
    }
}

struct Scene {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        Self { _folder: folder, path }
    }

    /// A file with one append for each of `versions`.
    fn with(versions: std::ops::RangeInclusive<u64>, policy: SyncPolicy) -> Self {
        let scene = Self::new();
        let mut file = MarkFile::create(&scene.path, policy).unwrap();
        for version in versions {
            file.append(&[mark(1, version)]).unwrap();
        }
        scene
    }

    fn open(&self) -> Result<(MarkFile, MarkBook), MarkFileError> {
        MarkFile::open(&self.path, SyncPolicy::EveryAppend)
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).unwrap().len()
    }

    fn cut(&self, length: u64) {
        OpenOptions::new().write(true).open(&self.path).unwrap().set_len(length).unwrap();
    }

    fn damage(&self, offset: u64) {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        let mut byte = [0];
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(&[byte[0] ^ 1]).unwrap();
    }
}

fn offset_of(record: u64) -> u64 {
    record.checked_mul(88).and_then(|bytes| bytes.checked_add(16)).unwrap()
}

#[test]
fn p53_marks_outlive_the_process_and_refuse_the_second_digest_after_it() {
    let scene = Scene::with(1..=5, SyncPolicy::EveryAppend);
    let (mut file, book) = scene.open().unwrap();
    assert_eq!(book.decide(mark(1, 5)), Ok(Verdict::Again));
    let other = Mark { digest: Digest(B256::repeat_byte(0xEE)), ..mark(1, 5) };
    assert!(matches!(book.decide(other), Err(MarkRefusal::OtherDigest { .. })));
    file.append(&[mark(1, 6), mark(2, 1)]).unwrap();
    drop(file);
    assert_eq!(scene.open().unwrap().1.marks().count(), 7);
}

#[test]
fn p48_a_second_process_cannot_hold_the_marks() {
    let scene = Scene::with(1..=1, SyncPolicy::EveryAppend);
    let held = scene.open().unwrap();
    assert!(matches!(scene.open(), Err(MarkFileError::InUse { .. })));
    drop(held);
    scene.open().unwrap();
}

#[test]
fn p31_missing_marks_are_an_error_and_existing_ones_are_not_made_anew() {
    let scene = Scene::new();
    assert!(matches!(scene.open(), Err(MarkFileError::Missing { .. })));
    drop(MarkFile::create(&scene.path, SyncPolicy::EveryAppend).unwrap());
    let again = MarkFile::create(&scene.path, SyncPolicy::EveryAppend);
    assert!(matches!(again, Err(MarkFileError::Exists { .. })));
}

#[test]
fn p50_a_tail_cut_anywhere_keeps_every_whole_record() {
    let whole = Scene::with(1..=4, SyncPolicy::EveryAppend).length();
    for length in offset_of(3)..whole {
        let scene = Scene::with(1..=4, SyncPolicy::EveryAppend);
        scene.cut(length);
        let (mut file, book) = scene.open().unwrap();
        assert_eq!(book.highest(mark(1, 0).channel_id), Some(Version(3)), "cut to {length}");
        file.append(&[mark(1, 9)]).unwrap();
        drop(file);
        assert_eq!(scene.open().unwrap().1.len(), 4, "cut to {length}");
    }
}

#[test]
fn p50_damage_to_a_record_that_was_promised_refuses_the_file() {
    // Record 3 says that the three before it were on disk.
    for offset in offset_of(0)..offset_of(3) {
        let scene = Scene::with(1..=4, SyncPolicy::EveryAppend);
        scene.damage(offset);
        let index = (offset - 16) / 88;
        let refused = scene.open().unwrap_err();
        assert!(
            matches!(&refused, MarkFileError::Damaged { index: found, .. } if *found == index),
            "byte {offset}: {refused}"
        );
    }
}

#[test]
fn p50_pages_that_reached_the_disk_out_of_order_lose_only_themselves() {
    let scene = Scene::with(1..=6, SyncPolicy::OnDemand);
    scene.damage(offset_of(2));
    let (file, book) = scene.open().unwrap();
    let versions: Vec<_> = book.marks().map(|m| m.version.0).collect();
    assert_eq!(versions, [1, 2, 4, 5, 6]);
    assert_eq!(file.records(), 5, "the file was written anew without the hole");
    drop(file);
    scene.open().unwrap();
}

#[test]
fn a_swapped_or_doubled_record_does_not_pass() {
    for (from, to) in [(0, 1), (1, 0), (2, 0)] {
        let scene = Scene::with(1..=4, SyncPolicy::EveryAppend);
        let mut content = fs::read(&scene.path).unwrap();
        let record = content[16 + 88 * from..][..88].to_vec();
        content[16 + 88 * to..][..88].copy_from_slice(&record);
        fs::write(&scene.path, content).unwrap();
        assert!(matches!(scene.open(), Err(MarkFileError::Damaged { .. })));
    }
}

#[test]
fn a_file_of_another_kind_or_a_newer_format_is_refused() {
    for content in [&b""[..], b"LSMARKS\x01", b"LSMARKS\x02\0\0\0\0\0\0\0\0", &[0; 500]] {
        let scene = Scene::new();
        fs::write(&scene.path, content).unwrap();
        assert!(matches!(scene.open(), Err(MarkFileError::Format { .. })));
    }
}

#[test]
fn p59_the_mark_of_a_withdrawal_outlives_the_process_and_the_file_that_is_written_anew() {
    let withdrawal = Mark { taker: Taker::Withdrawal, ..mark(1, 1) };
    let scene = Scene::new();
    let mut file = MarkFile::create(&scene.path, SyncPolicy::OnDemand).unwrap();
    file.append(&[withdrawal]).unwrap();
    for version in 2..=200 {
        file.append(&[mark(1, version)]).unwrap();
    }
    drop(file);
    let (mut file, book) = scene.open().unwrap();
    assert_eq!(book.decide(withdrawal), Ok(Verdict::Again));
    assert_eq!(book.marks().next(), Some(withdrawal));
    file.rewrite(&book).unwrap();
    drop(file);
    let (_, book) = scene.open().unwrap();
    assert_eq!(book.decide(withdrawal), Ok(Verdict::Again));
    assert_eq!(book.len(), STATES_PER_CHANNEL + 1);
}

#[test]
fn a_file_that_has_grown_is_written_anew_with_only_what_is_of_use() {
    let scene = Scene::new();
    let mut file = MarkFile::create(&scene.path, SyncPolicy::OnDemand).unwrap();
    let mut book = MarkBook::default();
    for version in 1..=SHED_FLOOR + 1 {
        book.raise(mark(1, version)).unwrap();
        file.append(&[mark(1, version)]).unwrap();
        file.shed(&book).unwrap();
    }
    assert_eq!(file.records(), u64::try_from(STATES_PER_CHANNEL).unwrap());
    file.append(&[mark(1, SHED_FLOOR + 2)]).unwrap();
    assert!(matches!(scene.open(), Err(MarkFileError::InUse { .. })), "the new file is locked too");
    drop(file);
    let (_, reopened) = scene.open().unwrap();
    assert_eq!(reopened.highest(mark(1, 0).channel_id), Some(Version(SHED_FLOOR + 2)));
}

#[test]
fn p51_a_file_that_finds_no_room_to_be_written_anew_goes_on_as_it_is() {
    let scene = Scene::new();
    let mut file = MarkFile::create(&scene.path, SyncPolicy::OnDemand).unwrap();
    let mut book = MarkBook::default();
    // A folder with that name: the file beside can't be made.
    let beside = scene.path.with_extension("new");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("full"), "").unwrap();
    file.records = SHED_FLOOR;
    book.raise(mark(1, 1)).unwrap();
    file.append(&[mark(1, 1)]).unwrap();
    file.shed(&book).unwrap();
    assert_eq!(file.records(), SHED_FLOOR + 1);
    assert!(file.shed_from > SHED_FLOOR + 1, "not asked again at once");
    assert_eq!(fs::metadata(&scene.path).unwrap().ino(), file.file.metadata().unwrap().ino());
    file.append(&[mark(1, 2)]).unwrap();
}

#[test]
fn p50_a_torn_tail_is_cut_in_place_without_room_for_a_second_file() {
    let scene = Scene::with(1..=4, SyncPolicy::EveryAppend);
    scene.cut(offset_of(3) + 40);
    let beside = scene.path.with_extension("new");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("full"), "").unwrap();
    let (mut file, book) = scene.open().unwrap();
    assert_eq!(book.highest(mark(1, 0).channel_id), Some(Version(3)));
    file.append(&[mark(1, 9)]).unwrap();
    drop(file);
    assert_eq!(scene.length(), offset_of(4));
    assert_eq!(scene.open().unwrap().1.highest(mark(1, 0).channel_id), Some(Version(9)));
}

proptest! {
    // Each case writes and flushes files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn p67_no_bytes_make_a_file_of_marks_panic(
        header in any::<bool>(), body in proptest::collection::vec(any::<u8>(), 0..400)
    ) {
        let scene = Scene::new();
        let start: &[u8] = if header { &MAGIC } else { &[] };
        fs::write(&scene.path, [start, &body].concat()).unwrap();
        if let Ok((_, book)) = scene.open() {
            prop_assert!(book.is_empty(), "a mark came out of noise");
        }
    }

    #[test]
    fn p53_no_damage_makes_up_a_mark_or_loses_one_that_was_promised(
        at in any::<prop::sample::Index>(), xor in 1..=u8::MAX, cut in any::<bool>()
    ) {
        let scene = Scene::with(1..=6, SyncPolicy::EveryAppend);
        let (_, whole) = scene.open().unwrap();
        let mut content = fs::read(&scene.path).unwrap();
        let at = at.index(content.len());
        if cut { content.truncate(at) } else { content[at] ^= xor }
        fs::write(&scene.path, content).unwrap();
        let Ok((_, book)) = scene.open() else { return Ok(()) };
        let known: Vec<_> = whole.marks().collect();
        for mark in book.marks() {
            prop_assert!(known.contains(&mark), "{mark:?} was never written");
        }
        // A cut can take away records with the promise about them; damage in place can't.
        if !cut {
            prop_assert!(book.len() >= 5, "only {} of 6 are left", book.len());
        }
    }
}
