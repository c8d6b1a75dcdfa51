//! Sealed secrets: one of each name, read in the order they came.

use std::{collections::VecDeque, path::Path, sync::Arc};

use rusqlite::{OptionalExtension, params};
use tokio::sync::watch;

use super::{
    job::{Answer, SecretRow},
    open::{self, DATABASE, refuse},
    read::{Read, Readers, Snapshot},
    shared::Shared,
    sql::{execute, int, uint},
    work::{Outcome, Work},
};
use crate::{
    SealedSecret, StoreError,
    store::{OpenError, types::SecretNews},
};

/// Secrets read at once.
const PAGE: usize = 256;

/// Reads what is kept, then what comes.
pub struct Secrets {
    readers: Readers,
    shared: Arc<Shared>,
    news: watch::Receiver<()>,
    read: u64,
    found: VecDeque<SealedSecret>,
    is_current: bool,
}

/// Keeps a secret unless one of its name is kept.
pub(super) fn keep(work: &mut Work<'_>, row: &SecretRow) -> Outcome {
    let insert = "INSERT INTO secret (name, secret) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    if execute(work.db, insert, params![row.name, row.json])? == 1 {
        work.effects.secrets = true;
        return Ok(Ok(Answer::Kept(None)));
    }
    let mut find = work.db.prepare_cached("SELECT secret FROM secret WHERE name = ?1")?;
    let kept: Option<String> = find.query_row([&row.name], |row| row.get(0)).optional()?;
    Ok(Ok(Answer::Kept(kept)))
}

/// The secrets kept in a folder, also while a gatepost process uses it.
///
/// # Errors
/// In words for the operator: there is no store, or it can't be read.
pub fn secrets(path: &Path) -> Result<Vec<SealedSecret>, OpenError> {
    if !path.join(DATABASE).is_file() {
        return Err(refuse(path, "holds no store yet; it is made by the first `gatepost run`"));
    }
    let broken = |error: &dyn std::fmt::Display| refuse(path, &format!("can't be read ({error})"));
    let db = open::reader(path).map_err(|error| broken(&error))?;
    open::version(&db, path)?;
    let mut rows = db.prepare("SELECT secret FROM secret ORDER BY position").map_err(|error| broken(&error))?;
    let found = rows.query_map([], |row| row.get::<_, String>(0)).map_err(|error| broken(&error))?;
    found
        .map(|json| serde_json::from_str(&json.map_err(|error| broken(&error))?).map_err(|error| broken(&error)))
        .collect()
}

impl Secrets {
    pub(super) fn new(readers: Readers, shared: Arc<Shared>) -> Self {
        let news = shared.secrets.subscribe();
        Self { readers, shared, news, read: 0, found: VecDeque::new(), is_current: false }
    }

    /// What is kept, then [`SecretNews::Current`] once, then what comes. Cancel safe.
    pub(in crate::store) async fn next(&mut self) -> Result<SecretNews, StoreError> {
        loop {
            if let Some(secret) = self.found.pop_front() {
                return Ok(SecretNews::Kept(secret));
            }
            if self.shared.closed.is_cancelled() {
                return Err(StoreError::Closed);
            }
            self.news.borrow_and_update();
            let read = self.read;
            let (last, page) = self.readers.ask(move |from| after(from, read)).await?;
            self.read = last;
            self.found.extend(page);
            if !self.found.is_empty() {
                continue;
            }
            if !self.is_current {
                self.is_current = true;
                return Ok(SecretNews::Current);
            }
            tokio::select! {
                changed = self.news.changed() => changed.map_err(|_| StoreError::Closed)?,
                () = self.shared.closed.cancelled() => {}
            }
        }
    }
}

/// All that are kept.
pub(super) fn all(from: &Snapshot<'_>) -> Read<Vec<SealedSecret>> {
    let mut rows = from.db.prepare_cached("SELECT secret FROM secret ORDER BY position")?;
    let mut rows = rows.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match serde_json::from_str(&row.get::<_, String>(0)?) {
            Ok(secret) => found.push(secret),
            Err(error) => tracing::error!(%error, "a kept secret can't be read; it is left out"),
        }
    }
    Ok(found)
}

fn after(from: &Snapshot<'_>, read: u64) -> Read<(u64, Vec<SealedSecret>)> {
    let sql = "SELECT position, secret FROM secret WHERE position > ?1 ORDER BY position LIMIT ?2";
    let mut rows = from.db.prepare_cached(sql)?;
    let mut rows = rows.query(params![int(read), int(PAGE as u64)])?;
    let (mut last, mut found) = (read, Vec::new());
    while let Some(row) = rows.next()? {
        last = uint(row.get(0)?);
        found.push(serde_json::from_str(&row.get::<_, String>(1)?)?);
    }
    Ok((last, found))
}
