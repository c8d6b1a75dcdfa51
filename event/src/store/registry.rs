//! What is known by name.

use bytes::Bytes;

use super::{Store, StoreError, Watch};
use crate::registry::{self, Change, Entry, Expect, Put};

impl Store {
    /// All entries of a kind, ordered by id.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entries(&self, kind: registry::Kind) -> Result<Vec<Entry>, StoreError> {
        engine!(self.entries(kind).await)
    }

    /// Entries of a kind in the order of their last writes, after a revision: at most `limit`, fewer only at the end. Who
    /// goes through all pages meets every entry that is there meanwhile; one that is written meanwhile comes again.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entries_after(
        &self,
        kind: registry::Kind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        engine!(self.entries_after(kind, after, limit).await)
    }

    /// The entry of an id.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn entry(&self, kind: registry::Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        engine!(self.entry(kind, id).await)
    }

    /// Puts a value under an id if what stands there is as expected: of all who expect the same, one is told
    /// [`Put::Stored`]. See [`Put`] for repeats.
    ///
    /// # Errors
    /// When the engine can't confirm; it may have happened all the same.
    pub async fn put(&self, kind: registry::Kind, id: &str, value: Bytes, expect: Expect) -> Result<Put, StoreError> {
        match registry::fits(id, &value) {
            true => engine!(self.write_entry(kind, id, Some(value), expect).await),
            false => Ok(Put::TooLong),
        }
    }

    /// Removes an entry that is as expected; `Conflict(None)` when there is none, whatever was expected.
    ///
    /// # Errors
    /// When the engine can't confirm; it may have happened all the same.
    pub async fn remove(&self, kind: registry::Kind, id: &str, expect: Expect) -> Result<Put, StoreError> {
        engine!(self.write_entry(kind, id, None, expect).await)
    }

    /// Opens a watch of a kind's entries: every change from now on, in order. Open it before asking for
    /// [`Self::entries`]; a change that the list shows already may then be told once more.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn watch(&self, kind: registry::Kind) -> Result<Watch, StoreError> {
        self.watch_any(vec![kind]).await
    }

    /// As [`Self::watch`], of several kinds in one order. A change does not say which kind it is of.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn watch_any(&self, kinds: Vec<registry::Kind>) -> Result<Watch, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Watch::Embedded(engine.watch(kinds)?)),
            Self::Nats(engine) => Ok(Watch::Nats(Box::new(engine.watch(kinds).await?))),
        }
    }
}

impl Watch {
    /// The next change, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the watch again and ask for the entries.
    pub async fn next(&mut self) -> Result<Change, StoreError> {
        engine!(self.next().await)
    }
}
