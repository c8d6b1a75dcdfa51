//! Reading, beside the writer: a few connections, each question answered from one snapshot and within a deadline.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, InterruptHandle};
use tokio::{sync::Semaphore, time::timeout};

use super::file;

/// Questions answered at once.
const READERS: usize = 4;

/// The longest a question may wait for its turn, and the longest it may take.
const WAIT_MAX: Duration = Duration::from_secs(5);
const TAKE_MAX: Duration = Duration::from_secs(5);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It waited or took too long.
    #[error("it took too long")]
    Late,
    /// The file can't be read.
    #[error("the history can't be read: {0}")]
    File(#[from] rusqlite::Error),
    /// A row can't be.
    #[error("the history holds something that can't be read: {0}")]
    Row(#[from] serde_json::Error),
}

/// The connections.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

/// A question, for whoever asked it and whoever answers it.
#[derive(Default)]
enum Running {
    /// No connection works on it.
    #[default]
    No,
    /// It can be stopped by this.
    By(InterruptHandle),
    /// Nobody waits for it any more.
    GivenUp,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into(), idle: Arc::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// Answers a question from one snapshot, off the runtime's threads.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = timeout(WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(ReadError::Late) };
        let (this, running) = (self.clone(), Arc::<Mutex<Running>>::default());
        let shared = running.clone();
        let mut answer = tokio::task::spawn_blocking(move || {
            let answer = this.answer(&shared, question);
            drop(turn);
            answer
        });
        match timeout(TAKE_MAX, &mut answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ReadError::Late),
            Err(_) => {
                // It may not even have begun: then it never does.
                if let Running::By(handle) = std::mem::replace(&mut *lock(&running), Running::GivenUp) {
                    handle.interrupt();
                }
                Err(ReadError::Late)
            }
        }
    }

    fn answer<T>(
        &self,
        running: &Mutex<Running>,
        question: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = lock(&self.idle).pop();
        let mut db = match idle {
            Some(db) => db,
            None => file::reader(&self.path)?,
        };
        if !lock(running).begin(&db) {
            lock(&self.idle).push(db);
            return Err(ReadError::Late);
        }
        let transaction = db.transaction()?;
        let answer = question(&transaction);
        drop(transaction);
        *lock(running) = Running::No;
        lock(&self.idle).push(db);
        answer
    }
}

impl Running {
    /// A connection works on it from now on, unless nobody waits any more.
    fn begin(&mut self, db: &Connection) -> bool {
        match self {
            Self::GivenUp => false,
            Self::No | Self::By(_) => {
                *self = Self::By(db.get_interrupt_handle());
                true
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
