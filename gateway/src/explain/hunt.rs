//! Tries what would have made a request verify, the likeliest first.

use bytes::Bytes;
use gatepost_config::{
    Provider,
    provider::{Encoding, Hash, Scheme, TimeUnit, Trust},
};
use http::{HeaderName, HeaderValue, Method};

use super::{Case, Cause, Finding, body, secret, shape, signed, url};
use crate::{
    extract::Lookup,
    reason::Reason,
    request::RawRequest,
    verify::{Judge, applying, verify},
};

/// A case whose time doesn't count, so that a time outside its window hides nothing.
pub(super) struct Trial<'a> {
    case: Case<'a>,
    provider: Provider,
}

impl<'a> Trial<'a> {
    pub(super) fn new(case: &Case<'a>) -> Self {
        Self { case: *case, provider: shape::timeless(case.judge.provider) }
    }

    /// The judge whose time doesn't count.
    pub(super) fn judge(&self) -> Judge<'_> {
        Judge { provider: &self.provider, unverified: false, ..self.case.judge }
    }

    /// Whether a request passes.
    pub(super) fn passes(&self, judge: &Judge<'_>, request: &RawRequest) -> bool {
        verify(judge, request, self.case.now).is_ok_and(|passed| passed.trust != Trust::Unverified)
    }

    /// The scheme that applies to a request.
    pub(super) fn scheme(&self, request: &RawRequest) -> Option<&Scheme> {
        applying(&self.judge(), &Lookup::new(&self.provider, request, self.case.judge.values)).ok().flatten()
    }

    /// A finding of a guess that passed, with what the signature is of and whether the time would be refused next.
    fn found(&self, cause: Cause, detail: String, judge: &Judge<'_>, request: &RawRequest) -> Finding {
        let lookup = Lookup::new(judge.provider, request, judge.values);
        let scheme = applying(judge, &lookup).ok().flatten();
        let text = scheme.and_then(|scheme| signed::text(judge, scheme, request));
        let strict = Judge { provider: self.case.judge.provider, ..*judge };
        let late = match verify(&strict, request, self.case.now) {
            Err(Reason::TimestampStale) => " Besides, its time is too old by now (see --at).",
            Err(Reason::TimestampFuture) => " Besides, its time is too far in the future (see --at).",
            _ => "",
        };
        Finding::cause(cause, format!("{detail}{late}")).signed_by_provider(text)
    }
}

/// The first guess that passes.
pub(super) fn hunt(case: &Case<'_>) -> Option<Finding> {
    let trial = Trial::new(case);
    others(&trial)
        .or_else(|| secrets(&trial))
        .or_else(|| writings(&trial))
        .or_else(|| units(&trial))
        .or_else(|| urls(&trial))
        .or_else(|| methods(&trial))
        .or_else(|| bodies(&trial))
        .or_else(|| schemes(&trial))
        .or_else(|| providers(&trial))
}

fn others(trial: &Trial<'_>) -> Option<Finding> {
    let request = trial.case.request;
    let secret = trial.case.others.iter().find_map(|other| {
        let judge = Judge { secrets: &other.secrets, ..trial.judge() };
        let words = || format!("It is that of {}.", other.name);
        trial.passes(&judge, request).then(|| trial.found(Cause::SecretOfOther, words(), &judge, request))
    });
    secret.or_else(|| integrations(trial))
}

/// Other integrations whose genuine request this is, by their own provider and secret: it was posted to the wrong URL.
pub(super) fn integrations(trial: &Trial<'_>) -> Option<Finding> {
    let request = trial.case.request;
    let strangers = trial.case.others.iter().filter(|other| other.provider.name != trial.provider.name);
    strangers.into_iter().find_map(|other| {
        let provider = shape::timeless(&other.provider);
        let judge = Judge { provider: &provider, secrets: &other.secrets, values: &other.values, ..trial.judge() };
        let passed = verify(&judge, request, trial.case.now).ok()?;
        let words = format!("It is one of {}, from {}.", other.name, other.provider.title);
        (passed.trust == Trust::Verified).then(|| Finding::cause(Cause::IntegrationOther, words))
    })
}

fn secrets(trial: &Trial<'_>) -> Option<Finding> {
    let request = trial.case.request;
    let prefixes = shape::key_prefixes(&trial.provider);
    secret::guesses(trial.case.judge.secrets, &prefixes).into_iter().find_map(|guess| {
        let judge = Judge { secrets: &guess.secrets, ..trial.judge() };
        let passes = trial.passes(&judge, request);
        passes.then(|| trial.found(guess.cause, format!("It verifies if {}.", guess.words), &judge, request))
    })
}

/// Other labels, alphabets and hashes of the signature.
fn writings(trial: &Trial<'_>) -> Option<Finding> {
    const HASHES: [Option<Hash>; 5] = [None, Some(Hash::Sha1), Some(Hash::Sha256), Some(Hash::Sha512), Some(Hash::Md5)];
    const ENCODINGS: [Option<Encoding>; 4] =
        [None, Some(Encoding::Hex), Some(Encoding::Base64), Some(Encoding::Base64Url)];
    for name in shape::signature_headers(&trial.provider) {
        let Some(text) = trial.case.request.headers.get(name.as_str()).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        for hash in HASHES {
            for encoding in ENCODINGS {
                let provider = shape::written(&trial.provider, hash, encoding);
                let judge = Judge { provider: &provider, ..trial.judge() };
                for label in shape::relabelled(&provider, text) {
                    let Some(request) = with_header(trial.case.request, &name, &label) else { continue };
                    if !trial.passes(&judge, &request) {
                        continue;
                    }
                    let (cause, words) = match (hash, encoding) {
                        (Some(hash), _) => (Cause::AlgorithmWrong, format!("{name} is made with {}.", word(hash))),
                        (None, Some(encoding)) => (Cause::EncodingWrong, format!("{name} is written in {encoding:?}.")),
                        (None, None) => (Cause::LabelWrong, format!("{name} would verify with its label put right.")),
                    };
                    return Some(trial.found(cause, words, &judge, &request));
                }
            }
        }
    }
    None
}

fn units(trial: &Trial<'_>) -> Option<Finding> {
    [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Iso8601, TimeUnit::Iso8601Utc].into_iter().find_map(|unit| {
        let provider = shape::in_unit(&trial.provider, unit);
        let judge = Judge { provider: &provider, ..trial.judge() };
        let words = match unit {
            TimeUnit::Milliseconds => "It is in milliseconds.",
            TimeUnit::Seconds => "It is in seconds.",
            _ => "It is a date.",
        };
        let request = trial.case.request;
        trial.passes(&judge, request).then(|| trial.found(Cause::TimestampUnit, words.to_owned(), &judge, request))
    })
}

fn urls(trial: &Trial<'_>) -> Option<Finding> {
    let (case, judge) = (&trial.case, trial.judge());
    if !shape::signs_url(judge.provider) {
        return None;
    }
    let ours = case.judge.public_url.map(|base| url::Guess { base: base.clone(), target: case.request.target.clone() });
    let ours = ours.map(|guess| guess.whole());
    let guesses = url::guesses(case.judge.public_url, case.request);
    let found = guesses.into_iter().find_map(|guess| {
        let request = RawRequest { target: guess.target.clone(), ..case.request.clone() };
        let judge = Judge { public_url: Some(&guess.base), ..judge };
        if !trial.passes(&judge, &request) {
            return None;
        }
        let theirs = guess.whole();
        let Some(ours) = &ours else {
            let detail = format!("The provider signed {theirs}.");
            return Some(Finding::reason(Reason::PublicUrlAbsent, &detail));
        };
        let words = format!("The provider signed {theirs}; here the URL is {ours}.");
        Some(trial.found(url::difference(Some(ours), &theirs), words, &judge, &request))
    });
    found.or_else(|| default_ports(trial))
}

/// URLs in which the port that goes without saying (443, 80) was written out.
fn default_ports(trial: &Trial<'_>) -> Option<Finding> {
    let provider = shape::with_port(&trial.provider);
    url::guesses(trial.case.judge.public_url, trial.case.request).into_iter().find_map(|guess| {
        let request = RawRequest { target: guess.target.clone(), ..trial.case.request.clone() };
        let judge = Judge { provider: &provider, public_url: Some(&guess.base), ..trial.judge() };
        let port = guess.base.port_or_known_default()?;
        let words = || format!("The provider signed {} with its port, {port}, written out.", guess.whole());
        trial.passes(&judge, &request).then(|| trial.found(Cause::UrlPort, words(), &judge, &request))
    })
}

fn methods(trial: &Trial<'_>) -> Option<Finding> {
    [Method::POST, Method::GET, Method::PUT].into_iter().find_map(|method| {
        let request = RawRequest { method: method.clone(), ..trial.case.request.clone() };
        let judge = trial.judge();
        let words = || format!("The provider signed {method}; the request is {}.", trial.case.request.method);
        trial.passes(&judge, &request).then(|| trial.found(Cause::Method, words(), &judge, &request))
    })
}

fn bodies(trial: &Trial<'_>) -> Option<Finding> {
    let judge = trial.judge();
    let guesses = body::guesses(trial.case.request, trial.provider.form_payload.as_deref());
    guesses.into_iter().find_map(|guess| {
        let request = RawRequest { body: Bytes::from(guess.body), ..trial.case.request.clone() };
        let words = || format!("As far as can be told, {}.", guess.words);
        trial.passes(&judge, &request).then(|| trial.found(guess.cause, words(), &judge, &request))
    })
}

/// Another scheme of the provider that verifies shows that the secret and the body are right; where the one that applies
/// signs the URL besides, that is what differs, unless its signature is no signature at all.
fn schemes(trial: &Trial<'_>) -> Option<Finding> {
    let request = trial.case.request;
    let several = trial.provider.schemes.iter().filter(|_| trial.provider.schemes.len() > 1);
    let words = several.into_iter().find_map(|scheme| {
        let provider = shape::only(&trial.provider, scheme);
        match verify(&Judge { provider: &provider, ..trial.judge() }, request, trial.case.now).ok()?.trust {
            Trust::Verified => Some(format!("It verifies by {}: the secret and the body are right.", scheme.id)),
            Trust::Authenticated => Some(format!("It verifies by {}: the secret is right.", scheme.id)),
            Trust::Unverified => None,
        }
    })?;
    let Some(applies) = trial.scheme(request) else {
        return Some(Finding::cause(Cause::SchemeOther, words));
    };
    let alone = shape::only(&trial.provider, applies);
    let refused = verify(&Judge { provider: &alone, ..trial.judge() }, request, trial.case.now);
    match (refused, trial.case.judge.public_url) {
        (Err(Reason::SignatureMismatch), Some(base)) if shape::signs_url(&alone) => {
            let ours = url::Guess { base: base.clone(), target: request.target.clone() }.whole();
            let besides = format!("{} signs the URL besides, which here is {ours}: another was signed", applies.id);
            Some(Finding::cause(Cause::UrlOther, format!("{words} {besides}, or this signature was changed.")))
        }
        (Err(reason @ (Reason::SignatureMalformed | Reason::SignedFieldMissing)), _) => {
            Some(Finding::reason(reason, &format!("That is so of {}, which applies. {words}", applies.id)))
        }
        _ => Some(Finding::cause(Cause::SchemeOther, format!("{words} {} applies, and fails.", applies.id))),
    }
}

/// Other providers whose signature, not only a token, this is. Where this provider's own header is there they must be
/// among those that sign in it: GitHub sends an older signature beside its own, which is as others sign.
pub(super) fn providers(trial: &Trial<'_>) -> Option<Finding> {
    let request = trial.case.request;
    let own = shape::signature_headers(&trial.provider);
    let is_there = own.iter().any(|name| request.headers.contains_key(name.as_str()));
    let genuine = trial.case.catalogue.0.values().filter(|provider| provider.name != trial.provider.name);
    let genuine = genuine.filter(|provider| !is_there || !shape::signature_headers(provider).is_disjoint(&own));
    let genuine = genuine.filter(|provider| {
        let timeless = shape::timeless(provider);
        let judge = Judge { provider: &timeless, unverified: false, ..trial.case.judge };
        verify(&judge, request, trial.case.now).is_ok_and(|passed| passed.trust == Trust::Verified)
    });
    let names: Vec<&str> = genuine.map(|provider| provider.name.as_str()).collect();
    let first = names.first()?;
    let also = names.get(1..).filter(|rest| !rest.is_empty());
    let also = also.map(|rest| format!(" (or {}, who sign alike)", rest.join(", "))).unwrap_or_default();
    Some(Finding::cause(Cause::ProviderOther, format!("It is a genuine request of {first}{also}.")))
}

const fn word(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "MD5",
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
        Hash::Sha512 => "SHA-512",
    }
}

fn with_header(request: &RawRequest, name: &str, value: &str) -> Option<RawRequest> {
    let (name, value) = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok())?;
    let mut request = request.clone();
    request.headers.insert(name, value);
    Some(request)
}
