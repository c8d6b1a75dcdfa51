//! Questions to the operator's own workers, beside all streams.

use std::time::Instant;

use async_nats::Request;
use bytes::Bytes;

use super::Nats;
use crate::StoreError;

impl Nats {
    pub(in crate::store) async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, StoreError> {
        self.link.ready()?;
        let left = deadline.saturating_duration_since(Instant::now());
        let request = Request::new().payload(payload).timeout(Some(left));
        let subject = self.names.worker_subject(subject);
        let answer = self.link.client().send_request(subject.clone(), request).await;
        answer.map(|answer| answer.payload).map_err(|error| StoreError::Unavailable(format!("{subject}: {error}")))
    }
}
