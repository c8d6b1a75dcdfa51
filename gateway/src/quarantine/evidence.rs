//! What of a refused request is kept: exactly what decides over it, so that it can be judged again, and what of that must
//! never be shown.

use std::{net::IpAddr, ops::Range, sync::Arc};

use bytes::Bytes;
use gatepost_config::provider::{Expect, Jwt, Location, SchemeKind, Source};
use gatepost_event::{Refusal, refusal::Hidden};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sha2::{Digest as _, Sha256};

use crate::{
    inbound::{Arrival, Inbound},
    reason::Reason,
    request::RawRequest,
    tables::{Endpoint, NEVER_KEPT, Profile},
};

/// A refused request as it is kept.
pub(super) fn of(reason: Reason, source: u8, inbound: &Arc<Inbound>) -> Refusal {
    let (endpoint, raw) = (inbound.endpoint(), &inbound.raw);
    let Profile { evidence, .. } = &endpoint.profile;
    // A secret that a handshake gives and that is not taken may yet be a genuine one, and is of no use here.
    let body = if reason == Reason::SecretTaken { Bytes::new() } else { raw.body.clone() };
    Refusal {
        request: inbound.arrival.request,
        integration: endpoint.integration.id.clone(),
        received_at: inbound.received_at,
        reason: reason.code().to_owned(),
        source,
        connection: raw.connection.clone(),
        method: raw.method.to_string(),
        target: raw.target.clone(),
        headers: kept(&raw.headers, |name| evidence.contains(name)),
        hidden: hidden(endpoint, raw, &body),
        body,
    }
}

/// The request that a kept one was.
pub(super) fn request(refusal: &Refusal) -> Option<RawRequest> {
    let mut headers = HeaderMap::new();
    for (name, value) in &refusal.headers {
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(RawRequest {
        method: refusal.method.parse::<Method>().ok()?,
        target: refusal.target.clone(),
        headers,
        body: refusal.body.clone(),
        connection: refusal.connection.clone(),
    })
}

/// A number made of where a request came from: the network, the kind of client, and the URL's connection. Whoever changes
/// them at will fills all of the numbers alike, and finds each of them bounded.
pub(super) fn source(arrival: &Arrival, raw: &RawRequest) -> u8 {
    let network = match arrival.peer.map(|peer| peer.to_canonical()) {
        Some(IpAddr::V4(peer)) => peer.octets().get(..3).unwrap_or_default().to_vec(),
        Some(IpAddr::V6(peer)) => peer.octets().get(..6).unwrap_or_default().to_vec(),
        None => Vec::new(),
    };
    let value = |name: HeaderName| raw.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    // Behind a proxy, what the nearest one says.
    let forwarded = value(HeaderName::from_static("x-forwarded-for")).rsplit(|byte| *byte == b',').next();
    let parts: [&[u8]; 4] = [
        &network,
        forwarded.unwrap_or_default(),
        value(header::USER_AGENT),
        raw.connection.as_deref().unwrap_or_default().as_bytes(),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().first().copied().unwrap_or_default()
}

/// What of it is a secret, or may be one: tokens, credentials, what is compared with a named value, and what the
/// provider's file says of its bodies.
fn hidden(endpoint: &Endpoint, raw: &RawRequest, body: &Bytes) -> Hidden {
    let mut hidden = Hidden { headers: NEVER_KEPT.map(String::from).into(), ..Hidden::default() };
    let provider = endpoint.provider();
    for scheme in &provider.schemes {
        if let SchemeKind::Token { signature } | SchemeKind::Jwt(Jwt { signature, .. }) = &scheme.kind {
            signature.from.iter().for_each(|place| hide(place, body, &mut hidden));
        }
    }
    let of_schemes = provider.schemes.iter().flat_map(|scheme| scheme.when.iter().chain(&scheme.also));
    let conditions = of_schemes.chain(provider.handshakes.iter().flat_map(|handshake| &handshake.when));
    for (place, expect) in conditions {
        let is_secret = |place: &&Location| matches!(place.source, Source::Value(_));
        if let Expect::Text { template, .. } = expect
            && template.places().iter().any(is_secret)
        {
            hide(place, body, &mut hidden);
        }
    }
    if let Some(redaction) = &endpoint.profile.redaction {
        // Nobody can say what is secret in a body that can't be read.
        hidden.body.extend(redaction.overwrite(body).map_or_else(|_| all(body), |redacted| redacted.overwritten));
    }
    hidden.query &= raw.target.contains('?');
    hidden
}

/// Hides a place.
fn hide(place: &Location, body: &Bytes, hidden: &mut Hidden) {
    match &place.source {
        Source::Header(name) => hidden.headers.push(name.to_ascii_lowercase()),
        Source::Query(_) => hidden.query = true,
        Source::PathConnection | Source::Value(_) | Source::Signature(_) | Source::Claim(_) => {}
        // Somewhere in the body, in one form or another.
        Source::Form(_) | Source::Json(_) | Source::Xml(_) | Source::Item(_) | Source::Body => hidden.body = all(body),
    }
}

fn all(body: &Bytes) -> Vec<Range<usize>> {
    std::iter::once(0..body.len()).collect()
}

fn kept(headers: &HeaderMap, keep: impl Fn(&str) -> bool) -> Vec<(String, Bytes)> {
    let kept = headers.iter().filter(|(name, _)| keep(name.as_str()));
    kept.map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes()))).collect()
}
