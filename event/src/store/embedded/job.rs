//! What callers ask of the writer, ready to be written: everything is serialised before it is queued.

use std::{sync::Arc, time::Instant};

use gatepost_config::{ConnectionId, IntegrationId, TenantId, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    body::{BodyFile, Stored},
    desk::Caller,
    ids::Key,
};
use crate::{
    Attempt, DeadLetter, DeadReason, DeliveryId, Ending, Lane, Meta, Outcomes, Queued, RefusalKey, RequestId,
    SealedRefusal, SealedSecret, StoreError, Task,
    erasure::Remains,
    id::Token,
    registry::{Expect, Kind, Put},
    store::types::{Appended, LeaseKey, Place, Release},
};

/// One caller's change, all or nothing.
pub(super) struct Job {
    pub(super) change: Change,
    /// Bytes it will write, roughly.
    pub(super) bytes: usize,
    /// After it nobody waits for the answer any more.
    pub(super) deadline: Instant,
    /// Who waits for the answer.
    pub(super) caller: Option<Caller>,
    /// Its place in the queue.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Job {
    /// How many events it puts to the end of the log with all that there is of them; none when it does anything else.
    pub(super) fn logs(&self) -> Option<usize> {
        let Change::Append(items) = &self.change else { return None };
        let is_logged = |item: &Incoming| item.place == Place::Log && item.stored.file.is_none();
        items.iter().all(is_logged).then_some(items.len())
    }
}

/// What is to be written.
pub(super) enum Change {
    Append(Vec<Incoming>),
    Route(Box<RoutedRows>),
    Finish {
        position: u64,
        /// The copy of the event that the delivery carries.
        copy: Option<Token>,
        attempt: AttemptRow,
    },
    FinishThrough {
        lane: Lane,
        through: u64,
    },
    Retry {
        position: u64,
        attempt: AttemptRow,
        due: Timestamp,
        task: Box<TaskRow>,
    },
    Bury {
        position: u64,
        attempt: Option<AttemptRow>,
        letter: LetterRow,
    },
    /// Up to a position.
    Unpark(Release, u64),
    Revive {
        position: u64,
        tasks: Vec<TaskRow>,
    },
    Enqueue(Vec<TaskRow>),
    Hasten {
        delivery: DeliveryId,
        ordered: Lane,
        now: Timestamp,
    },
    Redelivered(RedeliveryRow),
    RedeliveredThrough(u64),
    Refuse(RefusalRow),
    Forget(Vec<RequestId>),
    Erase(Vec<Remains>),
    /// A part of the free pages.
    Scrub,
    Keep(SecretRow),
    Register(EntryRow),
    Note(ActRow),
    Lease(LeaseKey),
    #[cfg(test)]
    Batch(&'static str),
}

/// What came of a change.
#[derive(Debug)]
pub(super) enum Answer {
    Appended(Vec<Appended>),
    Done,
    Count(u64),
    /// The secret that was there before, if there was one.
    Kept(Option<String>),
    Put(Put),
}

/// An event to be stored. Whose it is, the log has in its frame.
pub(super) struct Incoming {
    pub(super) id: crate::EventId,
    pub(super) key: Key,
    pub(super) integration: IntegrationId,
    /// The connection that it is parked for, if that is known.
    pub(super) connection: Option<ConnectionId>,
    /// What it is parked under, unless it is a connection's.
    pub(super) account: Option<String>,
    /// For whom it is parked, if that is known.
    pub(super) tenant: Option<TenantId>,
    pub(super) received_at: Timestamp,
    pub(super) place: Place,
    pub(super) stored: Stored,
}

/// A delivery to be owed.
pub(super) struct TaskRow {
    pub(super) lane: Lane,
    pub(super) sequence: u64,
    pub(super) task: Task,
    pub(super) json: String,
}

/// An attempt to be recorded.
pub(super) struct AttemptRow {
    pub(super) at: Timestamp,
    pub(super) integration: IntegrationId,
    pub(super) json: String,
}

/// A dead letter to be kept.
pub(super) struct LetterRow {
    pub(super) died_at: Timestamp,
    /// Its event's, as far as the event could be read.
    pub(super) integration: Option<IntegrationId>,
    pub(super) ending: Ending,
    pub(super) note: String,
    pub(super) event: Option<Stored>,
}

/// What routing made of events, each with the sequence of its event.
pub(super) struct RoutedRows {
    pub(super) key: LeaseKey,
    pub(super) epoch: u64,
    pub(super) after: u64,
    pub(super) through: u64,
    pub(super) tasks: Vec<TaskRow>,
    pub(super) ended: Vec<(u64, Ending)>,
    pub(super) dead: Vec<(u64, LetterRow)>,
    pub(super) outcomes: Vec<Outcomes>,
}

/// A refused request to be kept.
pub(super) struct RefusalRow {
    pub(super) key: RefusalKey,
    pub(super) integration: IntegrationId,
    pub(super) received_at: Timestamp,
    pub(super) json: String,
    pub(super) sealed: bytes::Bytes,
}

/// A redelivery to be noted.
pub(super) struct RedeliveryRow {
    pub(super) event: String,
    pub(super) slot: i64,
    pub(super) at: Timestamp,
    pub(super) json: String,
}

/// A sealed secret to be kept.
pub(super) struct SecretRow {
    pub(super) name: String,
    pub(super) json: String,
}

/// A write of an entry of the registry.
pub(super) struct EntryRow {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// None removes it.
    pub(super) value: Option<bytes::Bytes>,
    pub(super) expect: Expect,
}

/// A line of the audit log.
pub(super) struct ActRow {
    pub(super) id: crate::ActId,
    pub(super) at: Timestamp,
    pub(super) json: String,
}

impl Incoming {
    pub(super) fn of(meta: Meta, place: Place, stored: Stored) -> Self {
        let key = Key::of(meta.id.token().as_str());
        let Meta { id, integration, connection, account, tenant, received_at, .. } = meta;
        let account = account.filter(|_| connection.is_none());
        let (connection, account, tenant) = match place {
            Place::Log => (None, None, None),
            Place::Unmatched => (connection, account, tenant),
        };
        Self { id, key, integration, connection, account, tenant, received_at, place, stored }
    }
}

impl RefusalRow {
    pub(super) fn of(refusal: &SealedRefusal) -> Result<Self, StoreError> {
        let json = serde_json::to_string(refusal).map_err(unwritable)?;
        let (integration, received_at) = (refusal.integration.clone(), refusal.received_at);
        Ok(Self { key: refusal.key(), integration, received_at, json, sealed: refusal.sealed.clone() })
    }
}

impl SecretRow {
    pub(super) fn of(secret: &SealedSecret) -> Result<Self, StoreError> {
        let json = serde_json::to_string(secret).map_err(unwritable)?;
        Ok(Self { name: secret.name.token().to_string(), json })
    }
}

impl TaskRow {
    pub(super) fn of(task: Task) -> Result<Self, StoreError> {
        let json = serde_json::to_string(&task).map_err(unwritable)?;
        Ok(Self { lane: Lane::of(&task), sequence: task.event.sequence, task, json })
    }

    /// A task's next attempt.
    pub(super) fn next_attempt(queued: &Queued, due: Timestamp) -> Result<Self, StoreError> {
        Self::of(queued.task.next_attempt(due))
    }
}

impl AttemptRow {
    pub(super) fn of(attempt: &Attempt, task: &Task) -> Result<Self, StoreError> {
        let json = serde_json::to_string(attempt).map_err(unwritable)?;
        Ok(Self { at: attempt.started_at, integration: task.integration.clone(), json })
    }
}

impl LetterRow {
    pub(super) fn of(letter: &DeadLetter, event: Option<Stored>) -> Result<Self, StoreError> {
        let ending = if letter.note.reason == DeadReason::Expired { Ending::Expired } else { Ending::Dead };
        let note = serde_json::to_string(&letter.note).map_err(unwritable)?;
        let integration = letter.event.as_ref().map(|event| event.meta.integration.clone());
        Ok(Self { died_at: letter.note.died_at, integration, ending, note, event })
    }

    /// The file that the row will refer to.
    pub(super) fn file(&self) -> Option<&Arc<BodyFile>> {
        self.event.as_ref()?.file.as_ref()
    }
}

/// A value that JSON can't say; none of ours is.
pub(super) fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
