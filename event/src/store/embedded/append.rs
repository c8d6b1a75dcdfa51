//! Storing events, each id once within the dedupe window.

use gatepost_config::{IntegrationId, Timestamp};
use rusqlite::params;

use super::{
    brief,
    bucket::Buckets,
    job::Incoming,
    park,
    sql::{execute, int},
    work::Work,
};
use crate::store::types::{Appended, Place};

/// An event's row.
pub(super) struct EventRow<'a> {
    pub(super) id: &'a str,
    pub(super) integration: &'a IntegrationId,
    pub(super) received_at: Timestamp,
    pub(super) file: Option<&'a str>,
    pub(super) frame: &'a [u8],
}

pub(super) fn append(work: &mut Work<'_>, items: &[Incoming]) -> rusqlite::Result<Vec<Appended>> {
    items.iter().map(|item| append_one(work, item)).collect()
}

fn append_one(work: &mut Work<'_>, item: &Incoming) -> rusqlite::Result<Appended> {
    let id = item.id.token().as_str();
    let current = work.state.buckets.current(work.db, work.now, work.state.last_sequence + 1)?;
    // The current bucket's unique index answers for itself when the event goes there.
    let except = if item.place == Place::Log { current.number } else { 0 };
    if let Some(place) = work.state.buckets.find(work.db, id, work.now, except)? {
        return Ok(Appended::Duplicate(place));
    }
    let stored = match item.place {
        Place::Log => {
            let file = item.stored.file.as_ref().map(|file| file.name.as_str());
            let (integration, received_at) = (&item.integration, item.received_at);
            let row = EventRow { id, integration, received_at, file, frame: &item.stored.frame };
            log(work, current.number, &row)?
        }
        Place::Unmatched => park::park(work, item).map(|()| true)?,
    };
    if !stored {
        return Ok(Appended::Duplicate(Buckets::place_in(work.db, current.number, id)?));
    }
    work.effects.kept.extend(item.stored.file.clone());
    Ok(Appended::Stored)
}

/// Puts an event at the end of the log; not when the bucket holds its id.
pub(super) fn log(work: &mut Work<'_>, bucket: i64, row: &EventRow<'_>) -> rusqlite::Result<bool> {
    let sequence = work.state.last_sequence + 1;
    let sql = format!(
        "INSERT INTO event_{bucket} (sequence, id, stored_at, received_at, file, frame)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING"
    );
    let values = params![int(sequence), row.id, work.now.millis(), row.received_at.millis(), row.file, row.frame];
    let stored = execute(work.db, &sql, values)? == 1;
    if stored {
        work.state.last_sequence = sequence;
        brief::event(work, row.integration, sequence)?;
    }
    Ok(stored)
}
