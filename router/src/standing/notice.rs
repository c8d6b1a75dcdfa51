//! Telling the operator's own destinations that one of a tenant's was disabled.

use std::time::{Duration, Instant};

use gatepost_config::{Destination, Timestamp, provider::Trust};
use gatepost_event::{
    Event, EventId, Meta, RequestId, StoreError,
    standing::{Disabled, DisabledNotice},
    store::{Item, Place},
};

use crate::{route::OPERATIONAL, work::Desk};

/// Longest time to store it.
const STORE_MAX: Duration = Duration::from_secs(4);

/// Stores the event `gatepost.destination.disabled`, which is routed to every destination of the operator's own.
pub(super) async fn send(
    desk: &Desk,
    destination: &Destination,
    disabled: Disabled,
    failing_since: Option<Timestamp>,
    last_status: Option<u16>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let notice = DisabledNotice {
        destination: destination.id.clone(),
        tenant: destination.tenant.clone(),
        disabled,
        failing_since,
        last_status,
    };
    let body = serde_json::to_vec(&notice).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let since = failing_since.unwrap_or(disabled.at).millis().to_string();
    let meta = Meta {
        id: EventId::of(OPERATIONAL, destination.id.as_str(), &format!("disabled:{since}"), None),
        request: RequestId::fresh(now),
        integration: own_name()?,
        provider: own_name()?,
        connection: None,
        tenant: destination.tenant.clone(),
        account: None,
        kind: "gatepost.destination.disabled".to_owned(),
        provider_type: None,
        provider_event_id: None,
        trust: Trust::Verified,
        occurred_at: Some(disabled.at),
        received_at: now,
        headers: Vec::new(),
        content_type: Some("application/json".to_owned()),
        redacted: false,
        key_id: None,
        destination: None,
    };
    let item = Item { event: Event { meta, body: body.into() }, place: Place::Log };
    desk.store.append(vec![item], Instant::now() + STORE_MAX).await.map(drop)
}

fn own_name<T: std::str::FromStr>() -> Result<T, StoreError> {
    OPERATIONAL.parse().map_err(|_| StoreError::Corrupt("gatepost's own name is no id".to_owned()))
}
