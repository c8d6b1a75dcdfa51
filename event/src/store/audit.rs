//! Who changed what.

use super::{Store, StoreError};
use crate::Act;

impl Store {
    /// Adds to the audit log, which is bounded ([`crate::audit::ACTS_MAX`]) and kept for `retention.audit`.
    ///
    /// # Errors
    /// When the engine can't confirm; it may be there all the same, and a repeat adds it once.
    pub async fn note_act(&self, act: &Act) -> Result<(), StoreError> {
        engine!(self.note_act(act).await)
    }

    /// The audit log, newest first, before a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn acts(&self, before: u64, limit: usize) -> Result<Vec<(u64, Act)>, StoreError> {
        engine!(self.acts(before, limit).await)
    }
}
