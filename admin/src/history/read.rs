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

/// Where a running question's handle stands, so that it can be stopped.
type Running = Arc<Mutex<Option<InterruptHandle>>>;

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
        let (this, running) = (self.clone(), Running::default());
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
                if let Some(handle) = lock(&running).as_ref() {
                    handle.interrupt();
                }
                Err(ReadError::Late)
            }
        }
    }

    fn answer<T>(
        &self,
        running: &Running,
        question: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = lock(&self.idle).pop();
        let mut db = match idle {
            Some(db) => db,
            None => file::reader(&self.path)?,
        };
        *lock(running) = Some(db.get_interrupt_handle());
        let transaction = db.transaction()?;
        let answer = question(&transaction);
        drop(transaction);
        lock(running).take();
        lock(&self.idle).push(db);
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
