//! What a request lacks besides its signature: named values, claims, the algorithm and the key of its token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::provider::{Expect, Jwt, Location, Parse, Scheme, SchemeKind, Segment, Source, Template};
use serde_json::Value;

use super::{Case, Cause, Finding};
use crate::{
    extract::{
        Lookup,
        template::{Piece, fill},
    },
    reason::Reason,
    verify::{applying, condition::holds, parse_all},
};

/// Named values that the scheme reads and nobody gave.
pub(super) fn values_missing(case: &Case<'_>) -> Option<Finding> {
    let given = case.judge.values;
    let missing: Vec<&str> =
        case.judge.provider.values.keys().map(String::as_str).filter(|n| !given.contains_key(*n)).collect();
    let scheme = scheme(case)?;
    let read: Vec<&str> = missing.into_iter().filter(|name| reads(scheme, name)).collect();
    if read.is_empty() {
        return None;
    }
    let words = |name: &&str| {
        let purpose = case.judge.provider.values.get(*name).map(String::as_str).unwrap_or_default();
        format!("{name} ({purpose})")
    };
    let names: Vec<String> = read.iter().map(words).collect();
    Some(Finding::cause(Cause::ValueMissing, format!("Missing: {}.", names.join(", "))))
}

/// Which conditions don't hold, or what the token says of itself.
pub(super) fn about(case: &Case<'_>, reason: Reason) -> Finding {
    let Some(scheme) = scheme(case) else { return Finding::reason(reason, "") };
    let token = match &scheme.kind {
        SchemeKind::Jwt(jwt) => token(case, jwt),
        _ => None,
    };
    let head = |name: &str| token.as_ref().and_then(|(head, _)| head.get(name)).map_or("none".to_owned(), said);
    let detail = match (reason, &scheme.kind) {
        (Reason::AlgorithmRefused, SchemeKind::Jwt(jwt)) => {
            let taken: Vec<&str> = jwt.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            format!("The token says {}; the provider uses {} alone.", head("alg"), taken.join(" or "))
        }
        (Reason::KeyUnknown, _) => format!("The token is by the key {}, which is none of those given.", head("kid")),
        (Reason::ConditionFailed, _) => {
            let claims = token.as_ref().map(|(_, claims)| claims.to_string());
            unmet(case, scheme, claims.as_deref())
        }
        _ => String::new(),
    };
    Finding::reason(reason, &detail)
}

fn scheme<'a>(case: &Case<'a>) -> Option<&'a Scheme> {
    applying(&case.judge, &Lookup::new(case.judge.provider, case.request, case.judge.values)).ok().flatten()
}

/// The conditions that don't hold, with what stands there; what a named value is stays unsaid.
fn unmet(case: &Case<'_>, scheme: &Scheme, claims: Option<&str>) -> String {
    let judge = &case.judge;
    let lookup = Lookup::new(judge.provider, case.request, judge.values).with_claims(claims.map(str::as_bytes));
    let failed = scheme.also.iter().filter(|c| holds(c, &lookup, judge.values, judge.public_url) != Ok(true));
    let words = failed.map(|(place, expect)| {
        let shown = match (&place.source, lookup.find_text(place)) {
            (Source::Claim(_), Ok(Some(text))) => format!("is {text:?}"),
            (Source::Claim(_), Ok(None)) => "is absent, or several".to_owned(),
            (_, Ok(None)) => "is absent".to_owned(),
            _ => "is another".to_owned(),
        };
        format!("{place} {shown}; it must {}.", wanted(expect, &lookup, case))
    });
    words.collect::<Vec<_>>().join(" ")
}

fn wanted(expect: &Expect, lookup: &Lookup<'_>, case: &Case<'_>) -> String {
    match expect {
        Expect::Present => "be there".to_owned(),
        Expect::Absent => "not be there".to_owned(),
        Expect::Equals(text) => format!("be {text:?}"),
        Expect::Value(name) => format!("be the value {name} given here"),
        Expect::OneOf(name) => format!("be one of the value {name} given here"),
        Expect::Text { template, .. } => match text(template, lookup, case) {
            Some(text) => format!("be {text:?} ({template})"),
            None => format!("be {template}"),
        },
    }
}

fn text(template: &Template, lookup: &Lookup<'_>, case: &Case<'_>) -> Option<String> {
    let (mut text, mut whole) = (Vec::new(), true);
    let filled = fill(template, lookup, case.judge.public_url, None, &mut |piece| match piece {
        Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
        Piece::Secret | Piece::Computed => whole = false,
    });
    let plain = template.places().iter().all(|place| !matches!(place.source, Source::Value(_)));
    (filled.is_ok() && whole && plain).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The head and claims of a token, whoever signed it: for words only.
fn token(case: &Case<'_>, jwt: &Jwt) -> Option<(Value, Value)> {
    let lookup = Lookup::new(case.judge.provider, case.request, case.judge.values);
    let text = jwt.signature.from.iter().find_map(|place| lookup.find(place).ok()?.map(std::borrow::Cow::into_owned));
    let texts = [text?];
    let groups = parse_all(&jwt.signature, &texts, case.judge.values).ok()?;
    let token = String::from_utf8(groups.first()?.candidates.first()?.clone()).ok()?;
    let mut parts = token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok());
    Some((parts.next()??, parts.next().flatten().unwrap_or(Value::Null)))
}

fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"))
}

/// Whether a scheme reads a named value.
fn reads(scheme: &Scheme, name: &str) -> bool {
    let is_it = |place: &&Location| place.source == Source::Value(name.to_owned());
    let compared = scheme.when.iter().chain(&scheme.also).any(|(_, expect)| expect.value() == Some(name));
    let keyed = scheme
        .kind
        .signature()
        .is_some_and(|signature| matches!(&signature.parse, Parse::Keyed { value, .. } if value == name));
    let in_text = scheme.kind.signed().iter().flat_map(|template| &template.0).any(|segment| match segment {
        Segment::Place { location, .. } | Segment::Sum { location, .. } => is_it(&location),
        _ => false,
    });
    compared || keyed || in_text
}
