//! `gatepost providers check FILE...`: reads providers' files, and proves each by its own vectors.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use gatepost_config::{
    Options, Provider, Secret,
    provider::{Handshake, SchemeKind, Trust, Vector, overlay},
};
use gatepost_gateway::{Judge, RawRequest, Reason, Rehearsal, Rehearsed, as_signed, verify};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::words;
use crate::{
    exit::Exit,
    style::{self, BAD, GOOD},
};

/// What was tried on a vector.
struct Proof {
    vector: String,
    tried: usize,
    failures: Vec<String>,
}

/// Reads and proves files, each by itself: a bad one doesn't keep the others from being proven.
pub(super) fn check(paths: &[PathBuf], json: bool) -> Result<(), Exit> {
    let bad: Vec<String> = paths.iter().filter_map(|path| check_one(path, json).err()).collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Exit::failed(bad.join("\n"))),
    }
}

/// Reads and proves a file, or says what is wrong with it.
fn check_one(path: &Path, json: bool) -> Result<(), String> {
    let (provider, warnings) = match overlay::read_file(path) {
        Ok(read) => read,
        Err(problems) => {
            if json {
                let problems: Vec<_> = problems.iter().map(problem).collect();
                let said = json!({ "file": path, "valid": false, "problems": problems, "proofs": [] });
                style::line(&said.to_string());
            }
            return Err(format!("{} is bad:\n{problems}", path.display()));
        }
    };
    let proofs: Vec<Proof> =
        provider.vectors.iter().enumerate().map(|(n, vector)| prove(&provider, n, vector)).collect();
    let good = proofs.iter().all(|proof| proof.failures.is_empty());
    if json {
        let proofs: Vec<_> = proofs
            .iter()
            .map(|proof| json!({ "vector": proof.vector, "tried": proof.tried, "failures": proof.failures }))
            .collect();
        let warnings: Vec<_> = warnings.iter().map(problem).collect();
        let name = provider.name.as_str();
        let said = json!({ "file": path, "valid": good, "name": name, "problems": warnings, "proofs": proofs });
        style::line(&said.to_string());
    } else {
        for warning in &warnings {
            style::note(&warning.to_string());
        }
        report(&provider, &proofs);
    }
    match good {
        true => Ok(()),
        false => Err(format!("{} does not stand its proof", path.display())),
    }
}

fn problem(problem: &gatepost_config::Problem) -> serde_json::Value {
    json!({
        "line": problem.place.line, "column": problem.place.column, "key": problem.key,
        "severity": problem.severity.to_string(), "message": problem.message, "remedy": problem.remedy,
    })
}

fn report(provider: &Provider, proofs: &[Proof]) {
    let kinds = words::kinds(provider).join(", ");
    style::line(&format!("{} ({kinds}, {})", provider.title, words::trust(provider.trust)));
    for proof in proofs {
        let verdict = if proof.failures.is_empty() { style::paint(GOOD, "good") } else { style::paint(BAD, "bad") };
        style::line(&format!("  {verdict} {}: {} requests tried", proof.vector, proof.tried));
        for failure in &proof.failures {
            style::line(&format!("      {failure}"));
        }
    }
    if proofs.is_empty() {
        style::warning("it has no [[vector]], so nothing proves it");
    }
}

/// A request to try, with what it is called.
struct Try {
    what: String,
    request: RawRequest,
    secret: Vec<u8>,
}

/// Tries a vector as it is, which must pass, and changed in every signed part, which must not.
fn prove(provider: &Provider, n: usize, vector: &Vector) -> Proof {
    let name = vector.name.clone().unwrap_or_else(|| format!("vector {}", n.saturating_add(1)));
    let Some(request) = request(vector).and_then(|request| as_signed(provider, request).ok()) else {
        let failures = vec!["its headers can't be sent, or its body is not compressed as they say".to_owned()];
        return Proof { vector: name, tried: 0, failures };
    };
    // What is published proves as much as when it is pinned; how it is found is proven by the outcome.
    let genuine = Try { what: "as it is".to_owned(), request, secret: vector.pinned().as_bytes().to_vec() };
    let mut failures = Vec::new();
    let trust = match judge(provider, vector, &genuine) {
        Ok(trust) => trust,
        // What answers a handshake that nobody signs asks for no signature.
        Err(Reason::SignatureMissing) if is_handshake(provider, vector) => {
            failures.extend(outcome(provider, vector, &genuine));
            return Proof { vector: name, tried: 1, failures };
        }
        Err(reason) => {
            failures.push(format!("as it is, it is refused: {reason} ({})", reason.about().trim()));
            return Proof { vector: name, tried: 1, failures };
        }
    };
    failures.extend(outcome(provider, vector, &genuine));
    if trust == Trust::Unverified {
        return Proof { vector: name, tried: 1, failures };
    }
    let bad = changed(&genuine, trust == Trust::Verified);
    for attempt in &bad {
        if judge(provider, vector, attempt).is_ok() {
            failures.push(format!("{}: accepted, though it is forged", attempt.what));
        }
    }
    Proof { vector: name, tried: bad.len().saturating_add(1), failures }
}

/// What differs from the events that a vector expects.
fn outcome(provider: &Provider, vector: &Vector, genuine: &Try) -> Vec<String> {
    if vector.expect.is_none() && vector.keys.is_empty() {
        return Vec::new();
    }
    let Some(rehearsal) = rehearsal(provider, vector, genuine) else { return Vec::new() };
    let events = match rehearsal.judge(genuine.request.clone(), vector.at) {
        Ok(Rehearsed::Events(events)) => events,
        Ok(Rehearsed::Handshake { .. }) => Vec::new(),
        Err(turned) => return vec![format!("it would be turned away: {turned:?}")],
    };
    let Some(expected) = &vector.expect else { return Vec::new() };
    if events.len() != expected.len() {
        return vec![format!("it gives {} events, where {} are expected", events.len(), expected.len())];
    }
    let mut differ = Vec::new();
    for (n, (event, expected)) in events.iter().zip(expected).enumerate() {
        let facts = [
            ("type", Some(event.meta.kind.as_str()), &expected.kind),
            ("id", event.meta.provider_event_id.as_deref(), &expected.id),
            ("account", event.meta.account.as_deref(), &expected.account),
        ];
        for (what, found, expected) in facts {
            if expected.is_some() && found != expected.as_deref() {
                differ.push(format!("event {n}: its {what} is {found:?}, where {expected:?} is expected"));
            }
        }
    }
    differ
}

/// The provider as an integration of a configuration has it.
fn rehearsal(provider: &Provider, vector: &Vector, genuine: &Try) -> Option<Rehearsal> {
    const CONFIG: &str = "[[integration]]\nid = \"proof\"\nprovider = \"github\"\nsecrets = [{ env = \"S\" }]\n";
    let env = |_: &str| Some("stands for the vector's".to_owned());
    let loaded = gatepost_config::parse(CONFIG, Path::new("proof.toml"), &env, Options::default());
    let mut config = loaded.ok()?.config;
    config.gateway.public_url.clone_from(&vector.public_url);
    let integration = config.integrations.first_mut()?;
    integration.provider = provider.clone().into();
    integration.secrets = match vector.keys.is_empty() {
        true => vec![Secret::new(genuine.secret.clone(), "the vector")],
        false => Vec::new(),
    };
    let value =
        |(name, value): (&String, &String)| (name.clone(), Secret::new(value.clone().into_bytes(), "the vector"));
    integration.values = vector.values.iter().map(value).collect();
    integration.unverified = provider.schemes.iter().any(|scheme| scheme.kind == SchemeKind::None);
    let id = integration.id.clone();
    Some(Rehearsal::new(&config, &id)?.publishing(&vector.keys, vector.authorities.as_deref()))
}

fn is_handshake(provider: &Provider, vector: &Vector) -> bool {
    let unsigned = |handshake: &Handshake| !handshake.verified && handshake.method == vector.method;
    vector.expect.as_ref().is_some_and(Vec::is_empty) && provider.handshakes.iter().any(unsigned)
}

fn judge(provider: &Provider, vector: &Vector, attempt: &Try) -> Result<Trust, Reason> {
    let secrets = [Secret::new(attempt.secret.clone(), "the vector")];
    let value =
        |(name, value): (&String, &String)| (name.clone(), Secret::new(value.clone().into_bytes(), "the vector"));
    let values: BTreeMap<_, _> = vector.values.iter().map(value).collect();
    let unverified = provider.trust == Trust::Unverified;
    let judge =
        Judge { provider, secrets: &secrets, values: &values, public_url: vector.public_url.as_ref(), unverified };
    verify(&judge, &attempt.request, vector.at).map(|passed| passed.trust)
}

fn changed(genuine: &Try, covers_body: bool) -> Vec<Try> {
    let mut bad = Vec::new();
    let other =
        |request: RawRequest, what: &str| Try { what: what.to_owned(), request, secret: genuine.secret.clone() };
    let secret = genuine.secret.iter().rev().copied().collect::<Vec<u8>>();
    if secret != genuine.secret {
        bad.push(Try { what: "another secret".to_owned(), request: genuine.request.clone(), secret });
    }
    if covers_body {
        let body = &genuine.request.body;
        for at in 0..body.len() {
            let mut flipped = body.to_vec();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1;
            }
            let request = RawRequest { body: flipped.into(), ..genuine.request.clone() };
            bad.push(other(request, &format!("byte {at} of the body changed")));
        }
        for (what, end) in [("a line feed after the body", "\n"), ("a space after the body", " ")] {
            let body = Bytes::from([&body[..], end.as_bytes()].concat());
            bad.push(other(RawRequest { body, ..genuine.request.clone() }, what));
        }
    }
    let mut bare = genuine.request.clone();
    let kept = [http::header::CONTENT_TYPE, http::header::CONTENT_LENGTH];
    bare.headers = genuine
        .request
        .headers
        .iter()
        .filter(|(name, _)| kept.contains(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    bare.target = bare.target.split('?').next().unwrap_or_default().to_owned();
    if bare != genuine.request {
        bad.push(other(bare, "no signature at all"));
    }
    bad
}

fn request(vector: &Vector) -> Option<RawRequest> {
    let mut headers = HeaderMap::new();
    for (name, value) in &vector.headers {
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    Some(RawRequest {
        method: words::method(vector.method).parse().ok()?,
        target: vector.target.clone(),
        headers,
        body: Bytes::from(vector.body.clone()),
        connection: None,
    })
}
