//! What became of everything.

use super::{Census, Store, StoreError};
use crate::{Attempt, Outcomes};

impl Store {
    /// Attempt records, oldest first, after a position. Those that were written together share one, and all of them are
    /// given, though there may be more than `limit` then.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Attempt)>, StoreError> {
        engine!(self.attempts(after, limit).await)
    }

    /// What became of events when they were routed, or owed anew: records in the order they were written, after a
    /// position. They are kept as long as events, and say nothing of how deliveries went on: see [`Self::attempts`] and
    /// [`Self::dead_letters`].
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn outcomes(&self, after: u64, limit: usize) -> Result<Vec<(u64, Outcomes)>, StoreError> {
        engine!(self.outcomes(after, limit).await)
    }

    /// Counts everything that was acknowledged and is retained.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn census(&self) -> Result<Census, StoreError> {
        engine!(self.census().await)
    }
}
