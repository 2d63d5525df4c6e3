//! The hand-over to the journal thread under every order that a model checker can find.

use std::collections::BTreeMap;

use shuttle::{sync::Arc, thread};

use crate::queue::{NotQueued, Queue};

/// Orders that are tried for each test.
const SCHEDULES: usize = 2_000;

#[test]
fn p48_everything_handed_over_is_taken_once_and_in_its_submitters_order() {
    shuttle::check_pct(
        || {
            let queue = Arc::new(Queue::new(2));
            let submitters: Vec<_> = (0..2_u32)
                .map(|submitter| {
                    let queue = Arc::clone(&queue);
                    thread::spawn(move || {
                        let mut accepted = Vec::new();
                        for number in 0..3_u32 {
                            match queue.push((submitter, number)) {
                                Ok(()) => accepted.push(number),
                                Err(NotQueued::Full((_, refused))) => assert_eq!(refused, number),
                                Err(NotQueued::Closed(_)) => panic!("closed too early"),
                            }
                        }
                        accepted
                    })
                })
                .collect();
            let taker = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let mut taken: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
                    while let Some(bunch) = queue.take(2) {
                        assert!(!bunch.is_empty() && bunch.len() <= 2);
                        for (submitter, number) in bunch {
                            taken.entry(submitter).or_default().push(number);
                        }
                    }
                    taken
                })
            };
            let accepted: Vec<_> =
                submitters.into_iter().map(|submitter| submitter.join().unwrap()).collect();
            queue.close();
            let taken = taker.join().unwrap();
            for (submitter, numbers) in (0_u32..).zip(accepted) {
                assert_eq!(taken.get(&submitter).cloned().unwrap_or_default(), numbers);
            }
        },
        SCHEDULES,
        3,
    );
}

#[test]
fn p48_closing_wakes_a_waiting_taker_and_refuses_what_comes_later() {
    shuttle::check_random(
        || {
            let queue = Arc::new(Queue::new(4));
            let taker = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let mut count = 0;
                    while let Some(bunch) = queue.take(usize::MAX) {
                        count += bunch.len();
                    }
                    count
                })
            };
            let closer = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.close())
            };
            let accepted = (0..3).filter(|number| queue.push(*number).is_ok()).count();
            closer.join().unwrap();
            assert!(matches!(queue.push(9), Err(NotQueued::Closed(9))));
            assert_eq!(taker.join().unwrap(), accepted);
            assert_eq!(queue.len(), 0);
        },
        SCHEDULES,
    );
}
