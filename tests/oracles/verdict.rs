//! What the gateway's verifier says.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::{Options, Provider, Secret, Timestamp};
use gatepost_gateway::{Judge, RawRequest, Reason, Rehearsal, Turned, verify};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::library::Asked;

/// Judges a request as the gateway would: the scheme that passed.
pub(crate) fn ours(provider: &Provider, asked: &Asked) -> Result<String, Reason> {
    if !asked.certificates.is_empty() {
        return with_certificates(provider, asked);
    }
    let lacking: Vec<_> = provider.values.keys().filter(|name| !asked.values.contains_key(*name)).collect();
    assert!(lacking.is_empty(), "tests/node/oracles/{}.mjs gives no value {lacking:?}", asked.provider);
    let secret = |text: &String| Secret::new(text.clone().into_bytes(), "the oracle");
    let values: BTreeMap<_, _> = asked.values.iter().map(|(name, text)| (name.clone(), secret(text))).collect();
    let (public_url, target) = split(&asked.url);
    let judge = Judge {
        provider,
        secrets: &[secret(&asked.secret)],
        values: &values,
        public_url: Some(&public_url),
        unverified: false,
    };
    verify(&judge, &request(asked, target), Timestamp::from_millis(asked.at)).map(|passed| passed.scheme)
}

/// The same, with certificates where the library finds them.
fn with_certificates(provider: &Provider, asked: &Asked) -> Result<String, Reason> {
    let values: Vec<_> = asked.values.keys().map(|name| format!("{name} = {{ env = \"{name}\" }}")).collect();
    let text = format!(
        "[[integration]]\nid = \"oracle\"\nprovider = \"{}\"\nvalues = {{ {} }}\n",
        provider.name,
        values.join(", ")
    );
    let env = |name: &str| asked.values.get(name).cloned();
    let loaded = gatepost_config::parse(&text, Path::new("gatepost.toml"), &env, Options::default());
    let config = loaded.expect("a good configuration").config;
    let rehearsal = Rehearsal::new(&config, &config.integrations[0].id).expect("the integration is there");
    let (_, target) = split(&asked.url);
    let rehearsal = rehearsal.publishing(&asked.certificates, None);
    match rehearsal.judge(request(asked, target), Timestamp::from_millis(asked.at)) {
        Ok(_) => Ok("fetched".to_owned()),
        Err(Turned::Refused(reason)) => Err(reason),
        Err(Turned::Limited(_)) => Err(Reason::KeyUrlRefused),
    }
}

fn request(asked: &Asked, target: String) -> RawRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in &asked.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    let body = STANDARD.decode(&asked.body_base64).expect("base64").into();
    RawRequest { method: asked.method.parse().expect("a method"), target, headers, body, connection: None }
}

/// The public URL, and the path and query as they are received.
fn split(url: &str) -> (Url, String) {
    let origin = url.find('/').and_then(|at| Some(at + 2 + url[at + 2..].find('/')?)).expect("a whole URL");
    (url[..origin].parse().expect("an origin"), url[origin..].to_owned())
}
