//! Copying the write-ahead log into the database, away from the writer: on the writer it would stall every commit.

use std::{
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
};

use rusqlite::Connection;

/// Size of the write-ahead log from which on the writer itself helps: under unbroken load the checkpointer alone never
/// meets the log's end, and the log would grow for ever.
pub(super) const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Checkpoints whenever asked, until nobody can ask any more, and says after each that it did.
pub(super) fn run(db: &Connection, wal: &Path, asked: &Receiver<()>, copied: &AtomicBool) {
    while asked.recv().is_ok() {
        passive(db);
        if is_long(wal) {
            // Once more, for what was written meanwhile: what is left then costs the writer little.
            passive(db);
        }
        copied.store(true, Ordering::Release);
    }
}

/// Copies as much as can be copied without stopping anybody.
pub(super) fn passive(db: &Connection) {
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log could not be copied into the database; it grows meanwhile");
    }
}

/// Copies everything and empties the log, at the end.
pub(super) fn truncate(db: &Connection) {
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log could not be emptied; the next start reads it");
    }
}

/// Whether the log has outgrown what the checkpointer can keep up with.
pub(super) fn is_long(wal: &Path) -> bool {
    std::fs::metadata(wal).is_ok_and(|file| file.len() > WAL_BYTES_MAX)
}
