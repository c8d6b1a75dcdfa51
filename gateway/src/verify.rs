//! Proves a request genuine, or says why it can't be.
//!
//! [`verify`] is pure: the same request, secrets and clock give the same verdict, so that `gatepost explain` and a
//! quarantined request's release judge exactly as the gateway did.

mod encoding;
mod mac;
mod parse;
mod prove;
mod timestamp;

use std::collections::BTreeMap;

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Scheme, SchemeKind, Signature, Source, Template, Trust},
};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::Url;

pub(crate) use encoding::hex;
pub(crate) use mac::tags;
pub(crate) use parse::write;
pub(crate) use prove::{Proof, Verified, prove};
pub(crate) use timestamp::{read as read_time, write as write_time};

use crate::{
    extract::{Lookup, Trouble},
    reason::Reason,
    request::RawRequest,
};

/// What a request is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// How the provider signs.
    pub provider: &'a Provider,
    /// Secrets that may have signed it; expired ones don't count.
    pub secrets: &'a [Secret],
    /// The integration's named values.
    pub values: &'a BTreeMap<String, Secret>,
    /// What providers call us, for schemes that sign the URL.
    pub public_url: Option<&'a Url>,
    /// The operator's word that requests can't be verified.
    pub unverified: bool,
}

/// A passed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The scheme that passed.
    pub scheme: String,
    /// What that is worth.
    pub trust: Trust,
}

/// Checks a request against the one scheme that applies to it: the first whose `when` holds. Nothing weaker is tried
/// after it.
///
/// # Errors
/// Why the request can't be proven genuine.
pub fn verify(judge: &Judge<'_>, request: &RawRequest, now: Timestamp) -> Result<Passed, Reason> {
    let lookup = Lookup::new(judge.provider, request, judge.values);
    let Some(scheme) = applying(judge.provider, &lookup)? else {
        return unchecked(judge, "none");
    };
    let trust = match &scheme.kind {
        SchemeKind::Hmac { signed, .. } => {
            mac::check(judge, scheme, request, now)?;
            if covers_body(judge.provider, signed) {
                judge.provider.trust
            } else {
                at_most_authenticated(judge.provider.trust)
            }
        }
        SchemeKind::Token { signature } => {
            check_token(judge, signature, &lookup, now)?;
            at_most_authenticated(judge.provider.trust)
        }
        SchemeKind::None => return unchecked(judge, &scheme.id),
    };
    Ok(Passed { scheme: scheme.id.clone(), trust })
}

/// The scheme that counts, if the provider declares any. A `when` that is there twice or can't be read counts as there:
/// no downgrade.
fn applying<'a>(provider: &'a Provider, lookup: &Lookup<'_>) -> Result<Option<&'a Scheme>, Reason> {
    let applies = |scheme: &&Scheme| match &scheme.when {
        Some(place) => lookup.is_present(place).unwrap_or(true),
        None => true,
    };
    match provider.schemes.iter().find(applies) {
        None if !provider.schemes.is_empty() => Err(Reason::SignatureMissing),
        scheme => Ok(scheme),
    }
}

/// Lets a request pass that nothing checks, if the operator said so.
fn unchecked(judge: &Judge<'_>, scheme: &str) -> Result<Passed, Reason> {
    match judge.unverified {
        true => Ok(Passed { scheme: scheme.to_owned(), trust: Trust::Unverified }),
        false => Err(Reason::Unverifiable),
    }
}

/// Compares a token with every active secret, both hashed so that neither length nor content shows in the time.
fn check_token(judge: &Judge<'_>, signature: &Signature, lookup: &Lookup<'_>, now: Timestamp) -> Result<(), Reason> {
    let text = signature_text(signature, lookup)?;
    let parsed = parse::parse(signature, &text)?;
    let mut active =
        judge.secrets.iter().filter(|secret| secret.is_active(now) && !secret.expose().is_empty()).peekable();
    if active.peek().is_none() {
        return Err(Reason::SecretAbsent);
    }
    let mut matched = Choice::from(0);
    for secret in active {
        let wanted = Sha256::digest(secret.expose());
        for candidate in &parsed.candidates {
            matched |= Sha256::digest(candidate).ct_eq(&wanted);
        }
    }
    if bool::from(matched) { Ok(()) } else { Err(Reason::TokenMismatch) }
}

/// The text that holds the signature.
fn signature_text(signature: &Signature, lookup: &Lookup<'_>) -> Result<Vec<u8>, Reason> {
    match lookup.find(&signature.from) {
        Ok(Some(text)) if text.is_empty() => Err(Reason::SignatureMissing),
        Ok(Some(text)) => Ok(text.into_owned()),
        Ok(None) => Err(Reason::SignatureMissing),
        Err(Trouble::Duplicated) => Err(Reason::SignatureDuplicated),
        Err(Trouble::Unreadable) => Err(Reason::SignatureMalformed),
    }
}

/// Whether the body, or the form field that is the payload, is always part of the signed text.
fn covers_body(provider: &Provider, signed: &Template) -> bool {
    let payload = provider.form_payload.clone().map(Source::Form);
    signed.always_covers(&Source::Body) || payload.is_some_and(|payload| signed.always_covers(&payload))
}

const fn at_most_authenticated(trust: Trust) -> Trust {
    match trust {
        Trust::Verified => Trust::Authenticated,
        other => other,
    }
}
