//! Dead letters: each with its own copy of the event, which outlives the log's.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;

use super::{
    Nats,
    body::{self, BodyRef},
    link::{self, Post, Repeat},
    read::Stored,
    settle::written,
};
use crate::{DeadLetter, DeliveryId, Event, Outcomes, StoreError, dead::DeadNote, id::Token};

/// Which chunks a letter's body is in.
const NAME_HEADER: &str = "Gatepost-Letter";
/// Large bodies that are put together at once for a list of letters.
const BODIES_AT_ONCE: usize = 2;

impl Nats {
    pub(in crate::store) async fn dead_letters(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, DeadLetter)>, StoreError> {
        let filter = self.names.letter_filter();
        let page = self.link.page(&self.names.dead(), &filter, after, limit, self.replicas).await?;
        let letters = page.into_iter().map(|message| async move {
            let letter = self.letter(&message).await?;
            Ok::<_, StoreError>((message.sequence, letter))
        });
        stream::iter(letters).buffered(BODIES_AT_ONCE).try_collect().await
    }

    pub(in crate::store) async fn outcomes(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Outcomes)>, StoreError> {
        self.records(&self.names.outcomes_filter(), after, limit).await
    }

    async fn records<T: DeserializeOwned>(
        &self,
        filter: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, T)>, StoreError> {
        let page = self.link.page(&self.names.attempts(), filter, after, limit, self.replicas).await?;
        let record = |message: &Stored| match serde_json::from_slice(&message.payload) {
            Ok(record) => Ok((message.sequence, record)),
            Err(error) => Err(StoreError::Corrupt(format!("the record {}: {error}", message.sequence))),
        };
        page.iter().map(record).collect()
    }

    pub(in crate::store) async fn dead_letter(
        &self,
        delivery: DeliveryId,
    ) -> Result<Option<(u64, DeadLetter)>, StoreError> {
        let subject = self.names.letter_subject(delivery.token());
        let found = self.link.last_of(&self.names.dead(), &subject, self.replicas, link::soon()).await?;
        match found {
            Some(message) => Ok(Some((message.sequence, self.letter(&message).await?))),
            None => Ok(None),
        }
    }

    /// Stores a letter under a name that a repeat has too.
    pub(super) async fn keep_letter(
        &self,
        letter: &DeadLetter,
        name: Token,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let subject = self.names.letter_subject(letter.note.delivery.token());
        let integration = letter.event.as_ref().map(|event| &event.meta.integration);
        let kept = integration.and_then(|integration| self.kept(integration, |kept| kept.dead_letters));
        self.keep_letter_as(subject, letter, name, kept, deadline).await
    }

    /// As [`Self::keep_letter`], on a subject of its own and for a time of its own.
    pub(super) async fn keep_letter_as(
        &self,
        subject: String,
        letter: &DeadLetter,
        name: Token,
        kept: Option<Duration>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let note = written(&letter.note)?;
        let body = letter.event.as_ref().and_then(|event| BodyRef::of(&event.body).map(|body| (event, body)));
        let frame = match (&letter.event, body) {
            (None, _) => Bytes::new(),
            (Some(event), None) => framed(event)?,
            (Some(event), Some(_)) => framed(&Event { meta: event.meta.clone(), body: Bytes::new() })?,
        };
        if let Some((event, reference)) = body {
            let base = self.names.letter_body_base(&name, &reference.digest);
            body::put(&self.link, &base, &event.body, kept, deadline).await?;
        }
        let length = u32::try_from(note.len()).map_err(|_| StoreError::Corrupt("a note over 4 GiB long".into()))?;
        let mut payload = BytesMut::with_capacity(4 + note.len() + frame.len());
        payload.put_u32(length);
        payload.put_slice(&note);
        payload.put_slice(&frame);
        let mut post = Post::once(subject, name.as_str(), payload.freeze()).lasting(kept);
        if let Some((_, reference)) = body {
            reference.put(&mut post.headers);
            post.headers.insert(NAME_HEADER, name.as_str());
        }
        self.link.publish(&post, Repeat::Harmless, deadline).await?;
        Ok(())
    }

    pub(super) async fn letter(&self, message: &Stored) -> Result<DeadLetter, StoreError> {
        let corrupt = |why: &str| StoreError::Corrupt(format!("dead letter {}: {why}", message.sequence));
        let (head, rest) = message.payload.split_first_chunk::<4>().ok_or_else(|| corrupt("it is cut short"))?;
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        let note = rest.get(..length).ok_or_else(|| corrupt("it is cut short"))?;
        let note: DeadNote = serde_json::from_slice(note).map_err(|error| corrupt(&error.to_string()))?;
        let frame = message.payload.slice(4 + length..);
        if frame.is_empty() {
            return Ok(DeadLetter { note, event: None });
        }
        let mut event = Event::from_frame(&frame).map_err(|error| corrupt(&error.to_string()))?;
        if let Some(reference) = BodyRef::get(&message.headers)? {
            let name = name_of(message).ok_or_else(|| corrupt("nothing names its body's chunks"))?;
            let base = self.names.letter_body_base(&name, &reference.digest);
            let found =
                body::get(&self.link, &self.names.dead(), &base, reference, self.replicas, link::soon()).await?;
            event.body = found.ok_or_else(|| corrupt("the chunks of its body are gone"))?;
        }
        Ok(DeadLetter { note, event: Some(event) })
    }
}

/// The name that a letter's chunks go by; those stored before letters had one by their subject.
pub(super) fn name_of(message: &Stored) -> Option<Token> {
    let subject = message.subject.rsplit('.').next();
    message.headers.get_last(NAME_HEADER).map(|name| name.as_str()).or(subject)?.parse().ok()
}

fn framed(event: &Event) -> Result<Bytes, StoreError> {
    event.to_frame().map_err(|error| StoreError::Corrupt(error.to_string()))
}
