//! Reading a partition's events in their order.

use std::{collections::VecDeque, time::Instant};

use super::{
    Nats,
    cursor::tell_lost,
    feed::{Fed, Feed, Source},
    link,
    names::BodyOwner,
    read::{LOOK_AGAIN, LOOKS, Stored},
    tally::numbers,
};
use crate::{
    Event, EventId, EventRef, StoreError,
    store::{Lease, StoredEvent},
};
use gatepost_config::Timestamp;

/// Messages and bytes of a partition that may be on their way to us at once.
const FEED_MAX: (usize, usize) = (512, 8 * 1024 * 1024);

/// See [`crate::store::Log`].
pub struct Log {
    nats: Nats,
    partition: u16,
    feed: Feed,
    /// The place of the next event, unless it is gone.
    next: u64,
    /// Received, large bodies not yet fetched.
    received: VecDeque<Stored>,
    /// To be given out.
    complete: VecDeque<StoredEvent>,
}

impl Nats {
    pub(in crate::store) async fn log(&self, lease: &Lease, partition: u16) -> Result<Log, StoreError> {
        let through = self.take_cursor(lease, partition).await?;
        let source = Source {
            stream: self.names.events(partition),
            filters: vec![self.names.event_filter(partition)],
            messages_max: FEED_MAX.0,
            bytes_max: FEED_MAX.1,
        };
        let feed = Feed::open(self.link.clone(), source, through + 1).await?;
        let next = through + 1;
        Ok(Log { nats: self.clone(), partition, feed, next, received: VecDeque::new(), complete: VecDeque::new() })
    }

    pub(in crate::store) async fn event(&self, event: &EventRef) -> Result<Option<Event>, StoreError> {
        let deadline = link::soon();
        let stream = self.names.events(event.partition);
        let found = match self.near().message_at(&stream, event.sequence, self.replicas, deadline).await? {
            None if self.replicas > 1 => self.look_again(&stream, event.sequence, deadline).await?,
            found => found,
        };
        let Some(found) = found else { return Ok(None) };
        let owner = BodyOwner::Logged(event.partition);
        let read = self.unframed(owner, &found.headers, &found.payload, deadline).await?;
        // Another event at its place: the log was made anew since.
        Ok(read.filter(|read| read.meta.id == event.id))
    }

    /// A stored event that was not found, if it is there all the same. A server that has just become leader, or does not
    /// know yet that it no longer is, may lack what was confirmed; an event that is taken for gone is lost.
    async fn look_again(&self, stream: &str, sequence: u64, deadline: Instant) -> Result<Option<Stored>, StoreError> {
        for _ in 0..LOOKS {
            let numbers = numbers(&self.near(), stream, deadline).await?;
            if numbers.last < sequence {
                return Err(StoreError::Unavailable(format!("stream {stream}: the servers have not caught up")));
            }
            if sequence < numbers.first {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            let found = self.near().message_at(stream, sequence, self.replicas, deadline).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    pub(super) async fn stored_event(&self, partition: u16, message: &Stored) -> Result<StoredEvent, StoreError> {
        let owner = BodyOwner::Logged(partition);
        let read = self.unframed(owner, &message.headers, &message.payload, link::soon()).await;
        let event = match read {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err("the chunks of its body are gone".to_owned()),
            Err(StoreError::Corrupt(why)) => Err(why),
            Err(error) => return Err(error),
        };
        let known = match &event {
            Ok(event) => (event.meta.id, event.meta.received_at),
            Err(_) => (message_id(message), Timestamp::from_millis(0)),
        };
        let (id, received_at) = known;
        Ok(StoredEvent { at: EventRef { id, partition, sequence: message.sequence, received_at }, event })
    }
}

impl Log {
    pub(in crate::store) async fn next(&mut self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = limit.max(1);
        while self.received.is_empty() && self.complete.is_empty() {
            if let Fed::Message(message) = self.feed.next().await? {
                self.receive(message);
            }
        }
        while self.received.len() + self.complete.len() < limit {
            match self.feed.here() {
                Some(message) => self.receive(message),
                None => break,
            }
        }
        // A message leaves `received` only when nothing is awaited any more, so that a cancelled call loses none.
        while self.complete.len() < limit
            && let Some(message) = self.received.front()
        {
            let event = self.nats.stored_event(self.partition, message).await?;
            self.received.pop_front();
            self.complete.push_back(event);
        }
        let count = self.complete.len().min(limit);
        Ok(self.complete.drain(..count).collect())
    }

    /// Takes a message in. What an integration keeps for less time may have ended before a router came to it.
    fn receive(&mut self, message: Stored) {
        if message.sequence > self.next {
            tell_lost(self.partition, message.sequence - self.next);
        }
        self.next = message.sequence + 1;
        self.received.push_back(message);
    }
}

/// The id that an event's message carries outside its frame, for when the frame can't be read.
fn message_id(message: &Stored) -> EventId {
    let header = message.headers.get_last(async_nats::header::NATS_MESSAGE_ID);
    let id = header.and_then(|id| id.as_str().parse().ok());
    id.unwrap_or_else(|| EventId::of("", "", &message.sequence.to_string(), None))
}
