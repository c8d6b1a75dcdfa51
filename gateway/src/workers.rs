//! The threads that connections are served on.
//!
//! Each has a runtime to itself, and a connection stays on the thread that it was given to: no other one is woken for its
//! tasks or looks for some to take over, which for work as short as a webhook costs more than it evens out.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gatepost_event::{
    Store,
    store::{OpenError, Thread},
};
use tokio_util::task::TaskTracker;

/// Most threads: no store keeps up with what so many receive.
const THREADS_MAX: usize = 16;

/// The threads. Dropped, they end, whatever they were doing.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    thread: Thread,
    /// Tasks that it was given and that have not ended.
    tasks: Arc<AtomicUsize>,
}

/// One task more, while it lives.
struct Given(Arc<AtomicUsize>);

impl Workers {
    /// Starts a thread for each core, with a way to the store of its own.
    pub(crate) async fn start(store: &Store) -> Result<Self, OpenError> {
        let count = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            workers.push(Worker { thread: Thread::start(store, "gateway").await?, tasks: Arc::default() });
        }
        Ok(Self(workers))
    }

    /// Gives a task to the thread that has the fewest.
    pub(crate) fn give(&self, tracker: &TaskTracker, task: impl Future<Output = ()> + Send + 'static) {
        let least = self.0.iter().min_by_key(|worker| worker.tasks.load(Ordering::Relaxed));
        let Some(worker) = least else { return };
        let given = Given::to(worker);
        let task = async move {
            task.await;
            drop(given);
        };
        tracker.spawn_on(task, worker.thread.runtime());
    }
}

impl Given {
    fn to(worker: &Worker) -> Self {
        worker.tasks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&worker.tasks))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
