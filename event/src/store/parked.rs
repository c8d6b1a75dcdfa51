//! Events that no connection claims.

use gatepost_config::{ConnectionId, IntegrationId, TenantId};

use super::{Parked, ParkedMark, Release, Store, StoreError, Under};

impl Store {
    /// Parked events in stored order, of one account or of all, after a position.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn unmatched(
        &self,
        integration: Option<&IntegrationId>,
        account: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        engine!(self.unmatched(integration, account, after, limit).await)
    }

    /// Moves an account's parked events to the log as a connection's that has no destination of its own, in stored order,
    /// under the ids they were acknowledged with. Returns how many. Safe to repeat after a crash.
    ///
    /// # Errors
    /// When the engine can't do it; what was moved stays moved.
    pub async fn unpark(
        &self,
        integration: &IntegrationId,
        account: &str,
        connection: &ConnectionId,
        tenant: &TenantId,
    ) -> Result<u64, StoreError> {
        let release = Release {
            integration: integration.clone(),
            under: Under::Account(account.to_owned()),
            connection: connection.clone(),
            tenant: tenant.clone(),
            destination: None,
            since: None,
        };
        self.release_parked(&release).await
    }

    /// Whether anything is parked, and a number that grows with everything that is.
    ///
    /// # Errors
    /// When the engine can't be asked.
    pub async fn parked_mark(&self) -> Result<ParkedMark, StoreError> {
        engine!(self.parked_mark().await)
    }

    /// As [`Self::unpark`], of what is parked by now under an account or under the connection itself, and not too old.
    ///
    /// # Errors
    /// When the engine can't do it; what was moved stays moved.
    pub async fn release_parked(&self, release: &Release) -> Result<u64, StoreError> {
        engine!(self.unpark(release).await)
    }
}
