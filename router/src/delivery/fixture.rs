//! Deliveries for unit tests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{Destination, Timestamp};
use gatepost_event::{
    DeliveryId, Event, EventRef, Queued, Task,
    store::{Lease, LeaseKey},
};
use tokio_util::sync::CancellationToken;

use super::{Delivery, Due};
use crate::{expiry, lease::hold, plan::Plan, route::fixture::config};

/// An attempt of an event to a destination, with a lease that lasts.
pub(crate) fn delivery(destination: Destination, event: Event, attempt: u32) -> Delivery {
    let received_at = event.meta.received_at;
    let task = Task {
        delivery: DeliveryId::fresh(Timestamp::from_millis(1)),
        event: EventRef { id: event.meta.id, partition: 0, sequence: 1, received_at },
        destination: destination.id.clone(),
        route: "all".parse().expect("an id"),
        integration: event.meta.integration.clone(),
        connection: event.meta.connection.clone(),
        tenant: event.meta.tenant.clone(),
        attempt,
        created_at: received_at,
        ordered: false,
        not_before: None,
        bytes: 0,
        replay: None,
        sync: None,
    };
    let config = config(vec![destination], vec![]);
    let expires_at = expiry::expires_at(received_at, config.retention.events);
    let plan = Plan::compile(Arc::new(config), &[]).expect("a plan");
    let backend = plan.backends.into_iter().next().expect("a backend");
    let lease = Lease {
        key: LeaseKey::Shard(0),
        owner: "test".to_owned(),
        epoch: 1,
        valid_until: Instant::now() + Duration::from_secs(3600),
        revision: 1,
    };
    let (held, _) = hold(lease, CancellationToken::new(), &CancellationToken::new());
    let due = Due { queued: Queued { position: 1, task }, shard: 0, held: Arc::new(held), backend, expires_at };
    Delivery { due: Arc::new(due), event: Arc::new(event.into()) }
}
