//! Makes the events that are stored.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use bytes::Bytes;
use gatepost_config::Unmatched;
use gatepost_event::{
    Event, EventId, Meta,
    store::{Item, Place},
};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::{
    attribute::{Attributed, Owner},
    inbound::Inbound,
    split::Part,
    verify::{Verified, hex},
};

/// Most characters of a type.
const KIND_CHARS_MAX: usize = 256;

/// A request whose events are ready to be stored.
pub(crate) struct Accepted {
    inbound: Arc<Inbound>,
    items: Vec<Item>,
}

impl Accepted {
    /// The request and what is to be stored of it.
    pub(crate) fn into_parts(self) -> (Arc<Inbound>, Vec<Item>) {
        (self.inbound, self.items)
    }
}

/// Makes the events of a request.
///
/// An item whose id and bytes are both an earlier item's is the same occurrence, told twice, and is stored once. One
/// with an earlier item's id but other bytes must not be taken for it: its id is made from its bytes too, so that
/// nothing is lost and a redelivery still converges.
pub(crate) fn accept(attributed: Attributed) -> Accepted {
    let (verified, parts) = attributed.into_parts();
    let mut seen: HashMap<EventId, Bytes> = HashMap::new();
    let mut items = Vec::with_capacity(parts.len());
    for (part, owners) in parts {
        for owner in owners {
            let mut id = event_id(verified.inbound(), &part, &owner, None);
            if seen.get(&id).is_some_and(|earlier| *earlier != part.body) {
                id = event_id(verified.inbound(), &part, &owner, Some(&hex(&Sha256::digest(&part.body))));
            }
            if let Entry::Vacant(new) = seen.entry(id) {
                new.insert(part.body.clone());
                items.push(item(&verified, &part, &owner, id));
            }
        }
    }
    Accepted { inbound: Arc::clone(verified.inbound()), items }
}

/// The id of an event: the same for every repeat of it where the provider names it, else a fresh one. Items of a batch
/// that can't be told apart get fresh ones: too coarse an id loses data.
fn event_id(inbound: &Inbound, part: &Part, owner: &Owner, digest: Option<&str>) -> EventId {
    let account;
    let scope = match owner {
        Owner::Connection(connection) => connection.id.as_str(),
        Owner::Unmatched => {
            account = format!("account:{}", part.fields.account.key().unwrap_or_default());
            &account
        }
    };
    let discriminator = match (&part.fields.discriminator, digest) {
        (Some(text), Some(digest)) => Some(format!("{text}sha256:{digest}")),
        (None, Some(digest)) => Some(format!("sha256:{digest}")),
        (text, None) => text.clone().filter(|_| part.of_batch),
    };
    match &part.fields.id {
        Some(id) if !part.of_batch || discriminator.is_some() => {
            EventId::of(inbound.endpoint().integration.id.as_str(), scope, id, discriminator.as_deref())
        }
        _ => EventId::fresh(inbound.received_at),
    }
}

fn item(verified: &Verified, part: &Part, owner: &Owner, id: EventId) -> Item {
    let inbound = verified.inbound();
    let integration = &inbound.endpoint().integration;
    let (connection, tenant, place) = match owner {
        Owner::Connection(connection) => (Some(connection.id.clone()), Some(connection.tenant.clone()), Place::Log),
        Owner::Unmatched => match integration.unmatched {
            Unmatched::Park => (None, None, Place::Unmatched),
            Unmatched::Forward => (None, None, Place::Log),
        },
    };
    let meta = Meta {
        id,
        request: inbound.arrival.request,
        integration: integration.id.clone(),
        provider: integration.provider.name.clone(),
        connection,
        tenant,
        account: part.fields.account.key().map(str::to_owned),
        kind: kind(integration.provider.name.as_str(), &part.fields.kind),
        provider_type: part.fields.kind.first().map(|word| word.chars().take(KIND_CHARS_MAX).collect()),
        provider_event_id: part.fields.id.clone(),
        trust: verified.trust(),
        occurred_at: part.fields.occurred_at,
        received_at: inbound.received_at,
        headers: kept_headers(inbound),
        content_type: inbound.raw.content_type(),
        key_id: None,
    };
    Item { event: Event { meta, body: part.body.clone() }, place }
}

/// `<provider>.<part>.<part>`, lower case; `/`, `:` and space become `.`, anything else outside `a-z 0-9 . _ -`
/// becomes `_`. Empty words are left out (`/deploy` is `deploy`): patterns match word by word.
fn kind(provider: &str, parts: &[String]) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        '/' | ':' | ' ' => '.',
        c @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => c,
        _ => '_',
    };
    let words = std::iter::once(provider).chain(parts.iter().map(String::as_str));
    let joined: String = words.collect::<Vec<_>>().join(".").chars().take(KIND_CHARS_MAX).map(plain).collect();
    joined.split('.').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".")
}

/// The headers that the provider's file lists, in its order. Several of one name are joined as HTTP does.
fn kept_headers(inbound: &Inbound) -> Vec<(String, String)> {
    let headers: &HeaderMap = &inbound.raw.headers;
    let value = |name: &http::HeaderName| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let joined = values.collect::<Vec<_>>().join(", ");
        headers.contains_key(name).then(|| (name.to_string(), joined))
    };
    inbound.endpoint().profile.kept.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn a_type_is_lower_case_and_made_of_plain_words() {
        let of = |parts: &[&str]| kind("acme", &parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&[]), "acme");
        assert_eq!(of(&["Pull_Request", "opened"]), "acme.pull_request.opened");
        assert_eq!(of(&["orders/create"]), "acme.orders.create");
        assert_eq!(of(&["a:b c"]), "acme.a.b.c");
        assert_eq!(of(&["/a//b/", "", "c"]), "acme.a.b.c");
        assert_eq!(of(&["ünï*>\n"]), "acme._n____");
        assert_eq!(of(&[&"x".repeat(1_000)]).len(), 256);
    }
}
