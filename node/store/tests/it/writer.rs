//! The journal thread: one sync for many, and nobody is left without an answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel as pipe},
};

use lockstep_core::{
    commit::{Durable, Journal, Transition},
    error::ErrorClass,
};
use lockstep_store::{
    error::{Refusal, StoreError},
    faulty::{FaultPlan, FaultyDisk},
    journal::DiskJournal,
    table::Table,
    write_set::WriteSet,
    writer::{CommitError, JournalHandle, JournalThread, MAX_GROUP, MAX_WAITING, Reply},
};

use crate::scene::{Scene, channel};

const EIO: i32 = 5;

type Outcome = Result<Durable<Transition>, CommitError>;

struct Running {
    _scene: Scene,
    thread: JournalThread,
    handle: JournalHandle,
    plan: FaultPlan,
    outcomes: Receiver<(u64, Outcome)>,
    done: Sender<(u64, Outcome)>,
}

fn start() -> Running {
    let scene = Scene::new();
    let mut journal = scene.open();
    let plan = FaultPlan::default();
    let for_disk = plan.clone();
    journal.engine_mut().wrap_disk(|disk| Box::new(FaultyDisk::new(disk, for_disk)));
    let (thread, handle) = JournalThread::start(journal).unwrap();
    let (done, outcomes) = pipe();
    Running { _scene: scene, thread, handle, plan, outcomes, done }
}

impl Running {
    fn reply(&self, number: u64) -> Reply<Durable<Transition>> {
        let done = self.done.clone();
        Box::new(move |outcome| done.send((number, outcome)).unwrap())
    }

    fn submit(&self, number: u64, transition: Transition) {
        self.handle.submit(transition, self.reply(number)).unwrap();
    }

    fn next(&self) -> (u64, Outcome) {
        self.outcomes.recv().unwrap()
    }

    /// Holds the thread until the returned sender is used or dropped, so that work piles up.
    fn hold(&self) -> Sender<()> {
        let (release, released) = pipe::<()>();
        let (began, begins) = pipe();
        self.handle
            .read(move |_| {
                began.send(()).unwrap();
                released.recv().ok();
            })
            .unwrap();
        begins.recv().unwrap();
        release
    }

    fn stop(self) -> DiskJournal {
        self.thread.stop().unwrap()
    }
}

#[test]
fn p32_what_waits_together_shares_one_sync_and_each_is_answered_after_it() {
    let running = start();
    let hold = running.hold();
    for number in 0..MAX_GROUP as u64 {
        running.submit(number, channel(number).step(1));
    }
    assert_eq!(running.handle.waiting(), MAX_GROUP);
    assert_eq!(running.plan.sync_count(), 0);
    drop(hold);
    for _ in 0..MAX_GROUP {
        let (number, outcome) = running.next();
        assert_eq!(outcome.unwrap().get().channel_id(), channel(number).id());
    }
    assert_eq!(running.plan.sync_count(), 1);
}

#[test]
fn p31_one_refused_transition_does_not_hold_up_the_others_of_its_group() {
    let running = start();
    running.submit(0, channel(1).step(5));
    running.next().1.unwrap();
    let hold = running.hold();
    running.submit(1, channel(2).step(1));
    running.submit(2, channel(1).conflicting_step(5));
    running.submit(3, channel(3).step(1));
    drop(hold);
    let mut outcomes: Vec<_> = (0..3).map(|_| running.next()).collect();
    outcomes.sort_by_key(|(number, _)| *number);
    let mut outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
    outcomes.next().unwrap().unwrap();
    let refused = outcomes.next().unwrap().unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Fatal);
    let CommitError::Store(error) = refused else { panic!("{refused:?}") };
    assert!(matches!(*error, StoreError::Refused(Refusal::GuardConflict { version: 5, .. })));
    outcomes.next().unwrap().unwrap();
}

#[test]
fn a_full_queue_says_busy_and_forgets_nothing_that_it_took() {
    let running = start();
    let hold = running.hold();
    let mut taken = 0;
    let busy = loop {
        let outcome = running.handle.submit(channel(taken).step(1), running.reply(taken));
        match outcome {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(busy, CommitError::Busy));
    assert_eq!(busy.class(), ErrorClass::Transient);
    assert_eq!(taken, MAX_WAITING as u64);
    drop(hold);
    for _ in 0..taken {
        running.next().1.unwrap();
    }
    assert!(running.plan.sync_count() >= (MAX_WAITING / MAX_GROUP) as u64);
}

#[test]
fn p49_after_a_failed_sync_everyone_is_told_and_reads_go_on() {
    let running = start();
    running.submit(0, channel(1).step(1));
    running.next().1.unwrap();
    running.plan.fail_sync(Some(EIO));
    running.submit(1, channel(1).step(2));
    let (_, outcome) = running.next();
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fatal);
    running.plan.fail_sync(None);
    running.submit(2, channel(2).step(1));
    let CommitError::Store(error) = running.next().1.unwrap_err() else { panic!("another error") };
    assert!(matches!(*error, StoreError::Poisoned));
    let (send, records) = pipe();
    running
        .handle
        .read(move |journal| send.send(journal.read(channel(1).id()).unwrap()).unwrap())
        .unwrap();
    assert!(records.recv().unwrap().is_some());
}

#[test]
fn p49_a_panic_on_the_journal_thread_answers_everyone_and_nothing_more_is_written() {
    let running = start();
    running.plan.panic_on_sync();
    running.submit(0, channel(1).step(1));
    assert!(matches!(running.next().1, Err(CommitError::BrokeDown)));
    running.submit(1, channel(2).step(1));
    assert!(matches!(running.next().1, Err(CommitError::BrokeDown)));
    let journal = running.stop();
    assert!(journal.engine().is_poisoned());
}

#[test]
fn p59_what_was_submitted_before_a_stop_is_durable_and_can_be_submitted_again() {
    let running = start();
    let hold = running.hold();
    for number in 0..10 {
        running.submit(number, channel(number).step(1));
    }
    drop(hold);
    let mut journal = running.stop();
    for number in 0..10 {
        let ours = channel(number);
        assert_eq!(journal.read(ours.id()).unwrap(), Some(ours.record(1, 0)));
        // The caller never learnt that it was durable: the same step is welcome, another is not.
        lockstep_core::commit::commit(&mut journal, vec![ours.step(1)]).unwrap();
        let other = lockstep_core::commit::commit(&mut journal, vec![ours.conflicting_step(1)]);
        assert!(other.is_err());
    }
}

#[test]
fn writes_of_other_parts_ride_in_the_same_group() {
    let running = start();
    let hold = running.hold();
    running.submit(0, channel(1).step(1));
    let mut set = WriteSet::default();
    set.put(Table::Appointment, vec![5], vec![6]).unwrap();
    let (send, written) = pipe();
    let reply: Reply<()> = Box::new(move |outcome| send.send(outcome).unwrap());
    running.handle.write(set, reply).unwrap();
    drop(hold);
    running.next().1.unwrap();
    written.recv().unwrap().unwrap();
    assert_eq!(running.plan.sync_count(), 1);
    let journal = running.stop();
    assert_eq!(journal.engine().get(Table::Appointment, &[5]).unwrap(), Some(vec![6]));
}

#[test]
fn a_panic_of_a_reader_does_not_end_the_thread() {
    let running = start();
    let quiet = catch_unwind(AssertUnwindSafe(|| {
        running.handle.read(|_| panic!("planned")).unwrap();
    }));
    assert!(quiet.is_ok());
    running.submit(0, channel(1).step(1));
    running.next().1.unwrap();
}
