//! Events that wait for a connection to claim their account.

use futures::future::try_join_all;
use gatepost_config::IntegrationId;
use serde::Deserialize;
use serde_json::json;

use super::{
    Nats,
    link::{self, Repeat},
    names::BodyOwner,
    reply::Failed,
    tally,
};
use crate::{
    StoreError,
    store::{Parked, ParkedMark, Release, Under},
};

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
        self.parked_after(&filter, account, after, limit).await
    }

    async fn parked_after(
        &self,
        filter: &str,
        account: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit {
            let wanted = limit - found.len();
            let page = self.link.page(&self.names.parked(), filter, after, wanted, self.replicas).await?;
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

    pub(in crate::store) async fn parked_mark(&self) -> Result<ParkedMark, StoreError> {
        let numbers = tally::numbers(&self.link, &self.names.parked(), link::soon()).await?;
        Ok(ParkedMark { last: numbers.last, is_empty: numbers.messages == 0 })
    }

    pub(in crate::store) async fn unpark(&self, release: &Release) -> Result<u64, StoreError> {
        let Release { integration, under, connection, tenant, destination, since } = release;
        let (filter, account) = match under {
            Under::Account(account) => (self.names.parked_filter(Some(integration), Some(account)), Some(&**account)),
            Under::Connection => (self.names.parked_subject(integration, None, Some(connection)), None),
        };
        // Usually there is nothing, which one question tells.
        let mut page = self.parked_after(&filter, account, 0, PAGE).await?;
        if page.is_empty() {
            return Ok(0);
        }
        // Not what comes meanwhile: it may come faster than this goes.
        let through = tally::numbers(&self.link, &self.names.parked(), link::soon()).await?.last;
        let mut moved = 0;
        loop {
            let Some(last) = page.last() else { return Ok(moved) };
            let after = last.position;
            let mut logged = Vec::new();
            for parked in page {
                if parked.position > through {
                    break;
                }
                let meta = &parked.event.meta;
                if since.is_some_and(|since| meta.received_at < since)
                    || meta.tenant.as_ref().is_some_and(|t| t != tenant)
                {
                    continue;
                }
                // One after the other: their stored order is the order that receivers may rely on.
                let mut event = parked.event;
                event.meta.connection = Some(connection.clone());
                event.meta.tenant = Some(tenant.clone());
                event.meta.destination.clone_from(destination);
                let deadline = link::soon();
                let post = self.logged(&event, deadline).await?;
                self.link.publish(&post, Repeat::Harmless, deadline).await?;
                logged.push(parked.position);
            }
            let gone = try_join_all(logged.into_iter().map(|position| self.forget_parked(position))).await?;
            moved += gone.into_iter().map(u64::from).sum::<u64>();
            if after >= through {
                return Ok(moved);
            }
            page = self.parked_after(&filter, account, after, PAGE).await?;
        }
    }

    /// Whether it was there.
    async fn forget_parked(&self, position: u64) -> Result<bool, StoreError> {
        let deadline = link::soon();
        let delete = format!("STREAM.MSG.DELETE.{}", self.names.parked());
        // Overwritten: it goes on as a connection's, whose erasing must not leave this one.
        let request = json!({ "seq": position, "no_erase": false });
        match self.link.api::<Deleted>(&delete, &request, deadline).await {
            Ok(_) => Ok(true),
            Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}
