//! What can go wrong with the store.

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine can't be reached or did not confirm in time. Worth a retry.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The engine has no room. Worth a retry once something was freed.
    #[error("the store is full: {0}")]
    Full(String),
    /// Somebody else owns the partition or shard now.
    #[error("the lease was lost")]
    LeaseLost,
    /// What is stored can't be read.
    #[error("the store holds something that can't be read: {0}")]
    Corrupt(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Why the store could not be opened, in words for the operator, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);
