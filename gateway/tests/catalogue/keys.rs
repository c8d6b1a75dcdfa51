//! Keys that are published: where they are fetched from, and what is taken for one.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::{
    Timestamp,
    provider::{Keys, Location, SchemeKind, Segment},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    attempt::{Attempt, Published},
    places,
    signatures::Text,
    subject::Subject,
    tally::Tally,
};

/// Tries a vector with its keys published instead of pinned, and everything that must not pass for them.
pub(crate) fn prove(subject: &Subject, all: &[Subject], tally: &mut Tally) {
    let (Some(keys), Some((url, document))) = (&subject.provider.keys, subject.vector.keys.iter().next()) else {
        return;
    };
    let authorities = subject.vector.authorities.as_deref();
    let published = |url: &str, document: &str, authorities: Option<&str>| Published {
        documents: BTreeMap::from([(url.to_owned(), document.to_owned())]),
        authorities: authorities.map(str::to_owned),
    };
    let with = |published| Attempt { published: Some(published), ..subject.genuine.clone() };
    tally.good(subject, "keys: published", &with(published(url, document, authorities)));

    let nothing = Published { documents: BTreeMap::new(), authorities: authorities.map(str::to_owned) };
    tally.bad(subject, "keys: none can be had", &with(nothing));
    tally.bad(subject, "keys: at another address", &with(published(&format!("{url}x"), document, authorities)));
    for (class, document) in [
        ("keys: an empty document", ""),
        ("keys: an empty set", "{\"keys\":[]}"),
        ("keys: a page instead", "<html>"),
        ("keys: half a document", &document[..document.len() / 2]),
    ] {
        tally.bad(subject, class, &with(published(url, document, authorities)));
    }
    for other in all.iter().filter(|other| other.vector.secret != subject.vector.secret) {
        if let Some(theirs) = other.vector.keys.values().next() {
            let trusted = other.vector.authorities.as_deref().or(authorities);
            tally.bad(subject, "keys: another provider's", &with(published(url, theirs, trusted)));
        }
    }
    if keys.is_named_by_request() {
        named(subject, keys, document, tally);
    }
    if let Some(rule) = &keys.certificate {
        for at in ["2020-01-01T00:00:00Z", "2049-01-01T00:00:00Z"] {
            let at: Timestamp = at.parse().expect("a time");
            let late = with(published(url, document, authorities)).at(at);
            tally.bad(subject, "keys: a certificate out of its time", &late);
        }
        if rule.chain {
            tally.bad(subject, "keys: a chain to nobody known", &with(published(url, document, None)));
            let leaf = document.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate");
            tally.bad(subject, "keys: a chain cut short", &with(published(url, leaf, authorities)));
            let own = with(published(url, leaf, Some(leaf)));
            tally.bad(subject, "keys: a certificate that is its own authority", &own);
        }
    }
    if matches!(subject.scheme.as_ref().map(|scheme| &scheme.kind), Some(SchemeKind::Jwt(_))) {
        token(subject, &with(published(url, document, authorities)), url, document, tally);
    }
}

/// Other addresses than the provider's, each with the right document at it.
fn named(subject: &Subject, keys: &Keys, document: &str, tally: &mut Tally) {
    let [Segment::Place { location, .. }] = keys.url.0.as_slice() else { return };
    let genuine = places::read(&subject.genuine, location).expect("the vector names a URL");
    let (host, path) = genuine.trim_start_matches("https://").split_once('/').expect("a path");
    let mut bad = |class, url: String| {
        let published = Published {
            documents: BTreeMap::from([(url.clone(), document.to_owned())]),
            authorities: subject.vector.authorities.clone(),
        };
        let attempt = Attempt { published: Some(published), ..subject.genuine.clone() };
        tally.all_bad(subject, class, at(&attempt, location, &url));
    };
    bad("keys: by plain http", format!("http://{host}/{path}"));
    bad("keys: by another scheme", format!("ftp://{host}/{path}"));
    bad("keys: with a user name", format!("https://user@{host}/{path}"));
    bad("keys: with a password", format!("https://user:word@{host}/{path}"));
    bad("keys: at another port", format!("https://{host}:8443/{path}"));
    bad("keys: with a query", format!("{genuine}?x={path}"));
    bad("keys: with a fragment", format!("{genuine}#{path}"));
    bad("keys: at a host with a dot after it", format!("https://{host}./{path}"));
    bad("keys: at a host in upper case", format!("https://{}/{path}", host.to_ascii_uppercase()));
    for evil in ["evil.example", "127.0.0.1", "169.254.169.254", "[::1]", "localhost"] {
        bad("keys: at another host", format!("https://{evil}/{path}"));
        bad("keys: at another host, the right one before it", format!("https://{host}@{evil}/{path}"));
        bad("keys: at another host, the right one in its path", format!("https://{evil}/{host}/{path}"));
        bad("keys: at another host, a backslash between", format!("https://{evil}\\@{host}/{path}"));
    }
    bad("keys: at a host that begins like the right one", format!("https://{host}.evil.example/{path}"));
    bad("keys: at a host that ends like the right one", format!("https://evil-{host}/{path}"));
    bad("keys: at a host below the right one", format!("https://evil.{host}/{path}"));
    bad(
        "keys: at a bucket that is called like the right one",
        format!("https://sns.s3-us-west-2.amazonaws.com/{path}"),
    );
    bad("keys: at another path", format!("https://{host}/elsewhere"));
    bad("keys: with dots in the path", format!("https://{host}/x/../{path}"));
    bad("keys: at no address", String::new());
}

fn at(attempt: &Attempt, location: &Location, url: &str) -> Option<Attempt> {
    places::write(attempt, location, Some(url.as_bytes()))
}

/// Tokens that choose their own way of being checked.
fn token(subject: &Subject, attempt: &Attempt, url: &str, document: &str, tally: &mut Tally) {
    let Some(text) = Text::of(subject) else { return };
    let mut parts = text.candidate().split('.');
    let (Some(head), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else { return };
    let decoded = URL_SAFE_NO_PAD.decode(head).expect("a token's head");
    let head: Value = serde_json::from_slice(&decoded).expect("JSON");
    let with_head = |change: Value, signature: &dyn Fn(&str) -> String| {
        let mut head = head.clone();
        head.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let head = URL_SAFE_NO_PAD.encode(head.to_string());
        let signature = signature(&format!("{head}.{payload}"));
        let changed = text.with_candidate(subject, format!("{head}.{payload}.{signature}").as_bytes())?;
        Some(Attempt { published: attempt.published.clone(), ..changed })
    };
    let kept = |_: &str| signature.to_owned();
    for none in ["none", "None", "NONE", ""] {
        tally.all_bad(subject, "keys: a token by no algorithm", with_head(json!({ "alg": none }), &|_| String::new()));
        tally.all_bad(subject, "keys: a token by no algorithm", with_head(json!({ "alg": none }), &kept));
    }
    let set: Value = serde_json::from_str(document).unwrap_or_default();
    let numbers = set["keys"].as_array().into_iter().flatten().flat_map(|key| [&key["n"], &key["x"]]);
    let texts = numbers.filter_map(Value::as_str).map(str::to_owned).chain([document.to_owned(), String::new()]);
    for key in texts.flat_map(|text| [URL_SAFE_NO_PAD.decode(&text).unwrap_or_default(), text.into_bytes()]) {
        let tag = |signed: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key");
            mac.update(signed.as_bytes());
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        };
        tally.all_bad(
            subject,
            "keys: a token by the public key as a secret",
            with_head(json!({ "alg": "HS256" }), &tag),
        );
    }
    tally.all_bad(subject, "keys: a token by a key of its own choice", with_head(json!({ "kid": "another" }), &kept));
    let own = json!({ "jwk": set["keys"][0], "jku": url, "x5u": url, "kid": "another" });
    tally.all_bad(subject, "keys: a token that brings its key along", with_head(own, &kept));
    let Some(id) = head["kid"].as_str() else { return };
    let renamed = document.replace(&format!("\"kid\":\"{id}\""), "\"kid\":\"renamed\"");
    let published = Published { documents: BTreeMap::from([(url.to_owned(), renamed)]), authorities: None };
    tally.bad(subject, "keys: its key under another id", &Attempt { published: Some(published), ..attempt.clone() });
}
