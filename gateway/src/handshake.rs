//! Requests that are answered without an event: challenges, validations, probes.

use std::sync::Arc;

use gatepost_config::{
    Secret,
    provider::{Compute, Echo, Expect, Handshake, Location, Template},
};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    extract::{
        Lookup,
        template::{Piece, fill},
    },
    failure::Failure,
    inbound::Inbound,
    keys,
    reason::Reason,
    tables::method_name,
    verify::{Hasher, Keying, Verified, condition, encode},
};

/// The answer to a handshake.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its content type.
    pub(crate) content_type: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// Its further headers.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The secret that the provider gives, to be kept before the answer is sent.
    pub(crate) secret: Option<Secret>,
    /// What must be visited before it is given.
    pub(crate) visit: Option<Url>,
}

/// Most characters of a text that is echoed with the answer to an event.
const ON_DELIVERY_CHARS_MAX: usize = 256;

/// Lengths of secrets that handshakes give.
const GIVEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// What is fit for an echo.
#[derive(Clone, Copy)]
struct Limits {
    echo: Echo,
    chars_max: usize,
}

/// Answers a handshake that the provider doesn't sign.
pub(crate) fn unsigned(inbound: &Arc<Inbound>) -> Result<Option<Reply>, Failure> {
    answer(inbound, false).map_err(|reason| inbound.refuse(reason))
}

/// Answers a handshake that is signed like any other request, and was verified like one.
pub(crate) fn signed(verified: &Verified) -> Result<Option<Reply>, Failure> {
    let inbound = verified.inbound();
    answer(inbound, true).map_err(|reason| inbound.refuse(reason))
}

/// Headers that the answer to an event has: what the provider wants to see again each time. By now the event is stored, so
/// what isn't fit for an echo is left out.
pub(crate) fn on_delivery(inbound: &Inbound) -> Vec<(String, Vec<u8>)> {
    let endpoint = inbound.endpoint();
    let declared = &endpoint.provider().responses.accepted_headers;
    let lookup = Lookup::new(endpoint.provider(), &inbound.raw, &endpoint.integration.values);
    let limits = Limits { echo: Echo::Word, chars_max: ON_DELIVERY_CHARS_MAX };
    let filled = declared
        .iter()
        .map(|(name, value)| filled(value, limits, &lookup, inbound, b"").ok().map(|value| (name.clone(), value)));
    filled.flatten().collect()
}

fn answer(inbound: &Inbound, verified: bool) -> Result<Option<Reply>, Reason> {
    let endpoint = inbound.endpoint();
    let lookup = Lookup::new(endpoint.provider(), &inbound.raw, &endpoint.integration.values);
    let mut declared = endpoint.provider().handshakes.iter().filter(|handshake| handshake.verified == verified);
    let found = declared.find(|handshake| {
        method_name(handshake.method) == inbound.raw.method.as_str() && holds(handshake, &lookup, inbound)
    });
    let Some(handshake) = found else { return Ok(None) };
    check_tokens(handshake, &lookup, inbound)?;

    let respond = &handshake.respond;
    let secret = handshake.capture.as_ref().map(|place| given(place, &lookup)).transpose()?;
    let limits = Limits { echo: respond.echo, chars_max: respond.echo_chars_max };
    let computed = respond.compute.as_ref().map(|compute| computed(compute, limits, &lookup, inbound)).transpose()?;
    let computed = computed.unwrap_or_default();
    let filled = |template| filled(template, limits, &lookup, inbound, computed.as_bytes());
    let body = filled(&respond.body)?;
    let headers = respond.headers.iter().map(|(name, value)| Ok((name.clone(), filled(value)?)));
    let headers = headers.collect::<Result<_, Reason>>()?;
    let private = endpoint.integration.private;
    let visit = handshake.visit.as_ref().map(|visit| keys::visited(visit, &lookup, private)).transpose()?;
    tracing::debug!(target: "gatepost::step", step = "handshake", request = %inbound.arrival.request);
    Ok(Some(Reply { status: respond.status, content_type: respond.content_type.clone(), body, headers, secret, visit }))
}

/// The secret that a handshake gives: one that is hard to guess, and fit for a header.
fn given(place: &Location, lookup: &Lookup<'_>) -> Result<Secret, Reason> {
    let found = lookup.find(place).ok().flatten().ok_or(Reason::HandshakeMalformed)?;
    match GIVEN_BYTES.contains(&found.len()) && Echo::Word.fits(&found) {
        true => Ok(Secret::new(found.into_owned(), "the provider's handshake")),
        false => Err(Reason::HandshakeMalformed),
    }
}

/// Fills in a text of the answer; what it takes from the request must be fit for an echo.
fn filled(
    template: &Template,
    limits: Limits,
    lookup: &Lookup<'_>,
    inbound: &Inbound,
    computed: &[u8],
) -> Result<Vec<u8>, Reason> {
    let (mut text, mut fit) = (Vec::new(), true);
    let public_url = inbound.arrival.tables.settings.public_url.as_ref();
    fill(template, lookup, public_url, None, &mut |piece| match piece {
        Piece::Own(own) => text.extend_from_slice(own),
        Piece::Taken(taken) => {
            fit &= (1..=limits.chars_max).contains(&taken.len()) && limits.echo.fits(taken);
            text.extend_from_slice(taken);
        }
        Piece::Computed => text.extend_from_slice(computed),
        Piece::Secret => fit = false,
    })
    .map_err(|_| Reason::HandshakeMalformed)?;
    if fit { Ok(text) } else { Err(Reason::HandshakeMalformed) }
}

/// The hash that proves to the provider who answers, by the first active secret.
fn computed(compute: &Compute, limits: Limits, lookup: &Lookup<'_>, inbound: &Inbound) -> Result<String, Reason> {
    let text = filled(&compute.text, limits, lookup, inbound, b"")?;
    let (keying, key) = match &compute.key {
        Some(key) => {
            let arrival = &inbound.arrival;
            let own = arrival.connection.as_ref().map(|connection| arrival.own_secrets(connection));
            let secrets = own.filter(|own| !own.is_empty()).unwrap_or(arrival.integration_secrets());
            let secret = secrets.iter().find(|secret| secret.is_active(inbound.received_at));
            let key = key.bytes(secret.ok_or(Reason::SecretAbsent)?).map_err(|_| Reason::SecretMalformed)?;
            (Keying::Keyed, key)
        }
        None => (Keying::Plain, Zeroizing::default()),
    };
    if keying == Keying::Keyed && key.is_empty() {
        return Err(Reason::SecretMalformed);
    }
    let mut hasher = Hasher::new(keying, compute.hash, &key).ok_or(Reason::SecretMalformed)?;
    hasher.update(&text);
    Ok(encode(compute.encoding, &hasher.finish()))
}

/// Whether everything that tells a handshake from an event is there; tokens are checked after that.
fn holds(handshake: &Handshake, lookup: &Lookup<'_>, inbound: &Inbound) -> bool {
    let values = &inbound.endpoint().integration.values;
    handshake.when.iter().all(|condition| match condition {
        (place, Expect::Value(_) | Expect::OneOf(_)) => lookup.is_present(place).unwrap_or(false),
        condition => condition::holds(condition, lookup, values, None).unwrap_or(false),
    })
}

fn check_tokens(handshake: &Handshake, lookup: &Lookup<'_>, inbound: &Inbound) -> Result<(), Reason> {
    let values = &inbound.endpoint().integration.values;
    match condition::all_hold(&handshake.when, lookup, values, None) {
        true => Ok(()),
        false => Err(Reason::HandshakeTokenMismatch),
    }
}
