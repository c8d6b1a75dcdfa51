//! Secrets that providers gave.

use std::time::Instant;

use super::{Kept, SecretNews, Secrets, Store, StoreError};
use crate::SealedSecret;

impl Store {
    /// Keeps a sealed secret, unless one is kept under its name: that one is never overwritten, whoever asks at once.
    ///
    /// # Errors
    /// When the engine can't confirm; the secret may be kept all the same, and a repeat then finds it.
    pub async fn keep_secret(&self, secret: &SealedSecret, deadline: Instant) -> Result<Kept, StoreError> {
        engine!(self.keep_secret(secret, deadline).await)
    }

    /// Reads kept secrets: all there are, then those that come, whoever keeps them.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn secrets(&self) -> Result<Secrets, StoreError> {
        match self {
            Self::Embedded(engine) => Ok(Secrets::Embedded(engine.secrets()?)),
            Self::Nats(engine) => Ok(Secrets::Nats(Box::new(engine.secrets().await?))),
        }
    }

    /// All kept secrets, for whoever takes some out. One that can't be read is left out, and logged.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn kept_secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        engine!(self.kept_secrets().await)
    }
}

impl Secrets {
    /// The next, waiting for it. Cancel safe.
    ///
    /// # Errors
    /// When the engine can't be asked; open the secrets again, which tells all of them again.
    pub async fn next(&mut self) -> Result<SecretNews, StoreError> {
        engine!(self.next().await)
    }
}
