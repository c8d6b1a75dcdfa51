//! Everybody is told, whatever becomes of the runtime that asked.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::*;

type Answered = oneshot::Receiver<Said>;

/// A runtime that goes only while something is waited for on it.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Callers of a runtime, and what they wait for.
fn callers(desks: &Desks, runtime: &Runtime, count: usize) -> (Vec<Caller>, Vec<Answered>) {
    runtime.block_on(async { (0..count).map(|_| desks.caller()).unzip() })
}

/// Tells callers how many were told before them.
fn give(callers: Vec<Caller>) {
    let mut answers = Answers::default();
    for (told, caller) in callers.into_iter().enumerate() {
        answers.add(caller, Ok(Answer::Count(told as u64)), Change::Scrub);
    }
    answers.give();
}

fn heard(runtime: &Runtime, answered: Vec<Answered>) -> Vec<u64> {
    let hear = async |answered| match tokio::time::timeout(Duration::from_secs(30), answered).await {
        Ok(Ok(Ok(Answer::Count(count)))) => count,
        said => panic!("{said:?}"),
    };
    runtime.block_on(futures::future::join_all(answered.into_iter().map(hear)))
}

#[test]
fn callers_of_every_runtime_hear_their_own_answers_of_every_commit() {
    let (desks, one, other) = (Desks::default(), runtime(), runtime());
    for count in [1, 2, 100] {
        let ((mut all, first), (others, second)) = (callers(&desks, &one, count), callers(&desks, &other, count));
        all.extend(others);
        give(all);
        let count = count as u64;
        assert_eq!(heard(&other, second), (count..2 * count).collect::<Vec<_>>());
        assert_eq!(heard(&one, first), (0..count).collect::<Vec<_>>());
    }
    assert_eq!(desks.lock().len(), 2, "one desk for each");
}

#[test]
fn a_runtime_that_ends_takes_no_answers_with_it() {
    let (desks, ends, stays) = (Desks::default(), runtime(), runtime());
    let ((before, first), (after, second)) = (callers(&desks, &ends, 3), callers(&desks, &ends, 3));
    give(before);
    drop(ends);
    assert_eq!(heard(&stays, first), [0, 1, 2], "these were left before");
    give(after);
    assert_eq!(heard(&stays, second), [0, 1, 2]);
    drop(callers(&desks, &stays, 1));
    assert_eq!(desks.lock().len(), 1, "its desk is gone");
}

#[test]
fn nobody_sits_at_a_desk_of_a_store_that_is_gone() {
    let (desks, runtime) = (Desks::default(), runtime());
    let (left, answered) = callers(&desks, &runtime, 3);
    give(left);
    assert_eq!(heard(&runtime, answered), [0, 1, 2]);
    assert_eq!(runtime.metrics().num_alive_tasks(), 1, "it waits for more");
    drop(desks);
    let until = Instant::now() + Duration::from_secs(30);
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(Instant::now() < until, "it still waits");
        runtime.block_on(tokio::task::yield_now());
    }
}
