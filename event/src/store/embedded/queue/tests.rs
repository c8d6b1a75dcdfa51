//! Bounds and shares, and what becomes of those who wait when the queue closes.

use std::{sync::mpsc, thread};

use super::*;
use crate::store::embedded::{desk::Desks, job::Change};

const APPEND: &str = "append";
const COMPLETION: &str = "completion";
const END: &str = "end";
const REFUSAL: &str = "refusal";

/// How long what should happen at once may take.
const SOON: Duration = Duration::from_secs(30);

async fn push(queue: &Queue, kind: Kind, what: &'static str, bytes: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let permit = queue.place(kind, deadline).await.expect("a place");
    let job = Job { change: Change::Batch(what), bytes, deadline, caller: None, _permit: permit };
    queue.push(kind, job).expect("it is open");
}

/// How many of each kind the next commit takes.
fn next(queue: &Queue) -> (usize, usize) {
    let batch = queue.next(Duration::ZERO).expect("it is open");
    let appends = batch.iter().take_while(|job| matches!(job.change, Change::Batch(APPEND))).count();
    (appends, batch.len() - appends)
}

#[tokio::test]
async fn appends_go_first_and_completions_are_never_starved() {
    let queue = Queue::new();
    for _ in 0..600 {
        push(&queue, Kind::Completion, COMPLETION, 10).await;
        push(&queue, Kind::Append, APPEND, 10).await;
    }
    assert_eq!(next(&queue), (BATCH_MAX, COMPLETIONS_SHARE));
    assert_eq!(next(&queue), (BATCH_MAX, COMPLETIONS_SHARE));
    assert_eq!(next(&queue), (600 - 2 * BATCH_MAX, BATCH_MAX));
    assert_eq!(next(&queue), (0, 600 - BATCH_MAX - 2 * COMPLETIONS_SHARE));
    assert_eq!(next(&queue), (0, 0));
}

#[tokio::test]
async fn ends_wait_for_others_only_among_themselves_and_while_commits_follow_each_other() {
    let queue = Queue::new();
    let may_gather = |after| {
        let waiting = queue.lock();
        let last = waiting.taken_at.unwrap_or_else(Instant::now);
        waiting.may_gather(last + after)
    };
    for _ in 0..2 {
        push(&queue, Kind::End, END, 10).await;
    }
    assert!(!may_gather(Duration::ZERO), "nothing was committed just now");
    assert_eq!(next(&queue), (0, 2));
    push(&queue, Kind::End, END, 10).await;
    assert!(!may_gather(Duration::ZERO), "somebody may wait for this one");
    push(&queue, Kind::End, END, 10).await;
    assert!(may_gather(Duration::ZERO));
    assert!(!may_gather(BUSY), "the last commit was long ago");
    push(&queue, Kind::Completion, COMPLETION, 10).await;
    assert!(!may_gather(Duration::ZERO), "a completion does not wait for ends");
    assert_eq!(next(&queue), (0, 3));
    for _ in 0..GATHERED {
        push(&queue, Kind::End, END, 10).await;
    }
    assert!(!may_gather(Duration::ZERO), "these are enough");
    push(&queue, Kind::Append, APPEND, 10).await;
    assert_eq!(next(&queue), (1, GATHERED));
}

#[tokio::test]
async fn a_commit_is_bounded_in_bytes_and_a_queue_in_jobs() {
    let queue = Queue::new();
    for _ in 0..APPENDS_MAX {
        push(&queue, Kind::Append, APPEND, BATCH_BYTES_MAX / 2).await;
    }
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(queue.place(Kind::Append, soon).await, Err(StoreError::Unavailable(_))));
    assert_eq!(next(&queue), (2, 0));
    assert!(queue.place(Kind::Append, soon + Duration::from_secs(10)).await.is_ok());
    queue.close();
    assert!(matches!(queue.place(Kind::Append, soon).await, Err(StoreError::Closed)));
    assert_eq!(next(&queue), (2, 0), "what waits is still done");
}

#[tokio::test]
async fn a_commit_has_a_share_of_every_kind_and_bounds_refusals() {
    let queue = Queue::new();
    let kinds = [
        (Kind::Append, APPEND, 600),
        (Kind::Completion, COMPLETION, 300),
        (Kind::End, END, 300),
        (Kind::Refusal, REFUSAL, REFUSALS_MAX_WAITING),
    ];
    for (kind, what, count) in kinds {
        for _ in 0..count {
            push(&queue, kind, what, 10).await;
        }
    }
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(queue.place(Kind::Refusal, soon).await, Err(StoreError::Unavailable(_))));
    let next = || {
        let batch = queue.next(Duration::ZERO).expect("it is open");
        kinds.map(|(_, what, _)| {
            batch.iter().filter(|job| matches!(job.change, Change::Batch(is) if is == what)).count()
        })
    };
    assert_eq!(next(), [BATCH_MAX, COMPLETIONS_SHARE, COMPLETIONS_SHARE, REFUSALS_MAX]);
    assert_eq!(next(), [BATCH_MAX, COMPLETIONS_SHARE, COMPLETIONS_SHARE, REFUSALS_MAX]);
    assert_eq!(next(), [600 - 2 * BATCH_MAX, 172, 172, REFUSALS_MAX]);
    assert!(queue.place(Kind::Refusal, Instant::now() + SOON).await.is_ok(), "what was taken leaves its place");
}

/// A writer that sleeps for a long time, and what it takes then.
fn sleeping(queue: &Arc<Queue>) -> mpsc::Receiver<Option<usize>> {
    let (taken, takes) = mpsc::sync_channel(1);
    let writer = Arc::clone(queue);
    thread::spawn(move || taken.send(writer.next(10 * SOON).map(|batch| batch.len())));
    let until = Instant::now() + SOON;
    while !queue.lock().sleeps {
        assert!(Instant::now() < until, "it never sleeps");
        thread::sleep(Duration::from_millis(1));
    }
    takes
}

#[tokio::test]
async fn a_writer_that_sleeps_hears_of_every_kind_and_of_the_end() {
    let queue = Arc::new(Queue::new());
    for kind in [Kind::Append, Kind::Completion, Kind::End, Kind::Refusal] {
        let takes = sleeping(&queue);
        push(&queue, kind, APPEND, 10).await;
        assert_eq!(takes.recv_timeout(SOON), Ok(Some(1)), "{kind:?}");
    }
    let takes = sleeping(&queue);
    queue.close();
    assert_eq!(takes.recv_timeout(SOON), Ok(None));
}

#[tokio::test]
async fn whoever_waits_when_the_writer_has_gone_hears_so_and_nobody_comes_after() {
    let (queue, desks) = (Queue::new(), Desks::default());
    let deadline = Instant::now() + 10 * SOON;
    let mut waiting = Vec::new();
    let mut places = Vec::new();
    for kind in [Kind::Append, Kind::Completion, Kind::End, Kind::Refusal] {
        let (caller, answered) = desks.caller();
        let change = Change::Batch(APPEND);
        let permit = queue.place(kind, deadline).await.expect("a place");
        queue
            .push(kind, Job { change, bytes: 10, deadline, caller: Some(caller), _permit: permit })
            .expect("it is open");
        waiting.push((kind, answered));
        places.push((kind, queue.place(kind, deadline).await.expect("a place")));
    }
    queue.abandon();
    for (kind, answered) in waiting {
        let heard = tokio::time::timeout(SOON, answered).await;
        assert!(heard.expect("at once").is_err(), "{kind:?}: there is no answer any more");
    }
    for (kind, permit) in places {
        let job = Job { change: Change::Batch(APPEND), bytes: 10, deadline, caller: None, _permit: permit };
        assert_eq!(queue.push(kind, job), Err(StoreError::Closed), "{kind:?}");
        assert!(matches!(queue.place(kind, deadline).await, Err(StoreError::Closed)), "{kind:?}");
    }
    assert!(queue.next(Duration::ZERO).is_none());
}
