//! Numbers and errors on their way into and out of SQLite.

use rusqlite::{Connection, Error, ErrorCode, Params};

use crate::StoreError;

/// A count, position or sequence as SQLite's integer.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// SQLite's integer as a count, position or sequence.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Runs a statement that is kept prepared; how many rows it changed.
pub(super) fn execute(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(params)
}

/// What an SQLite error means to a caller.
pub(super) fn store_error(error: &Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full("the disk of the store's folder has no room".to_owned()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// Whether an error lies in the machine and not in one caller's data, so that trying others' changes is of no use.
pub(super) fn is_environment(error: &Error) -> bool {
    let codes = [
        ErrorCode::DiskFull,
        ErrorCode::SystemIoFailure,
        ErrorCode::DatabaseCorrupt,
        ErrorCode::NotADatabase,
        ErrorCode::CannotOpen,
        ErrorCode::ReadOnly,
        ErrorCode::OutOfMemory,
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
    ];
    error.sqlite_error_code().is_some_and(|code| codes.contains(&code))
}

/// A file's error where SQLite's are expected.
pub(super) fn disk_error(error: &std::io::Error) -> Error {
    let code = match file_error(error) {
        StoreError::Full(_) => rusqlite::ffi::SQLITE_FULL,
        _ => rusqlite::ffi::SQLITE_IOERR,
    };
    Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(error.to_string()))
}

/// What a file error means to a caller.
pub(super) fn file_error(error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::Full("the disk of the store's folder has no room".to_owned())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}
