//! Names an event: the same for every repeat of it, another for every other occurrence.
//!
//! Where that can't be told, the id is a fresh one: a repeat is then an event more, while too coarse an id would lose
//! one with a 2xx.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use gatepost_event::EventId;
use sha2::{Digest, Sha256};

use crate::{
    attribute::Owner,
    fields::{FIELD_BYTES_MAX, Fields, Name},
    inbound::Inbound,
    split::Part,
    verify::hex,
};

/// The names given to the events of one request so far.
#[derive(Default)]
pub(crate) struct Names {
    seen: HashMap<EventId, Bytes>,
    /// How many events of equal content there were.
    equals: HashMap<EventId, u64>,
    /// How many had no name.
    nameless: u64,
}

impl Names {
    /// The id of a part, as its owner's event; `None` when the request told that event before.
    ///
    /// An item whose id and bytes are both an earlier item's is the same occurrence, told twice. One with an earlier
    /// item's id but other bytes must not be taken for it: its id is made from its bytes too, so that nothing is lost
    /// and a redelivery still converges.
    pub(crate) fn name(&mut self, inbound: &Inbound, part: &Part, owner: &Owner) -> Option<EventId> {
        let mut id = self.id(inbound, part, owner, None);
        if self.seen.get(&id).is_some_and(|earlier| *earlier != part.body) {
            id = self.id(inbound, part, owner, Some(&hex(&Sha256::digest(&part.body))));
        }
        if self.seen.contains_key(&id) {
            return None;
        }
        self.seen.insert(id, part.body.clone());
        Some(id)
    }

    /// The id of a request's only event: there is none that it could be a repeat of.
    pub(crate) fn only(mut self, inbound: &Inbound, part: &Part, owner: &Owner) -> EventId {
        self.id(inbound, part, owner, None)
    }

    fn id(&mut self, inbound: &Inbound, part: &Part, owner: &Owner, digest: Option<&str>) -> EventId {
        let scope = scope(part, owner);
        let of = |name: &str, discriminator: Option<&str>| {
            EventId::of(inbound.endpoint().integration.id.as_str(), &scope, name, discriminator)
        };
        let discriminator = discriminator(part, digest);
        match &part.fields.name {
            Name::Given(id) if !part.of_batch || discriminator.is_some() => of(id, discriminator.as_deref()),
            Name::Together(parts) => of(&apart(parts), discriminator.as_deref()),
            Name::Content(dates) => {
                let name = format!("sha256:{}", hex(&Sha256::digest(&part.body)));
                let text = [apart(dates), apart(&part.fields.kind)].concat();
                let first = of(&name, Some(&bounded(text.clone())));
                // Equal items of one request are that many occurrences, and the n-th of a retry is the n-th here.
                let nth = self.equals.entry(first).or_default();
                *nth = nth.saturating_add(1);
                if *nth == 1 { first } else { of(&name, Some(&bounded(format!("{text}{nth}")))) }
            }
            // What is let in later may be let in twice by a crash, and must then be one all the same.
            Name::Given(_) | Name::Absent if inbound.arrival.released.is_some() => {
                self.nameless += 1;
                of(&inbound.arrival.request.to_string(), Some(&format!("released:{}", self.nameless)))
            }
            Name::Given(_) | Name::Absent => EventId::fresh(inbound.received_at),
        }
    }
}

/// Whose ids these are: the connection's, or the account's while no connection claims it.
fn scope<'o>(part: &Part, owner: &'o Owner) -> Cow<'o, str> {
    match owner {
        Owner::Connection(connection) | Owner::Waiting(connection) => connection.id.as_str().into(),
        Owner::Queued(_) | Owner::Unmatched => {
            format!("account:{}", part.fields.account.key().unwrap_or_default()).into()
        }
    }
}

fn discriminator(part: &Part, digest: Option<&str>) -> Option<String> {
    match (&part.fields.discriminator, digest) {
        (Some(text), Some(digest)) => Some(format!("{text}sha256:{digest}")),
        (None, Some(digest)) => Some(format!("sha256:{digest}")),
        (text, None) => text.clone().filter(|_| part.of_batch),
    }
}

/// Some texts in one, each with its length so that they can't run into each other.
pub(crate) fn apart(texts: &[String]) -> String {
    bounded(texts.iter().map(|text| format!("{}:{text};", text.len())).collect())
}

/// A text, or what stands for one that is too long.
pub(crate) fn bounded(text: String) -> String {
    if text.len() > FIELD_BYTES_MAX { format!("sha256:{}", hex(&Sha256::digest(&text))) } else { text }
}

impl Fields {
    /// The provider's own id of the event, as people would look for it.
    pub(crate) fn provider_event_id(&self) -> Option<String> {
        match &self.name {
            Name::Given(id) => Some(id.clone()),
            Name::Together(parts) => Some(parts.join(":").chars().take(FIELD_BYTES_MAX).collect()),
            Name::Content(_) | Name::Absent => None,
        }
    }
}
