//! Reading stored messages: directly, which any replica may answer, or from the stream's leader.
//!
//! A replica may be behind. What it has is right, but what it doesn't have proves nothing: where absence matters and
//! there are replicas, the leader is asked.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::StreamExt as _;
use gatepost_config::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{
    link::{Link, Repeat},
    reply::{self, Failed},
};
use crate::StoreError;

/// Bytes that one batch of a page may hold.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages that one batch of a page may hold.
const BATCH_MAX: usize = 512;
/// Matches every subject of a stream. How many messages match is told with each answer, and costs the server no count.
pub(super) const ALL: &str = ">";
/// How often is looked again for what should be there, and the pause before each look.
pub(super) const LOOKS: usize = 3;
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// The longest silence inside a batch.
const BATCH_SILENCE: Duration = Duration::from_millis(1500);

/// A stored message.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// What one question for several was answered with.
pub(super) struct Batch {
    pub(super) messages: Vec<Stored>,
    /// No more matches, by the word of whoever answered.
    is_last: bool,
}

/// The same as it came.
struct Answer {
    messages: Vec<Message>,
    /// As in [`Batch`].
    is_last: bool,
    /// Where the last of them stands.
    last: Option<u64>,
}

/// What a leader gives.
#[derive(Deserialize)]
struct FromLeader {
    message: RawMessage,
}

#[derive(Deserialize)]
struct RawMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl Link {
    /// The message at a place; `None` when it is gone.
    pub(super) async fn message_at(
        &self,
        stream: &str,
        sequence: u64,
        replicas: usize,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let found = self.direct(&subject, &json!({ "seq": sequence }), deadline).await?;
        match found {
            None if replicas > 1 => self.leader(stream, &json!({ "seq": sequence }), deadline).await,
            found => Ok(found),
        }
    }

    /// The last message of a subject; `None` when there is none.
    pub(super) async fn last_of(
        &self,
        stream: &str,
        subject: &str,
        replicas: usize,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        let direct = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
        let found = self.direct(&direct, &json!({}), deadline).await?;
        match found {
            None if replicas > 1 => self.leader_last(stream, subject, deadline).await,
            found => Ok(found),
        }
    }

    /// As [`Self::last_of`], of what something else refers to that was stored after it. A server that has just become leader,
    /// or does not know yet that it no longer is, may lack what was confirmed; what is taken for gone is lost.
    pub(super) async fn kept_of(
        &self,
        stream: &str,
        subject: &str,
        replicas: usize,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        let mut found = self.last_of(stream, subject, replicas, deadline).await?;
        for _ in 0..LOOKS {
            if found.is_some() || replicas == 1 {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            found = self.last_of(stream, subject, replicas, deadline).await?;
        }
        Ok(found)
    }

    /// As [`Self::last_of`], by the leader's word only.
    pub(super) async fn leader_last(
        &self,
        stream: &str,
        subject: &str,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        self.leader(stream, &json!({ "last_by_subj": subject }), deadline).await
    }

    /// Up to `limit` messages whose subjects match, after a place, in stored order.
    pub(super) async fn page(
        &self,
        stream: &str,
        filter: &str,
        after: u64,
        limit: usize,
        replicas: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let deadline = super::link::soon();
        let mut page: Vec<Stored> = Vec::new();
        while page.len() < limit {
            let next = page.last().map_or(after, |last| last.sequence) + 1;
            let batch = self.batch(stream, filter, next, limit - page.len(), deadline).await?;
            page.extend(batch.messages);
            if batch.is_last {
                break;
            }
        }
        // A replica that is behind ends a page too early.
        while replicas > 1 && page.len() < limit {
            let next = page.last().map_or(after, |last| last.sequence) + 1;
            match self.leader(stream, &json!({ "seq": next, "next_by_subj": filter }), deadline).await? {
                Some(message) => page.push(message),
                None => break,
            }
        }
        Ok(page)
    }

    /// The place of the first message that was stored at or after a time.
    pub(super) async fn first_since(
        &self,
        stream: &str,
        filter: &str,
        since: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let request = json!({ "start_time": since.to_string(), "next_by_subj": filter, "batch": 1 });
        let found = self.repeated(stream, &request, super::link::soon()).await?;
        Ok(found.messages.first().map(|first| first.sequence))
    }

    async fn leader(
        &self,
        stream: &str,
        request: &serde_json::Value,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        match self.api::<FromLeader>(&format!("STREAM.MSG.GET.{stream}"), request, deadline).await {
            Ok(found) => found.message.decode().map(Some),
            Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    async fn direct(
        &self,
        subject: &str,
        request: &serde_json::Value,
        deadline: Instant,
    ) -> Result<Option<Stored>, StoreError> {
        self.ready()?;
        let body = match subject.matches('.').count() {
            4 => Bytes::from(request.to_string()),
            _ => Bytes::new(),
        };
        let answer = self.exchange(subject, None, &body, Repeat::Harmless, deadline).await?;
        match answer.status {
            Some(StatusCode::NOT_FOUND) => Ok(None),
            None | Some(StatusCode::OK) => stored(answer).map(Some),
            Some(status) => Err(odd(status, answer.description.as_deref())),
        }
    }

    /// One batched direct get, tried again while nobody answers.
    pub(super) async fn batch(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<Batch, StoreError> {
        let request = json!({
            "seq": from, "next_by_subj": filter, "batch": limit.min(BATCH_MAX), "max_bytes": BATCH_BYTES_MAX,
        });
        self.repeated(stream, &request, deadline).await
    }

    /// What matches from a place on, without headers and so without its places: they cost the server more than the message.
    /// And where the last of it stands, if whoever answered says so.
    pub(super) async fn payloads(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        limit: usize,
        deadline: Instant,
    ) -> Result<(Vec<Bytes>, Option<u64>), StoreError> {
        let request = json!({
            "seq": from, "next_by_subj": filter, "batch": limit.min(BATCH_MAX), "max_bytes": BATCH_BYTES_MAX, "no_hdr": true,
        });
        let Answer { messages, last, .. } = self.asked_again(stream, &request, deadline).await?;
        Ok((messages.into_iter().map(|message| message.payload).collect(), last))
    }

    async fn repeated(
        &self,
        stream: &str,
        request: &serde_json::Value,
        deadline: Instant,
    ) -> Result<Batch, StoreError> {
        let Answer { messages: answers, is_last, .. } = self.asked_again(stream, request, deadline).await?;
        let (mut messages, mut before) = (Vec::with_capacity(answers.len()), 0);
        for answer in answers {
            let message = stored(answer)?;
            // Each says which one it follows: one that was dropped on the way must not pass for one that is gone.
            if number(&message.headers, "Nats-Last-Sequence") != Some(before) {
                return Err(StoreError::Unavailable("a part of an answer of NATS was lost on its way".into()));
            }
            before = message.sequence;
            messages.push(message);
        }
        Ok(Batch { messages, is_last })
    }

    async fn asked_again(
        &self,
        stream: &str,
        request: &serde_json::Value,
        deadline: Instant,
    ) -> Result<Answer, StoreError> {
        let request = Bytes::from(request.to_string());
        let mut delay = Duration::from_millis(10);
        loop {
            self.ready()?;
            match self.try_batch(stream, request.clone()).await {
                Err(_) if Instant::now() + delay < deadline && self.is_connected() => {
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(Duration::from_millis(200));
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_batch(&self, stream: &str, request: Bytes) -> Result<Answer, StoreError> {
        let unavailable = |error: String| StoreError::Unavailable(error);
        let client = self.client();
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|e| unavailable(e.to_string()))?;
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        client.publish_with_reply(subject, inbox, request).await.map_err(|e| unavailable(e.to_string()))?;
        let mut messages = Vec::new();
        loop {
            let answer = timeout(BATCH_SILENCE, answers.next()).await;
            let answer = answer.map_err(|_| unavailable("NATS did not answer a read in time".into()))?;
            let answer = answer.ok_or_else(|| unavailable("the connection to NATS was lost".into()))?;
            match answer.status.map(|status| status.as_u16()) {
                // Nothing matches.
                Some(404) => return Ok(Answer { messages, is_last: true, last: None }),
                // The end of the batch.
                Some(204) => {
                    let said = |name| number(answer.headers.as_ref()?, name);
                    let is_last = messages.is_empty() || said("Nats-Num-Pending") == Some(0);
                    return Ok(Answer { messages, is_last, last: said("Nats-Last-Sequence") });
                }
                None | Some(200) => messages.push(answer),
                Some(503) => return Err(unavailable("no NATS server answers for this stream (no leader?)".into())),
                Some(_) => {
                    let status = answer.status.unwrap_or(StatusCode::OK);
                    return Err(odd(status, answer.description.as_deref()));
                }
            }
        }
    }
}

impl RawMessage {
    fn decode(self) -> Result<Stored, StoreError> {
        let corrupt = |error: base64::DecodeError| StoreError::Corrupt(format!("a message of NATS: {error}"));
        let block = STANDARD.decode(&self.hdrs).map_err(corrupt)?;
        let payload = STANDARD.decode(&self.data).map_err(corrupt)?.into();
        let mut headers = HeaderMap::new();
        for line in String::from_utf8_lossy(&block).lines().skip(1) {
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name, value.trim());
            }
        }
        Ok(Stored { sequence: self.seq, subject: self.subject, headers, payload })
    }
}

/// What a directly read message is, by the headers that the server adds.
fn stored(answer: Message) -> Result<Stored, StoreError> {
    let headers = answer.headers.unwrap_or_default();
    let subject = headers.get_last("Nats-Subject").map(|value| value.as_str().to_owned());
    match (number(&headers, "Nats-Sequence"), subject) {
        (Some(sequence), Some(subject)) => Ok(Stored { sequence, subject, headers, payload: answer.payload }),
        _ => Err(reply::read::<serde_json::Value>(&answer.payload)
            .err()
            .map_or_else(|| StoreError::Unavailable("NATS gave an odd answer to a read".into()), Into::into)),
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Option<u64> {
    headers.get_last(name)?.as_str().parse().ok()
}

fn odd(status: StatusCode, description: Option<&str>) -> StoreError {
    StoreError::Unavailable(format!("NATS refused a read: {status} {}", description.unwrap_or_default()))
}
