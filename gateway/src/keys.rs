//! Keys that providers publish: known before a request is proven, fetched off its path where possible.

mod address;
mod cache;
mod fetch;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Keys, Visit},
};
use http::Method;
use rustls::RootCertStore;
use url::Url;

pub(crate) use self::cache::{Cache, Place};
use crate::{
    extract::Lookup,
    failure::Failure,
    handshake::Reply,
    inbound::Inbound,
    link::Link,
    reason::Reason,
    request::RawRequest,
    serve::Gateway,
    store::answer_by,
    tables::Endpoint,
    verify::{self, Verified, certificate::Chain},
};

/// What is published where, for requests that are tried without a network.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    /// Documents by URL.
    pub(crate) documents: BTreeMap<String, String>,
    /// Authorities that issue certificates.
    pub(crate) roots: RootCertStore,
}

/// Proves a request genuine by the integration's secrets, or by the keys that its provider publishes.
///
/// A key that isn't among those published may be a new one: they are then fetched again, though rarely, and the request
/// is judged once more. What could not be fetched is our own failure, and refuses nothing.
pub(crate) async fn prove(
    inbound: Arc<Inbound>,
    unproven: &[Arc<Link>],
    gateway: &Gateway,
) -> Result<Verified, Failure> {
    let Some((keys, place)) = wanted(&inbound).map_err(|reason| inbound.refuse(reason))? else {
        return verify::prove(inbound, unproven, None);
    };
    let cache = &gateway.keys;
    let admit = |document: Secret| {
        admit(keys, document, &cache.roots, inbound.received_at).map_err(|reason| inbound.refuse(reason))
    };
    let document = Box::pin(cache.document(&place, answer_by(&inbound))).await.ok_or(Failure::ProviderAway)?;
    let proven = verify::prove(Arc::clone(&inbound), unproven, Some(&admit(document)?));
    let may_be_new = matches!(proven, Err(Failure::Refused(Reason::KeyUnknown | Reason::SignatureMismatch, _)));
    if !may_be_new || keys.is_named_by_request() {
        return proven;
    }
    match Box::pin(cache.again(&place, answer_by(&inbound))).await {
        None => proven,
        Some(None) => Err(Failure::ProviderAway),
        Some(Some(document)) => verify::prove(Arc::clone(&inbound), unproven, Some(&admit(document)?)),
    }
}

/// Proves a request with what is published for a rehearsal.
pub(crate) fn prove_offline(
    inbound: Arc<Inbound>,
    unproven: &[Arc<Link>],
    published: &Published,
) -> Result<Verified, Failure> {
    let refuse = |reason| inbound.refuse(reason);
    let Some((keys, place)) = wanted(&inbound).map_err(refuse)? else { return verify::prove(inbound, unproven, None) };
    let document = published.documents.get(place.url.as_str()).ok_or(Failure::ProviderAway)?;
    let document = Secret::new(document.clone().into_bytes(), "a rehearsal");
    let admitted = admit(keys, document, &published.roots, inbound.received_at).map_err(refuse)?;
    verify::prove(Arc::clone(&inbound), unproven, Some(&admitted))
}

/// Visits the URL that a proven handshake wants visited, if any; the handshake comes again when that fails.
pub(crate) async fn visit(reply: &Reply, verified: &Verified, gateway: &Gateway) -> Result<(), Failure> {
    let Some(url) = &reply.visit else { return Ok(()) };
    let inbound = verified.inbound();
    let place = Place { url: url.clone(), private: inbound.endpoint().integration.private };
    let visited = Box::pin(gateway.keys.visit(&place, answer_by(inbound))).await;
    visited.then_some(()).ok_or(Failure::ProviderAway)
}

/// The URL that a handshake wants visited.
pub(crate) fn visited(visit: &Visit, lookup: &Lookup<'_>, private: bool) -> Result<Url, Reason> {
    let text = lookup.find_text(&visit.url).ok().flatten().unwrap_or_default();
    address::own(&text, &visit.hosts, private).ok_or(Reason::HandshakeMalformed)
}

/// Every place that is known before a request comes.
pub(crate) fn places<'a>(endpoints: impl Iterator<Item = &'a Arc<Endpoint>>) -> Vec<Place> {
    let nothing = RawRequest {
        method: Method::GET,
        target: String::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        connection: None,
    };
    let known = |endpoint: &Arc<Endpoint>| {
        let keys = published(endpoint)?;
        if keys.is_named_by_request() { None } else { place(keys, endpoint, &nothing).ok() }
    };
    endpoints.filter_map(known).collect()
}

/// What a provider publishes, unless the operator pinned its keys.
fn published(endpoint: &Endpoint) -> Option<&Keys> {
    endpoint.provider().keys.as_ref().filter(|_| endpoint.integration.secrets.is_empty())
}

fn wanted(inbound: &Inbound) -> Result<Option<(&Keys, Place)>, Reason> {
    let has_own = inbound
        .arrival
        .connection
        .as_ref()
        .is_some_and(|connection| !inbound.arrival.own_secrets(connection).is_empty());
    let Some(keys) = published(inbound.endpoint()).filter(|_| !has_own) else { return Ok(None) };
    place(keys, inbound.endpoint(), &inbound.raw).map(|place| Some((keys, place)))
}

fn place(keys: &Keys, endpoint: &Endpoint, request: &RawRequest) -> Result<Place, Reason> {
    let integration = &endpoint.integration;
    let provider: &Provider = &integration.provider;
    let lookup = Lookup::new(provider, request, &integration.values);
    let url = address::of(keys, &lookup, integration.private).ok_or(Reason::KeyUrlRefused)?;
    Ok(Place { url, private: integration.private })
}

/// Whether a document is what the provider's file says it must be.
fn admit(keys: &Keys, document: Secret, roots: &RootCertStore, now: Timestamp) -> Result<Secret, Reason> {
    let Some(rule) = &keys.certificate else { return Ok(document) };
    let chain = Chain::from_pem(document.expose()).ok_or(Reason::CertificateRefused)?;
    let is_issued = !rule.chain || chain.ends_in(roots, now);
    let is_valid = verify::has_public_key(document.expose(), now);
    match is_issued && is_valid && chain.is_of(&rule.names) {
        true => Ok(document),
        false => Err(Reason::CertificateRefused),
    }
}

/// Keeps the places of the present configuration fetched, for as long as it is polled.
pub(crate) async fn keep(gateway: &Gateway) -> std::convert::Infallible {
    const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        gateway.keys.follow(&gateway.tables().places, Instant::now());
    }
}
