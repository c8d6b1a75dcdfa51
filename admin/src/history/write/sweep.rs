//! Forgetting what the store has forgotten: by the same retention, a bounded part at a time.

use gatepost_config::Retention;
use gatepost_event::DeliveryId;
use rusqlite::{Params, params};

use super::{Work, event::first_number};

/// Rows that one transaction forgets.
const PART: i64 = 500;

impl Work<'_> {
    /// Forgets a part of what is over; whether there may be more.
    pub(super) fn sweep(&mut self) -> rusqlite::Result<bool> {
        let retentions = self.retention;
        let mut more = self.sweep_of(None, &retentions.all)?;
        // Within the same time, ids of deliveries have the order of their events' receipt.
        let lost = DeliveryId::fresh(self.now.before(retentions.all.events));
        let sql = "SELECT id FROM delivery WHERE event IS NULL AND state <> 2 AND id < ?1 LIMIT ?2";
        let strays: Vec<String> = self.column(sql, params![lost.token().as_str(), PART])?;
        strays.iter().try_for_each(|id| self.forget_delivery(id))?;
        more |= is_full(strays.len());
        for integration in retentions.own.keys() {
            let word = self.words.number(self.db, integration.as_str())?;
            more |= self.sweep_of(Some(word), retentions.of(integration))?;
        }
        Ok(more)
    }

    /// Forgets a part of what is over of one integration, or of all; whether there may be more.
    fn sweep_of(&mut self, integration: Option<i64>, kept: &Retention) -> rusqlite::Result<bool> {
        let events = first_number(self.now.before(kept.events));
        let parked = first_number(self.now.before(kept.unmatched));
        let before = self.now.before(kept.dead_letters);
        let only = if integration.is_some() { "AND integration = ?3" } else { "AND ?3 IS NULL" };

        let sql = format!(
            "SELECT id, event FROM delivery
             WHERE state = 2 AND state <> 1 AND id < ?1 AND died_at < ?2 {only} LIMIT ?4"
        );
        let dead = DeliveryId::fresh(before);
        let letters: Vec<(String, Option<i64>)> = self
            .db
            .prepare_cached(&sql)?
            .query_map(params![dead.token().as_str(), before.millis(), integration, PART], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (id, event) in &letters {
            self.forget_delivery(id)?;
            self.touched.extend(*event);
        }
        self.restate()?;

        // One that a dead letter still holds is kept with it.
        let sql =
            format!("SELECT number FROM event WHERE number < ?1 AND state <> 2 AND partition <> -1 {only} LIMIT ?2");
        let over: Vec<i64> = self.column(&sql, params![events, PART, integration])?;
        let sql = format!("SELECT number FROM event WHERE number < ?1 AND state = 5 AND state <> 1 {only} LIMIT ?2");
        let unclaimed: Vec<i64> = self.column(&sql, params![parked, PART, integration])?;
        over.iter().chain(&unclaimed).try_for_each(|number| self.forget_event(*number))?;
        Ok([letters.len(), over.len(), unclaimed.len()].into_iter().any(is_full))
    }

    fn forget_delivery(&self, id: &str) -> rusqlite::Result<()> {
        self.run("DELETE FROM attempt WHERE delivery = ?1", [id])?;
        self.run("DELETE FROM anew WHERE delivery = ?1", [id])?;
        self.run("DELETE FROM delivery WHERE id = ?1", [id])?;
        Ok(())
    }

    pub(super) fn column<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> rusqlite::Result<Vec<T>> {
        let mut rows = self.db.prepare_cached(sql)?;
        rows.query_map(params, |row| row.get(0))?.collect()
    }
}

/// Whether there may be more behind a part.
fn is_full(count: usize) -> bool {
    count >= usize::try_from(PART).unwrap_or(usize::MAX)
}
