//! Refused requests, kept beside the request's path.

use std::collections::VecDeque;

use bytes::{BufMut as _, Bytes, BytesMut};
use gatepost_config::IntegrationId;
use tokio::sync::mpsc;

use super::{
    Nats,
    body::INLINE_BYTES_MAX,
    link::{self, Link, Post, Repeat},
    names::Names,
    read::Stored,
};
use crate::{StoreError, store::Refusal};

/// Refusals that may wait to be stored.
pub(super) const QUEUE_MAX: usize = 256;
/// Refusals read at a time.
const PAGE: usize = 64;

impl Nats {
    pub(in crate::store) fn quarantine(&self, refusal: Refusal) -> bool {
        self.link.ready().is_ok() && self.refusals.try_send(refusal).is_ok()
    }

    pub(in crate::store) async fn quarantined(
        &self,
        integration: &IntegrationId,
        limit: usize,
    ) -> Result<Vec<Refusal>, StoreError> {
        let (stream, filter) = (self.names.quarantine(), self.names.quarantine_subject(integration));
        let mut newest: VecDeque<Refusal> = VecDeque::new();
        let mut after = 0;
        loop {
            let page = self.link.page(&stream, &filter, after, PAGE, self.replicas).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for refusal in page.iter().filter_map(refusal) {
                newest.push_front(refusal);
            }
            newest.truncate(limit);
        }
        Ok(newest.into())
    }
}

/// Stores refusals as they come; ends when the store is closed or dropped.
pub(super) async fn keep(link: &Link, names: &Names, mut refusals: mpsc::Receiver<Refusal>) {
    while let Some(refusal) = refusals.recv().await {
        let Some(payload) = packed(&refusal) else { continue };
        let subject = names.quarantine_subject(&refusal.integration);
        let post = Post::once(subject, &refusal.request.to_string(), payload);
        if let Err(failed) = link.publish(&post, Repeat::Harmless, link::soon()).await {
            tracing::warn!(request = %refusal.request, error = %StoreError::from(failed), "a refused request was not kept");
        }
    }
}

/// Length of the head, head as JSON, body. A body too large for a message is cut.
fn packed(refusal: &Refusal) -> Option<Bytes> {
    let body = refusal.body.slice(..refusal.body.len().min(INLINE_BYTES_MAX));
    let head = serde_json::to_vec(&Refusal { body: Bytes::new(), ..refusal.clone() }).ok()?;
    let mut payload = BytesMut::with_capacity(4 + head.len() + body.len());
    payload.put_u32(u32::try_from(head.len()).ok()?);
    payload.put_slice(&head);
    payload.put_slice(&body);
    Some(payload.freeze())
}

fn refusal(message: &Stored) -> Option<Refusal> {
    let (head, rest) = message.payload.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*head)).ok()?;
    let refusal: Refusal = serde_json::from_slice(rest.get(..length)?).ok()?;
    Some(Refusal { body: message.payload.slice(4 + length..), ..refusal })
}
