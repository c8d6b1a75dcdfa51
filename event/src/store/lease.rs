//! Who works on what.

use super::{Lease, LeaseKey, Store, StoreError};

impl Store {
    /// Takes a partition or shard for `owner` when nobody has it, for [`super::types::LEASE_TTL`]. `None`: somebody has it.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn acquire(&self, key: LeaseKey, owner: &str) -> Result<Option<Lease>, StoreError> {
        engine!(self.acquire(key, owner).await)
    }

    /// Extends a lease for another TTL, counted from before the call. `false`: it was lost; stop at once.
    ///
    /// # Errors
    /// When the engine can't be asked; the lease runs out at its own time.
    pub async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        engine!(self.renew(lease).await)
    }

    /// Gives a lease up so that another may take it at once.
    ///
    /// # Errors
    /// When the engine can't be asked; the lease then runs out.
    pub async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        engine!(self.release(lease).await)
    }

    /// Says that router `owner` lives, and counts those that do (this one included), to share work evenly.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn announce(&self, owner: &str) -> Result<usize, StoreError> {
        engine!(self.announce(owner).await)
    }
}
