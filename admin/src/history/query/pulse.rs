//! How events of an integration came in a time: how many, and the longest time without one.

use gatepost_config::Timestamp;
use rusqlite::{Connection, params};

use super::super::{
    read::ReadError,
    words,
    write::{first_number, time_of},
};

/// How events came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// How many.
    pub(crate) events: u64,
    /// The longest time without one.
    pub(crate) silent_from: Timestamp,
    /// Its end.
    pub(crate) silent_to: Timestamp,
}

/// Of an integration, from a time and before another.
pub(crate) fn pulse(db: &Connection, integration: &str, from: Timestamp, to: Timestamp) -> Result<Pulse, ReadError> {
    let mut pulse = Pulse { events: 0, silent_from: from, silent_to: from };
    let mut last = from;
    let mut silent = |pulse: &mut Pulse, until: Timestamp| {
        if until.since(last) > pulse.silent_to.since(pulse.silent_from) {
            (pulse.silent_from, pulse.silent_to) = (last, until);
        }
        last = until;
    };
    if let Some(word) = words::find(db, integration)? {
        let sql = "SELECT number FROM event WHERE integration = ?1 AND number >= ?2 AND number < ?3 ORDER BY number";
        let mut rows = db.prepare_cached(sql)?;
        let mut rows = rows.query(params![word, first_number(from), first_number(to)])?;
        while let Some(row) = rows.next()? {
            silent(&mut pulse, time_of(row.get(0)?));
            pulse.events += 1;
        }
    }
    silent(&mut pulse, to);
    Ok(pulse)
}
