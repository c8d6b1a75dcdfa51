//! Reading, beside the writer: a few connections that only read, each question answered from one snapshot.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{body::Bodies, open, sql::store_error};
use crate::StoreError;

/// Questions answered at once.
const READERS: usize = 4;

/// The longest a question may wait for its turn.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The connections.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    folder: Arc<Path>,
    bodies: Bodies,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

/// One snapshot of the store.
pub(super) struct Snapshot<'a> {
    pub(super) db: &'a Connection,
    pub(super) bodies: &'a Bodies,
}

/// An answer; SQLite's errors are told to the caller as the store's.
pub(super) type Read<T> = Result<T, ReadError>;

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum ReadError {
    Sql(rusqlite::Error),
    Corrupt(String),
}

impl Readers {
    pub(super) fn new(folder: PathBuf, bodies: Bodies) -> Self {
        let turns = Arc::new(Semaphore::new(READERS));
        Self { folder: folder.into(), bodies, idle: Arc::default(), turns }
    }

    /// Answers a question from one snapshot, off the runtime's threads.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Snapshot<'_>) -> Read<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Unavailable("too much waits to be read".to_owned()))?;
        let turn = turn.map_err(|_| StoreError::Closed)?;
        let this = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = this.answer(question);
            drop(turn);
            answer
        });
        answer.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Answers no further questions.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle().clear();
    }

    /// Whether questions are answered no more.
    pub(super) fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }

    fn answer<T>(&self, question: impl FnOnce(&Snapshot<'_>) -> Read<T>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let mut db = match idle {
            Some(db) => db,
            None => open::reader(&self.folder).map_err(|error| store_error(&error))?,
        };
        let answer = snapshot(&mut db, &self.bodies, question);
        if !self.is_closed() {
            self.idle().push(db);
        }
        answer.map_err(ReadError::into_store_error)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn snapshot<T>(db: &mut Connection, bodies: &Bodies, question: impl FnOnce(&Snapshot<'_>) -> Read<T>) -> Read<T> {
    let transaction = db.transaction()?;
    let answer = question(&Snapshot { db: &transaction, bodies })?;
    transaction.finish()?;
    Ok(answer)
}

impl ReadError {
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Sql(error) => store_error(&error),
            Self::Corrupt(what) => StoreError::Corrupt(what),
        }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}
