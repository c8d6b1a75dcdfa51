//! Texts that repeat, and the numbers that stand for them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

/// Words that the writer remembers.
const REMEMBERED_MAX: usize = 50_000;

/// The writer's words.
#[derive(Debug, Default)]
pub(super) struct Words {
    known: HashMap<String, i64>,
}

impl Words {
    /// The number of a text, made if need be.
    pub(super) fn number(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(text) {
            return Ok(*number);
        }
        let number = match find(db, text)? {
            Some(number) => number,
            None => {
                db.prepare_cached("INSERT INTO word (text) VALUES (?1)")?.execute([text])?;
                db.last_insert_rowid()
            }
        };
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), number);
        Ok(number)
    }

    /// As [`Self::number`], of a text that may be missing.
    pub(super) fn maybe(&mut self, db: &Connection, text: Option<&str>) -> rusqlite::Result<Option<i64>> {
        text.map(|text| self.number(db, text)).transpose()
    }

    /// Forgets all: a transaction that made some has failed.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

/// The number of a text, if it has one.
pub(super) fn find(db: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM word WHERE text = ?1")?.query_row([text], |row| row.get(0)).optional()
}

/// The text of a number.
pub(super) fn text(db: &Connection, number: Option<i64>) -> rusqlite::Result<Option<String>> {
    let Some(number) = number else { return Ok(None) };
    db.prepare_cached("SELECT text FROM word WHERE id = ?1")?.query_row([number], |row| row.get(0)).optional()
}
