//! The spans of time that events are kept by.
//!
//! Only the few that reach into the dedupe window are asked about an id ([`super::ids`]); the others wait for the end of
//! their retention.

use std::time::Duration;

use gatepost_config::{Retention, Store as Settings, Timestamp};
use rusqlite::{Connection, params};

use super::{
    schema,
    sql::{int, uint},
};

/// The longest span of a bucket.
const SPAN_MAX: Duration = Duration::from_hours(24);

/// The shortest span of a bucket, whatever the window: tables are not free.
const SPAN_MIN: Duration = Duration::from_millis(100);

/// Retention is kept to this part of itself.
const PARTS_OF_RETENTION: u32 = 8;

/// Events that were stored in one span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Names its table.
    pub(super) number: i64,
    /// When its first event was stored.
    pub(super) started_at: Timestamp,
    /// From when on events go to the next one.
    pub(super) ends_at: Timestamp,
    /// No event in it has a lower sequence.
    pub(super) first_sequence: u64,
}

/// All buckets, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    list: Vec<Bucket>,
    span: Duration,
    window: Duration,
}

/// How long an id is stored once: as configured, but never beyond its event's retention.
pub(super) fn window(configured: Option<Duration>, retention: &Retention) -> Duration {
    configured.unwrap_or(Settings::WINDOW_EMBEDDED).min(retention.events).max(SPAN_MIN)
}

/// All buckets, oldest first.
pub(super) fn list(db: &Connection) -> rusqlite::Result<Vec<Bucket>> {
    let sql = "SELECT number, started_at, ends_at, first_sequence FROM bucket ORDER BY number";
    let mut rows = db.prepare_cached(sql)?;
    let buckets = rows.query_map([], |row| {
        Ok(Bucket {
            number: row.get(0)?,
            started_at: Timestamp::from_millis(row.get(1)?),
            ends_at: Timestamp::from_millis(row.get(2)?),
            first_sequence: uint(row.get(3)?),
        })
    })?;
    buckets.collect()
}

impl Buckets {
    pub(super) fn load(db: &Connection, window: Duration, retention: &Retention) -> rusqlite::Result<Self> {
        let span = window.min(SPAN_MAX).min(retention.events / PARTS_OF_RETENTION).max(SPAN_MIN);
        Ok(Self { list: list(db)?, span, window })
    }

    /// How long a bucket is.
    pub(super) fn span(&self) -> Duration {
        self.span
    }

    /// The oldest bucket, and the one after it.
    pub(super) fn oldest(&self) -> Option<(Bucket, Option<Bucket>)> {
        Some((*self.list.first()?, self.list.get(1).copied()))
    }

    /// The bucket that an event stands in, if that is kept.
    pub(super) fn of(&self, sequence: u64) -> Option<Bucket> {
        self.list.iter().rev().find(|bucket| bucket.first_sequence <= sequence).copied()
    }

    /// The highest sequence of any event that is kept.
    pub(super) fn last_sequence(&self, db: &Connection) -> rusqlite::Result<u64> {
        let mut last = 0;
        for bucket in self.list.iter().rev() {
            let sql = format!("SELECT max(sequence) FROM event_{}", bucket.number);
            let found: Option<i64> = db.query_row(&sql, [], |row| row.get(0))?;
            last = last.max(bucket.first_sequence.saturating_sub(1));
            if let Some(found) = found {
                return Ok(last.max(uint(found)));
            }
        }
        Ok(last)
    }

    /// The bucket that events go to now; a new one when the last one's time is over.
    pub(super) fn current(&mut self, db: &Connection, now: Timestamp, sequence: u64) -> rusqlite::Result<Bucket> {
        self.open(now).map_or_else(|| self.start(db, now, sequence), Ok)
    }

    /// The bucket that events go to now, if its time is not over.
    pub(super) fn open(&self, now: Timestamp) -> Option<Bucket> {
        // A bucket made under a longer window would be asked about ids beyond the window of today.
        let fits = |bucket: &&Bucket| now < bucket.ends_at && bucket.ends_at.since(bucket.started_at) <= self.window;
        self.list.last().filter(fits).copied()
    }

    fn start(&mut self, db: &Connection, now: Timestamp, sequence: u64) -> rusqlite::Result<Bucket> {
        let ends_at = now.after(self.span);
        let insert = "INSERT INTO bucket (started_at, ends_at, first_sequence) VALUES (?1, ?2, ?3)";
        db.execute(insert, params![now.millis(), ends_at.millis(), int(sequence)])?;
        let number = db.last_insert_rowid();
        db.execute_batch(&schema::bucket_tables(number))?;
        let bucket = Bucket { number, started_at: now, ends_at, first_sequence: sequence };
        self.list.push(bucket);
        Ok(bucket)
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> &[Bucket] {
        &self.list
    }

    /// Those that may hold an event stored within the window, oldest first.
    pub(super) fn in_window(&self, now: Timestamp) -> &[Bucket] {
        let since = self.window_start(now);
        // What was stored in a bucket ends, at the latest, where the next one starts.
        let over = self.list.iter().skip(1).take_while(|next| next.started_at <= since).count();
        self.list.get(over..).unwrap_or_default()
    }

    /// Drops a bucket's tables.
    pub(super) fn drop(&mut self, db: &Connection, number: i64) -> rusqlite::Result<()> {
        db.execute("DELETE FROM bucket WHERE number = ?1", [number])?;
        db.execute_batch(&format!("DROP TABLE event_{number}; DROP TABLE ids_{number}"))?;
        self.list.retain(|bucket| bucket.number != number);
        Ok(())
    }

    /// From when on an id is still looked for.
    pub(super) fn window_start(&self, now: Timestamp) -> Timestamp {
        now.before(self.window)
    }

    /// Until when an id that was stored then is still looked for.
    pub(super) fn window_end(&self, stored_at: Timestamp) -> Timestamp {
        stored_at.after(self.window)
    }
}
