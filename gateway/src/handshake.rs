//! Requests that are answered without an event: challenges, validations, probes.

use std::sync::Arc;

use gatepost_config::provider::{Expect, Handshake, Template};
use url::Url;

use crate::{
    extract::{
        Lookup,
        template::{Piece, fill},
    },
    failure::Failure,
    inbound::Inbound,
    reason::Reason,
    tables::method_name,
    verify::{Verified, condition},
};

/// Most characters of one echoed text.
const ECHO_CHARS_MAX: usize = 256;

/// The answer to a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its content type.
    pub(crate) content_type: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// Its further headers.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
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

fn answer(inbound: &Inbound, verified: bool) -> Result<Option<Reply>, Reason> {
    let endpoint = inbound.endpoint();
    let lookup = Lookup::new(endpoint.provider(), &inbound.raw, &endpoint.integration.values);
    let mut declared = endpoint.provider().handshakes.iter().filter(|handshake| handshake.verified == verified);
    let found = declared.find(|handshake| {
        method_name(handshake.method) == inbound.raw.method.as_str() && holds(handshake, &lookup, inbound)
    });
    let Some(handshake) = found else { return Ok(None) };
    check_tokens(handshake, &lookup, inbound)?;

    let public_url = inbound.arrival.tables.settings.public_url.as_ref();
    let write = |text: &Template| written(text, &lookup, public_url);
    let respond = &handshake.respond;
    let body = write(&respond.body)?;
    let headers = respond.headers.iter().map(|(name, text)| Ok((name.clone(), write(text)?)));
    let headers = headers.collect::<Result<_, Reason>>()?;
    tracing::debug!(target: "gatepost::step", step = "handshake", request = %inbound.arrival.request);
    Ok(Some(Reply { status: respond.status, content_type: respond.content_type.clone(), body, headers }))
}

/// A part of the answer, in which nothing from outside can do harm.
fn written(text: &Template, lookup: &Lookup<'_>, public_url: Option<&Url>) -> Result<Vec<u8>, Reason> {
    let (mut bytes, mut fit) = (Vec::new(), true);
    fill(text, lookup, public_url, None, &mut |piece| match piece {
        Piece::Own(text) => bytes.extend_from_slice(text),
        Piece::Taken(text) => {
            fit &= may_be_echoed(text);
            bytes.extend_from_slice(text);
        }
        Piece::Secret => fit = false,
    })
    .map_err(|_| Reason::HandshakeMalformed)?;
    if fit { Ok(bytes) } else { Err(Reason::HandshakeMalformed) }
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

/// Whether a text can do no harm wherever it is shown.
fn may_be_echoed(text: &[u8]) -> bool {
    let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'=');
    (1..=ECHO_CHARS_MAX).contains(&text.len()) && text.iter().all(fit)
}
