//! What reading and writing connections asks of the registry.

use std::future::Future;

use bytes::Bytes;

use crate::{
    Store, StoreError,
    registry::{Entry, Expect, Kind, Put},
};

/// The registry, an entry at a time: the store's. Each of these is one step of a writer, between any two of which others
/// may take theirs or a crash may end it; so the tests have one in memory too, where they choose whose step is next.
pub trait Entries {
    /// As [`Store::entry`].
    fn entry(&self, kind: Kind, id: &str) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send;

    /// As [`Store::put`].
    fn put(
        &self,
        kind: Kind,
        id: &str,
        value: Bytes,
        expect: Expect,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// As [`Store::remove`].
    fn remove(&self, kind: Kind, id: &str, expect: Expect) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

impl Entries for Store {
    async fn entry(&self, kind: Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        Self::entry(self, kind, id).await
    }

    async fn put(&self, kind: Kind, id: &str, value: Bytes, expect: Expect) -> Result<Put, StoreError> {
        Self::put(self, kind, id, value, expect).await
    }

    async fn remove(&self, kind: Kind, id: &str, expect: Expect) -> Result<Put, StoreError> {
        Self::remove(self, kind, id, expect).await
    }
}
