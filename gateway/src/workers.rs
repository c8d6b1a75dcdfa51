//! The threads that connections are served on.
//!
//! Each has a runtime to itself, and a connection stays on the thread that it was given to: no other one is woken for its
//! tasks or looks for some to take over, which for work as short as a webhook costs more than it evens out.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gatepost_event::Store;
use tokio::runtime::{Builder, Handle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::serve::RunError;

/// Most threads: no store keeps up with what so many receive.
const THREADS_MAX: usize = 16;

/// The threads. Dropped, they end, whatever they were doing.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    runtime: Handle,
    /// Ends the thread.
    _stop: DropGuard,
    /// Tasks that it was given and that have not ended.
    tasks: Arc<AtomicUsize>,
}

/// One task more, while it lives.
struct Given(Arc<AtomicUsize>);

impl Workers {
    /// Starts a thread for each core, with a way to the store of its own.
    pub(crate) async fn start(store: &Store) -> Result<Self, RunError> {
        let count = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            let worker = Worker::start(store).map_err(RunError::Threads)?;
            store.attach(&worker.runtime).await?;
            workers.push(worker);
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
        tracker.spawn_on(task, &worker.runtime);
    }
}

impl Worker {
    /// Where the store is reached by a connection, tasks take their turns, so that it is written to once for all requests
    /// at hand; the other kind of runtime runs the task first that was woken last. Where another thread writes, that kind
    /// is woken once for many answers, and this one for each.
    fn start(store: &Store) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let runtime = match store.is_shared() {
            true => Builder::new_current_thread().enable_all().build()?,
            false => Builder::new_multi_thread().worker_threads(1).thread_name("gateway").enable_all().build()?,
        };
        let handle = runtime.handle().clone();
        thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            runtime.block_on(until.cancelled());
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, _stop: stop.drop_guard(), tasks: Arc::default() })
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
