//! Events to store.

use bytes::Bytes;
use gatepost_config::{Timestamp, provider::Trust};
use gatepost_event::{Event, EventId, Meta, RequestId};

/// An event of connection `acme` with a body.
pub(crate) fn event(id: &str, kind: &str, body: &str) -> Event {
    let now = Timestamp::now();
    Event {
        meta: Meta {
            id: EventId::of("github", "acme", id, None),
            request: RequestId::fresh(now),
            integration: "github".parse().expect("an id"),
            provider: "github".parse().expect("a name"),
            connection: Some("acme".parse().expect("an id")),
            tenant: Some("acme-inc".parse().expect("an id")),
            account: Some("1".to_owned()),
            kind: kind.to_owned(),
            provider_type: Some("push".to_owned()),
            provider_event_id: Some(id.to_owned()),
            trust: Trust::Verified,
            redacted: false,
            occurred_at: None,
            received_at: now,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            content_type: Some("application/json".to_owned()),
            key_id: None,
            destination: None,
        },
        body: Bytes::from(body.to_owned()),
    }
}

/// As many events, told apart by number.
pub(crate) fn events(prefix: &str, count: usize) -> Vec<Event> {
    (0..count).map(|n| event(&format!("{prefix}-{n}"), "github.push", &format!("{{\"n\":{n}}}"))).collect()
}

/// The same event as another tenant's.
pub(crate) fn of_tenant(mut event: Event, connection: &str, tenant: &str) -> Event {
    event.meta.id = EventId::of("github", connection, &event.meta.id.to_string(), None);
    event.meta.connection = Some(connection.parse().expect("an id"));
    event.meta.tenant = Some(tenant.parse().expect("an id"));
    event
}

/// The same event while no connection claims its account.
pub(crate) fn unmatched(mut event: Event) -> Event {
    event.meta.id = EventId::of("github", "account:1", &event.meta.id.to_string(), None);
    event.meta.connection = None;
    event.meta.tenant = None;
    event
}
