//! Events that wait for a connection to claim their account.

use gatepost_config::{ConnectionId, IntegrationId, TenantId};
use serde::Deserialize;
use serde_json::json;

use super::{
    Nats,
    link::{self, Repeat},
    names::BodyOwner,
    reply::Failed,
};
use crate::{Event, StoreError, store::Parked};

/// Parked events that are moved between two questions.
const PAGE: usize = 16;

#[derive(Deserialize)]
struct Deleted {}

impl Nats {
    pub(in crate::store) async fn unmatched(
        &self,
        integration: Option<&IntegrationId>,
        account: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let filter = self.names.parked_filter(integration, account);
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit {
            let wanted = limit - found.len();
            let page = self.link.page(&self.names.parked(), &filter, after, wanted, self.replicas).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for message in &page {
                let read = self.unframed(BodyOwner::Parked, &message.headers, &message.payload, link::soon()).await;
                let event = match read {
                    Ok(Some(event)) => event,
                    Ok(None) | Err(StoreError::Corrupt(_)) => {
                        tracing::error!(position = message.sequence, "a parked event can't be read; it is left out");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                // An account without its integration can't be seen in the subject.
                if account.is_none_or(|account| event.meta.account.as_deref() == Some(account)) {
                    found.push(Parked { position: message.sequence, event });
                }
            }
        }
        Ok(found)
    }

    pub(in crate::store) async fn unpark(
        &self,
        integration: &IntegrationId,
        account: &str,
        connection: &ConnectionId,
        tenant: &TenantId,
    ) -> Result<u64, StoreError> {
        let (mut moved, mut after) = (0, 0);
        loop {
            let page = self.unmatched(Some(integration), Some(account), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(moved) };
            after = last.position;
            for parked in page {
                // One after the other: their stored order is the order that receivers may rely on.
                let mut event = parked.event;
                event.meta.connection = Some(connection.clone());
                event.meta.tenant = Some(tenant.clone());
                moved += u64::from(self.release_parked(&event, parked.position).await?);
            }
        }
    }

    async fn release_parked(&self, event: &Event, position: u64) -> Result<bool, StoreError> {
        let deadline = link::soon();
        let post = self.logged(event, deadline).await?;
        self.link.publish(&post, Repeat::Harmless, deadline).await?;
        let delete = format!("STREAM.MSG.DELETE.{}", self.names.parked());
        let request = json!({ "seq": position, "no_erase": true });
        match self.link.api::<Deleted>(&delete, &request, deadline).await {
            Ok(_) => Ok(true),
            Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}
