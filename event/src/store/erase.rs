//! Erasing.

use super::{Store, StoreError};
use crate::erasure::Remains;

impl Store {
    /// Ends and overwrites what is stored of something; what is gone already is left out. See [`crate::erasure::walk`].
    ///
    /// # Errors
    /// When the engine can't do it; a repeat completes it.
    pub async fn erase(&self, remains: Vec<Remains>) -> Result<(), StoreError> {
        match remains.is_empty() {
            true => Ok(()),
            false => engine!(self.erase(remains).await),
        }
    }

    /// Overwrites what was removed in the course of things and still stands on disk.
    ///
    /// # Errors
    /// When the engine can't do it; repeat it.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        engine!(self.scrub().await)
    }
}
