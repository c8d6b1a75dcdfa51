//! Tells the gateway that heals which of the provider's events are stored already: gateways may not read the log.
//!
//! One router does, the one with the lease for replays. A question is answered once, and again after a crash.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use gatepost_event::{
    Event, Store, StoreError,
    heal::{Heal, Question, key, key_of_any},
    registry::{Entry, Expect, Kind},
};

use crate::{backoff::around, lease::Held};

/// Time between looks for questions.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Events read at a time.
const PAGE: usize = 128;

/// What is asked for, by key: places in the question.
type Wanted<'q> = HashMap<&'q str, Vec<u32>>;

/// Answers questions until the lease ends or is to be given up.
pub(crate) async fn follow(store: &Store, held: Held) {
    loop {
        tokio::select! {
            () = held.stopped() => return,
            looked = look(store) => {
                if let Err(error) = looked {
                    tracing::debug!(%error, "questions of heals could not be answered; trying again");
                }
            }
        }
        tokio::select! {
            () = held.stopped() => return,
            () = tokio::time::sleep(around(LOOK_EVERY)) => {}
        }
    }
}

async fn look(store: &Store) -> Result<(), StoreError> {
    for entry in store.entries(Kind::Heal).await? {
        let Ok(mut heal) = serde_json::from_slice::<Heal>(&entry.value) else { continue };
        let Some(question) = heal.question.as_ref().filter(|question| question.present.is_none()) else { continue };
        if heal.state.is_over() {
            continue;
        }
        let present = present(store, &heal, question).await?;
        tracing::debug!(heal = %heal.id, wanted = question.wanted.len(), present = present.len(), "told what is stored");
        heal.question = heal.question.map(|question| Question { present: Some(present), ..question });
        answer(store, &entry, &heal).await?;
    }
    Ok(())
}

/// Writes an answer down, unless the question is another by now.
async fn answer(store: &Store, entry: &Entry, heal: &Heal) -> Result<(), StoreError> {
    let value = serde_json::to_vec(heal).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    // A conflict is either a question that is asked no more, or one that is looked at again soon.
    let _ = store.put(Kind::Heal, &entry.id, value.into(), Expect::Revision(entry.revision)).await?;
    Ok(())
}

/// The places of the wanted events that are stored.
async fn present(store: &Store, heal: &Heal, question: &Question) -> Result<Vec<u32>, StoreError> {
    let mut wanted: Wanted<'_> = HashMap::new();
    let mut partitions = BTreeSet::new();
    for (place, one) in (0_u32..).zip(&question.wanted) {
        partitions.extend(&one.partitions);
        for key in &one.keys {
            wanted.entry(key.as_str()).or_default().push(place);
        }
    }
    let mut present = BTreeSet::new();
    for partition in partitions.into_iter().filter(|partition| *partition < store.partitions()) {
        let span = store.span(partition, Some(question.since)).await?;
        let mut after = span.after;
        while after < span.through && present.len() < question.wanted.len() {
            let page = store.events(partition, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.at.sequence;
            for event in page.iter().filter_map(|stored| stored.event.as_ref().ok()) {
                present.extend(found(heal, &wanted, event));
            }
        }
    }
    let mut after = 0;
    while present.len() < question.wanted.len() {
        let page = store.unmatched(Some(&heal.wish.integration), None, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for parked in &page {
            present.extend(found(heal, &wanted, &parked.event));
        }
    }
    Ok(present.into_iter().collect())
}

/// The places of the wanted events that this one is.
fn found<'w>(heal: &Heal, wanted: &'w Wanted<'_>, event: &Event) -> impl Iterator<Item = u32> + use<'w> {
    let meta = &event.meta;
    let id = meta.provider_event_id.as_deref().filter(|_| meta.integration == heal.wish.integration);
    let keys = id.map(|id| [key(&meta.integration, meta.connection.as_ref(), id), key_of_any(&meta.integration, id)]);
    keys.into_iter().flatten().filter_map(|key| wanted.get(key.as_str())).flatten().copied()
}
