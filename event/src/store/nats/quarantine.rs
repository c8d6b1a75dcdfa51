//! Refused requests: one message each, on a subject that says all that quotas go by, so that a list of subjects is enough
//! to keep them.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;

use super::{
    Nats,
    link::{self, Post, Repeat},
    read::Stored,
    tally::{numbers, tally},
};
use crate::{RefusalKey, RequestId, SealedRefusal, StoreError};

/// Requests to the server under way at once.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Purged {}

impl Nats {
    pub(in crate::store) async fn quarantine(&self, refusal: &SealedRefusal) -> Result<(), StoreError> {
        let subject = self.names.quarantine_subject(&refusal.key());
        let kept = self.kept(&refusal.integration, |kept| kept.quarantine);
        let post = Post::once(subject, &refusal.request.to_string(), packed(refusal)?).lasting(kept);
        self.link.publish(&post, Repeat::Harmless, link::soon()).await?;
        Ok(())
    }

    pub(in crate::store) async fn quarantine_mark(&self) -> Result<u64, StoreError> {
        Ok(numbers(&self.link, &self.names.quarantine(), link::soon()).await?.last)
    }

    pub(in crate::store) async fn quarantined(
        &self,
        request: Option<RequestId>,
    ) -> Result<Vec<RefusalKey>, StoreError> {
        let filter = self.names.quarantine_filter(request);
        let found = tally(&self.link, &self.names.quarantine(), &filter, link::soon()).await?;
        let mut keys: Vec<RefusalKey> =
            found.subjects.keys().filter_map(|subject| self.names.quarantined(subject)).collect();
        keys.sort_unstable_by_key(|key| key.request);
        Ok(keys)
    }

    pub(in crate::store) async fn refusal(&self, key: &RefusalKey) -> Result<Option<SealedRefusal>, StoreError> {
        let subject = self.names.quarantine_subject(key);
        let found = self.link.last_of(&self.names.quarantine(), &subject, self.replicas, link::soon()).await?;
        found.map(|message| unpacked(&message)).transpose()
    }

    pub(in crate::store) async fn forget_refusals(&self, keys: &[RefusalKey]) -> Result<(), StoreError> {
        let purges: Vec<_> = keys.iter().map(|key| self.forget_refusal(key).boxed()).collect();
        stream::iter(purges).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn forget_refusal(&self, key: &RefusalKey) -> Result<(), StoreError> {
        let purge = format!("STREAM.PURGE.{}", self.names.quarantine());
        let request = json!({ "filter": self.names.quarantine_subject(key) });
        let Purged {} = self.link.api(&purge, &request, link::soon()).await?;
        Ok(())
    }
}

/// Length of what is in the clear, that as JSON, what is sealed.
fn packed(refusal: &SealedRefusal) -> Result<Bytes, StoreError> {
    let corrupt = |error: &dyn std::fmt::Display| StoreError::Corrupt(error.to_string());
    let head = serde_json::to_vec(refusal).map_err(|error| corrupt(&error))?;
    let length = u32::try_from(head.len()).map_err(|error| corrupt(&error))?;
    let mut payload = BytesMut::with_capacity(4 + head.len() + refusal.sealed.len());
    payload.put_u32(length);
    payload.put_slice(&head);
    payload.put_slice(&refusal.sealed);
    Ok(payload.freeze())
}

fn unpacked(message: &Stored) -> Result<SealedRefusal, StoreError> {
    let corrupt = |why: &str| StoreError::Corrupt(format!("refused request {}: {why}", message.sequence));
    let (length, rest) = message.payload.split_first_chunk::<4>().ok_or_else(|| corrupt("it is cut short"))?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let head = rest.get(..length).ok_or_else(|| corrupt("it is cut short"))?;
    let head: SealedRefusal = serde_json::from_slice(head).map_err(|error| corrupt(&error.to_string()))?;
    Ok(SealedRefusal { sealed: message.payload.slice(4 + length..), ..head })
}
