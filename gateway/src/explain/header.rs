//! Headers that are missing, doubled, or there under another name.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

use super::{Case, Cause, Finding, hunt, hunt::Trial, shape, signed};
use crate::{reason::Reason, request::RawRequest};

/// Edits that still make a name near another.
const EDITS_MAX: usize = 2;
/// Most providers that a header's name is worth naming for.
const SENDERS_MAX: usize = 3;

/// Looks for what is missing under other names.
pub(super) fn missing(case: &Case<'_>, reason: Reason) -> Finding {
    let wanted = shape::headers(case.judge.provider);
    let absent: Vec<&String> = wanted.iter().filter(|name| !case.request.headers.contains_key(name.as_str())).collect();
    if let Some(finding) = hunt::integrations(&Trial::new(case)).or_else(|| one_renamed(case, &wanted, &absent)) {
        return finding;
    }
    let mut renamed = case.request.clone();
    let mut moved = Vec::new();
    for name in &absent {
        if let Some((other, value)) = nearest(case.request, &wanted, name)
            && let Ok(parsed) = name.parse::<HeaderName>()
        {
            renamed.headers.remove(&other);
            renamed.headers.insert(parsed, value);
            moved.push(format!("{other} instead of {name}"));
        }
    }
    if moved.is_empty() {
        let other = hunt::providers(&Trial::new(case));
        return other.unwrap_or_else(|| Finding::reason(reason, &plainly(case, &absent)));
    }
    let moved = format!("The request has {}.", moved.join(", "));
    let trial = Trial::new(case);
    if trial.passes(&trial.judge(), &renamed) {
        let signed = trial.scheme(&renamed).and_then(|scheme| signed::text(&case.judge, scheme, &renamed));
        return Finding::cause(Cause::HeaderMisnamed, moved).signed_by_provider(signed);
    }
    match hunt::hunt(&Case { request: &renamed, ..*case }) {
        Some(found) if found.code == Cause::AlgorithmWrong.code() => {
            let detail = format!(
                "{} {moved} That one is genuine, but made with another hash.",
                Cause::AlgorithmWrong.about().trim()
            );
            Finding { detail, ..found }
        }
        Some(found) => {
            let detail = format!("{moved} Under the right name there is more: {}", found.detail);
            Finding::cause(Cause::HeaderMisnamed, detail)
        }
        None if same_names(case.request, &absent) => {
            Finding::cause(Cause::HeaderMisnamed, format!("{moved} Even under the right name it does not verify."))
        }
        None => Finding::reason(reason, &plainly(case, &absent)),
    }
}

/// One header under another name that makes the request verify once it has its own again, the nearest first.
fn one_renamed(case: &Case<'_>, wanted: &[String], absent: &[&String]) -> Option<Finding> {
    let trial = Trial::new(case);
    let pairs = absent.iter().flat_map(|name| {
        let near = strangers(case.request, wanted, name).into_iter();
        near.map(|(rank, other, value)| (rank, *name, other, value))
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|(rank, name, other, _)| (*rank, distance(other.as_str(), name)));
    pairs.into_iter().find_map(|(_, name, other, value)| {
        let mut renamed = case.request.clone();
        renamed.headers.remove(&other);
        renamed.headers.insert(name.parse::<HeaderName>().ok()?, value);
        if !trial.passes(&trial.judge(), &renamed) {
            return None;
        }
        let signed = trial.scheme(&renamed).and_then(|scheme| signed::text(&case.judge, scheme, &renamed));
        let words = format!("The request has {other} instead of {name}.");
        Some(Finding::cause(Cause::HeaderMisnamed, words).signed_by_provider(signed))
    })
}

/// Says which of several are genuine.
pub(super) fn doubled(case: &Case<'_>, reason: Reason) -> Finding {
    let trial = Trial::new(case);
    let mut detail = String::new();
    for name in shape::headers(case.judge.provider) {
        let values: Vec<HeaderValue> = case.request.headers.get_all(name.as_str()).iter().cloned().collect();
        let Ok(parsed) = name.parse::<HeaderName>() else { continue };
        if values.len() < 2 {
            continue;
        }
        let same = values.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
        // Writing to a String can't fail.
        let _ = write!(
            detail,
            "{name} stands there {} times, {}. ",
            values.len(),
            if same { "all the same" } else { "not all the same" }
        );
        let genuine = values.iter().position(|value| {
            let mut request = case.request.clone();
            request.headers.insert(parsed.clone(), value.clone());
            trial.passes(&trial.judge(), &request)
        });
        if let Some(at) = genuine {
            let _ = write!(
                detail,
                "Number {} alone would verify; two readers could see two values. ",
                at.saturating_add(1)
            );
        }
    }
    Finding::reason(reason, detail.trim())
}

fn plainly(case: &Case<'_>, absent: &[&String]) -> String {
    let empty: Vec<String> = shape::headers(case.judge.provider)
        .into_iter()
        .filter(|name| case.request.headers.get(name.as_str()).is_some_and(HeaderValue::is_empty))
        .collect();
    match (absent, empty.as_slice()) {
        ([], []) => String::new(),
        (_, [_, ..]) => format!("{} is there, but empty.", empty.join(", ")),
        (absent, _) => {
            let names: Vec<&str> = absent.iter().map(|name| name.as_str()).collect();
            format!("The request has no {}.{}", names.join(", no "), others_header(case))
        }
    }
}

/// What a signature's header that is there says of who sent the request, where few use it.
fn others_header(case: &Case<'_>) -> String {
    let own = shape::headers(case.judge.provider);
    let signed = |name: &str| {
        let senders = case.catalogue.0.values().filter(|other| shape::signature_headers(other).contains(name));
        let titles: Vec<&str> = senders.map(|provider| provider.title.as_str()).collect();
        (1..=SENDERS_MAX).contains(&titles.len()).then(|| titles.join(" or "))
    };
    // A name that is near one of its own is rather that.
    let strangers = case.request.headers.keys().map(HeaderName::as_str);
    let strangers = strangers.filter(|name| !own.iter().any(|own| own == name || rank(name, own).is_some()));
    let hint = strangers.into_iter().find_map(|name| Some((name, signed(name)?)));
    let words = |(name, who)| format!(" It has {name}, as {who} sends: was it meant for another integration's URL?");
    hint.map(words).unwrap_or_default()
}

/// The header whose name is nearest to a wanted one that is not there.
fn nearest(request: &RawRequest, wanted: &[String], name: &str) -> Option<(HeaderName, HeaderValue)> {
    let ranked = strangers(request, wanted, name).into_iter();
    ranked.min_by_key(|(rank, ..)| *rank).map(|(_, other, value)| (other, value))
}

/// The headers that nothing wants and whose names are near, with how far they are.
fn strangers(request: &RawRequest, wanted: &[String], name: &str) -> Vec<(usize, HeaderName, HeaderValue)> {
    let strangers = request.headers.iter().filter(|(other, _)| !wanted.iter().any(|wanted| wanted == other.as_str()));
    let ranked =
        strangers.filter_map(|(other, value)| Some((rank(other.as_str(), name)?, other.clone(), value.clone())));
    ranked.collect()
}

/// How far a name is from another; `None` when it isn't near.
fn rank(other: &str, name: &str) -> Option<usize> {
    let (other, name) = (normal(other), normal(name));
    let edits = distance(&other, &name);
    match () {
        () if edits <= EDITS_MAX && name.len() > 2 * EDITS_MAX => Some(edits),
        () if name.starts_with(&other) && other.contains("signature") => Some(10),
        () if other.starts_with(&name) && name.contains("signature") => Some(11),
        () if other.ends_with(&format!("-{name}")) && name.contains('-') => Some(12),
        () => None,
    }
}

/// Whether something stands there under a name that only proxies and frameworks would write another way.
fn same_names(request: &RawRequest, absent: &[&String]) -> bool {
    absent.iter().any(|name| request.headers.keys().any(|other| normal(other.as_str()) == normal(name)))
}

/// A name without what proxies and frameworks change.
fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let name = name.strip_prefix("http-").unwrap_or(&name);
    name.strip_prefix("x-").unwrap_or(name).to_owned()
}

/// How many characters must be inserted, deleted or replaced.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (pair, y) in row.windows(2).zip(b.bytes()) {
            if let [diagonal, up] = pair {
                left = (diagonal + usize::from(x != y)).min(up + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_proxies_and_people_get_wrong_are_near() {
        for (other, name) in [
            ("x_hub_signature_256", "x-hub-signature-256"),
            ("http_x_hub_signature_256", "x-hub-signature-256"),
            ("hub-signature-256", "x-hub-signature-256"),
            ("x-hub-signature", "x-hub-signature-256"),
            ("x-slack-signatur", "x-slack-signature"),
            ("x-original-stripe-signature", "stripe-signature"),
        ] {
            assert!(rank(other, name).is_some(), "{other} {name}");
        }
        for (other, name) in [("x-request-id", "x-hub-signature-256"), ("host", "date"), ("user-agent", "webhook-id")] {
            assert_eq!(rank(other, name), None, "{other} {name}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }
}
