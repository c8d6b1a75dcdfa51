//! What waits for the writer: appends first, but completions always get a share.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::Job;
use crate::StoreError;

/// Jobs of a kind in one commit.
const BATCH_MAX: usize = 256;

/// Completions in one commit while appends are left waiting.
const COMPLETIONS_SHARE: usize = 64;

/// Refused requests in one commit.
const REFUSALS_MAX: usize = 16;

/// Bytes of a kind after which no further job of it is taken into a commit.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends that wait at once.
const APPENDS_MAX: usize = 4096;

/// Completions that wait at once.
const COMPLETIONS_MAX: usize = 4096;

/// Refused requests that wait at once.
const REFUSALS_MAX_WAITING: usize = 64;

/// Which queue a job waits in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Append,
    Completion,
    Refusal,
}

/// The writer's queues.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    appends: Arc<Semaphore>,
    completions: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Job>,
    completions: VecDeque<Job>,
    refusals: VecDeque<Job>,
    /// The writer sleeps, and nobody has woken it yet.
    sleeps: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            appends: Arc::new(Semaphore::new(APPENDS_MAX)),
            completions: Arc::new(Semaphore::new(COMPLETIONS_MAX)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX_WAITING)),
        }
    }

    /// A place in a queue, waiting for one until the deadline.
    pub(super) async fn place(&self, kind: Kind, deadline: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
        let places = match kind {
            Kind::Append => &self.appends,
            Kind::Completion => &self.completions,
            Kind::Refusal => &self.refusals,
        };
        match tokio::time::timeout_at(deadline.into(), Arc::clone(places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable("too much waits to be written".to_owned())),
        }
    }

    /// Hands a job to the writer.
    pub(super) fn push(&self, kind: Kind, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        match kind {
            Kind::Append => waiting.appends.push_back(job),
            Kind::Completion => waiting.completions.push_back(job),
            Kind::Refusal => waiting.refusals.push_back(job),
        }
        // A system call, which most of them are spared.
        let sleeps = std::mem::take(&mut waiting.sleeps);
        drop(waiting);
        if sleeps {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// What the next commit takes: nothing when `wait` passed, `None` when the queue is closed and empty.
    pub(super) fn next(&self, wait: Duration) -> Option<Vec<Job>> {
        let idle = |waiting: &mut Waiting| {
            waiting.sleeps = waiting.is_empty() && !waiting.closed;
            waiting.sleeps
        };
        let waited = self.wake.wait_timeout_while(self.lock(), wait, idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.sleeps = false;
        if waiting.is_empty() && waiting.closed {
            return None;
        }
        let mut batch = Vec::new();
        take(&mut waiting.appends, BATCH_MAX, &mut batch);
        let share = if waiting.appends.is_empty() { BATCH_MAX } else { COMPLETIONS_SHARE };
        take(&mut waiting.completions, share, &mut batch);
        take(&mut waiting.refusals, REFUSALS_MAX, &mut batch);
        Some(batch)
    }

    /// Takes no further jobs; what waits is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.appends.close();
        self.completions.close();
        self.refusals.close();
        self.wake.notify_all();
    }

    /// Whether jobs are refused.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Drops what waits, for when there is no writer any more.
    pub(super) fn abandon(&self) {
        self.close();
        let mut waiting = self.lock();
        waiting.appends.clear();
        waiting.completions.clear();
        waiting.refusals.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.completions.is_empty() && self.refusals.is_empty()
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("appends", &self.appends.len())
            .field("completions", &self.completions.len())
            .field("refusals", &self.refusals.len())
            .field("closed", &self.closed)
            .finish()
    }
}

fn take(from: &mut VecDeque<Job>, count: usize, into: &mut Vec<Job>) {
    let mut bytes = 0;
    for _ in 0..count {
        let Some(job) = from.pop_front() else { return };
        bytes += job.bytes;
        into.push(job);
        if bytes >= BATCH_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::job::Change;

    const APPEND: &str = "append";
    const COMPLETION: &str = "completion";

    async fn push(queue: &Queue, kind: Kind, what: &'static str, bytes: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let permit = queue.place(kind, deadline).await.expect("a place");
        let job = Job { change: Change::Batch(what), bytes, deadline, answer: None, _permit: permit };
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
}
