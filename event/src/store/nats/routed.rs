//! Storing what routing made of a partition's events.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::{TryStreamExt as _, stream};
use gatepost_config::Timestamp;

use super::{
    Nats,
    link::{Post, Repeat},
    names,
    settle::{ending_of, written},
};
use crate::{
    DeadLetter, Ending, EventRef, Lane, Outcomes, StoreError,
    id::Token,
    store::{Lease, Routed},
};

/// Publishes under way at once.
const AT_ONCE: usize = 256;
/// A whole batch of tasks takes longer than one operation.
const ROUTED_TIMEOUT: Duration = Duration::from_secs(15);

impl Nats {
    pub(in crate::store) async fn routed(&self, lease: &Lease, routed: Routed) -> Result<(), StoreError> {
        self.link.ready()?;
        let now = Instant::now();
        if now >= lease.valid_until {
            return Err(StoreError::LeaseLost);
        }
        let deadline = now + ROUTED_TIMEOUT;
        let chains = self.chains(&routed)?;
        let records = self.record_posts(&routed)?;
        stream::iter(chains.into_iter().chain(records.into_iter().map(|record| vec![record])).map(Ok))
            .try_for_each_concurrent(AT_ONCE, |chain| self.publish_chain(chain, deadline))
            .await?;
        stream::iter(routed.dead.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |(event, letter)| self.bury_routed(&routed, event, letter, deadline))
            .await?;
        self.move_cursor(lease, &routed, deadline).await
    }

    /// Messages that may be published at the same time; those of one chain only one after the other, so that an
    /// ordered lane keeps its order whatever is tried again.
    fn chains(&self, routed: &Routed) -> Result<Vec<Vec<Post>>, StoreError> {
        let mut chains: Vec<Vec<Post>> = Vec::with_capacity(routed.tasks.len() + routed.ended.len());
        let mut ordered: HashMap<Lane, Vec<Post>> = HashMap::new();
        for task in &routed.tasks {
            let post = self.task_post(task)?;
            match task.ordered {
                true => ordered.entry(Lane::of(task)).or_default().push(post),
                false => chains.push(vec![post]),
            }
        }
        chains.extend(ordered.into_values());
        for (event, ending) in &routed.ended {
            chains.push(vec![self.end_post(routed.partition, event, *ending, ending.word())?]);
        }
        Ok(chains)
    }

    /// What became of all these events, in as few messages as it fits into.
    fn record_posts(&self, routed: &Routed) -> Result<Vec<Post>, StoreError> {
        let subject = self.names.routed_outcomes(routed.partition);
        let records = Outcomes::of_routed(routed, Timestamp::now());
        records.iter().map(|record| outcomes_post(subject.clone(), record)).collect()
    }

    async fn publish_chain(&self, chain: Vec<Post>, deadline: Instant) -> Result<(), StoreError> {
        for post in &chain {
            self.link.publish(post, Repeat::Harmless, deadline).await?;
        }
        Ok(())
    }

    async fn bury_routed(
        &self,
        routed: &Routed,
        event: &EventRef,
        letter: &DeadLetter,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let route = letter.note.route.as_ref().map_or("", |route| route.as_str());
        let destination = letter.note.destination.as_ref().map_or("", |destination| destination.as_str());
        // Its delivery is a fresh one at every repeat, so what died is named by the event.
        let place = event.sequence.to_be_bytes();
        let name = Token::hash(&[
            b"letter",
            event.id.token().as_str().as_bytes(),
            &place,
            route.as_bytes(),
            destination.as_bytes(),
        ]);
        self.keep_letter(letter, name, deadline).await?;
        let ended = self.end_post(routed.partition, event, ending_of(letter), name.as_str())?;
        self.link.publish(&ended, Repeat::Harmless, deadline).await?;
        Ok(())
    }

    fn end_post(&self, partition: u16, event: &EventRef, ending: Ending, what: &str) -> Result<Post, StoreError> {
        let subject = self.names.end_subject('p', partition, ending);
        Ok(Post::once(subject, &names::routed_message(event, what), written(event)?))
    }
}

/// A record of what became of events. One that is made anew may be stored twice, and says the same.
pub(super) fn outcomes_post(subject: String, record: &Outcomes) -> Result<Post, StoreError> {
    let payload = written(record)?;
    let id = Token::hash(&[b"outcomes", &payload]);
    Ok(Post::once(subject, id.as_str(), payload))
}
