//! What waits for the writer: appends first, but completions and ends always get a share.

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

/// Completions, and ends, in one commit while appends are left waiting.
const COMPLETIONS_SHARE: usize = 64;

/// Refused requests in one commit.
const REFUSALS_MAX: usize = 16;

/// Bytes of a kind after which no further job of it is taken into a commit.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends that wait at once.
const APPENDS_MAX: usize = 4096;

/// Completions, and ends, that wait at once.
const COMPLETIONS_MAX: usize = 4096;

/// Refused requests that wait at once.
const REFUSALS_MAX_WAITING: usize = 64;

/// How long ends wait for others while commits follow each other, and how many need not. A commit costs about the same for
/// one as for many, and what was delivered is in no hurry.
const GATHER_MAX: Duration = Duration::from_millis(1);
const GATHERED: usize = 64;

/// Commits follow each other when the last one began within this.
const BUSY: Duration = Duration::from_millis(2);

/// Which queue a job waits in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Append,
    Completion,
    /// What an attempt of a delivery came to.
    End,
    Refusal,
}

/// The writer's queues.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    appends: Arc<Semaphore>,
    completions: Arc<Semaphore>,
    ends: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Job>,
    completions: VecDeque<Job>,
    ends: VecDeque<Job>,
    refusals: VecDeque<Job>,
    /// The writer sleeps, and nobody has woken it yet.
    sleeps: bool,
    closed: bool,
    /// When the last commit's jobs were taken.
    taken_at: Option<Instant>,
    /// The writer waits for more ends, and not for the next one.
    is_gathering: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            appends: Arc::new(Semaphore::new(APPENDS_MAX)),
            completions: Arc::new(Semaphore::new(COMPLETIONS_MAX)),
            ends: Arc::new(Semaphore::new(COMPLETIONS_MAX)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX_WAITING)),
        }
    }

    /// A place in a queue, waiting for one until the deadline.
    pub(super) async fn place(&self, kind: Kind, deadline: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
        let places = match kind {
            Kind::Append => &self.appends,
            Kind::Completion => &self.completions,
            Kind::End => &self.ends,
            Kind::Refusal => &self.refusals,
        };
        if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
            return Ok(permit);
        }
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
            Kind::End => waiting.ends.push_back(job),
            Kind::Refusal => waiting.refusals.push_back(job),
        }
        // A system call, which most of them are spared.
        let wakes = waiting.sleeps && !(waiting.is_gathering && waiting.lacks_ends());
        waiting.sleeps &= !wakes;
        drop(waiting);
        if wakes {
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
        if waiting.may_gather(Instant::now()) {
            waiting = self.gather(waiting);
        }
        let mut batch = Vec::with_capacity(waiting.most_of_batch());
        take(&mut waiting.appends, BATCH_MAX, &mut batch);
        let share = if waiting.appends.is_empty() { BATCH_MAX } else { COMPLETIONS_SHARE };
        take(&mut waiting.completions, share, &mut batch);
        take(&mut waiting.ends, share, &mut batch);
        take(&mut waiting.refusals, REFUSALS_MAX, &mut batch);
        if !batch.is_empty() {
            waiting.taken_at = Some(Instant::now());
        }
        Some(batch)
    }

    /// Waits a little for more ends, unless something else comes.
    fn gather<'a>(&'a self, mut waiting: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        waiting.is_gathering = true;
        let lacking = |waiting: &mut Waiting| {
            waiting.sleeps = waiting.lacks_ends();
            waiting.sleeps
        };
        let waited = self.wake.wait_timeout_while(waiting, GATHER_MAX, lacking);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (waiting.is_gathering, waiting.sleeps) = (false, false);
        waiting
    }

    /// Takes no further jobs; what waits is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.appends.close();
        self.completions.close();
        self.ends.close();
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
        waiting.ends.clear();
        waiting.refusals.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.has_only_ends()
    }

    /// How many jobs the next commit has at most.
    fn most_of_batch(&self) -> usize {
        [&self.appends, &self.completions, &self.ends, &self.refusals]
            .iter()
            .map(|jobs| jobs.len().min(BATCH_MAX))
            .sum()
    }

    fn has_only_ends(&self) -> bool {
        self.appends.is_empty() && self.completions.is_empty() && self.refusals.is_empty()
    }

    /// Whether nothing waits but ends, and few of them.
    fn lacks_ends(&self) -> bool {
        self.has_only_ends() && self.ends.len() < GATHERED && !self.closed
    }

    /// Whether ends may wait for others. A single one may not: another may be waiting for it, as in ordered lanes.
    fn may_gather(&self, now: Instant) -> bool {
        let is_busy = self.taken_at.is_some_and(|at| now.saturating_duration_since(at) < BUSY);
        is_busy && self.ends.len() > 1 && self.lacks_ends()
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("appends", &self.appends.len())
            .field("completions", &self.completions.len())
            .field("ends", &self.ends.len())
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
mod tests;
