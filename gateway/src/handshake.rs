//! Requests that are answered without an event: challenges, validations, probes.

use gatepost_config::provider::{Expect, Handshake, Location};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    extract::{
        Lookup,
        template::{Piece, fill},
    },
    failure::Failure,
    inbound::Inbound,
    reason::Reason,
    tables::method_name,
    verify::Verified,
};

use std::sync::Arc;

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
    let found = declared
        .find(|handshake| method_name(handshake.method) == inbound.raw.method.as_str() && holds(handshake, &lookup));
    let Some(handshake) = found else { return Ok(None) };
    check_tokens(handshake, &lookup, inbound)?;

    let (mut body, mut fit) = (Vec::new(), true);
    let public_url = inbound.arrival.tables.settings.public_url.as_ref();
    fill(&handshake.respond.body, &lookup, public_url, None, &mut |piece| {
        if let Piece::Taken(text) = piece {
            fit &= may_be_echoed(text);
        }
        body.extend_from_slice(piece.bytes());
    })
    .map_err(|_| Reason::HandshakeMalformed)?;
    if !fit {
        return Err(Reason::HandshakeMalformed);
    }
    tracing::debug!(target: "gatepost::step", step = "handshake", request = %inbound.arrival.request);
    Ok(Some(Reply { status: handshake.respond.status, content_type: handshake.respond.content_type.clone(), body }))
}

/// Whether everything that tells a handshake from an event is there; tokens are checked after that.
fn holds(handshake: &Handshake, lookup: &Lookup<'_>) -> bool {
    handshake.when.iter().all(|(place, expect)| match expect {
        Expect::Present | Expect::Value(_) => lookup.is_present(place).unwrap_or(false),
        Expect::Equals(text) => lookup.find(place).is_ok_and(|found| found.as_deref() == Some(text.as_bytes())),
    })
}

fn check_tokens(handshake: &Handshake, lookup: &Lookup<'_>, inbound: &Inbound) -> Result<(), Reason> {
    let values = &inbound.endpoint().integration.values;
    let is_value = |place: &Location, name: &String| {
        let wanted = values.get(name).map(|secret| Sha256::digest(secret.expose()));
        let shown = lookup.find(place).ok().flatten().map(|text| Sha256::digest(&*text));
        matches!((wanted, shown), (Some(wanted), Some(shown)) if bool::from(wanted.ct_eq(&shown)))
    };
    let all = handshake.when.iter().all(|(place, expect)| match expect {
        Expect::Value(name) => is_value(place, name),
        Expect::Present | Expect::Equals(_) => true,
    });
    if all { Ok(()) } else { Err(Reason::HandshakeTokenMismatch) }
}

/// Whether a text can do no harm wherever it is shown.
fn may_be_echoed(text: &[u8]) -> bool {
    let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'=');
    (1..=ECHO_CHARS_MAX).contains(&text.len()) && text.iter().all(fit)
}
