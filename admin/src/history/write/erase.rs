//! Erasing: rows go with their text, what they were is overwritten, and the write-ahead log is emptied.
//!
//! The writer always overwrites what it deletes inside pages (`secure_delete = FAST`); while it erases, whole pages that
//! become free too. The text index keeps what was deleted until it merges its parts: it is merged into one. Pages that
//! became free in the course of things are filled with nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{
    erasure::{Erasure, Whose},
    subject::account_token,
};
use rusqlite::params;

use super::{super::batch::Pass, Work, Writer, first_number};
use crate::history::words;

/// Events that one transaction erases.
const PART: i64 = 500;

/// Pages of the text index merged, and free pages filled, in one transaction.
const PAGES: i64 = 512;

/// Longest wait until the write-ahead log can be emptied: a reader may need what stands in it.
const EMPTY_MAX: Duration = Duration::from_secs(15);

/// The pause between two tries.
const EMPTY_AGAIN: Duration = Duration::from_millis(50);

/// Words of the file that no row refers to.
const UNUSED: &str = "DELETE FROM word WHERE id NOT IN (
    SELECT integration FROM event UNION SELECT kind FROM event
    UNION SELECT connection FROM event WHERE connection IS NOT NULL
    UNION SELECT tenant FROM event WHERE tenant IS NOT NULL
    UNION SELECT account FROM event WHERE account IS NOT NULL
    UNION SELECT destination FROM delivery WHERE destination IS NOT NULL
    UNION SELECT tenant FROM delivery WHERE tenant IS NOT NULL
    UNION SELECT integration FROM delivery WHERE integration IS NOT NULL
    UNION SELECT connection FROM delivery WHERE connection IS NOT NULL
    UNION SELECT kind FROM delivery WHERE kind IS NOT NULL
    UNION SELECT sync FROM delivery WHERE sync IS NOT NULL
    UNION SELECT route FROM delivery WHERE route IS NOT NULL)";

/// Deliveries of events that are not known, with their attempts: of which erased event they were can't be told any more.
const STRANGERS: &str = "
    DELETE FROM attempt WHERE delivery IN (SELECT id FROM delivery WHERE event IS NULL);
    DELETE FROM anew WHERE delivery IN (SELECT id FROM delivery WHERE event IS NULL);
    DELETE FROM delivery WHERE event IS NULL AND died_at = 0;";

impl Writer {
    /// Deals with an erasure; safe to repeat.
    pub(super) fn erase(&mut self, pass: &Pass) -> rusqlite::Result<()> {
        self.db.execute_batch("PRAGMA secure_delete = ON")?;
        let erased = self.erase_rows(pass).and_then(|()| self.merge_text());
        self.db.execute_batch("PRAGMA secure_delete = FAST")?;
        erased?;
        self.fill_free_pages()?;
        self.empty_log()?;
        let sql = "INSERT OR REPLACE INTO erased (id, is_last) VALUES (?1, ?2)";
        self.db.execute(sql, params![pass.id.to_string(), pass.is_last]).map(drop)
    }

    fn erase_rows(&mut self, pass: &Pass) -> rusqlite::Result<()> {
        while self.transact(Arc::default(), |work| work.erase_part(&pass.erasure))? {}
        if pass.is_last {
            self.transact(Arc::default(), |work| work.db.execute_batch(STRANGERS))?;
        }
        // Their numbers may be given anew.
        self.words.forget();
        self.transact(Arc::default(), |work| work.run(UNUSED, []))?;
        Ok(())
    }

    /// Merges the text index into one part, which leaves out what was deleted.
    fn merge_text(&mut self) -> rusqlite::Result<()> {
        let mut pages = -PAGES;
        loop {
            let before = self.db.total_changes();
            self.db.execute("INSERT INTO text (text, rank) VALUES ('merge', ?1)", [pages])?;
            // One change is the command itself.
            if self.db.total_changes() - before < 2 {
                return Ok(());
            }
            pages = PAGES;
        }
    }

    fn fill_free_pages(&mut self) -> rusqlite::Result<()> {
        self.db.execute_batch("CREATE TABLE IF NOT EXISTS filled (zeros BLOB NOT NULL)")?;
        loop {
            let number = |sql: &str| self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
            let (free, page) = (number("PRAGMA freelist_count")?, number("PRAGMA page_size")?);
            if free == 0 {
                return self.db.execute_batch("DROP TABLE filled");
            }
            self.db.execute("INSERT INTO filled (zeros) VALUES (zeroblob(?1))", [free.min(PAGES) * page])?;
        }
    }

    /// Copies all of the write-ahead log into the file, and empties it.
    fn empty_log(&mut self) -> rusqlite::Result<()> {
        let until = Instant::now() + EMPTY_MAX;
        loop {
            match self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))? {
                false => return Ok(()),
                true if Instant::now() < until => std::thread::sleep(EMPTY_AGAIN),
                true => {
                    let why = "the history is read all the time; its write-ahead log can't be emptied";
                    return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
                }
            }
        }
    }
}

impl Work<'_> {
    /// Erases some of the events that are meant; whether there may be more.
    fn erase_part(&mut self, erasure: &Erasure) -> rusqlite::Result<bool> {
        let mut numbers = self.own(erasure)?;
        for (integration, tokens) in &erasure.accounts {
            numbers.extend(self.strangers(integration, erasure.until, |account| {
                tokens.contains(&account_token(integration, account))
            })?);
        }
        numbers.iter().try_for_each(|number| self.forget_event(*number))?;
        Ok(!numbers.is_empty())
    }

    /// Events of the connection or tenant.
    fn own(&self, erasure: &Erasure) -> rusqlite::Result<Vec<i64>> {
        let end = end(erasure.late.map_or(erasure.until, |late| late.max(erasure.until)));
        let word = |text: &str| words::find(self.db, text);
        match &erasure.whose {
            Whose::Connection(integration, id) => {
                let sql =
                    "SELECT number FROM event WHERE connection = ?1 AND integration = ?2 AND number < ?3 LIMIT ?4";
                self.column(sql, params![word(id.as_str())?, word(integration.as_str())?, end, PART])
            }
            Whose::Tenant(tenant) => {
                let sql = "SELECT number FROM event WHERE tenant = ?1 AND number < ?2 LIMIT ?3";
                self.column(sql, params![word(tenant.as_str())?, end, PART])
            }
        }
    }

    /// Events of no connection and such an account.
    fn strangers(
        &self,
        integration: &IntegrationId,
        until: Timestamp,
        is_theirs: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<i64>> {
        let Some(integration) = words::find(self.db, integration.as_str())? else { return Ok(Vec::new()) };
        let accounts: Vec<i64> = self.column("SELECT DISTINCT account FROM event WHERE account IS NOT NULL", [])?;
        let mut numbers = Vec::new();
        for account in accounts {
            if words::text(self.db, Some(account))?.is_some_and(|account| is_theirs(&account)) {
                let sql = "SELECT number FROM event WHERE account = ?1 AND integration = ?2 AND connection IS NULL
                    AND number < ?3 LIMIT ?4";
                numbers.extend(self.column::<i64>(sql, params![account, integration, end(until), PART])?);
            }
        }
        Ok(numbers)
    }
}

/// Above every number of an event that was received by then.
fn end(at: Timestamp) -> i64 {
    first_number(Timestamp::from_millis(at.millis().saturating_add(1)))
}
