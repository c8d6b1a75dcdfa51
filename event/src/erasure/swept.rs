//! That the quarantine was looked through for an erasure. The gateways keep it, and a router may not read it: so a gateway
//! says in the registry when it has taken out what is erased, and the erasure ends after that.

use bytes::Bytes;

use crate::{
    ErasureId, Store, StoreError,
    registry::{Expect, Kind},
};

/// Says that what is erased was taken out of the quarantine, and that no more of it can come.
///
/// # Errors
/// When the engine can't confirm; a repeat completes it.
pub async fn note_swept(store: &Store, id: ErasureId) -> Result<(), StoreError> {
    store.put(Kind::Swept, &id.to_string(), Bytes::from_static(b"{}"), Expect::Any).await.map(drop)
}

/// Whether a gateway has said so.
///
/// # Errors
/// When the engine can't be asked.
pub async fn is_swept(store: &Store, id: ErasureId) -> Result<bool, StoreError> {
    Ok(store.entry(Kind::Swept, &id.to_string()).await?.is_some())
}

/// Forgets that it has.
///
/// # Errors
/// When the engine can't confirm.
pub async fn forget_swept(store: &Store, id: ErasureId) -> Result<(), StoreError> {
    store.remove(Kind::Swept, &id.to_string(), Expect::Any).await.map(drop)
}
