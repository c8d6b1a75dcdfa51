//! Forgetting what the store has forgotten: by the same retention, a bounded part at a time.

use gatepost_event::DeliveryId;
use rusqlite::{Params, params};

use super::{Work, event::first_number};

/// Rows that one transaction forgets.
const PART: i64 = 500;

impl Work<'_> {
    /// Forgets a part of what is over; whether there may be more.
    pub(super) fn sweep(&mut self) -> rusqlite::Result<bool> {
        let events = first_number(self.now.before(self.retention.events));
        let parked = first_number(self.now.before(self.retention.unmatched));
        // Within the same time, ids of deliveries have the order of their events' receipt.
        let lost = DeliveryId::fresh(self.now.before(self.retention.events));
        let dead = DeliveryId::fresh(self.now.before(self.retention.dead_letters));

        let sql = "SELECT id, event FROM delivery WHERE state = 2 AND state <> 1 AND id < ?1 AND died_at < ?2 LIMIT ?3";
        let before = self.now.before(self.retention.dead_letters).millis();
        let letters: Vec<(String, Option<i64>)> = self
            .db
            .prepare_cached(sql)?
            .query_map(params![dead.token().as_str(), before, PART], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, event) in &letters {
            self.forget_delivery(id)?;
            self.touched.extend(*event);
        }
        self.restate()?;

        let sql = "SELECT id FROM delivery WHERE event IS NULL AND state <> 2 AND id < ?1 LIMIT ?2";
        let strays: Vec<String> = self.column(sql, params![lost.token().as_str(), PART])?;
        strays.iter().try_for_each(|id| self.forget_delivery(id))?;

        // One that a dead letter still holds is kept with it.
        let sql = "SELECT number FROM event WHERE number < ?1 AND state <> 2 AND partition <> -1 LIMIT ?2";
        let over: Vec<i64> = self.column(sql, params![events, PART])?;
        let sql = "SELECT number FROM event WHERE number < ?1 AND state = 5 AND state <> 1 LIMIT ?2";
        let unclaimed: Vec<i64> = self.column(sql, params![parked, PART])?;
        over.iter().chain(&unclaimed).try_for_each(|number| self.forget_event(*number))?;

        let full = |count: usize| count >= usize::try_from(PART).unwrap_or(usize::MAX);
        Ok([letters.len(), strays.len(), over.len(), unclaimed.len()].into_iter().any(full))
    }

    fn forget_delivery(&self, id: &str) -> rusqlite::Result<()> {
        self.run("DELETE FROM attempt WHERE delivery = ?1", [id])?;
        self.run("DELETE FROM anew WHERE delivery = ?1", [id])?;
        self.run("DELETE FROM delivery WHERE id = ?1", [id])?;
        Ok(())
    }

    fn column<T: rusqlite::types::FromSql>(&self, sql: &str, params: impl Params) -> rusqlite::Result<Vec<T>> {
        let mut rows = self.db.prepare_cached(sql)?;
        rows.query_map(params, |row| row.get(0))?.collect()
    }
}
