//! Opening the folder: one process at a time, a SQLite that is sound, tables of a version we know.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{bucket, checkpoint, schema};
use crate::store::OpenError;

/// The database's file in the store's folder.
pub(super) const DATABASE: &str = "gatepost.db";

/// The first SQLite whose write-ahead log can't be corrupted by a reset that meets a checkpoint.
const SQLITE_MIN: i32 = 3_051_003;

/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 64;

/// The writer's cache. What it writes it hardly reads again, so that more of it bought nothing but memory.
const WRITER_CACHE_KIB: u32 = 3072;

/// How long SQLite waits for a lock that another program holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The folder, held by this process.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Released when it is closed, also by the kernel when the process dies.
    _lock: fs::File,
}

impl Folder {
    /// Makes the folder if need be and takes it for this process.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| refuse(path, &format!("can't be made ({error}); check its parent's permissions")))?;
        let unusable = |error: std::io::Error| {
            refuse(path, &format!("can't be written ({error}); give it to the user that gatepost runs as"))
        };
        let lock = private().create(true).truncate(false).open(path.join("gatepost.lock")).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => refuse(
                path,
                "is in use by another gatepost process; stop that one, or give this one a folder of its own",
            ),
            fs::TryLockError::Error(error) => {
                refuse(path, &format!("can't be locked ({error}); use a folder on a local disk"))
            }
        })?;
        // SQLite gives its other files the permissions of this one.
        private().create(true).truncate(false).open(path.join(DATABASE)).map_err(unusable)?;
        fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(unusable)?;
        // The folder's own name must last too; where its parent can't be opened, an operator made it long ago.
        if let Ok(parent) = fs::File::open(path.join("..")) {
            parent.sync_all().map_err(unusable)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The writer's connection, with the tables made.
    pub(super) fn writer(&self) -> Result<Connection, OpenError> {
        check_sqlite(rusqlite::version_number())?;
        let broken = |error: rusqlite::Error| {
            refuse(&self.path, &format!("holds a database that can't be opened ({error}); restore it from a backup"))
        };
        let db = Connection::open(self.path.join(DATABASE)).map_err(broken)?;
        prepare(&db).map_err(broken)?;
        let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(broken)?;
        if mode != "wal" {
            return Err(refuse(&self.path, "is on a file system without shared memory; use a folder on a local disk"));
        }
        let settings = format!(
            "DROP TABLE IF EXISTS scrub;
             PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{WRITER_CACHE_KIB}; PRAGMA secure_delete = FAST;
             PRAGMA journal_size_limit = {};",
            checkpoint::FILE_BYTES_KEPT
        );
        db.execute_batch(&settings).map_err(broken)?;
        match version(&db, &self.path)? {
            0 => make_tables(&db).map_err(broken)?,
            found => {
                if found < schema::VERSION {
                    tracing::info!(from = found, to = schema::VERSION, "the store of an earlier version is taken over");
                    take_over(&db, found).map_err(broken)?;
                }
                // Lanes that nothing waits in any more.
                prune_lanes(&db).map_err(broken)?;
            }
        }
        db.execute_batch(schema::BRIEF).map_err(broken)?;
        Ok(db)
    }

    /// A connection that copies the write-ahead log.
    pub(super) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        truncater(&self.path)
    }
}

/// A connection that empties the write-ahead log.
pub(super) fn truncater(folder: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(folder.join(DATABASE))?;
    prepare(&db)?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(db)
}

/// A connection that only reads.
pub(super) fn reader(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(folder.join(DATABASE), flags)?;
    prepare(&db)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
    Ok(db)
}

/// Refuses a SQLite that may corrupt its write-ahead log.
pub(super) fn check_sqlite(version: i32) -> Result<(), OpenError> {
    if version >= SQLITE_MIN {
        return Ok(());
    }
    let (major, minor, patch) = (version / 1_000_000, version / 1_000 % 1_000, version % 1_000);
    Err(OpenError(format!(
        "SQLite {major}.{minor}.{patch} may corrupt its write-ahead log; use a gatepost built with SQLite 3.51.3 or later"
    )))
}

/// The version of a database's tables; 0 for an empty one.
pub(super) fn version(db: &Connection, path: &Path) -> Result<i32, OpenError> {
    let broken = |error: rusqlite::Error| {
        refuse(path, &format!("holds a database that can't be read ({error}); restore it from a backup"))
    };
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(broken);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if tables == 0 && application == 0 {
        return Ok(0);
    }
    if application != schema::APPLICATION_ID || version < 1 {
        return Err(refuse(path, "holds a gatepost.db that no gatepost has written; give the store another folder"));
    }
    let known = schema::VERSION;
    if version < schema::TAKES_OVER {
        return Err(refuse(
            path,
            &format!(
                "was written by an earlier gatepost (schema {version}, this one takes over {} and later), which this one \
                 can't take over: let the earlier one deliver what waits in it, then give this one another folder",
                schema::TAKES_OVER
            ),
        ));
    }
    if version > known {
        return Err(refuse(
            path,
            &format!(
                "was written by a later gatepost (schema {version}, this one reads up to {known}); upgrade gatepost"
            ),
        ));
    }
    Ok(version)
}

/// An error about the folder.
pub(super) fn refuse(path: &Path, what: &str) -> OpenError {
    OpenError(format!("store.path: {} {what}", path.display()))
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    db.busy_timeout(BUSY_TIMEOUT)
}

fn make_tables(db: &Connection) -> rusqlite::Result<()> {
    let (application, version) = (schema::APPLICATION_ID, schema::VERSION);
    let tables = schema::TABLES;
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {tables} PRAGMA application_id = {application}; PRAGMA user_version = {version}; COMMIT;"
    ))
}

/// Takes over version 6, which had all frames in the database, version 5, which packed no events, and version 4, in which
/// besides the ids of each bucket stood in an index of its table; their runs are written when they are loaded.
fn take_over(db: &Connection, found: i32) -> rusqlite::Result<()> {
    let buckets = if found == 4 { bucket::list(db)? } else { Vec::new() };
    let transaction = db.unchecked_transaction()?;
    for bucket::Bucket { number, .. } in buckets {
        let tables = schema::ids_table(number);
        transaction.execute_batch(&format!("DROP INDEX event_{number}_id; {tables}"))?;
    }
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()
}

fn prune_lanes(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "DELETE FROM lane WHERE NOT EXISTS (SELECT 1 FROM task WHERE task.lane = lane.id)
            AND NOT EXISTS (SELECT 1 FROM retry WHERE retry.lane = lane.id)",
    )
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_may_corrupt_its_log_is_refused() {
        let error = check_sqlite(3_051_002).expect_err("too old").0;
        assert!(error.contains("SQLite 3.51.2"), "{error}");
        assert_eq!(check_sqlite(3_051_003), Ok(()));
        assert_eq!(check_sqlite(rusqlite::version_number()), Ok(()), "the one that is built in");
    }
}
