//! Deliveries that are owed anew: of dead letters, and of stored events.
//!
//! A revived letter is confirmed as a copy and a task before the letter goes: a crash in between is a repeat, never a
//! loss.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::{TryStreamExt as _, stream};
use gatepost_config::Timestamp;

use super::{
    Nats,
    link::{self, Post, Repeat},
    names,
    routed::outcomes_post,
    settle::written,
    streams::with_margin,
    tally::numbers,
};
use crate::{
    Event, Lane, Outcomes, StoreError, Task,
    id::Token,
    store::{Span, StoredEvent},
};

/// Publishes under way at once.
const AT_ONCE: usize = 64;
/// A whole batch of tasks takes longer than one operation.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(15);

impl Nats {
    pub(in crate::store) async fn span(&self, partition: u16, since: Option<Timestamp>) -> Result<Span, StoreError> {
        let (stream, filter) = (self.names.events(partition), self.names.event_filter(partition));
        let log = numbers(&self.link, &stream, link::soon()).await?;
        let after = match since {
            None => log.first.saturating_sub(1),
            Some(since) => match self.link.first_since(&stream, &filter, since).await? {
                Some(first) => first.saturating_sub(1),
                None => log.last,
            },
        };
        Ok(Span { after, through: log.last })
    }

    pub(in crate::store) async fn events(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (stream, filter) = (self.names.events(partition), self.names.event_filter(partition));
        let page = self.link.page(&stream, &filter, after, limit, self.replicas).await?;
        let mut events = Vec::with_capacity(page.len());
        for message in &page {
            events.push(self.stored_event(partition, message).await?);
        }
        Ok(events)
    }

    pub(in crate::store) async fn enqueue(&self, tasks: Vec<Task>) -> Result<u64, StoreError> {
        let deadline = Instant::now() + ENQUEUE_TIMEOUT;
        let records = Outcomes::of_tasks(&tasks, Timestamp::now());
        // Those of one ordered lane one after the other, so that they keep their order whatever is tried again.
        let mut chains: Vec<Vec<Task>> = Vec::new();
        let mut ordered: HashMap<Lane, Vec<Task>> = HashMap::new();
        for task in tasks {
            match task.ordered {
                true => ordered.entry(Lane::of(&task)).or_default().push(task),
                false => chains.push(vec![task]),
            }
        }
        chains.extend(ordered.into_values());
        let owed = AtomicU64::new(0);
        stream::iter(chains.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |chain| self.enqueue_chain(chain, &owed, deadline))
            .await?;
        // All of them, also those that an earlier try owed: it may have ended before it wrote this down.
        for record in &records {
            self.write_down(record, deadline).await?;
        }
        Ok(owed.into_inner())
    }

    async fn enqueue_chain(&self, chain: Vec<Task>, owed: &AtomicU64, deadline: Instant) -> Result<(), StoreError> {
        for task in &chain {
            owed.fetch_add(u64::from(self.owe_anew(task, deadline).await?), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Stores a task, and that it is owed anew; whether it was not owed before.
    async fn owe_anew(&self, task: &Task, deadline: Instant) -> Result<bool, StoreError> {
        let ack = self.link.publish(&self.task_post(task)?, Repeat::Harmless, deadline).await?;
        let shard = Lane::of(task).destination.spread(self.names.shards);
        let subject = self.names.replayed_subject(shard);
        let count = Post::once(subject, &names::replayed_message(task), written(&task.event)?);
        self.link.publish(&count, Repeat::Harmless, deadline).await?;
        Ok(!ack.duplicate)
    }

    pub(in crate::store) async fn revive(&self, position: u64, tasks: Vec<Task>) -> Result<bool, StoreError> {
        let deadline = Instant::now() + ENQUEUE_TIMEOUT;
        let dead = self.names.dead();
        let Some(message) = self.link.message_at(&dead, position, self.replicas, deadline).await? else {
            return Ok(false);
        };
        let letter = self.letter(&message).await?;
        if letter.event.is_none() {
            return Ok(false);
        }
        for task in &tasks {
            if let Some(copy) = task.copy() {
                let subject = self.names.copy_subject(&copy);
                // Its time begins anew, and it must last until what is owed of it has ended.
                let kept = self.kept(&task.integration, |kept| kept.events).map(with_margin);
                self.keep_letter_as(subject, &letter, copy, kept, deadline).await?;
            }
        }
        self.enqueue(tasks).await?;
        self.write_down(&Outcomes::of_revived(letter.note.delivery, Timestamp::now()), deadline).await?;
        self.erase_letter(&message, deadline).await?;
        Ok(true)
    }

    async fn write_down(&self, record: &Outcomes, deadline: Instant) -> Result<(), StoreError> {
        let post = outcomes_post(self.names.replayed_outcomes(), record)?;
        self.link.publish(&post, Repeat::Harmless, deadline).await?;
        Ok(())
    }

    pub(in crate::store) async fn copied(&self, copy: &Token) -> Result<Option<Event>, StoreError> {
        let subject = self.names.copy_subject(copy);
        let found = self.link.kept_of(&self.names.dead(), &subject, self.replicas, link::soon()).await?;
        match found {
            Some(message) => Ok(self.letter(&message).await?.event),
            None => Ok(None),
        }
    }

    pub(super) async fn event_of(&self, task: &Task) -> Result<Option<Event>, StoreError> {
        match task.copy() {
            Some(copy) => self.copied(&copy).await,
            None => self.event(&task.event).await,
        }
    }

    /// A revived delivery has ended: its copy of the event goes.
    pub(super) async fn forget_copy(&self, task: &Task, deadline: Instant) -> Result<(), StoreError> {
        let Some(copy) = task.copy() else { return Ok(()) };
        let stream = self.names.dead();
        self.erase_all(&stream, &self.names.copy_subject(&copy), deadline).await?;
        self.erase_all(&stream, &self.names.letter_chunks(&copy), deadline).await
    }
}
