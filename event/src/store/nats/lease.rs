//! One owner for each partition and shard.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    Nats, link,
    state::{At, Entry, Write},
    tally::tally,
};
use crate::{
    StoreError,
    store::{Lease, LeaseKey, types::LEASE_TTL},
};

/// How long an announced router counts.
const ANNOUNCED_TTL: Duration = LEASE_TTL;

/// What stands under a lease's key.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    owner: String,
    /// The revision of its creation; not known yet while it is being created.
    epoch: Option<u64>,
}

impl Nats {
    pub(in crate::store) async fn acquire(&self, key: LeaseKey, owner: &str) -> Result<Option<Lease>, StoreError> {
        let (asked, deadline) = (Instant::now(), link::soon());
        let name = self.names.lease_key(key);
        let at = match self.read::<Held>(&name, deadline).await? {
            Some(entry) if entry.value.is_some() => return Ok(None),
            Some(released) => released.revision,
            None => 0,
        };
        let held = Held { owner: owner.to_owned(), epoch: None };
        let revision = self.write(&name, Write::Value(&held), At::Revision(at), Some(LEASE_TTL), deadline).await?;
        Ok(revision.map(|revision| Lease {
            key,
            owner: owner.to_owned(),
            epoch: revision,
            valid_until: asked + LEASE_TTL,
            revision,
        }))
    }

    pub(in crate::store) async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        let asked = Instant::now();
        if asked >= lease.valid_until {
            // Even if nobody has taken it yet: work that it covered may overlap with the next owner's by now.
            return Ok(false);
        }
        let deadline = lease.valid_until.min(link::soon());
        let name = self.names.lease_key(lease.key);
        let held = Held { owner: lease.owner.clone(), epoch: Some(lease.epoch) };
        let mut at = lease.revision;
        for _ in 0..2 {
            let write = self.write(&name, Write::Value(&held), At::Revision(at), Some(LEASE_TTL), deadline).await?;
            if let Some(revision) = write {
                lease.revision = revision;
                lease.valid_until = asked + LEASE_TTL;
                return Ok(true);
            }
            // An earlier renewal may have been stored though its answer never came.
            match self.read::<Held>(&name, deadline).await? {
                Some(entry) if is_ours(&entry, lease) => at = entry.revision,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    pub(in crate::store) async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let deadline = link::soon();
        if let LeaseKey::Partition(partition) = lease.key {
            self.flush_cursor(partition, lease.epoch, deadline).await?;
        }
        let name = self.names.lease_key(lease.key);
        let at = match self.read::<Held>(&name, deadline).await? {
            Some(entry) if is_ours(&entry, &lease) => entry.revision,
            _ => return Ok(()),
        };
        self.write::<Held>(&name, Write::Deleted, At::Revision(at), Some(LEASE_TTL), deadline).await?;
        Ok(())
    }

    pub(in crate::store) async fn announce(&self, owner: &str) -> Result<usize, StoreError> {
        let deadline = link::soon();
        let key = self.names.router_key(owner);
        self.write(&key, Write::Value(&owner), At::Any, Some(ANNOUNCED_TTL), deadline).await?;
        let living = tally(&self.link, &self.names.state(), &self.names.router_filter(), deadline).await?;
        Ok(living.subjects.len().max(1))
    }
}

fn is_ours(entry: &Entry<Held>, lease: &Lease) -> bool {
    let Some(held) = &entry.value else { return false };
    held.owner == lease.owner && held.epoch.unwrap_or(entry.revision) == lease.epoch
}
