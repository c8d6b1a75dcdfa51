//! Events: a row each, the text of their bodies, and how they stand.

use gatepost_config::Timestamp;
use gatepost_event::{
    Ending, Event, EventId,
    outcome::Spot,
    store::{Parked, StoredEvent},
    subject::tenant_token,
};
use rusqlite::{OptionalExtension, params};

use super::{super::state::State, Work, int};

/// Bytes of a body that can be searched for.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Stands as the partition of an event that is parked; its sequence is its position there.
const PARKED: i64 = -1;

/// Stands as the partition of an event that is known from a dead letter only; its sequence is its number.
const LETTER: i64 = -2;

/// Bits of an event's number below the milliseconds of its receipt.
const TIE_BITS: u32 = 21;

/// Numbers that are tried when one is taken.
const TRIES: i64 = 1 << 12;

impl Work<'_> {
    /// An event of the log.
    pub(super) fn stored(&mut self, stored: &StoredEvent) -> rusqlite::Result<()> {
        // What can't be read is a dead letter, which says so.
        let Ok(event) = &stored.event else { return Ok(()) };
        let kept = self.retention.of(&event.meta.integration).events;
        if event.meta.received_at < self.now.before(kept) || self.gone.takes(&event.meta) {
            return Ok(());
        }
        let (partition, sequence) = (i64::from(stored.at.partition), int(stored.at.sequence));
        let find = "SELECT number, partition FROM event WHERE id = ?1 AND partition < 0";
        let mut find = self.db.prepare_cached(find)?;
        let known = find.query_map([token(event.meta.id)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let known = known.collect::<Result<Vec<(i64, i64)>, _>>()?;
        drop(find);
        for (number, place) in known {
            if place == PARKED {
                // It was released.
                self.forget_event(number)?;
            } else {
                let sql = "UPDATE event SET partition = ?2, sequence = ?3 WHERE number = ?1";
                self.run(sql, params![number, partition, sequence])?;
                return Ok(());
            }
        }
        let tie = (partition & 0x7f) << 14 | (sequence & 0x3fff);
        self.insert(event, partition, Some(sequence), tie, State::Waiting).map(drop)
    }

    /// An event that no connection claims.
    pub(super) fn parked(&mut self, parked: &Parked) -> rusqlite::Result<()> {
        let meta = &parked.event.meta;
        let kept = self.retention.of(&meta.integration).unmatched;
        if meta.received_at < self.now.before(kept) || self.gone.takes(meta) {
            return Ok(());
        }
        let position = int(parked.position);
        let tie = 0x7f << 14 | (position & 0x3fff);
        self.insert(&parked.event, PARKED, Some(position), tie, State::Unmatched).map(drop)
    }

    /// The event of a dead letter, which may have outlived it.
    pub(super) fn of_letter(&mut self, event: &Event) -> rusqlite::Result<i64> {
        if let Some(number) = self.number_of(event.meta.id)? {
            return Ok(number);
        }
        let tie = i64::from(event.meta.id.token().spread(u16::MAX));
        self.insert(event, LETTER, None, tie, State::Dead)
    }

    /// Why nothing is owed for an event.
    pub(super) fn ended(&mut self, spot: &Spot, ending: Ending) -> rusqlite::Result<()> {
        let state = match ending {
            Ending::Filtered => State::Filtered,
            Ending::Unrouted => State::Unrouted,
            // Those are of deliveries.
            Ending::Delivered | Ending::Synced | Ending::Dead | Ending::Expired | Ending::Erased => return Ok(()),
        };
        if let Some(number) = self.number_at(spot)? {
            self.run("UPDATE event SET ended = ?2 WHERE number = ?1", params![number, state.number()])?;
            self.touched.insert(number);
        }
        Ok(())
    }

    /// The number of the event at a place, or else of the newest one of its id.
    pub(super) fn number_at(&self, spot: &Spot) -> rusqlite::Result<Option<i64>> {
        let Spot(id, partition, sequence) = spot;
        let sql = "SELECT number FROM event WHERE partition = ?1 AND sequence = ?2 AND id = ?3";
        let values = params![partition, int(*sequence), token(*id)];
        let found = self.db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
        if found.is_some() { Ok(found) } else { self.number_of(*id) }
    }

    /// The number of the newest event of an id.
    pub(super) fn number_of(&self, id: EventId) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT max(number) FROM event WHERE id = ?1";
        self.db.prepare_cached(sql)?.query_row([token(id)], |row| row.get(0))
    }

    /// Says how every event stands that may stand otherwise now.
    pub(super) fn restate(&mut self) -> rusqlite::Result<()> {
        let sums = "SELECT total(state = 2), total(state = 0), total(state = 1),
                total(state = 7) FROM delivery WHERE event = ?1";
        let sql = "UPDATE event SET state = CASE
                WHEN ?2 THEN 2 WHEN ?3 THEN 0 WHEN ?4 THEN 1 WHEN ?5 THEN 7
                WHEN partition = -1 THEN 5 ELSE coalesce(ended, 0) END
            WHERE number = ?1";
        for number in std::mem::take(&mut self.touched) {
            let some = |row: &rusqlite::Row<'_>, at| Ok::<_, rusqlite::Error>(row.get::<_, f64>(at)? > 0.0);
            let (dead, waiting, delivered, synced) = self
                .db
                .prepare_cached(sums)?
                .query_row([number], |row| Ok((some(row, 0)?, some(row, 1)?, some(row, 2)?, some(row, 3)?)))?;
            self.run(sql, params![number, dead, waiting, delivered, synced])?;
        }
        Ok(())
    }

    /// Removes an event with its text, its deliveries and their attempts.
    pub(super) fn forget_event(&self, number: i64) -> rusqlite::Result<()> {
        self.run("DELETE FROM attempt WHERE delivery IN (SELECT id FROM delivery WHERE event = ?1)", [number])?;
        self.run("DELETE FROM anew WHERE delivery IN (SELECT id FROM delivery WHERE event = ?1)", [number])?;
        self.run("DELETE FROM delivery WHERE event = ?1", [number])?;
        self.run("DELETE FROM text WHERE rowid = ?1", [number])?;
        self.run("DELETE FROM event WHERE number = ?1", [number])?;
        Ok(())
    }

    /// Inserts an event; its number.
    fn insert(
        &mut self,
        event: &Event,
        partition: i64,
        sequence: Option<i64>,
        tie: i64,
        state: State,
    ) -> rusqlite::Result<i64> {
        let meta = &event.meta;
        let json =
            serde_json::to_string(meta).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let (db, words) = (self.db, &mut *self.words);
        let integration = words.number(db, meta.integration.as_str())?;
        let connection = words.maybe(db, meta.connection.as_ref().map(|id| id.as_str()))?;
        let tenant = words.maybe(db, meta.tenant.as_ref().map(|id| id.as_str()))?;
        let kind = words.number(db, &meta.kind)?;
        let account = words.maybe(db, meta.account.as_deref())?;
        let sql = "INSERT INTO event (number, state, integration, connection, tenant, kind, account, partition,
                sequence, id, request, provider_event_id, bytes, meta)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING";
        let mut insert = db.prepare_cached(sql)?;
        let first = first_number(meta.received_at) + tie;
        for number in first..first + TRIES {
            let values = params![
                number,
                state.number(),
                integration,
                connection,
                tenant,
                kind,
                account,
                partition,
                sequence.unwrap_or(number),
                token(meta.id),
                meta.request.token().as_str(),
                meta.provider_event_id,
                int(event.body.len() as u64),
                json,
            ];
            if insert.execute(values)? == 1 {
                let tag = meta.tenant.as_ref().map(|tenant| format!("t{}", tenant_token(tenant)));
                let sql = "INSERT INTO text (rowid, body, tags) VALUES (?1, ?2, ?3)";
                db.prepare_cached(sql)?.execute(params![number, text(event), tag])?;
                return Ok(number);
            }
            // The place is known: it was read before. Else another event has the number.
            let find = "SELECT number FROM event WHERE partition = ?1 AND sequence = ?2";
            let values = params![partition, sequence];
            if let Some(known) = db.prepare_cached(find)?.query_row(values, |row| row.get(0)).optional()? {
                return Ok(known);
            }
        }
        Err(rusqlite::Error::ToSqlConversionFailure("too many events of one millisecond".into()))
    }
}

/// The first number of events that were received at a time.
pub(in crate::history) fn first_number(received_at: Timestamp) -> i64 {
    received_at.millis().clamp(0, (1 << 42) - 1) << TIE_BITS
}

/// When the event of a number was received.
pub(in crate::history) const fn time_of(number: i64) -> Timestamp {
    Timestamp::from_millis(number >> TIE_BITS)
}

/// An id without its prefix.
fn token(id: EventId) -> String {
    id.token().as_str().to_owned()
}

/// What of an event can be searched for: its type, and the beginning of its body where that is text.
fn text(event: &Event) -> String {
    let mut text = event.meta.kind.clone();
    if event.meta.key_id.is_some() {
        return text;
    }
    let body = event.body.get(..TEXT_BYTES_MAX).unwrap_or(&event.body);
    let readable = match std::str::from_utf8(body) {
        Ok(all) => all,
        // Cut within a character; anything else that isn't UTF-8 is no text.
        Err(error) if error.error_len().is_none() => {
            body.get(..error.valid_up_to()).and_then(|part| std::str::from_utf8(part).ok()).unwrap_or_default()
        }
        Err(_) => "",
    };
    text.push('\n');
    text.push_str(readable);
    text
}
