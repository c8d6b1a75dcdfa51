//! The file: where it is, and opening it. Whatever is wrong with it, it is made anew.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use gatepost_config::{Config, Engine};
use rusqlite::{Connection, OpenFlags};

use super::schema;

/// The file's name where the configuration names none.
const NAME: &str = "history.db";

/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 64;

/// How long SQLite waits for a lock that another connection holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log after which it is copied into the file: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;

/// Marks the file as a gatepost history: "GPSH".
const APPLICATION_ID: i32 = 0x4750_5348;

/// The file's place, held by this process.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// A folder of its own that goes with this process.
    fleeting: Option<PathBuf>,
    /// Released when it is closed, also by the kernel when the process dies.
    _lock: fs::File,
}

impl Place {
    /// Takes the configured place, or one beside the embedded store, or a folder that goes with this process.
    pub(super) fn take(config: &Config) -> io::Result<Self> {
        let (path, fleeting) = match (&config.admin.history_path, &config.store.engine) {
            (Some(path), _) => (path.clone(), None),
            (None, Engine::Embedded { path }) => (path.join(NAME), None),
            (None, Engine::Nats(_)) => {
                let folder = std::env::temp_dir().join(format!("gatepost-history-{:032x}", rand::random::<u128>()));
                tracing::info!(
                    folder = %folder.display(),
                    "admin.history_path is not set: the history is made anew at each start"
                );
                (folder.join(NAME), Some(folder))
            }
        };
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let lock = private().open(sibling(&path, "lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::other("another process uses it; give each its own history_path"),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { path, fleeting, _lock: lock })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The writer's connection; a file that is missing, damaged or of another version is made anew.
    pub(super) fn writer(&self) -> rusqlite::Result<Connection> {
        match self.open_writer() {
            Ok(Some(db)) => return Ok(db),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the history can't be used; it is made anew");
            }
        }
        self.remove();
        let db = self.connect()?;
        let (application, version, tables) = (APPLICATION_ID, schema::VERSION, schema::TABLES);
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {tables} PRAGMA application_id = {application}; PRAGMA user_version = {version}; COMMIT;"
        ))?;
        Ok(db)
    }

    fn open_writer(&self) -> rusqlite::Result<Option<Connection>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let db = self.connect()?;
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i32>(0));
        let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
        if (application, version) != (APPLICATION_ID, schema::VERSION) {
            tracing::info!(version, needed = schema::VERSION, "the history is of another version; it is made anew");
            return Ok(None);
        }
        Ok(Some(db))
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        // SQLite gives its other files the permissions of this one.
        let made = private().open(&self.path);
        made.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let db = Connection::open(&self.path)?;
        prepare(&db)?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
             PRAGMA secure_delete = FAST;
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864;"
        ))?;
        Ok(db)
    }

    /// Removes the file and what SQLite keeps beside it.
    fn remove(&self) {
        for path in [self.path.clone(), sibling(&self.path, "-wal"), sibling(&self.path, "-shm")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "can't be removed");
                }
                _ => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.fleeting {
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    prepare(&db)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -32768;")?;
    Ok(db)
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    db.busy_timeout(BUSY_TIMEOUT)
}

/// `history.db` becomes `history.db-wal`, or `history.db.lock`.
fn sibling(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if !end.starts_with('-') {
        name.push(".");
    }
    name.push(end);
    name.into()
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}
