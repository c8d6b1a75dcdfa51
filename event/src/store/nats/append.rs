//! Storing the events of one request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;

use super::{
    Nats,
    body::{self, BodyRef},
    link::{Link, Post, Repeat},
    names::BodyOwner,
    streams::with_margin,
};
use crate::{
    Event, StoreError,
    id::Token,
    store::{Appended, Item, LogPlace, Place},
    subject::connection_token,
};

impl Nats {
    pub(in crate::store) async fn append(
        &self,
        items: Vec<Item>,
        deadline: Instant,
    ) -> Result<Vec<Appended>, StoreError> {
        let link = self.near();
        match items.as_slice() {
            // As nearly every request has it: what joins several would hold it, and be moved and polled around it.
            [item] => Ok(vec![self.append_one(&link, item, deadline).await?]),
            items => try_join_all(items.iter().map(|item| self.append_one(&link, item, deadline))).await,
        }
    }

    async fn append_one(&self, link: &Link, item: &Item, deadline: Instant) -> Result<Appended, StoreError> {
        let post = match item.place {
            Place::Log => self.logged(&item.event, deadline).await?,
            Place::Unmatched => self.parked(&item.event, deadline).await?,
        };
        let ack = link.publish(&post, Repeat::Harmless, deadline).await?;
        if !ack.duplicate {
            return Ok(Appended::Stored);
        }
        let place = LogPlace { partition: self.partition_of(&item.event), sequence: ack.sequence };
        Ok(Appended::Duplicate((item.place == Place::Log).then_some(place)))
    }

    fn partition_of(&self, event: &Event) -> u16 {
        token_of(event).spread(self.names.partitions)
    }

    /// The message of an event for the log; a large body is stored by then.
    pub(super) async fn logged(&self, event: &Event, deadline: Instant) -> Result<Post, StoreError> {
        let token = token_of(event);
        let partition = token.spread(self.names.partitions);
        let subject = self.names.event_subject(partition, &token);
        let kept = self.kept(&event.meta.integration, |kept| kept.events).map(with_margin);
        self.framed(subject, BodyOwner::Logged(partition), event, kept, deadline).await
    }

    async fn parked(&self, event: &Event, deadline: Instant) -> Result<Post, StoreError> {
        let meta = &event.meta;
        let subject = self.names.parked_subject(&meta.integration, meta.account.as_deref(), meta.connection.as_ref());
        let kept = self.kept(&meta.integration, |kept| kept.unmatched);
        self.framed(subject, BodyOwner::Parked, event, kept, deadline).await
    }

    async fn framed(
        &self,
        subject: String,
        owner: BodyOwner,
        event: &Event,
        kept: Option<Duration>,
        deadline: Instant,
    ) -> Result<Post, StoreError> {
        let corrupt = |error: crate::event::FrameError| StoreError::Corrupt(error.to_string());
        let id = event.meta.id.to_string();
        let Some(reference) = BodyRef::of(&event.body) else {
            return Ok(Post::once(subject, &id, event.to_frame().map_err(corrupt)?).lasting(kept));
        };
        let base = self.body_base(owner, event, reference);
        // In a box, as what few wait for: the future of every other event would be as long.
        Box::pin(body::put(&self.link, &base, &event.body, kept, deadline)).await?;
        let head = Event { meta: event.meta.clone(), body: Bytes::new() };
        let mut post = Post::once(subject, &id, head.to_frame().map_err(corrupt)?).lasting(kept);
        reference.put(&mut post.headers);
        Ok(post)
    }

    /// Reads an event from a message of the log or of the parked ones; `None` when its body is gone.
    pub(super) async fn unframed(
        &self,
        owner: BodyOwner,
        headers: &async_nats::HeaderMap,
        payload: &Bytes,
        deadline: Instant,
    ) -> Result<Option<Event>, StoreError> {
        let mut event = Event::from_frame(payload).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if let Some(reference) = BodyRef::get(headers)? {
            let base = self.body_base(owner, &event, reference);
            let bodies = self.names.bodies();
            match body::get(&self.link, &bodies, &base, reference, self.replicas, deadline).await? {
                Some(body) => event.body = body,
                None => return Ok(None),
            }
        }
        Ok(Some(event))
    }

    fn body_base(&self, owner: BodyOwner, event: &Event, reference: BodyRef) -> String {
        self.names.body_base(owner, &token_of(event), &event.meta.id, &reference.digest)
    }
}

fn token_of(event: &Event) -> Token {
    let meta = &event.meta;
    connection_token(&meta.integration, meta.connection.as_ref(), meta.account.as_deref())
}
