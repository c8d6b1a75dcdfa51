//! Reads a request within its limits: the first stage.

use std::{net::IpAddr, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use gatepost_config::{Provider, Timestamp};
use gatepost_event::RequestId;
use http::{HeaderMap, Request, header, uri::PathAndQuery};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use crate::{
    captured::Known,
    failure::Failure,
    inflate::is_gzip,
    link::Link,
    reason::Reason,
    request::RawRequest,
    serve::Gateway,
    tables::{Endpoint, Tables, method_name},
};

/// A request whose head has arrived for an integration that exists.
pub(crate) struct Arrival {
    /// The request's id.
    pub(crate) request: RequestId,
    /// The configuration it is judged by.
    pub(crate) tables: Arc<Tables>,
    /// The integration in its URL.
    pub(crate) endpoint: Arc<Endpoint>,
    /// The connection in its URL.
    pub(crate) connection: Option<Arc<Link>>,
    /// Some connection of the integration was made at run time.
    pub(crate) has_links: bool,
    /// The secrets captured so far.
    pub(crate) captured: Arc<Known>,
    /// Who sent it, or the proxy that did.
    pub(crate) peer: Option<IpAddr>,
    /// It was refused before, and is looked at again.
    pub(crate) released: Option<Released>,
    /// It was never posted: it was fetched from the provider's API at this time.
    pub(crate) fetched: Option<Timestamp>,
}

/// How a request is looked at that was refused before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Released {
    /// When: secrets must be active then.
    pub(crate) at: Timestamp,
    /// Its own time doesn't count at all, and not only since it came.
    pub(crate) any_time: bool,
}

/// A request read whole, of which nothing is believed yet.
pub(crate) struct Inbound {
    pub(crate) arrival: Arc<Arrival>,
    pub(crate) raw: RawRequest,
    /// When the last body byte had arrived.
    pub(crate) received_at: Timestamp,
    /// The same, for deadlines.
    pub(crate) read_at: Instant,
    /// Its share of the bytes in flight, as sent and as read; held until the answer is sent and the store has let go of
    /// the body.
    _held: [Option<Arc<OwnedSemaphorePermit>>; 2],
}

impl Inbound {
    /// A request that was never sent: it holds no share of anything.
    pub(crate) fn rehearsed(
        arrival: Arc<Arrival>,
        raw: RawRequest,
        received_at: Timestamp,
        read_at: Instant,
    ) -> Arc<Self> {
        Arc::new(Self { arrival, raw, received_at, read_at, _held: [None, None] })
    }

    /// The same request as it is to be read from here on.
    pub(crate) fn read_as(&self, raw: RawRequest, held: Option<OwnedSemaphorePermit>) -> Arc<Self> {
        let [sent, _] = &self._held;
        let _held = [sent.clone(), held.map(Arc::new)];
        let (arrival, received_at, read_at) = (Arc::clone(&self.arrival), self.received_at, self.read_at);
        Arc::new(Self { arrival, raw, received_at, read_at, _held })
    }

    /// This request, refused.
    pub(crate) fn refuse(self: &Arc<Self>, reason: Reason) -> Failure {
        Failure::Refused(reason, Arc::clone(self))
    }

    /// The integration in its URL.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.arrival.endpoint
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inbound({})", self.arrival.request)
    }
}

/// Reads a request, or says which limit it met.
pub(crate) async fn read(
    arrival: Arc<Arrival>,
    request: Request<Incoming>,
    gateway: &Gateway,
) -> Result<Arc<Inbound>, Failure> {
    let (head, body) = request.into_parts();
    let provider = arrival.endpoint.provider();
    if !provider.methods.iter().any(|method| method_name(*method) == head.method.as_str()) {
        return Err(Failure::MethodNotAllowed);
    }
    if is_unreadable(provider, &head.headers) {
        return Err(Failure::UnsupportedEncoding);
    }
    let limit = provider.body_max.0;
    if declared_bytes(&head.headers).is_some_and(|bytes| bytes > limit) {
        return Err(Failure::BodyTooLarge(limit));
    }
    let deadline = tokio::time::Instant::now() + arrival.tables.settings.body_timeout;
    let read = timeout_at(deadline, collect(body, limit, &gateway.inflight));
    let (body, held) = read.await.map_err(|_| Failure::BodyTimeout)??;

    gateway.metrics.received(arrival.endpoint.integration.id.as_str(), body.len());
    let raw = RawRequest {
        method: head.method,
        target: head.uri.path_and_query().map_or_else(String::new, target),
        headers: head.headers,
        body,
        connection: arrival.connection.as_ref().map(|connection| connection.id.to_string()),
    };
    tracing::debug!(target: "gatepost::step", step = "received", request = %arrival.request,
        integration = %arrival.endpoint.integration.id, bytes = raw.body.len());
    Ok(Arc::new(Inbound {
        arrival,
        raw,
        received_at: Timestamp::now(),
        read_at: Instant::now(),
        _held: [held.map(Arc::new), None],
    }))
}

/// Reads a body, taking each part's share of the bytes in flight as it arrives: what a slow sender only announces
/// keeps nobody else out. A body of one part is not copied.
async fn collect(
    mut body: Incoming,
    limit: u64,
    inflight: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| Failure::BodyBroken)?.into_data() else { continue };
        length = length.saturating_add(part.len() as u64);
        if length > limit {
            return Err(Failure::BodyTooLarge(limit));
        }
        let share = u32::try_from(part.len()).map_err(|_| Failure::BodyTooLarge(limit))?;
        let permit = Arc::clone(inflight).try_acquire_many_owned(share).map_err(|_| Failure::Overloaded)?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        if first.is_empty() {
            first = part;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&part);
        }
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, held))
}

/// A path and query as they were sent, with the slash that a client may leave out.
fn target(path: &PathAndQuery) -> String {
    match path.as_str() {
        text if text.starts_with('/') => text.to_owned(),
        _ => path.to_string(),
    }
}

/// Whether the body is sent in an encoding that the provider doesn't use.
pub(crate) fn is_unreadable(provider: &Provider, headers: &HeaderMap) -> bool {
    !is_identity(headers) && (provider.gzip.is_none() || !is_gzip(headers))
}

/// Whether the body is sent as it is.
fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The body's length by the sender's word.
fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
