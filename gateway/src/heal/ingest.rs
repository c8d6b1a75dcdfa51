//! Takes an event that was fetched from its provider through the stages that a posted one goes through.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_event::RequestId;
use http::{HeaderMap, HeaderValue, Method, header};

use super::error::HealError;
use crate::{
    attribute, claimants, event,
    failure::Failure,
    inbound::{Arrival, Inbound},
    request::RawRequest,
    serve::Gateway,
    split,
    tables::Endpoint,
    verify,
};

/// How long the store may take.
const STORED_WITHIN: Duration = Duration::from_secs(10);

/// Tries while the store, or a connection that settles, needs a moment.
const TRIES: usize = 5;

/// Stores a fetched event, under the ids that it would have been stored under had it been posted; `false` when it is no
/// event of the integration.
///
/// `account` is whose it was fetched as, for one that doesn't say so itself.
pub(super) async fn store(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    bytes: &Bytes,
    account: Option<&str>,
) -> Result<bool, HealError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match accept(gateway, endpoint, bytes, account).await {
            Ok(items) => {
                let appended = gateway.store.append(items, Instant::now() + STORED_WITHIN).await;
                match appended {
                    Ok(_) => return Ok(true),
                    Err(error) if tries == TRIES => return Err(error.into()),
                    Err(_) => {}
                }
            }
            Err(Failure::Refused(reason, inbound)) => {
                let request = inbound.arrival.request;
                tracing::warn!(%request, reason = reason.code(), "a fetched event is refused");
                return Ok(false);
            }
            Err(failure) if tries == TRIES => {
                tracing::warn!(reason = failure.word(), "a fetched event could not be taken");
                return Ok(false);
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Its events, ready to be stored.
async fn accept(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    bytes: &Bytes,
    account: Option<&str>,
) -> Result<Vec<gatepost_event::store::Item>, Failure> {
    let now = Timestamp::now();
    let arrival = Arrival {
        request: RequestId::fresh(now),
        tables: gateway.tables(),
        endpoint: Arc::clone(endpoint),
        connection: None,
        has_links: gateway.directory.has_connections(endpoint),
        captured: gateway.captures.known(),
        peer: None,
        released: None,
        fetched: Some(now),
    };
    let json = HeaderValue::from_static("application/json");
    let raw = RawRequest {
        method: Method::POST,
        target: format!("/webhooks/{}", endpoint.integration.id),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        body: bytes.clone(),
        connection: None,
    };
    let inbound = Inbound::rehearsed(Arc::new(arrival), raw, now, Instant::now());
    let split = split::split(verify::fetched(inbound))?;
    let split = match account {
        Some(account) => split.of_account(account),
        None => split,
    };
    let claimants = claimants::of_parts(&split, gateway).await?;
    Ok(event::accept(attribute::attribute(split, &claimants)?).into_parts().1)
}
