//! The registry: one message an entry, in a stream that keeps the last of each, as a key-value bucket does.
//!
//! The entry's own id goes in a header, so that any text can be one; its subject has a hash of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    Nats,
    feed::{Fed, Feed, Source},
    link::{self, Post, Repeat},
    names::Names,
    read::Stored,
    reply::Failed,
    state::{DELETED, OPERATION},
    tally,
};
use crate::{
    StoreError,
    registry::{Change, Entry, Expect, Kind, Put},
};

/// The header with the entry's id, in base64.
const ID: &str = "Gatepost-Id";
/// How long the mark of a removal stays; a watch that was away for longer lists again, as after any absence.
const REMOVAL_KEPT: Duration = Duration::from_hours(1);
/// Messages and bytes that may be on their way to a watch at once.
const FEED_MAX: (usize, usize) = (256, 4 * 1024 * 1024);

/// See [`crate::store::Watch`].
pub struct Watch {
    names: Names,
    kinds: Vec<Kind>,
    feed: Feed,
    /// The last place that was heard of, of any kind.
    heard: u64,
    ahead: VecDeque<Change>,
}

/// The last message under an entry's subject.
struct Last {
    revision: u64,
    /// None when it is the mark of a removal.
    entry: Option<Entry>,
}

impl Nats {
    pub(in crate::store) async fn entries(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let (stream, filter) = (self.names.registry(), self.names.entry_filter(kind));
        let page = self.link.page(&stream, &filter, 0, usize::MAX, self.replicas).await?;
        let mut entries = BTreeMap::new();
        // In stored order, so that the last write of an entry that was written meanwhile counts.
        for message in page {
            let id = id(&message)?;
            match last(&message)?.entry {
                Some(entry) => drop(entries.insert(id, entry)),
                None => drop(entries.remove(&id)),
            }
        }
        Ok(entries.into_values().collect())
    }

    pub(in crate::store) async fn entries_after(
        &self,
        kind: Kind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (stream, filter) = (self.names.registry(), self.names.entry_filter(kind));
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit {
            let wanted = limit - found.len();
            let page = self.link.page(&stream, &filter, after, wanted, self.replicas).await?;
            let Some(end) = page.last() else { break };
            after = end.sequence;
            for message in &page {
                // Marks of removals are passed over.
                found.extend(last(message)?.entry);
            }
        }
        Ok(found)
    }

    pub(in crate::store) async fn entry(&self, kind: Kind, id: &str) -> Result<Option<Entry>, StoreError> {
        let found = self.last_write(&self.names.entry_subject(kind, id), link::soon()).await?;
        Ok(found.and_then(|last| last.entry))
    }

    /// Writes an entry, or removes it when there is no value.
    pub(in crate::store) async fn write_entry(
        &self,
        kind: Kind,
        id: &str,
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<Put, StoreError> {
        let (subject, deadline) = (self.names.entry_subject(kind, id), link::soon());
        // The server itself sees that there is nothing; only who is refused asks what is there. A revision may be that of
        // a removal, which the server can't tell from an entry's.
        let mut is_fresh = expect == Expect::Absent && value.is_some();
        loop {
            let at = match std::mem::take(&mut is_fresh) {
                true => 0,
                false => {
                    let found = self.last_write(&subject, deadline).await?;
                    let at = found.as_ref().map_or(0, |last| last.revision);
                    let entry = found.and_then(|last| last.entry);
                    if !expect.is_met(entry.as_ref()) || (value.is_none() && entry.is_none()) {
                        return Ok(Put::Conflict(entry));
                    }
                    at
                }
            };
            match self.link.publish(&post(&subject, id, value.as_ref(), at), Repeat::Never, deadline).await {
                Ok(ack) => return Ok(Put::Stored(ack.sequence)),
                // Somebody was faster: what is there now?
                Err(Failed::Refused(refused)) if refused.is_wrong_revision() && Instant::now() < deadline => {}
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    pub(in crate::store) async fn watch(&self, kinds: Vec<Kind>) -> Result<Watch, StoreError> {
        let stream = self.names.registry();
        let heard = tally::numbers(&self.link, &stream, link::soon()).await?.last;
        // All kinds: a place that is skipped then is a change that was overtaken before it could be told.
        let filter = self.names.registry_filter();
        let source = Source { stream, filters: vec![filter], messages_max: FEED_MAX.0, bytes_max: FEED_MAX.1 };
        let feed = Feed::open(self.link.clone(), source, heard + 1).await?;
        Ok(Watch { names: self.names.clone(), kinds, feed, heard, ahead: VecDeque::new() })
    }

    /// By the leader's word.
    async fn last_write(&self, subject: &str, deadline: Instant) -> Result<Option<Last>, StoreError> {
        let found = self.link.leader_last(&self.names.registry(), subject, deadline).await?;
        found.as_ref().map(last).transpose()
    }
}

impl Watch {
    /// The next change, waiting for it. Cancel safe.
    pub(in crate::store) async fn next(&mut self) -> Result<Change, StoreError> {
        loop {
            if let Some(change) = self.ahead.pop_front() {
                return Ok(change);
            }
            match self.feed.next().await? {
                // The mark of a removal may have gone meanwhile.
                Fed::Again => return Ok(Change::Missed),
                Fed::Message(message) => self.hear(&message)?,
            }
        }
    }

    fn hear(&mut self, message: &Stored) -> Result<(), StoreError> {
        if message.sequence != self.heard + 1 {
            self.ahead.push_back(Change::Missed);
        }
        self.heard = message.sequence;
        if self.kinds.iter().any(|kind| self.names.is_entry(*kind, &message.subject)) {
            let change = match last(message)?.entry {
                Some(entry) => Change::Put(entry),
                None => Change::Removed(id(message)?),
            };
            self.ahead.push_back(change);
        }
        Ok(())
    }
}

fn post(subject: &str, id: &str, value: Option<&Bytes>, at: u64) -> Post {
    let mut headers = HeaderMap::new();
    headers.insert(ID, STANDARD.encode(id).as_str());
    headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, at.to_string().as_str());
    if value.is_none() {
        headers.insert(OPERATION, DELETED);
        headers.insert(async_nats::header::NATS_MESSAGE_TTL, format!("{}s", REMOVAL_KEPT.as_secs()).as_str());
    }
    Post::new(subject.to_owned(), headers, value.cloned().unwrap_or_default())
}

fn last(message: &Stored) -> Result<Last, StoreError> {
    let entry = match message.headers.get_last(OPERATION) {
        Some(_) => None,
        None => Some(Entry { id: id(message)?, revision: message.sequence, value: message.payload.clone() }),
    };
    Ok(Last { revision: message.sequence, entry })
}

fn id(message: &Stored) -> Result<String, StoreError> {
    let text = message.headers.get_last(ID).map(|id| STANDARD.decode(id.as_str()));
    let text = text.and_then(Result::ok).and_then(|id| String::from_utf8(id).ok());
    text.ok_or_else(|| StoreError::Corrupt(format!("the entry at {} has no id", message.subject)))
}
