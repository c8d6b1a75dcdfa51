//! Refused requests.

use super::{Store, StoreError};
use crate::{RefusalKey, RequestId, SealedRefusal};

impl Store {
    /// Keeps a refused request. Bounds are not the store's: whoever has the lease of the quarantine keeps them
    /// ([`super::LeaseKey::Quarantine`]).
    ///
    /// # Errors
    /// When the engine can't confirm, or has no room.
    pub async fn quarantine(&self, refusal: &SealedRefusal) -> Result<(), StoreError> {
        engine!(self.quarantine(refusal).await)
    }

    /// A number that grows with everything that the quarantine is given.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn quarantine_mark(&self) -> Result<u64, StoreError> {
        engine!(self.quarantine_mark().await)
    }

    /// All refused requests that are kept, or the one of an id; ordered by id, which is by time.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn quarantined(&self, request: Option<RequestId>) -> Result<Vec<RefusalKey>, StoreError> {
        engine!(self.quarantined(request).await)
    }

    /// Reads a refused request; `None` when it is kept no more.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn refusal(&self, key: &RefusalKey) -> Result<Option<SealedRefusal>, StoreError> {
        engine!(self.refusal(key).await)
    }

    /// Keeps refused requests no more.
    ///
    /// # Errors
    /// When the engine can't do it; a repeat completes it.
    pub async fn forget_refusals(&self, keys: &[RefusalKey]) -> Result<(), StoreError> {
        match keys {
            [] => Ok(()),
            keys => engine!(self.forget_refusals(keys).await),
        }
    }
}
