//! Deliveries: who owes them, their attempts, and how they stand.
//!
//! What is known of a delivery comes from several feeds that are read one after the other. How it stands follows from
//! times alone, so that it is the same in whatever order they are read.

use gatepost_config::Timestamp;
use gatepost_event::{Attempt, DeadLetter, DeliveryId, Outcomes, outcome::Owed};
use rusqlite::{OptionalExtension, params};

use super::{super::state::State, Work};

/// A delivery as it is kept; times in milliseconds, 0 for never.
#[derive(Debug, Default, Clone)]
pub(super) struct Row {
    destination: Option<i64>,
    event: Option<i64>,
    event_id: Option<String>,
    sync: Option<i64>,
    route: Option<i64>,
    /// When it was first owed.
    owed_at: i64,
    /// When it was last owed anew.
    anew_at: i64,
    replay: Option<String>,
    /// When its last successful attempt began.
    done_at: i64,
    died_at: i64,
    revived_at: i64,
    /// When a run of its sync was last known to have ended it.
    synced_at: i64,
    attempts: i64,
    last_at: i64,
    reason: Option<String>,
    detail: Option<String>,
}

impl Work<'_> {
    /// What became of events.
    pub(super) fn outcomes(&mut self, outcomes: &Outcomes) -> rusqlite::Result<()> {
        for owed in &outcomes.owed {
            self.owed(owed, outcomes.at)?;
        }
        for ended in &outcomes.ended {
            for spot in &ended.events {
                self.ended(spot, ended.ending)?;
            }
        }
        for delivery in &outcomes.revived {
            let row = self.delivery(*delivery)?;
            row.revived_at = row.revived_at.max(outcomes.at.millis());
        }
        for delivery in &outcomes.synced {
            let row = self.delivery(*delivery)?;
            row.synced_at = row.synced_at.max(outcomes.at.millis());
        }
        Ok(())
    }

    fn owed(&mut self, owed: &Owed, at: Timestamp) -> rusqlite::Result<()> {
        let destination = self.words.number(self.db, owed.destination.as_str())?;
        let route = self.words.number(self.db, owed.route.as_str())?;
        let sync = self.words.maybe(self.db, owed.sync.as_ref().map(|sync| sync.as_str()))?;
        for (delivery, spot) in &owed.deliveries {
            let event = self.number_at(spot)?;
            let is_new_life = match owed.replay {
                None => false,
                Some(replay) => {
                    let sql = "INSERT INTO anew (delivery, replay) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                    self.run(sql, params![delivery.token().as_str(), replay.to_string()])? == 1
                }
            };
            let row = self.delivery(*delivery)?;
            (row.destination, row.sync, row.route) = (Some(destination), sync, Some(route));
            row.event = event.or(row.event);
            row.event_id = Some(spot.0.token().as_str().to_owned());
            if row.owed_at == 0 || at.millis() < row.owed_at {
                row.owed_at = at.millis();
            }
            if is_new_life && at.millis() > row.anew_at {
                row.anew_at = at.millis();
                row.replay = owed.replay.map(|replay| replay.to_string());
            }
        }
        Ok(())
    }

    /// One try of a delivery.
    pub(super) fn attempt(&mut self, attempt: &Attempt) -> rusqlite::Result<()> {
        if attempt.started_at < self.now.before(self.retention.all.events) || self.is_strangers(attempt)? {
            return Ok(());
        }
        let json =
            serde_json::to_string(attempt).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT INTO attempt (delivery, started_at, number, attempt) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO NOTHING";
        let started_at = attempt.started_at.millis();
        let values = params![attempt.delivery.token().as_str(), started_at, attempt.number, json];
        if self.run(sql, values)? == 0 {
            return Ok(());
        }
        let destination = self.words.number(self.db, attempt.destination.as_str())?;
        let event = match self.delivery(attempt.delivery)?.event {
            None => self.number_of(attempt.event)?,
            known => known,
        };
        let row = self.delivery(attempt.delivery)?;
        (row.destination, row.event) = (Some(destination), event);
        row.event_id = Some(attempt.event.token().as_str().to_owned());
        row.attempts += 1;
        row.last_at = row.last_at.max(started_at);
        if attempt.error.is_none() {
            row.done_at = row.done_at.max(started_at);
        }
        Ok(())
    }

    /// Whether an attempt is of an event that is not known, while some are gone: what was answered to it may be what is to
    /// be erased. Events are written before what they are followed by.
    fn is_strangers(&mut self, attempt: &Attempt) -> rusqlite::Result<bool> {
        if self.gone.is_empty() {
            return Ok(false);
        }
        Ok(self.delivery(attempt.delivery)?.event.is_none() && self.number_of(attempt.event)?.is_none())
    }

    /// A delivery's end without success.
    pub(super) fn letter(&mut self, letter: &DeadLetter) -> rusqlite::Result<()> {
        let note = &letter.note;
        let integration = letter.event.as_ref().map(|event| &event.meta.integration);
        let kept = integration.map_or(&self.retention.all, |integration| self.retention.of(integration));
        let is_gone = letter.event.as_ref().is_some_and(|event| self.gone.takes(&event.meta));
        if note.died_at < self.now.before(kept.dead_letters) || is_gone {
            return Ok(());
        }
        let destination = self.words.maybe(self.db, note.destination.as_ref().map(|id| id.as_str()))?;
        let route = self.words.maybe(self.db, note.route.as_ref().map(|id| id.as_str()))?;
        let sync = self.words.maybe(self.db, note.sync.as_ref().map(|sync| sync.as_str()))?;
        let event = letter.event.as_ref().map(|event| self.of_letter(event)).transpose()?;
        let row = self.delivery(note.delivery)?;
        row.destination = destination.or(row.destination);
        (row.sync, row.route) = (sync.or(row.sync), route.or(row.route));
        row.event = row.event.or(event);
        if let Some(event) = &letter.event {
            row.event_id = Some(event.meta.id.token().as_str().to_owned());
        }
        if note.died_at.millis() > row.died_at {
            row.died_at = note.died_at.millis();
            row.reason = Some(note.reason.word().to_owned());
            row.detail.clone_from(&note.detail);
        }
        Ok(())
    }

    /// Writes every delivery that the batch was about.
    pub(super) fn flush_deliveries(&mut self) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO delivery (id, state, destination, tenant, integration, connection, kind, event, event_id, sync, route,
                owed_at, anew_at, replay, done_at, died_at, revived_at, synced_at, attempts, last_at, reason, detail)
            VALUES (?1, ?2, ?3, (SELECT tenant FROM event WHERE number = ?4),
                (SELECT integration FROM event WHERE number = ?4), (SELECT connection FROM event WHERE number = ?4),
                (SELECT kind FROM event WHERE number = ?4), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                ?13, ?14, ?15, ?16, ?17, ?18)";
        let mut write = self.db.prepare_cached(sql)?;
        for (id, row) in std::mem::take(&mut self.deliveries) {
            // Of an event that is not known: it may be one that is gone.
            if row.event.is_none() && row.died_at == 0 && !self.gone.is_empty() {
                continue;
            }
            write.execute(params![
                id,
                row.state().number(),
                row.destination,
                row.event,
                row.event_id,
                row.sync,
                row.route,
                row.owed_at,
                row.anew_at,
                row.replay,
                row.done_at,
                row.died_at,
                row.revived_at,
                row.synced_at,
                row.attempts,
                row.last_at,
                row.reason,
                row.detail,
            ])?;
            self.touched.extend(row.event);
        }
        Ok(())
    }

    /// A delivery as it is known so far.
    fn delivery(&mut self, id: DeliveryId) -> rusqlite::Result<&mut Row> {
        let token = id.token().as_str().to_owned();
        if !self.deliveries.contains_key(&token) {
            let row = self.read_delivery(&token)?.unwrap_or_default();
            self.deliveries.insert(token.clone(), row);
        }
        Ok(self.deliveries.entry(token).or_default())
    }

    fn read_delivery(&self, token: &str) -> rusqlite::Result<Option<Row>> {
        let sql = "SELECT destination, event, event_id, sync, route, owed_at, anew_at, replay, done_at, died_at,
                revived_at, synced_at, attempts, last_at, reason, detail
            FROM delivery WHERE id = ?1";
        let mut find = self.db.prepare_cached(sql)?;
        let found = find.query_row([token], |row| {
            Ok(Row {
                destination: row.get(0)?,
                event: row.get(1)?,
                event_id: row.get(2)?,
                sync: row.get(3)?,
                route: row.get(4)?,
                owed_at: row.get(5)?,
                anew_at: row.get(6)?,
                replay: row.get(7)?,
                done_at: row.get(8)?,
                died_at: row.get(9)?,
                revived_at: row.get(10)?,
                synced_at: row.get(11)?,
                attempts: row.get(12)?,
                last_at: row.get(13)?,
                reason: row.get(14)?,
                detail: row.get(15)?,
            })
        });
        found.optional()
    }
}

impl Row {
    fn state(&self) -> State {
        let last = self.anew_at.max(self.died_at);
        let is_done = self.done_at > 0 && self.done_at >= last;
        let is_synced = self.synced_at > 0 && self.synced_at >= last;
        let is_dead = self.died_at > self.anew_at.max(self.revived_at);
        match () {
            () if is_done => State::Delivered,
            () if is_synced => State::Synced,
            () if is_dead => State::Dead,
            () if self.revived_at > 0 && self.owed_at == 0 => State::Gone,
            () => State::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_delivery_stands_follows_from_times() {
        let row = Row { owed_at: 1, ..Row::default() };
        assert_eq!(row.state(), State::Waiting);
        let dead = Row { died_at: 5, ..row.clone() };
        assert_eq!(dead.state(), State::Dead);
        assert_eq!(Row { done_at: 3, ..row.clone() }.state(), State::Delivered);
        assert_eq!(Row { anew_at: 6, revived_at: 6, ..dead.clone() }.state(), State::Waiting, "owed anew");
        assert_eq!(Row { anew_at: 6, done_at: 7, ..dead.clone() }.state(), State::Delivered);
        assert_eq!(Row { anew_at: 6, synced_at: 7, ..dead.clone() }.state(), State::Synced);
        assert_eq!(Row { anew_at: 6, synced_at: 5, ..row.clone() }.state(), State::Waiting, "synced, and owed anew");
        assert_eq!(Row { anew_at: 6, done_at: 3, ..row.clone() }.state(), State::Waiting, "delivered, and owed anew");
        assert_eq!(Row { anew_at: 6, died_at: 8, ..row }.state(), State::Dead, "it died again");
        assert_eq!(Row { owed_at: 0, revived_at: 6, ..dead }.state(), State::Gone, "it died in routing");
    }
}
