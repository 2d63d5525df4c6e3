//! Every signature comes after a sync of the group that holds its record, and after the sync of its own mark. What
//! happens is written down in the order in which it happens, by a disk and a log that do the real work.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use alloy_primitives::Address;
use lockstep_core::commit::{Binding, Durable, Transition, commit};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Digest, Domain, NodeId, Side, Version};
use lockstep_core::message::UnsignedMessage;
use lockstep_core::output::{AfterSigning, Output};
use lockstep_core::request::{KeyContext, SigningContent, SigningRequest};
use lockstep_signer::mark::book::{MarkBook, Verdict};
use lockstep_signer::mark::file::{MarkFile, MarkFileError, SyncPolicy};
use lockstep_signer::mark::log::MarkLog;
use lockstep_signer::mark::{Mark, Taker};
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_signer::{ChannelSigner, KeyRing};
use lockstep_store::disk::Disk;
use lockstep_store::fixture::ChannelFixture;
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use tempfile::TempDir;

const DOMAIN: Domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
/// Units: bytes of a file of marks before its first record, of a record, and of what stands in it before the number of
/// records that were known to be on disk.
const MARKS: (usize, usize, usize) = (16, 88, 72);

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The journal was given a record that binds this.
    Handed(Name),
    /// One `fdatasync` of the journal has come back.
    Synced,
    /// The mark of this has come back from the signer's own file.
    Marked(Name),
    /// A signature on this came out.
    Released(Name),
}

/// What is signed.
type Name = (ChannelId, Version, Digest);

/// What happened, in order.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<Event>>>);

impl Trace {
    fn add(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

/// The journal's disk, which says when it has synced.
struct TracedDisk(Box<dyn Disk>, Trace);

impl Disk for TracedDisk {
    fn reserve(&mut self) -> io::Result<()> {
        self.0.reserve()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()?;
        self.1.add(Event::Synced);
        Ok(())
    }
}

/// The signer's file, which says which marks it has kept.
struct TracedMarks(MarkFile, Trace);

impl MarkLog for TracedMarks {
    type Error = MarkFileError;

    fn append(&mut self, marks: &[Mark]) -> Result<(), MarkFileError> {
        self.0.append(marks)?;
        for mark in marks {
            self.1.add(Event::Marked((mark.channel_id, mark.version, mark.digest)));
        }
        Ok(())
    }

    fn shed(&mut self, live: &MarkBook) -> Result<(), MarkFileError> {
        self.0.shed(live)
    }
}

/// A journal, a signer and the folder they are in.
struct Scene {
    dir: TempDir,
    trace: Trace,
    journal: DiskJournal,
    signer: ChannelSigner<TracedMarks>,
    newest: BTreeMap<u64, u64>,
}

impl Scene {
    fn new(policy: SyncPolicy) -> Self {
        let (dir, trace) = (tempfile::tempdir().unwrap(), Trace::default());
        let mut journal = open(&dir.path().join("journal"));
        let for_disk = trace.clone();
        journal.engine_mut().wrap_disk(|disk| Box::new(TracedDisk(disk, for_disk)));
        let marks = MarkFile::create(&dir.path().join("marks"), policy).unwrap();
        let marks = TracedMarks(marks, trace.clone());
        let phrase = Phrase::parse(&format!("{}art", "abandon ".repeat(23))).unwrap();
        let keys = KeyRing::new(&phrase, PinPolicy::BestEffort).unwrap();
        let signer = ChannelSigner::new(keys, MarkBook::default(), marks);
        Self { dir, trace, journal, signer, newest: BTreeMap::new() }
    }

    /// One step of each of these channels as one group, all the way to the signatures.
    fn step(&mut self, channels: &[u64]) {
        let batch = channels.iter().map(|number| self.transition(*number)).collect();
        let committed = commit(&mut self.journal, batch).unwrap();
        let effects = committed.into_iter().flat_map(|durable| durable.into_parts().1);
        let requests: Vec<Durable<SigningRequest>> = effects
            .filter_map(|effect| {
                if let Output::Sign { request, .. } = effect { Some(request) } else { None }
            })
            .collect();
        assert_eq!(requests.len(), channels.len());
        for (request, signed) in requests.iter().zip(self.signer.sign_batch(&requests)) {
            let request = request.get();
            let key = self.signer.keys().channel_key(request.key()).unwrap();
            key.verify(request.digest(), signed.unwrap()).unwrap();
            let version = request.version().unwrap();
            // What was synced is the record that binds the very digest that is signed.
            let guard = self.journal.guard_of(request.channel_id()).unwrap();
            assert_eq!(guard.get(&version), Some(&request.digest()));
            self.trace.add(Event::Released((request.channel_id(), version, request.digest())));
        }
    }

    /// The next state of a channel, with the order to sign it.
    fn transition(&mut self, number: u64) -> Transition {
        let version = self.newest.entry(number).or_default();
        *version += 1;
        let channel = ChannelFixture::new(number, Side::Two);
        let record = channel.record(*version, 0);
        let (state, _) = channel.state(*version, 0);
        let key = KeyContext {
            domain: DOMAIN,
            peer: NodeId([2; 33]),
            salt: record.parts().setup.terms.salt,
        };
        let signer = self.signer.keys().channel_key(&key).unwrap().address();
        let content = SigningContent::State(state);
        let request =
            SigningRequest::new(&SigningDomain::new(DOMAIN), key, signer, Side::Two, content);
        let digest = request.digest();
        self.trace.add(Event::Handed((channel.id(), state.version, digest)));
        let then = AfterSigning::Send(UnsignedMessage::Accept { version: state.version });
        let binding = Binding { version: state.version, digest };
        Transition::for_test(record, vec![binding], vec![Output::Sign { request, then }])
    }

    /// The numbers of records on disk that the file of marks says of itself, record by record.
    fn marks_on_disk(&self) -> Vec<u64> {
        let (header, record, place) = MARKS;
        let content = std::fs::read(self.dir.path().join("marks")).unwrap();
        let records = content[header..].chunks(record);
        let number = |record: &[u8]| record[place..place + 8].try_into().map(u64::from_be_bytes);
        records.map(|record| number(record).unwrap()).collect()
    }

    /// Ends, and finds everything that was released in the files.
    fn check_after_restart(self) {
        let Self { dir, trace, journal, signer, newest } = self;
        drop((journal, signer));
        let journal = open(&dir.path().join("journal"));
        let path = dir.path().join("marks");
        let (_, book) = MarkFile::open(&path, SyncPolicy::EveryAppend).unwrap();
        for (number, version) in newest {
            let channel = ChannelFixture::new(number, Side::Two);
            let (channel_id, version) = (channel.id(), Version(version));
            let digest = channel.digest(version.0, 0);
            let name = (channel_id, version, digest);
            assert!(trace.events().contains(&Event::Released(name)));
            assert_eq!(journal.guard_of(channel_id).unwrap().get(&version), Some(&digest));
            let mark = Mark { channel_id, version, digest, taker: Taker::State };
            assert_eq!(book.decide(mark), Ok(Verdict::Again));
        }
    }
}

fn open(dir: &Path) -> DiskJournal {
    let options = Options { cache_bytes: 16 * 1024 * 1024, ..Options::default() };
    DiskJournal::open(dir, &options).unwrap().0
}

/// Between the record and its signature there is a sync of the journal, and after it the mark. How many signatures
/// there were, and how many syncs.
fn check_order(events: &[Event]) -> (usize, usize) {
    let place = |event: Event| {
        let mut places = (0..events.len()).filter(|place| events[*place] == event);
        let first = places.next().unwrap_or_else(|| panic!("{event:?} never happened"));
        assert_eq!(places.next(), None, "{event:?} happened twice");
        first
    };
    let mut released = 0;
    for event in events {
        let Event::Released(name) = *event else { continue };
        released += 1;
        let (handed, marked) = (place(Event::Handed(name)), place(Event::Marked(name)));
        let syncs = events[handed..marked].iter().filter(|event| **event == Event::Synced).count();
        assert!(syncs >= 1, "{name:?} was marked before its group was synced");
        assert!(marked < place(*event), "{name:?} was released before its mark was kept");
    }
    let syncs = events.iter().filter(|event| **event == Event::Synced).count();
    (released, syncs)
}

#[test]
fn p32_p53_each_signature_of_one_channel_comes_after_a_sync_of_its_record_and_one_of_its_mark() {
    const STEPS: usize = 150;
    let mut scene = Scene::new(SyncPolicy::EveryAppend);
    for _ in 0..STEPS {
        scene.step(&[1]);
    }
    assert_eq!(check_order(&scene.trace.events()), (STEPS, STEPS), "a sync was skipped");
    // Each mark says that all before it were on disk when it was written: none of those syncs was skipped.
    let expected: Vec<u64> = (0..150).collect();
    assert_eq!(scene.marks_on_disk(), expected);
    scene.check_after_restart();
}

#[test]
fn p32_p53_each_signature_of_a_group_of_channels_comes_after_the_sync_of_that_group() {
    let mut scene = Scene::new(SyncPolicy::EveryAppend);
    let (mut signatures, mut flushed) = (0, vec![]);
    let sizes = [1_usize, 2, 64, 7, 1, 33, 5, 64, 1, 16];
    for (round, size) in sizes.into_iter().cycle().take(40).enumerate() {
        // Other channels each time, some of them again at once.
        let first = (round as u64) * 3;
        let channels: Vec<u64> = (first..).take(size).collect();
        scene.step(&channels);
        flushed.extend(std::iter::repeat_n(signatures as u64, size));
        signatures += size;
    }
    assert_eq!(check_order(&scene.trace.events()), (signatures, 40), "one sync for each group");
    assert_eq!(scene.marks_on_disk(), flushed, "one sync for the marks of each group");
    scene.check_after_restart();
}

#[test]
fn p32_a_signer_that_leaves_its_marks_to_the_system_still_waits_for_the_journal() {
    // What a node runs with: the journal's guard is synced, the marks outlive the process.
    let mut scene = Scene::new(SyncPolicy::OnDemand);
    for round in 0..40 {
        scene.step(&[round % 3, 7]);
    }
    assert_eq!(check_order(&scene.trace.events()), (80, 40));
    scene.check_after_restart();
}
