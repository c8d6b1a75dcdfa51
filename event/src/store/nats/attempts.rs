//! Attempts' records as they are read and erased: single ones, of attempts that are tried again; lists; and those on the
//! pages of ledgers.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Nats, ledger,
    link::{Post, Repeat},
    names::{Names, RETRIED},
    read::Stored,
    settle::written,
};
use crate::{Attempt, DeliveryId, Ending, StoreError};

/// Messages read at a time, each of many records.
const PAGE: usize = 64;
/// How often a page of a ledger is looked at anew because another has followed it.
const TRIES: usize = 5;

/// The last stretch of the stream that was found without a record, so that whoever follows it reads it once.
#[derive(Debug, Default)]
pub(super) struct Nothing(Mutex<(u64, u64)>);

impl Nats {
    pub(in crate::store) async fn attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Attempt)>, StoreError> {
        let (stream, filter) = (self.names.attempts(), self.names.attempt_filter());
        let (mut found, mut through) = (Vec::new(), self.nothing.skip(after));
        while found.len() < limit {
            let at_most = PAGE.min(limit - found.len());
            let page = self.link.page(&stream, &filter, through, at_most, self.replicas).await?;
            for message in &page {
                let records = self.records_of(message)?;
                found.extend(records.into_iter().map(|attempt| (message.sequence, attempt)));
            }
            through = page.last().map_or(through, |last| last.sequence);
            if page.len() < at_most {
                break;
            }
        }
        if found.is_empty() {
            self.nothing.remember(after, through);
        }
        Ok(found)
    }

    fn records_of(&self, message: &Stored) -> Result<Vec<Attempt>, StoreError> {
        match self.names.ledger_of(&message.subject) {
            Some(_) => Ok(ledger::read(message)?.ends.into_iter().filter_map(|end| end.attempt).collect()),
            None if Names::is_recorded(&message.subject) => read(message),
            None => read(message).map(|attempt| vec![attempt]),
        }
    }

    /// Erases the records of some deliveries from a message. What it counts stays counted, and what it says of others is
    /// kept.
    pub(super) async fn erase_attempts(
        &self,
        place: u64,
        theirs: &[DeliveryId],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let stream = self.names.attempts();
        for _ in 0..TRIES {
            let Some(message) = self.link.message_at(&stream, place, self.replicas, deadline).await? else {
                return Ok(());
            };
            if self.keep_rest(&message, theirs, deadline).await? {
                return self.erase_at(&stream, place, deadline).await;
            }
        }
        Err(StoreError::Unavailable("the shard's ledger goes on too fast".to_owned()))
    }

    /// Writes anew what a message says beside some deliveries' records; `false` when that has to be found out again.
    async fn keep_rest(&self, message: &Stored, theirs: &[DeliveryId], deadline: Instant) -> Result<bool, StoreError> {
        let is_theirs = |attempt: &Attempt| theirs.contains(&attempt.delivery);
        let shard = message.subject.rsplit('.').nth(1).and_then(|shard| shard.parse().ok());
        if self.names.ledger_of(&message.subject).is_none() && !Names::is_recorded(&message.subject) {
            self.keep_count(message, shard, deadline).await?;
            return Ok(true);
        }
        let shard = shard.ok_or_else(|| StoreError::Corrupt(format!("{} names no shard", message.subject)))?;
        if self.names.ledger_of(&message.subject).is_some()
            && let Some((newest, _)) = self.newest_page::<IgnoredAny>(shard, deadline).await?
            && newest == message.sequence
        {
            let mut page = ledger::read::<Attempt>(message)?;
            for end in &mut page.ends {
                end.attempt = end.attempt.take().filter(|attempt| !is_theirs(attempt));
            }
            return self.rewrite_page(shard, newest, &page, deadline).await;
        }
        let rest: Vec<_> = self.records_of(message)?.into_iter().filter(|attempt| !is_theirs(attempt)).collect();
        if let Some(newest) = rest.iter().map(|attempt| attempt.started_at).max() {
            let age = Timestamp::now().since(newest);
            let left = self.retention().all.events.saturating_sub(age).max(Duration::from_secs(1));
            let id = format!("{}:{}:rest", self.names.attempts(), message.sequence);
            let post = Post::once(self.names.recorded_subject(shard), &id, written(&rest)?).lasting(Some(left));
            self.link.publish(&post, Repeat::Harmless, deadline).await?;
        }
        Ok(true)
    }

    /// A message of one attempt is also what counts its delivery's end, where that was not written down on a page yet: a
    /// bare one takes its place.
    async fn keep_count(&self, message: &Stored, shard: Option<u16>, deadline: Instant) -> Result<(), StoreError> {
        let word = message.subject.rsplit('.').next().filter(|word| *word != RETRIED);
        let ending = word.and_then(|word| Ending::ALL.into_iter().find(|ending| ending.word() == word));
        if let (Some(shard), Some(ending)) = (shard, ending) {
            let id = format!("{}:{}:end", self.names.attempts(), message.sequence);
            let subject = self.names.end_subject('s', shard, ending);
            let end = Post::once(subject, &id, written(&message.sequence)?);
            self.link.publish(&end, Repeat::Harmless, deadline).await?;
        }
        Ok(())
    }
}

impl Nothing {
    /// Where to read on behind a place.
    fn skip(&self, after: u64) -> u64 {
        let (from, through) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if from == after { through } else { after }
    }

    fn remember(&self, after: u64, through: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (after, through);
    }
}

fn read<T: for<'de> Deserialize<'de>>(message: &Stored) -> Result<T, StoreError> {
    let unreadable = |error| StoreError::Corrupt(format!("the record {}: {error}", message.sequence));
    serde_json::from_slice(&message.payload).map_err(unreadable)
}
