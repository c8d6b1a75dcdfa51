//! Follows a stream from a place on, in order, without acknowledgements.
//!
//! The consumer behind it is nothing but a position on the server: when it is lost, or skips a message, another is
//! made at the place that was reached.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, pull},
};
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;

use super::{
    link::{Link, OPERATION_TIMEOUT},
    read::Stored,
};
use crate::StoreError;

/// How long a consumer lives that nobody pulls from.
const CONSUMER_IDLE: Duration = Duration::from_secs(30);
/// The server must be heard of twice within this.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The wait before a broken consumer is replaced.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What to follow.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) stream: String,
    /// A message that matches any of them.
    pub(super) filters: Vec<String>,
    /// Messages and bytes that may be on their way to us at once.
    pub(super) messages_max: usize,
    pub(super) bytes_max: usize,
}

/// See the module.
pub(super) struct Feed {
    link: Arc<Link>,
    source: Source,
    /// The first place that was not given out.
    next: u64,
    live: Option<Live>,
}

/// What came next.
pub(super) enum Fed {
    Message(Stored),
    /// The consumer was made anew; nothing was skipped.
    Again,
}

struct Live {
    messages: pull::Stream,
    /// The consumer's own count of the next message, in which a gap shows.
    count: u64,
}

impl Feed {
    /// Follows from a place on.
    pub(super) async fn open(link: Arc<Link>, source: Source, next: u64) -> Result<Self, StoreError> {
        let mut feed = Self { link, source, next, live: None };
        feed.live = Some(feed.follow().await?);
        Ok(feed)
    }

    /// The next message, waiting for it. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Fed, StoreError> {
        if self.live.is_none() {
            self.live = Some(self.follow().await?);
            return Ok(Fed::Again);
        }
        let Some(live) = self.live.as_mut() else { return Ok(Fed::Again) };
        let item = live.messages.next().await;
        match self.take(item) {
            Some(message) => Ok(Fed::Message(message)),
            None => {
                self.live = None;
                // Not at once: what broke it may still be broken.
                tokio::time::sleep(AGAIN_AFTER).await;
                self.live = Some(self.follow().await?);
                Ok(Fed::Again)
            }
        }
    }

    /// The next message if it is here already.
    pub(super) fn here(&mut self) -> Option<Stored> {
        let item = self.live.as_mut()?.messages.next().now_or_never()?;
        let message = self.take(item);
        if message.is_none() {
            self.live = None;
        }
        message
    }

    /// The message of an item in its turn; `None` for everything after which the consumer is no good.
    fn take(&mut self, item: Option<Result<jetstream::Message, pull::MessagesError>>) -> Option<Stored> {
        let live = self.live.as_mut()?;
        let message = match item? {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(stream = %self.source.stream, %error, "a consumer is made anew");
                return None;
            }
        };
        let (sequence, count) = message.info().map(|info| (info.stream_sequence, info.consumer_sequence)).ok()?;
        if count != live.count {
            tracing::debug!(stream = %self.source.stream, "messages were dropped on their way; a consumer is made anew");
            return None;
        }
        live.count += 1;
        self.next = sequence + 1;
        let message = message.message;
        Some(Stored {
            sequence,
            subject: message.subject.to_string(),
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
        })
    }

    async fn follow(&self) -> Result<Live, StoreError> {
        self.link.ready()?;
        let unavailable = |what: String| StoreError::Unavailable(format!("stream {}: {what}", self.source.stream));
        let late = |_| unavailable("no consumer could be made in time".into());
        let context = jetstream::new(self.link.client().clone());
        let made = context.create_consumer_on_stream(self.config(), &self.source.stream);
        let consumer = timeout(OPERATION_TIMEOUT, made).await.map_err(late)?.map_err(|e| unavailable(e.to_string()))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(self.source.messages_max)
            .max_bytes_per_batch(self.source.bytes_max)
            .expires(HEARTBEAT * 6)
            .heartbeat(HEARTBEAT)
            .messages();
        let messages = timeout(OPERATION_TIMEOUT, messages).await.map_err(late)?;
        Ok(Live { messages: messages.map_err(|e| unavailable(e.to_string()))?, count: 1 })
    }

    fn config(&self) -> pull::Config {
        let (filter_subject, filter_subjects) = match self.source.filters.as_slice() {
            [filter] => (filter.clone(), Vec::new()),
            filters => (String::new(), filters.to_vec()),
        };
        pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next.max(1) },
            ack_policy: AckPolicy::None,
            filter_subject,
            filter_subjects,
            inactive_threshold: CONSUMER_IDLE,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        }
    }
}
