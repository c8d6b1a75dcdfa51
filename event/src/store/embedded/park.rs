//! Parked events: kept in stored order until a connection claims their account.

use bytes::Bytes;
use gatepost_config::{ConnectionId, TenantId, Timestamp};
use rusqlite::params;

use super::{
    append::{self, EventRow},
    brief::{self, What},
    ids::Key,
    job::Incoming,
    packed,
    sql::{execute, int},
    work::Work,
};
use crate::store::types::{Release, Under};

/// Events moved in one transaction.
const MOVED_MAX: i64 = 128;

/// Bytes after which no further event is moved in one transaction.
const MOVED_BYTES_MAX: usize = 8 * 1024 * 1024;

struct ParkedRow {
    position: i64,
    id: String,
    received_at: i64,
    file: Option<String>,
    frame: Vec<u8>,
}

/// Parks an event.
pub(super) fn park(work: &mut Work<'_>, item: &Incoming) -> rusqlite::Result<()> {
    let sql = "INSERT INTO parked (id, integration, account, stored_at, received_at, file, frame, connection, tenant)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        item.id.token().as_str(),
        item.integration.as_str(),
        item.account,
        work.now.millis(),
        item.received_at.millis(),
        item.stored.file.as_ref().map(|file| file.name.as_str()),
        &*item.stored.frame,
        item.connection.as_ref().map(ConnectionId::as_str),
        item.tenant.as_ref().map(TenantId::as_str),
    ];
    execute(work.db, sql, values)?;
    work.state.parks = true;
    brief::inserted(work, &item.integration, What::Parked, item.received_at)
}

/// Moves the first of some parked events to the log as a connection's, as many as one transaction should; how many.
pub(super) fn unpark(work: &mut Work<'_>, release: &Release, through: u64) -> rusqlite::Result<u64> {
    let rows = first(work, release, through)?;
    for row in &rows {
        let claimed = claim(&row.frame, release);
        let frame = claimed.as_deref().unwrap_or(&row.frame);
        let received_at = Timestamp::from_millis(row.received_at);
        let (id, key, integration) = (&row.id, Key::of(&row.id), &release.integration);
        // An id that was acknowledged twice, a dedupe window apart, is owed twice.
        append::log(work, &EventRow { id, key, integration, received_at, file: row.file.as_deref(), frame })?;
        execute(work.db, "DELETE FROM parked WHERE position = ?1", [row.position])?;
    }
    Ok(rows.len() as u64)
}

/// The first parked events under a key, as many as one transaction moves.
fn first(work: &Work<'_>, release: &Release, through: u64) -> rusqlite::Result<Vec<ParkedRow>> {
    let (column, key) = match &release.under {
        Under::Account(account) => ("account", account.as_str()),
        Under::Connection => ("connection", release.connection.as_str()),
    };
    let sql = format!(
        "SELECT position, id, received_at, file, frame FROM parked
            WHERE integration = ?1 AND {column} = ?2 AND received_at >= ?3 AND (tenant IS NULL OR tenant = ?4)
            AND position <= ?5 ORDER BY position LIMIT ?6"
    );
    let since = release.since.map_or(i64::MIN, Timestamp::millis);
    let mut query = work.db.prepare_cached(&sql)?;
    let mut rows = query.query(params![
        release.integration.as_str(),
        key,
        since,
        release.tenant.as_str(),
        int(through),
        MOVED_MAX
    ])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let frame: Vec<u8> = row.get(4)?;
        bytes += frame.len();
        let (position, id, received_at, file) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        found.push(ParkedRow { position, id, received_at, file, frame });
        if bytes >= MOVED_BYTES_MAX {
            break;
        }
    }
    Ok(found)
}

/// The frame with the connection in its meta; none when it can't be read, which is for the log's reader to say.
fn claim(frame: &[u8], release: &Release) -> Option<Bytes> {
    let mut event = packed::event(Bytes::copy_from_slice(frame)).ok()?;
    event.meta.connection = Some(release.connection.clone());
    event.meta.tenant = Some(release.tenant.clone());
    event.meta.destination.clone_from(&release.destination);
    packed::frame(&event).ok()
}
