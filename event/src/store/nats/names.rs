//! Every stream name, subject and message id that the engine uses, in one place.

use std::fmt::Write as _;

use gatepost_config::NatsStore;

use crate::{
    DeliveryId, Ending, EventId, EventRef, Lane, Redelivery, RefusalKey, RequestId, Task,
    id::{ID_CHARS, Token},
    registry::Kind,
    store::LeaseKey,
    subject::{account_token, connection_token, destination_token, integration_token},
};

/// The word in an attempt's subject for one that is tried again.
pub(super) const RETRIED: &str = "retried";

/// The word of deliveries owed anew, beside the endings' words.
pub(super) const REPLAYED: &str = "replayed";

/// The word in an attempt's subject for one whose delivery's end is counted elsewhere.
const RECORDED: &str = "recorded";

/// The word of a shard's ledger: pages of ends with their attempts.
const ENDED: &str = "ended";

/// The word of records of what became of events, beside the endings' words.
const OUTCOMES: &str = "outcomes";

/// The names of one installation.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// First token of every subject.
    prefix: String,
    /// First part of every stream name.
    stream: String,
    /// Partitions of the event log.
    pub(super) partitions: u16,
    /// Shards of the lanes.
    pub(super) shards: u16,
}

/// Whose chunks of a large body they are.
#[derive(Debug, Clone, Copy)]
pub(super) enum BodyOwner {
    /// An event in a partition of the log.
    Logged(u16),
    /// A parked event.
    Parked,
}

impl Names {
    pub(super) fn new(settings: &NatsStore) -> Self {
        let stream = settings.prefix.chars().map(|c| match c {
            c if c.is_ascii_alphanumeric() || c == '-' => c.to_ascii_uppercase(),
            _ => '_',
        });
        Self {
            prefix: settings.prefix.clone(),
            stream: stream.collect(),
            partitions: settings.partitions.max(1),
            shards: settings.shards.max(1),
        }
    }

    // Streams.

    pub(super) fn events(&self, partition: u16) -> String {
        format!("{}_EV_{partition}", self.stream)
    }

    pub(super) fn deliveries(&self, shard: u16) -> String {
        format!("{}_DLV_{shard}", self.stream)
    }

    pub(super) fn bodies(&self) -> String {
        format!("{}_BLB", self.stream)
    }

    pub(super) fn dead(&self) -> String {
        format!("{}_DLQ", self.stream)
    }

    pub(super) fn parked(&self) -> String {
        format!("{}_UNM", self.stream)
    }

    pub(super) fn quarantine(&self) -> String {
        format!("{}_QTN", self.stream)
    }

    pub(super) fn attempts(&self) -> String {
        format!("{}_ATT", self.stream)
    }

    pub(super) fn secrets(&self) -> String {
        format!("{}_SEC", self.stream)
    }

    pub(super) fn registry(&self) -> String {
        format!("{}_REG", self.stream)
    }

    pub(super) fn acts(&self) -> String {
        format!("{}_AUD", self.stream)
    }

    pub(super) fn redelivered(&self) -> String {
        format!("{}_RDL", self.stream)
    }

    /// The bucket of leases, cursors and router announcements, as an operator's tools know it.
    pub(super) fn bucket(&self) -> String {
        format!("{}_STATE", self.stream)
    }

    /// The stream behind [`Self::bucket`].
    pub(super) fn state(&self) -> String {
        format!("KV_{}", self.bucket())
    }

    // Subjects.

    pub(super) fn event_subject(&self, partition: u16, connection: &Token) -> String {
        // Into its place, since every webhook has one.
        let mut subject = String::with_capacity(self.prefix.len() + ".ev.65535.".len() + ID_CHARS);
        // Writing into a text can't fail.
        let _ = write!(subject, "{}.ev.{partition}.{connection}", self.prefix);
        subject
    }

    pub(super) fn event_filter(&self, partition: u16) -> String {
        format!("{}.ev.{partition}.*", self.prefix)
    }

    pub(super) fn lane_subject(&self, shard: u16, lane: &Lane) -> String {
        format!("{}.dlv.{shard}.{lane}", self.prefix)
    }

    pub(super) fn lane_filter(&self, shard: u16) -> String {
        format!("{}.dlv.{shard}.>", self.prefix)
    }

    /// The lane of a subject that [`Self::lane_filter`] matches.
    pub(super) fn lane_of(&self, shard: u16, subject: &str) -> Option<Lane> {
        subject.strip_prefix(&format!("{}.dlv.{shard}.", self.prefix))?.parse().ok()
    }

    /// Where stands how often the head of an ordered lane was attempted, and when it is again.
    pub(super) fn hold_subject(&self, shard: u16, lane: &Lane) -> String {
        format!("{}.hld.{shard}.{lane}", self.prefix)
    }

    pub(super) fn hold_filter(&self, shard: u16) -> String {
        format!("{}.hld.{shard}.>", self.prefix)
    }

    /// The lane of one of [`Self::hold_subject`].
    pub(super) fn held_lane(&self, shard: u16, subject: &str) -> Option<Lane> {
        subject.strip_prefix(&format!("{}.hld.{shard}.", self.prefix))?.parse().ok()
    }

    /// Whether a subject of the shard's stream is one of [`Self::hold_subject`].
    pub(super) fn is_hold(&self, shard: u16, subject: &str) -> bool {
        subject.starts_with(&format!("{}.hld.{shard}.", self.prefix))
    }

    pub(super) fn schedule_subject(&self, shard: u16, destination: &Token, delivery: DeliveryId) -> String {
        format!("{}.rty.{shard}.{destination}.{}", self.prefix, delivery.token())
    }

    /// Matches lanes, schedules and holds.
    pub(super) fn shard_filter(&self, shard: u16) -> String {
        format!("{}.*.{shard}.>", self.prefix)
    }

    pub(super) fn schedule_filter(&self, shard: u16) -> String {
        format!("{}.rty.{shard}.>", self.prefix)
    }

    /// What the subjects of a body's chunks start with; the chunk's number follows.
    pub(super) fn body_base(&self, owner: BodyOwner, connection: &Token, event: &EventId, digest: &Token) -> String {
        let event = event.token();
        match owner {
            BodyOwner::Logged(partition) => {
                format!("{}.blb.{partition}.{connection}.{event}.{digest}", self.prefix)
            }
            BodyOwner::Parked => format!("{}.blb.parked.{connection}.{event}.{digest}", self.prefix),
        }
    }

    pub(super) fn body_filter(&self) -> String {
        format!("{}.blb.>", self.prefix)
    }

    pub(super) fn letter_subject(&self, letter: &Token) -> String {
        format!("{}.dlq.{letter}", self.prefix)
    }

    /// The copy of an event that a revived delivery carries.
    pub(super) fn copy_subject(&self, copy: &Token) -> String {
        format!("{}.dlr.{copy}", self.prefix)
    }

    pub(super) fn copy_filter(&self) -> String {
        format!("{}.dlr.*", self.prefix)
    }

    pub(super) fn letter_filter(&self) -> String {
        format!("{}.dlq.*", self.prefix)
    }

    /// As [`Self::body_base`], of a dead letter's own copy.
    pub(super) fn letter_body_base(&self, letter: &Token, digest: &Token) -> String {
        format!("{}.dlb.{letter}.{digest}", self.prefix)
    }

    /// All chunks of a dead letter's own copy.
    pub(super) fn letter_chunks(&self, letter: &Token) -> String {
        format!("{}.dlb.{letter}.>", self.prefix)
    }

    pub(super) fn letter_body_filter(&self) -> String {
        format!("{}.dlb.>", self.prefix)
    }

    pub(super) fn parked_subject(
        &self,
        integration: &gatepost_config::IntegrationId,
        account: Option<&str>,
        connection: Option<&gatepost_config::ConnectionId>,
    ) -> String {
        let account = connection_token(integration, connection, account);
        format!("{}.unm.{}.{account}", self.prefix, integration_token(integration))
    }

    pub(super) fn parked_filter(
        &self,
        integration: Option<&gatepost_config::IntegrationId>,
        account: Option<&str>,
    ) -> String {
        match (integration, account) {
            (Some(integration), Some(account)) => {
                let account = account_token(integration, account);
                format!("{}.unm.{}.{account}", self.prefix, integration_token(integration))
            }
            (Some(integration), None) => format!("{}.unm.{}.*", self.prefix, integration_token(integration)),
            (None, _) => format!("{}.unm.*.*", self.prefix),
        }
    }

    pub(super) fn quarantine_subject(&self, key: &RefusalKey) -> String {
        let RefusalKey { request, integration, reason, source, bytes } = key;
        format!("{}.qtn.{integration}.{reason}.{source}.{bytes}.{}", self.prefix, request.token())
    }

    /// All refused requests, or the one of an id.
    pub(super) fn quarantine_filter(&self, request: Option<RequestId>) -> String {
        let request = request.map_or_else(|| "*".to_owned(), |request| request.token().to_string());
        format!("{}.qtn.*.*.*.*.{request}", self.prefix)
    }

    /// What a subject says that [`Self::quarantine_filter`] matches.
    pub(super) fn quarantined(&self, subject: &str) -> Option<RefusalKey> {
        let mut parts = subject.strip_prefix(&self.prefix)?.strip_prefix(".qtn.")?.split('.');
        let integration = parts.next()?.parse().ok()?;
        let reason = parts.next()?.to_owned();
        let (source, bytes) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let request = format!("{}{}", RequestId::PREFIX, parts.next()?).parse().ok()?;
        Some(RefusalKey { request, integration, reason, source, bytes })
    }

    pub(super) fn secret_subject(&self, name: &Token) -> String {
        format!("{}.sec.{name}", self.prefix)
    }

    pub(super) fn secret_filter(&self) -> String {
        format!("{}.sec.*", self.prefix)
    }

    pub(super) fn redelivered_subject(&self, event: &EventId) -> String {
        format!("{}.rdl.{}", self.prefix, event.token())
    }

    pub(super) fn redelivered_filter(&self) -> String {
        format!("{}.rdl.*", self.prefix)
    }

    /// Where stands which redeliveries were dealt with.
    pub(super) fn redelivered_key(&self) -> String {
        self.state_subject("redelivered")
    }

    pub(super) fn entry_subject(&self, kind: Kind, id: &str) -> String {
        format!("{}.reg.{}.{}", self.prefix, kind.word(), kind.token(id))
    }

    pub(super) fn entry_filter(&self, kind: Kind) -> String {
        format!("{}.reg.{}.*", self.prefix, kind.word())
    }

    /// Whether a subject is one of [`Self::entry_filter`].
    pub(super) fn is_entry(&self, kind: Kind, subject: &str) -> bool {
        let rest = subject.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix(".reg."));
        rest.and_then(|rest| rest.strip_prefix(kind.word())).is_some_and(|rest| rest.starts_with('.'))
    }

    pub(super) fn registry_filter(&self) -> String {
        format!("{}.reg.*.*", self.prefix)
    }

    pub(super) fn act_subject(&self) -> String {
        format!("{}.aud.act", self.prefix)
    }

    /// An attempt of a shard, `word` being an ending's or [`RETRIED`].
    pub(super) fn attempt_subject(&self, shard: u16, word: &str) -> String {
        format!("{}.att.{shard}.{word}", self.prefix)
    }

    /// Attempts of a shard whose deliveries' ends are counted elsewhere: a list of them.
    pub(super) fn recorded_subject(&self, shard: u16) -> String {
        self.attempt_subject(shard, RECORDED)
    }

    /// Whether a subject is one of [`Self::recorded_subject`].
    pub(super) fn is_recorded(subject: &str) -> bool {
        subject.rsplit('.').next() == Some(RECORDED)
    }

    /// Where a shard's ends are counted.
    pub(super) fn ledger_subject(&self, shard: u16) -> String {
        self.attempt_subject(shard, ENDED)
    }

    /// Whose ledger a subject among the attempts is, if it is one.
    pub(super) fn ledger_of(&self, subject: &str) -> Option<u16> {
        let shard = subject.strip_prefix(&format!("{}.att.", self.prefix))?.strip_suffix(ENDED)?;
        shard.strip_suffix('.')?.parse().ok()
    }

    pub(super) fn attempt_filter(&self) -> String {
        format!("{}.att.*.*", self.prefix)
    }

    /// An end that no attempt belongs to, of a partition (`p`) or shard (`s`).
    pub(super) fn end_subject(&self, kind: char, number: u16, ending: Ending) -> String {
        format!("{}.end.{kind}{number}.{}", self.prefix, ending.word())
    }

    pub(super) fn end_filter(&self) -> String {
        format!("{}.end.*.*", self.prefix)
    }

    /// A delivery of a shard that is owed anew.
    pub(super) fn replayed_subject(&self, shard: u16) -> String {
        format!("{}.end.s{shard}.{REPLAYED}", self.prefix)
    }

    /// A record of what routing made of a partition's events.
    pub(super) fn routed_outcomes(&self, partition: u16) -> String {
        format!("{}.end.p{partition}.{OUTCOMES}", self.prefix)
    }

    /// A record of what a replay made of events.
    pub(super) fn replayed_outcomes(&self) -> String {
        format!("{}.end.replays.{OUTCOMES}", self.prefix)
    }

    /// A record of what runs of syncs made of events.
    pub(super) fn synced_outcomes(&self, shard: u16) -> String {
        format!("{}.end.s{shard}.{OUTCOMES}", self.prefix)
    }

    pub(super) fn outcomes_filter(&self) -> String {
        format!("{}.end.*.{OUTCOMES}", self.prefix)
    }

    /// Matches attempts and ends.
    pub(super) fn endings_filter(&self) -> String {
        format!("{}.*.*.*", self.prefix)
    }

    /// Where the operator's own workers listen; no stream has it.
    pub(super) fn worker_subject(&self, subject: &str) -> String {
        format!("{}.sync.{subject}", self.prefix)
    }

    pub(super) fn lease_key(&self, key: LeaseKey) -> String {
        match key {
            LeaseKey::Partition(partition) => self.state_subject(&format!("lease.partition.{partition}")),
            LeaseKey::Shard(shard) => self.state_subject(&format!("lease.shard.{shard}")),
            LeaseKey::Replays => self.state_subject("lease.replays"),
            LeaseKey::Quarantine => self.state_subject("lease.quarantine"),
            LeaseKey::Bindings => self.state_subject("lease.bindings"),
            LeaseKey::Heals => self.state_subject("lease.heals"),
        }
    }

    pub(super) fn cursor_key(&self, partition: u16) -> String {
        self.state_subject(&format!("cursor.{partition}"))
    }

    pub(super) fn router_key(&self, owner: &str) -> String {
        self.state_subject(&format!("router.{}", Token::hash(&[b"router", owner.as_bytes()])))
    }

    pub(super) fn router_filter(&self) -> String {
        self.state_subject("router.*")
    }

    pub(super) fn state_filter(&self) -> String {
        self.state_subject(">")
    }

    fn state_subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.bucket())
    }
}

/// The delivery of a schedule's subject.
pub(super) fn scheduled_delivery(subject: &str) -> Option<DeliveryId> {
    let token = subject.rsplit('.').next()?;
    format!("{}{token}", DeliveryId::PREFIX).parse().ok()
}

// Message ids: what the server stores once within the dedupe window.

/// A task: a later repeat of the event, stored again after the window, is owed again, and so is every replay of it.
pub(super) fn task_message(task: &Task) -> String {
    let destination = match &task.sync {
        None => destination_token(&task.destination),
        // One event may make several syncs of an engine stale.
        Some(_) => Token::hash(&[b"owed", Lane::of(task).to_string().as_bytes()]),
    };
    alive(format!("{}:{destination}:{}", task.event.id, task.event.sequence), task)
}

pub(super) fn hold_message(task: &Task) -> String {
    alive(format!("{}:hold:{}", task.delivery, task.attempt), task)
}

pub(super) fn schedule_message(task: &Task, attempt: u32) -> String {
    alive(format!("{}:due:{attempt}", task.delivery), task)
}

pub(super) fn retried_message(task: &Task, attempt: u32) -> String {
    alive(format!("{}:{attempt}", task.delivery), task)
}

pub(super) fn redelivered_message(redelivery: &Redelivery) -> String {
    format!("{}:again:{}", redelivery.event, redelivery.slot())
}

pub(super) fn replayed_message(task: &Task) -> String {
    format!("{}:{REPLAYED}", task_message(task))
}

/// A dead letter's name: a delivery that is owed anew may die anew, and its letters must not be taken for repeats.
pub(super) fn letter_name(task: &Task) -> Token {
    match &task.replay {
        None => *task.delivery.token(),
        Some(_) => Token::hash(&[b"letter", task.delivery.token().as_str().as_bytes(), task.life().as_bytes()]),
    }
}

/// A message id that is another one each time the delivery is owed anew.
fn alive(id: String, task: &Task) -> String {
    match &task.replay {
        None => id,
        Some(_) => format!("{id}:{}", task.life()),
    }
}

/// One for all ways to end, so that a delivery ends once. It goes by what is owed and not by the delivery's id: after a
/// crash, what had ended may be owed again under a new one, and must not be counted twice.
pub(super) fn end_message(task: &Task) -> String {
    format!("{}:end", task_message(task))
}

pub(super) fn routed_message(event: &EventRef, what: &str) -> String {
    format!("{}:{}:{what}", event.id, event.sequence)
}
