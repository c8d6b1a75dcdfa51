//! Counting how deliveries end: once each, many at a time.
//!
//! Each shard has a ledger, a subject among the attempts whose newest message, a [`Page`], says how many have ended so far
//! and which of them may still stand in their lanes; with the ends come their attempts' records. A page is written only
//! over the one that its writer has seen, so that whoever owned the shard before can count nothing any more once somebody
//! has taken it over. One page is being written at a time; what ends meanwhile waits for the next. Whoever waits writes it,
//! for all that wait.

mod lately;
mod page;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::{TryStreamExt as _, future::try_join_all, stream};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tokio::{
    select,
    sync::{Mutex as Turn, oneshot},
    time::timeout_at,
};

use self::lately::{Lately, PAGES_MAX};
pub(super) use self::page::{End, Page};
use super::{
    Nats,
    link::{self, Post, Repeat},
    read::Stored,
    reply::Failed,
    settle::written,
};
use crate::{Attempt, Ending, Queued, StoreError};

/// Ends, and bytes of their records, that one page takes.
const ENDS_MAX: usize = 256;
const BYTES_MAX: usize = 384 * 1024;
/// How often a page is written again because somebody else's came first.
const TRIES: usize = 5;
/// Tasks that another owner has ended, taken out of their lanes at once.
const AT_ONCE: usize = 64;

/// The ledgers of all shards.
pub(super) struct Ledgers {
    /// This store among all that write pages.
    owner: u64,
    shards: Vec<Ledger>,
}

/// The ledger of one shard.
#[derive(Default)]
pub(super) struct Ledger {
    /// What has ended and stands on no page yet.
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever has it writes the next page.
    account: Turn<Account>,
    /// As [`Page::standing`].
    standing: Mutex<BTreeSet<u64>>,
}

/// An end that somebody waits for.
struct Waiting {
    end: End<Box<RawValue>>,
    ending: Ending,
    place: u64,
    said: oneshot::Sender<Result<(), StoreError>>,
}

/// How a ledger stands, as far as is known.
#[derive(Default)]
struct Account {
    /// The newest page's place, 0 for none; unknown at first, and while it is unknown whether a page was written.
    revision: Option<u64>,
    /// This store has written the newest page that it knows of.
    is_ours: bool,
    /// Tries to write so far.
    number: u64,
    counts: BTreeMap<Ending, u64>,
    lately: Lately,
}

impl Ledgers {
    pub(super) fn new(shards: u16) -> Self {
        Self { owner: rand::random(), shards: (0..shards).map(|_| Ledger::default()).collect() }
    }

    fn of(&self, shard: u16) -> Result<&Ledger, StoreError> {
        let missing = || StoreError::Corrupt(format!("there is no shard {shard}"));
        self.shards.get(usize::from(shard)).ok_or_else(missing)
    }

    /// Whether a task's end is counted, and it may still stand in its lane.
    pub(super) fn is_standing(&self, shard: u16, place: u64) -> bool {
        self.of(shard).is_ok_and(|ledger| ledger.standing().contains(&place))
    }

    /// A task has left its lane.
    pub(super) fn left(&self, shard: u16, place: u64) {
        if let Ok(ledger) = self.of(shard) {
            ledger.standing().remove(&place);
        }
    }
}

impl Nats {
    /// Counts the end of a delivery, with its attempt's record; nothing when it was counted before.
    pub(super) async fn count_end(
        &self,
        shard: u16,
        queued: &Queued,
        (ending, attempt): (Ending, Option<&Attempt>),
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let ledger = self.ledgers.of(shard)?;
        let attempt = attempt.map(serde_json::value::to_raw_value).transpose();
        let attempt = attempt.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (said, mut heard) = oneshot::channel();
        let end = End { key: page::key(&queued.task), attempt };
        ledger.waiting().push(Waiting { end, ending, place: queued.position, said });
        let counted = async {
            loop {
                let mut account = select! {
                    biased;
                    said = &mut heard => return said.unwrap_or_else(|_| Err(unavailable("nobody wrote down the end"))),
                    account = ledger.account.lock() => account,
                };
                self.write_waiting(shard, ledger, &mut account).await;
            }
        };
        let late = |_| Err(unavailable("the end was not written down in time"));
        timeout_at(deadline.into(), counted).await.unwrap_or_else(late)
    }

    /// Takes a shard's ledger over, so that its earlier owner can't count any more; what that has ended leaves the lanes.
    pub(super) async fn take_ledger(&self, shard: u16) -> Result<(), StoreError> {
        let ledger = self.ledgers.of(shard)?;
        let mut account = ledger.account.lock().await;
        for _ in 0..TRIES {
            (account.revision, account.is_ours) = (None, false);
            self.read_account(shard, ledger, &mut account).await?;
            if account.is_ours || self.write_page(shard, ledger, &mut account, &[], link::soon()).await? {
                return Ok(());
            }
        }
        Err(unavailable("others write to the shard's ledger"))
    }

    /// How many deliveries have ended so far, by how.
    pub(super) async fn counted(&self, deadline: Instant) -> Result<BTreeMap<Ending, u64>, StoreError> {
        let pages = (0..self.names.shards).map(|shard| self.newest_page::<IgnoredAny>(shard, deadline));
        let mut counts = BTreeMap::new();
        for (_, page) in try_join_all(pages).await?.into_iter().flatten() {
            for (ending, count) in page.counts {
                *counts.entry(ending).or_default() += count;
            }
        }
        Ok(counts)
    }

    async fn write_waiting(&self, shard: u16, ledger: &Ledger, account: &mut Account) {
        let batch = ledger.take();
        if batch.is_empty() {
            return;
        }
        let outcome = self.write_batch(shard, ledger, account, &batch).await;
        for waiting in batch {
            // Whoever asked may have stopped waiting.
            let _ = waiting.said.send(outcome.clone());
        }
    }

    async fn write_batch(
        &self,
        shard: u16,
        ledger: &Ledger,
        account: &mut Account,
        batch: &[Waiting],
    ) -> Result<(), StoreError> {
        let deadline = link::soon();
        for _ in 0..TRIES {
            if account.revision.is_none() {
                self.read_account(shard, ledger, account).await?;
            }
            let mut keys = HashSet::new();
            let is_new = |end: &&Waiting| !account.lately.has(end.end.key) && keys.insert(end.end.key);
            let new: Vec<&Waiting> = batch.iter().filter(is_new).collect();
            if new.is_empty() || self.write_page(shard, ledger, account, &new, deadline).await? {
                return Ok(());
            }
        }
        Err(unavailable("others write to the shard's ledger"))
    }

    /// Writes a page over the one that was seen; `false` when that is no longer the newest.
    async fn write_page(
        &self,
        shard: u16,
        ledger: &Ledger,
        account: &mut Account,
        ended: &[&Waiting],
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        // Until its answer is here, and if this is dropped before, nobody knows whether it is written.
        let revision = account.revision.take().unwrap_or_default();
        account.number += 1;
        let mut counts = account.counts.clone();
        for end in ended {
            *counts.entry(end.ending).or_default() += 1;
        }
        let places = ended.iter().map(|end| end.place);
        let page = Page {
            owner: self.ledgers.owner,
            number: account.number,
            counts,
            standing: ledger.standing().iter().copied().chain(places.clone()).collect(),
            since: account.lately.since(),
            ends: ended.iter().map(|end| End { key: end.end.key, attempt: end.end.attempt.as_deref() }).collect(),
        };
        match self.publish_page(shard, &page, revision, deadline).await? {
            Some(place) => {
                ledger.standing().extend(places);
                account.lately.add(place, page.ends.iter().map(|end| end.key).collect());
                (account.revision, account.is_ours, account.counts) = (Some(place), true, page.counts);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Where the page stands now; `None` when the newest is not at that place.
    async fn publish_page(
        &self,
        shard: u16,
        page: &Page<impl Serialize>,
        revision: u64,
        deadline: Instant,
    ) -> Result<Option<u64>, StoreError> {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
        let post = Post::new(self.names.ledger_subject(shard), headers, written(page)?);
        // A repeat of what is written is refused, and then found to be our own.
        match self.near().publish(&post, Repeat::Harmless, deadline).await {
            Ok(ack) => Ok(Some(ack.sequence)),
            Err(Failed::Refused(refused)) if refused.is_wrong_revision() => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Learns how the ledger stands. What an earlier owner has counted is remembered, and leaves its lanes.
    async fn read_account(&self, shard: u16, ledger: &Ledger, account: &mut Account) -> Result<(), StoreError> {
        let deadline = link::soon();
        let Some((place, page)) = self.newest_page::<IgnoredAny>(shard, deadline).await? else {
            // None was written yet, or the last one's time is over.
            account.revision = Some(0);
            return Ok(());
        };
        let is_ours = page.owner == self.ledgers.owner;
        if account.is_ours && !is_ours {
            return Err(StoreError::LeaseLost);
        }
        if !is_ours {
            self.inherit(shard, &page, place, account, deadline).await?;
            ledger.standing().clear();
        } else if account.lately.newest() < Some(place) {
            // A try of ours of which we heard nothing.
            account.lately.add(place, page.ends.iter().map(|end| end.key).collect());
        }
        (account.revision, account.is_ours, account.counts) = (Some(place), is_ours, page.counts);
        Ok(())
    }

    async fn inherit(
        &self,
        shard: u16,
        page: &Page<IgnoredAny>,
        place: u64,
        account: &mut Account,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        self.fronts.forget(shard);
        account.lately = Lately::default();
        let oldest = if page.since == 0 { place } else { page.since };
        let (stream, subject) = (self.names.attempts(), self.names.ledger_subject(shard));
        for message in self.link.page(&stream, &subject, oldest - 1, PAGES_MAX, self.replicas).await? {
            let page = read::<IgnoredAny>(&message)?;
            account.lately.add(message.sequence, page.ends.iter().map(|end| end.key).collect());
        }
        for place in &page.standing {
            self.doubts.ended_at(shard, *place);
        }
        stream::iter(page.standing.iter().copied().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |place| self.delete_task(shard, place, deadline))
            .await
    }

    /// The newest page of a shard's ledger, and its place.
    pub(super) async fn newest_page<A: for<'de> Deserialize<'de>>(
        &self,
        shard: u16,
        deadline: Instant,
    ) -> Result<Option<(u64, Page<A>)>, StoreError> {
        let subject = self.names.ledger_subject(shard);
        let newest = self.link.leader_last(&self.names.attempts(), &subject, deadline).await?;
        newest.map(|message| Ok((message.sequence, read(&message)?))).transpose()
    }

    /// Writes the newest page anew without some of its records, so that the old one may be erased; `false` when it is no
    /// longer the newest.
    pub(super) async fn rewrite_page(
        &self,
        shard: u16,
        place: u64,
        page: &Page<Attempt>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        Ok(self.publish_page(shard, page, place, deadline).await?.is_some())
    }
}

impl Ledger {
    /// What the next page takes of what waits.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        // Whoever stopped waiting asks again.
        waiting.retain(|end| !end.said.is_closed());
        let mut bytes = 0;
        let mut fits = |end: &Waiting| {
            bytes += end.end.attempt.as_ref().map_or(0, |attempt| attempt.get().len());
            bytes <= BYTES_MAX
        };
        let count = waiting.iter().take(ENDS_MAX).take_while(|end| fits(end)).count();
        // One that is too large by itself is a page of its own.
        let count = count.max(1).min(waiting.len());
        let rest = waiting.split_off(count);
        mem::replace(&mut waiting, rest)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The page that a message holds.
pub(super) fn read<A: for<'de> Deserialize<'de>>(message: &Stored) -> Result<Page<A>, StoreError> {
    let (subject, place) = (&message.subject, message.sequence);
    let unreadable = |error| StoreError::Corrupt(format!("page {place} of the ledger {subject}: {error}"));
    serde_json::from_slice(&message.payload).map_err(unreadable)
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
