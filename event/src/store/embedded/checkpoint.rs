//! Copying the write-ahead log into the database, away from the writer: on the writer it would stall every commit.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// Length of the log from which on the writer itself helps: under unbroken load the checkpointer alone never meets the
/// log's end, and the log would grow for ever. Until it is first begun anew each commit makes its file longer, for which it
/// waits for the file system's journal too: so it is short.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What of the log's file is kept when the log begins anew: all that it usually has. A commit is faster into a file that
/// need not grow.
pub(super) const FILE_BYTES_KEPT: u64 = 8 * LOG_BYTES_MAX;

/// A round in which so little came meanwhile that the writer can copy it without stalling anybody.
const SHORT_ROUND: Duration = Duration::from_millis(3);

/// Rounds after which the writer helps in any case.
const ROUNDS_MAX: usize = 8;

/// Checkpoints whenever asked, until nobody can ask any more. Says when the log is long and what is left of it is for the
/// writer to copy.
pub(super) fn run(db: &Connection, asked: &Receiver<()>, help: &AtomicBool) {
    while asked.recv().is_ok() {
        let mut is_long = false;
        for _ in 0..ROUNDS_MAX {
            let began = Instant::now();
            is_long = passive(db) > LOG_BYTES_MAX;
            if !is_long || began.elapsed() < SHORT_ROUND {
                break;
            }
        }
        help.store(is_long, Ordering::Release);
    }
}

/// Copies as much as can be copied without stopping anybody; how long the log is.
pub(super) fn passive(db: &Connection) -> u64 {
    let page = || db.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0));
    let pages = || db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1));
    match pages().and_then(|pages| Ok(pages * page()?)) {
        Ok(bytes) => u64::try_from(bytes).unwrap_or(0),
        Err(error) => {
            tracing::warn!(%error, "the write-ahead log could not be copied into the database; it grows meanwhile");
            0
        }
    }
}

/// Copies everything and empties the log, at the end.
pub(super) fn truncate(db: &Connection) {
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log could not be emptied; the next start reads it");
    }
}
