//! Leases. The one process has every partition and shard, but its routers may still change: one owner at a time.

use std::{collections::HashMap, time::Instant};

use tokio::sync::Mutex;

use super::{
    Embedded,
    job::{Answer, Change},
    queue::Kind,
};
use crate::{
    StoreError,
    store::types::{LEASE_TTL, Lease, LeaseKey},
};

/// Who has what.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<LeaseKey, Held>>);

#[derive(Debug)]
struct Held {
    owner: String,
    epoch: u64,
    until: Instant,
}

impl Leases {
    /// Takes a partition or shard; not while another owner renews its lease.
    pub(super) async fn acquire(
        &self,
        store: &Embedded,
        key: LeaseKey,
        owner: &str,
    ) -> Result<Option<Lease>, StoreError> {
        let mut held = self.0.lock().await;
        let until = Instant::now() + LEASE_TTL;
        if held.get(&key).is_some_and(|held| held.owner != owner && held.until > Instant::now()) {
            return Ok(None);
        }
        let Answer::Count(epoch) = store.write(Kind::Completion, Change::Lease(key), 0).await? else {
            return Ok(None);
        };
        held.insert(key, Held { owner: owner.to_owned(), epoch, until });
        Ok(Some(Lease { key, owner: owner.to_owned(), epoch, valid_until: until, revision: epoch }))
    }

    /// Extends a lease. One that ran out but that nobody took is still the owner's.
    pub(super) async fn renew(&self, lease: &mut Lease) -> bool {
        let until = Instant::now() + LEASE_TTL;
        let mut held = self.0.lock().await;
        let Some(held) = held.get_mut(&lease.key).filter(|held| held.epoch == lease.epoch) else {
            return false;
        };
        held.until = until;
        lease.valid_until = until;
        true
    }

    /// Gives a lease up; nothing when it was lost.
    pub(super) async fn release(&self, lease: &Lease) {
        let mut held = self.0.lock().await;
        if held.get(&lease.key).is_some_and(|held| held.epoch == lease.epoch) {
            held.remove(&lease.key);
        }
    }
}
