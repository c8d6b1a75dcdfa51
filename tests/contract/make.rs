//! Builders of what goes into a store.

use bytes::Bytes;
use gatepost_config::{ConnectionId, DestinationId, IntegrationId, Secret, TenantId, Timestamp, provider::Trust};
use gatepost_event::{
    Attempt, DeadLetter, DeadReason, DeliveryId, Event, EventId, EventRef, Keyring, Meta, Queued, Refusal, RequestId,
    SealedRefusal, Task,
    dead::DeadNote,
    refusal::Hidden,
    store::{Item, Place},
};

/// The integration of every event made here.
pub(crate) fn integration() -> IntegrationId {
    id("github")
}

/// Any user-chosen id.
pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// An event of a connection, with a body that names it.
pub(crate) fn event(connection: &str, provider_event_id: &str) -> Event {
    let connection_id: ConnectionId = id(connection);
    let mut event = parked(&format!("account of {connection}"), provider_event_id);
    event.meta.id = EventId::of("github", connection, provider_event_id, None);
    event.meta.tenant = Some(TenantId::clone(&id(connection)));
    event.meta.connection = Some(connection_id);
    event
}

/// An event of an account that no connection claims.
pub(crate) fn parked(account: &str, provider_event_id: &str) -> Event {
    let now = Timestamp::now();
    let meta = Meta {
        id: EventId::of("github", &format!("account:{account}"), provider_event_id, None),
        request: RequestId::fresh(now),
        integration: integration(),
        provider: id("github"),
        connection: None,
        tenant: None,
        account: Some(account.to_owned()),
        kind: "github.push".to_owned(),
        provider_type: Some("push".to_owned()),
        provider_event_id: Some(provider_event_id.to_owned()),
        trust: Trust::Verified,
        redacted: false,
        occurred_at: Some(now.before(std::time::Duration::from_secs(1))),
        received_at: now,
        headers: vec![("x-github-event".to_owned(), "push".to_owned())],
        content_type: Some("application/json".to_owned()),
        key_id: None,
        destination: None,
    };
    Event { meta, body: Bytes::from(format!(r#"{{"id":"{provider_event_id}"}}"#)) }
}

/// The event with another body.
pub(crate) fn with_body(mut event: Event, body: impl Into<Bytes>) -> Event {
    event.body = body.into();
    event
}

/// A body of a given length without a pattern that any layer could rely on.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        })
        .collect()
}

/// For the log.
pub(crate) fn to_log(event: Event) -> Item {
    Item { event, place: Place::Log }
}

/// To be parked.
pub(crate) fn to_park(event: Event) -> Item {
    Item { event, place: Place::Unmatched }
}

/// A delivery of an event of `connection` to a destination.
pub(crate) fn task(at: EventRef, connection: &str, destination: &str) -> Task {
    let now = Timestamp::now();
    Task {
        delivery: DeliveryId::fresh(now),
        event: at,
        destination: id::<DestinationId>(destination),
        route: id("all"),
        integration: integration(),
        connection: Some(id(connection)),
        tenant: Some(id(connection)),
        attempt: 1,
        created_at: now,
        ordered: false,
        not_before: None,
        bytes: 0,
        replay: None,
        sync: None,
    }
}

/// The current attempt of a task, with the destination's answer.
pub(crate) fn attempt(queued: &Queued, status: u16) -> Attempt {
    let error = (!(200..300).contains(&status)).then_some(gatepost_event::AttemptError::Status);
    Attempt {
        delivery: queued.task.delivery,
        event: queued.task.event.id,
        destination: queued.task.destination.clone(),
        number: queued.task.attempt,
        started_at: Timestamp::now(),
        phases: Default::default(),
        duration_ms: 12,
        status: Some(status),
        error,
        response: "thanks".to_owned(),
        key_ids: vec!["k1".to_owned()],
    }
}

/// A dead letter of a task, after its current attempt.
pub(crate) fn letter(queued: &Queued, event: Event, reason: DeadReason) -> DeadLetter {
    let note = DeadNote {
        delivery: queued.task.delivery,
        destination: Some(queued.task.destination.clone()),
        sync: None,
        route: Some(queued.task.route.clone()),
        attempts: queued.task.attempt,
        reason,
        detail: None,
        last: Some(attempt(queued, 500)),
        died_at: Timestamp::now(),
    };
    DeadLetter { note, event: Some(event) }
}

/// A refused request, sealed.
pub(crate) fn refusal(integration: &str, number: usize, body: impl Into<Bytes>) -> SealedRefusal {
    keys().seal_refusal(&open_refusal(integration, number, body)).expect("it is sealed")
}

/// The key that [`refusal`] seals with.
pub(crate) fn keys() -> Keyring {
    Keyring::new(&[Secret::new(b"the master key of these tests".to_vec(), "the test")])
}

/// A refused request as it came in.
pub(crate) fn open_refusal(integration: &str, number: usize, body: impl Into<Bytes>) -> Refusal {
    let now = Timestamp::now();
    Refusal {
        request: RequestId::fresh(now),
        integration: id(integration),
        received_at: now,
        reason: "signature_mismatch".to_owned(),
        source: 7,
        connection: None,
        hidden: Hidden::default(),
        method: "POST".to_owned(),
        target: format!("/webhooks/{integration}?n={number}"),
        headers: vec![("content-type".to_owned(), Bytes::from_static(b"text/plain; \xff"))],
        body: body.into(),
    }
}
