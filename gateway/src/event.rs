//! Makes the events that are stored.

use std::sync::Arc;

use gatepost_config::Unmatched;
use gatepost_event::{
    Event, EventId, Meta,
    heal::HEALED_HEADER,
    release::RELEASED_HEADER,
    store::{Item, Place},
};
use http::HeaderMap;

use crate::{
    attribute::{Attributed, Owner},
    identity::Names,
    inbound::Inbound,
    link::State,
    split::Part,
    verify::Verified,
};

/// Most characters of a type.
const KIND_CHARS_MAX: usize = 256;

/// Bytes that are enough for most types.
const KIND_BYTES_USUAL: usize = 48;

/// A request whose events are ready to be stored.
pub(crate) struct Accepted {
    inbound: Arc<Inbound>,
    items: Vec<Item>,
}

impl Accepted {
    /// The request.
    pub(crate) const fn inbound(&self) -> &Arc<Inbound> {
        &self.inbound
    }

    /// What is to be stored of it.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The request and what is to be stored of it.
    pub(crate) fn into_parts(self) -> (Arc<Inbound>, Vec<Item>) {
        (self.inbound, self.items)
    }
}

/// Makes the events of a request, each once.
pub(crate) fn accept(attributed: Attributed) -> Accepted {
    let (verified, parts) = attributed.into_parts();
    if let [(part, owners)] = parts.as_slice()
        && let [owner] = owners.as_slice()
    {
        let id = Names::default().only(verified.inbound(), part, owner);
        return Accepted { inbound: Arc::clone(verified.inbound()), items: vec![item(&verified, part, owner, id)] };
    }
    let mut names = Names::default();
    let mut items = Vec::with_capacity(parts.len());
    for (part, owners) in parts {
        for owner in owners {
            if let Some(id) = names.name(verified.inbound(), &part, &owner) {
                items.push(item(&verified, &part, &owner, id));
            }
        }
    }
    Accepted { inbound: Arc::clone(verified.inbound()), items }
}

fn item(verified: &Verified, part: &Part, owner: &Owner, id: EventId) -> Item {
    let inbound = verified.inbound();
    let integration = &inbound.endpoint().integration;
    let (connection, tenant, place) = match owner {
        Owner::Connection(connection) => (Some(connection.id.clone()), Some(connection.tenant.clone()), Place::Log),
        Owner::Waiting(connection) => {
            // Whose a pending one is, is yet to be said.
            let tenant = (connection.state != State::Pending).then(|| connection.tenant.clone());
            (Some(connection.id.clone()), tenant, Place::Unmatched)
        }
        Owner::Queued(connection) => (None, Some(connection.tenant.clone()), Place::Unmatched),
        Owner::Unmatched => match integration.unmatched {
            Unmatched::Park => (None, None, Place::Unmatched),
            Unmatched::Forward => (None, None, Place::Log),
        },
    };
    let destination = match owner {
        Owner::Connection(connection) => connection.destination.clone(),
        // Whoever releases it says where to.
        Owner::Waiting(_) | Owner::Queued(_) | Owner::Unmatched => None,
    };
    let mut headers = kept_headers(inbound);
    headers.extend(released(inbound));
    headers.extend(fetched(inbound));
    let meta = Meta {
        id,
        request: inbound.arrival.request,
        integration: integration.id.clone(),
        provider: integration.provider.name.clone(),
        connection,
        tenant,
        account: part.fields.account.key().map(str::to_owned),
        destination,
        kind: kind(integration.provider.name.as_str(), &part.fields.kind),
        provider_type: part.fields.kind.first().map(|word| cut(word).to_owned()),
        provider_event_id: part.fields.provider_event_id(),
        trust: verified.trust(),
        redacted: part.redacted,
        occurred_at: part.fields.occurred_at,
        received_at: inbound.received_at,
        headers,
        content_type: inbound.raw.content_type(),
        key_id: None,
    };
    Item { event: Event { meta, body: part.body.clone() }, place }
}

/// The first characters of a word, as many as a type may have.
fn cut(word: &str) -> &str {
    if word.len() <= KIND_CHARS_MAX {
        return word;
    }
    word.char_indices().nth(KIND_CHARS_MAX).and_then(|(end, _)| word.get(..end)).unwrap_or(word)
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
    let chars = words.flat_map(|word| word.chars().chain(std::iter::once('.')));
    let mut kind = String::with_capacity(KIND_BYTES_USUAL);
    for c in chars.take(KIND_CHARS_MAX).map(plain) {
        if c != '.' || !(kind.is_empty() || kind.ends_with('.')) {
            kind.push(c);
        }
    }
    kind.truncate(kind.trim_end_matches('.').len());
    kind
}

/// Says of an event that its request was refused at first.
fn released(inbound: &Inbound) -> Option<(String, String)> {
    Some((RELEASED_HEADER.to_owned(), inbound.arrival.released?.at.to_string()))
}

/// Says of an event that it was fetched from its provider's API.
fn fetched(inbound: &Inbound) -> Option<(String, String)> {
    Some((HEALED_HEADER.to_owned(), inbound.arrival.fetched?.to_string()))
}

/// The headers that the provider's file lists, in its order. Several of one name are joined as HTTP does.
fn kept_headers(inbound: &Inbound) -> Vec<(String, String)> {
    let headers: &HeaderMap = &inbound.raw.headers;
    let value = |name: &http::HeaderName| {
        let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let mut joined = values.next()?.into_owned();
        for value in values {
            joined.push_str(", ");
            joined.push_str(&value);
        }
        Some((name.as_str().to_owned(), joined))
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
