//! Keys with revisions, in the bucket of leases, cursors and router announcements.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Nats,
    link::{Post, Repeat},
    reply::Failed,
};
use crate::StoreError;

/// The header of a key that was deleted.
pub(super) const OPERATION: &str = "KV-Operation";
/// Its value.
pub(super) const DELETED: &str = "DEL";

/// What stands under a key.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// Its revision, to write at.
    pub(super) revision: u64,
    /// The value; none when it was deleted.
    pub(super) value: Option<T>,
}

/// What to write.
pub(super) enum Write<'a, T> {
    Value(&'a T),
    Deleted,
}

/// Which write of a key is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// The one that finds this revision; 0 for none.
    Revision(u64),
    /// Any.
    Any,
}

impl Nats {
    /// Writes a key, for a time if one is given. `None` when it is not at that revision.
    ///
    /// The server starts a key's time anew with every write, and keeps a key for good that is written without one.
    pub(super) async fn write<T: Serialize>(
        &self,
        key: &str,
        write: Write<'_, T>,
        at: At,
        ttl: Option<Duration>,
        deadline: Instant,
    ) -> Result<Option<u64>, StoreError> {
        let mut headers = HeaderMap::new();
        let mut repeat = Repeat::Harmless;
        if let At::Revision(revision) = at {
            headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
            repeat = Repeat::Never;
        }
        if let Some(ttl) = ttl {
            headers.insert(async_nats::header::NATS_MESSAGE_TTL, format!("{}s", ttl.as_secs().max(1)).as_str());
        }
        let payload = match write {
            Write::Value(value) => {
                serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?.into()
            }
            Write::Deleted => {
                headers.insert(OPERATION, DELETED);
                bytes::Bytes::new()
            }
        };
        match self.link.publish(&Post::new(key.to_owned(), headers, payload), repeat, deadline).await {
            Ok(ack) => Ok(Some(ack.sequence)),
            Err(Failed::Refused(refused)) if refused.is_wrong_revision() => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Reads a key, by the leader's word.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        deadline: Instant,
    ) -> Result<Option<Entry<T>>, StoreError> {
        let Some(found) = self.link.leader_last(&self.names.state(), key, deadline).await? else { return Ok(None) };
        let value = match found.headers.get_last(OPERATION) {
            Some(_) => None,
            None => Some(serde_json::from_slice(&found.payload).map_err(|error| {
                StoreError::Corrupt(format!("the key {key} of the bucket {}: {error}", self.names.bucket()))
            })?),
        };
        Ok(Some(Entry { revision: found.sequence, value }))
    }
}
