//! Why a request doesn't verify: the gateway's own verdict, then bounded guesses at what would have passed.
//!
//! A guess is a change to the request, the secret or the provider's schemes that is judged by the very same
//! [`verify`]; the first that passes names the cause. Nothing here decides what a gateway accepts.

mod body;
mod cause;
mod condition;
mod header;
mod hunt;
mod json;
mod secret;
mod shape;
mod signed;
#[cfg(test)]
mod table;
mod time;
mod url;

use std::{collections::BTreeMap, sync::Arc};

pub use cause::Cause;
use gatepost_config::{Catalogue, Provider, Secret, Timestamp};
pub(crate) use shape::timeless;

use crate::{
    extract::Lookup,
    inflate::as_signed,
    reason::Reason,
    request::RawRequest,
    verify::{Judge, Passed, applying, verify},
};

/// A request and everything that it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What it is judged by.
    pub judge: Judge<'a>,
    /// The request.
    pub request: &'a RawRequest,
    /// When it arrived.
    pub now: Timestamp,
    /// Other integrations and connections, which it may be of by mistake.
    pub others: &'a [Other],
    /// Providers that it may be of by mistake.
    pub catalogue: &'a Catalogue,
}

/// Something else that is configured.
#[derive(Debug, Clone)]
pub struct Other {
    /// What, for people (`integration github-prod`).
    pub name: String,
    /// Its secrets.
    pub secrets: Vec<Secret>,
    /// Its provider, which the whole request may be of.
    pub provider: Arc<Provider>,
    /// Its named values.
    pub values: BTreeMap<String, Secret>,
}

/// What came of it. Nothing in it holds a secret, but for what the request itself holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The gateway's verdict.
    pub verdict: Result<Passed, Reason>,
    /// The code of the cause: a [`Cause`]'s, or the reason's where nothing finer was found. `None` when it verifies.
    pub code: Option<&'static str>,
    /// The scheme that applies.
    pub scheme: Option<String>,
    /// The text that the signature must be of, `<...>` for what is secret or absent in it.
    pub signed: Option<Vec<u8>>,
    /// The text that it is of, where that was found and differs.
    pub provider_signed: Option<Vec<u8>>,
    /// What is wrong, in sentences.
    pub detail: String,
    /// What to do about it, in sentences.
    pub remedy: String,
}

/// What was found to be wrong.
pub(crate) struct Finding {
    code: &'static str,
    detail: String,
    remedy: String,
    provider_signed: Option<Vec<u8>>,
}

impl Finding {
    fn cause(cause: Cause, detail: String) -> Self {
        let detail = format!("{} {detail}", cause.about().trim());
        Self {
            code: cause.code(),
            detail: detail.trim().to_owned(),
            remedy: cause.remedy().to_owned(),
            provider_signed: None,
        }
    }

    fn reason(reason: Reason, detail: &str) -> Self {
        let detail = format!("{} {detail}", reason.about().trim());
        let remedy = remedy(reason).to_owned();
        Self { code: reason.code(), detail: detail.trim().to_owned(), remedy, provider_signed: None }
    }

    /// The same, with the text that the signature is of.
    fn signed_by_provider(self, text: Option<Vec<u8>>) -> Self {
        Self { provider_signed: text, ..self }
    }
}

/// Judges a request, and finds out why it is refused if it is.
pub fn explain(case: &Case<'_>) -> Diagnosis {
    match as_signed(case.judge.provider, case.request.clone()) {
        Ok(request) => explain_signed(&Case { request: &request, ..*case }),
        Err(error) => {
            let Finding { code, detail, remedy, .. } =
                Finding::reason(Reason::BodyMalformed, &format!("Of its compression: {error}."));
            let (verdict, code) = (Err(Reason::BodyMalformed), Some(code));
            Diagnosis { verdict, code, scheme: None, signed: None, provider_signed: None, detail, remedy }
        }
    }
}

/// The same of a request whose body is what was signed.
fn explain_signed(case: &Case<'_>) -> Diagnosis {
    let verdict = verify(&case.judge, case.request, case.now);
    let lookup = Lookup::new(case.judge.provider, case.request, case.judge.values);
    let scheme = applying(&case.judge, &lookup).ok().flatten();
    let signed = scheme.and_then(|scheme| signed::text(&case.judge, scheme, case.request));
    let scheme = scheme.map(|scheme| scheme.id.clone());
    match verdict {
        Ok(passed) => {
            let detail = passed_words(&passed);
            let remedy = String::new();
            Diagnosis { verdict: Ok(passed), code: None, scheme, signed, provider_signed: None, detail, remedy }
        }
        Err(reason) => {
            let finding = find(case, reason);
            let provider_signed = finding.provider_signed.filter(|text| Some(text) != signed.as_ref());
            Diagnosis {
                verdict: Err(reason),
                code: Some(finding.code),
                scheme,
                signed,
                provider_signed,
                detail: finding.detail,
                remedy: finding.remedy,
            }
        }
    }
}

fn passed_words(passed: &Passed) -> String {
    use gatepost_config::provider::Trust;
    match passed.trust {
        Trust::Verified => format!("It verifies by scheme {}: the signature covers the body.", passed.scheme),
        Trust::Authenticated => {
            format!(
                "The sender showed the secret (scheme {}); the signature does not cover the whole body.",
                passed.scheme
            )
        }
        Trust::Unverified => "Nothing was checked: the provider declares no check.".to_owned(),
    }
}

fn find(case: &Case<'_>, reason: Reason) -> Finding {
    if let Some(finding) = condition::values_missing(case) {
        return finding;
    }
    match reason {
        Reason::TimestampStale | Reason::TimestampFuture => time::outside(case, reason),
        Reason::SignatureDuplicated | Reason::TimestampDuplicated | Reason::SignedFieldDuplicated => {
            header::doubled(case, reason)
        }
        Reason::SignatureMissing | Reason::TimestampMissing | Reason::SignedFieldMissing => {
            header::missing(case, reason)
        }
        Reason::SecretAbsent | Reason::Unverifiable => Finding::reason(reason, ""),
        _ => hunt::hunt(case).unwrap_or_else(|| unexplained(case, reason)),
    }
}

/// What can be said when no guess passed.
fn unexplained(case: &Case<'_>, reason: Reason) -> Finding {
    if matches!(reason, Reason::ConditionFailed | Reason::AlgorithmRefused | Reason::KeyUnknown) {
        return condition::about(case, reason);
    }
    if !matches!(reason, Reason::SignatureMismatch | Reason::TokenMismatch) {
        return Finding::reason(reason, "");
    }
    let announced = case.request.headers.get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
    match announced {
        Some(length) if length != case.request.body.len() => {
            let held = case.request.body.len();
            Finding::cause(Cause::BodyLength, format!("Content-Length says {length} bytes, the body has {held}."))
        }
        _ if reason == Reason::TokenMismatch => {
            Finding::cause(Cause::SecretWrong, "The token in the request is another.".to_owned())
        }
        _ if is_cut(&case.request.body) => {
            let held = case.request.body.len();
            Finding::cause(Cause::BodyCut, format!("It has {held} bytes, and nothing that was tried makes them fit."))
        }
        _ => {
            let detail = "Neither a secret stored wrongly nor any usual change to the body, URL or header explains it: \
                          the secret is another, or the body's content was changed.";
            Finding::cause(Cause::SecretWrong, detail.to_owned())
        }
    }
}

/// Whether a body is nothing at all, or an object or list of JSON whose end is missing.
fn is_cut(body: &[u8]) -> bool {
    let text = body.trim_ascii();
    let begun = matches!(text.first(), Some(b'{' | b'['));
    text.is_empty() || begun && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

/// What to do about a refusal that no finer cause was found for.
const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::SignatureMissing => {
            "Check that the provider is set up to sign (a secret is set there), and that nothing on the way drops the header."
        }
        Reason::SignatureDuplicated | Reason::TimestampDuplicated | Reason::SignedFieldDuplicated => {
            "Find what adds it a second time, often a proxy, and let each stand there once."
        }
        Reason::SignatureMalformed | Reason::SignatureTooLong | Reason::SignatureTooMany => {
            "Compare it with the provider's documentation: its label, alphabet and length; it may have been cut."
        }
        Reason::TimestampMissing | Reason::SignedFieldMissing => "Find what drops it on the way.",
        Reason::TimestampStale => {
            "Check the clock here and how long requests wait on the way; for a captured request give --at with the time it arrived."
        }
        Reason::TimestampFuture => "Check the clocks here and at the sender; give --at for a captured request.",
        Reason::SecretAbsent => {
            "Give the integration a secret that is not empty and has not ended (`until`); here with --secret-file."
        }
        Reason::SecretMalformed => "Copy all of the secret that the provider shows.",
        Reason::PublicUrlAbsent => "Set gateway.public_url, or give --public-url.",
        Reason::Unverifiable => {
            "Nothing of this provider can be verified; unverified = true in the integration accepts that."
        }
        Reason::TokenMismatch | Reason::SignatureMismatch => "Ask `gatepost explain` for the cause.",
        Reason::TimestampMalformed | Reason::SignedFieldMalformed => {
            "Compare it with the provider's documentation; something rewrites it."
        }
        Reason::ConditionFailed => {
            "Compare what stands there with what must, the values of the integration and gateway.public_url included."
        }
        Reason::AlgorithmRefused => {
            "Choose the algorithm at the provider that its file names; a token by another may be forged with a public key."
        }
        Reason::KeyUnknown => "Add the provider's current public key to `secrets`; it may have rotated its keys.",
        Reason::HandshakeTokenMismatch => "Give the integration's value the text that is set at the provider.",
        Reason::AccountMismatch | Reason::AccountUnproven => {
            "Give the connection a secret of its own, or post to the integration's URL."
        }
        Reason::BodyMalformed => {
            "Look at how the body was sent: cut short, compressed otherwise than it says, or a form with other boundaries."
        }
        Reason::BatchTooLarge => "Let the provider send fewer events at once.",
        _ => "Compare the request with the provider's documentation.",
    }
}
