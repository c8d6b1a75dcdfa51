//! Erasing: messages are deleted with their bytes overwritten on the servers' disks.
//!
//! The server overwrites a message that is deleted by its place, and no other: what is purged, replaced or aged out
//! stands in its block until that goes. So whatever holds what a provider or a destination sent is deleted by its place,
//! in the ordinary course of things too.

use std::time::Instant;

use futures::{TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;

use super::{
    Nats,
    body::BodyRef,
    lanes::queued,
    letter::name_of,
    link::Repeat,
    link::{self, Post},
    names::{self, BodyOwner},
    read::Stored,
    reply::Failed,
    settle::written,
    tally::{numbers, tally},
};
use crate::{
    Ending, Event, EventRef, Queued, StoreError, Task,
    erasure::{Remains, Waits},
    subject::connection_token,
};

/// Messages erased at once.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Done {}

impl Nats {
    pub(in crate::store) async fn scheduled(
        &self,
        shard: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let (stream, filter) = (self.names.deliveries(shard), self.names.schedule_filter(shard));
        let page = self.link.page(&stream, &filter, after, limit, self.replicas).await?;
        Ok(page.iter().filter_map(queued).collect())
    }

    pub(in crate::store) async fn routed_to(&self, partition: u16) -> Result<u64, StoreError> {
        let deadline = link::soon();
        let log = numbers(&self.link, &self.names.events(partition), deadline).await?;
        self.routed_through(partition, &log, deadline).await
    }

    pub(in crate::store) async fn erase(&self, remains: Vec<Remains>) -> Result<(), StoreError> {
        stream::iter(remains.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |remains| async move { self.erase_one(&remains).await })
            .await
    }

    /// What is replaced or aged out goes with its block.
    #[expect(clippy::unused_async, reason = "the other engine overwrites what became free")]
    pub(in crate::store) async fn scrub(&self) -> Result<(), StoreError> {
        self.link.ready()
    }

    async fn erase_one(&self, remains: &Remains) -> Result<(), StoreError> {
        let deadline = link::soon();
        match remains {
            Remains::Event(at) => self.erase_event(at, deadline).await,
            Remains::Parked(position) => self.erase_parked(*position, deadline).await,
            Remains::Letter(position) => {
                let Some(message) = self.found(&self.names.dead(), *position, deadline).await? else { return Ok(()) };
                self.erase_letter(&message, deadline).await
            }
            Remains::Attempts(position, theirs) => self.erase_attempts(*position, theirs, deadline).await,
            Remains::Owed(shard, waits, queued) => self.erase_owed(*shard, *waits, queued, deadline).await,
            Remains::Refused(key) => {
                self.erase_subject(&self.names.quarantine(), &self.names.quarantine_subject(key), deadline).await
            }
            Remains::Secret(name) => {
                self.erase_subject(&self.names.secrets(), &self.names.secret_subject(name), deadline).await
            }
        }
    }

    async fn erase_event(&self, at: &EventRef, deadline: Instant) -> Result<(), StoreError> {
        let stream = self.names.events(at.partition);
        let Some(message) = self.found(&stream, at.sequence, deadline).await? else { return Ok(()) };
        self.erase_bodies(BodyOwner::Logged(at.partition), &message, deadline).await?;
        self.erase_at(&stream, at.sequence, deadline).await
    }

    async fn erase_parked(&self, position: u64, deadline: Instant) -> Result<(), StoreError> {
        let stream = self.names.parked();
        let Some(message) = self.found(&stream, position, deadline).await? else { return Ok(()) };
        self.erase_bodies(BodyOwner::Parked, &message, deadline).await?;
        // Counted before it goes: a crash in between counts it once, by its place.
        let id = format!("{stream}:{position}:end");
        let end = Post::once(self.names.end_subject('p', 0, Ending::Erased), &id, written(&position)?);
        self.link.publish(&end, Repeat::Harmless, deadline).await?;
        self.erase_at(&stream, position, deadline).await
    }

    /// The chunks of a large body, also those that it had while it was parked.
    async fn erase_bodies(&self, owner: BodyOwner, message: &Stored, deadline: Instant) -> Result<(), StoreError> {
        let Some(reference) = BodyRef::get(&message.headers)? else { return Ok(()) };
        // One that can't be read has no name that its chunks could be found by.
        let Ok(event) = Event::from_frame(&message.payload) else { return Ok(()) };
        let meta = &event.meta;
        let connection = connection_token(&meta.integration, meta.connection.as_ref(), meta.account.as_deref());
        let account = connection_token(&meta.integration, None, meta.account.as_deref());
        for (owner, token) in [(owner, connection), (BodyOwner::Parked, connection), (BodyOwner::Parked, account)] {
            let base = self.names.body_base(owner, &token, &meta.id, &reference.digest);
            self.erase_all(&self.names.bodies(), &format!("{base}.*"), deadline).await?;
        }
        Ok(())
    }

    /// A dead letter, or the copy of an event that a revived delivery carried.
    pub(super) async fn erase_letter(&self, message: &Stored, deadline: Instant) -> Result<(), StoreError> {
        let stream = self.names.dead();
        if let (Some(_), Some(name)) = (BodyRef::get(&message.headers)?, name_of(message)) {
            self.erase_all(&stream, &self.names.letter_chunks(&name), deadline).await?;
        }
        self.erase_at(&stream, message.sequence, deadline).await
    }

    async fn erase_owed(&self, shard: u16, waits: Waits, owed: &Queued, deadline: Instant) -> Result<(), StoreError> {
        let task: &Task = &owed.task;
        let subject = self.names.end_subject('s', shard, Ending::Erased);
        let end = Post::once(subject, &names::end_message(task), written(&task.event)?);
        self.link.publish(&end, Repeat::Harmless, deadline).await?;
        match waits {
            Waits::InLane => self.leave_lane(shard, owed, deadline).await?,
            Waits::Scheduled => self.erase_at(&self.names.deliveries(shard), owed.position, deadline).await?,
        }
        self.forget_copy(task, deadline).await
    }

    /// Erases every message whose subject matches.
    pub(super) async fn erase_all(&self, stream: &str, filter: &str, deadline: Instant) -> Result<(), StoreError> {
        let found = tally(&self.link, stream, filter, deadline).await?;
        for subject in found.subjects.keys() {
            self.erase_subject(stream, subject, deadline).await?;
        }
        Ok(())
    }

    /// Erases every message of one subject.
    async fn erase_subject(&self, stream: &str, subject: &str, deadline: Instant) -> Result<(), StoreError> {
        while let Some(message) = self.link.leader_last(stream, subject, deadline).await? {
            self.erase_at(stream, message.sequence, deadline).await?;
        }
        Ok(())
    }

    /// Deletes a message and overwrites its bytes; nothing when it is gone.
    pub(super) async fn erase_at(&self, stream: &str, sequence: u64, deadline: Instant) -> Result<(), StoreError> {
        let delete = format!("STREAM.MSG.DELETE.{stream}");
        match self.link.api::<Done>(&delete, &json!({ "seq": sequence, "no_erase": false }), deadline).await {
            Ok(_) => Ok(()),
            Err(Failed::Refused(refused)) if refused.is_not_found() => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    async fn found(&self, stream: &str, sequence: u64, deadline: Instant) -> Result<Option<Stored>, StoreError> {
        self.link.message_at(stream, sequence, self.replicas, deadline).await
    }
}
