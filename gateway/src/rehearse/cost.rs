//! The stages of a webhook, one after the other, for `tests/cost/run` to count their instructions: it begins another
//! count at each function whose name begins with `stage_`. So nothing else here is named so, none holds a closure, and
//! `stage_nothing` takes what stands between two of them.

use std::{hint::black_box, path::Path as File, sync::Arc, time::Instant};

use bytes::Bytes;
use gatepost_config::{Config, Options, ProviderName, Timestamp};
use gatepost_event::Event;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Rehearsal;
use crate::{
    attribute::attribute,
    claimants::Claimants,
    event::{Accepted, accept},
    inbound::Inbound,
    path::Path,
    request::RawRequest,
    sign::sign,
    split::{Split, split},
    tables::Tables,
    verify::{Verified, prove},
};

const CONFIG: &str = r#"
[[integration]]
id = "github"
provider = "github"
secrets = [{ env = "SECRET" }]

[[connection]]
integration = "github"
id = "acme"
account = "12345678"

[[integration]]
id = "stripe"
provider = "stripe"
secrets = [{ env = "SECRET" }]
"#;

/// What the stages work on.
struct Given {
    config: Config,
    github: ProviderName,
    rehearsal: Rehearsal,
    small: Arc<Inbound>,
    large: Arc<Inbound>,
    stripe: Arc<Inbound>,
}

#[test]
#[ignore = "tests/cost/run runs it, and counts"]
fn stages() {
    let given = Given::new();
    // The first time works out what is kept.
    run(&given);
    run(&given);
}

fn run(given: &Given) {
    stage_path_and_integration(&given.rehearsal.arrival.tables);
    stage_provider_by_name(&given.config, &given.github);
    let verified = stage_verify_github_2_kib(&given.small);
    let split = stage_split_github_2_kib(verified);
    let accepted = stage_attribute_and_name(split);
    stage_nothing();
    let (_, items) = accepted.into_parts();
    assert_eq!(items.len(), 1);
    stage_frame_2_kib(&items[0].event);
    stage_nothing();
    let verified = stage_verify_github_7_kib(&given.large);
    let split = stage_split_github_7_kib(verified);
    stage_nothing();
    assert_eq!(split.parts().len(), 1);
    stage_verify_stripe_2_kib(&given.stripe);
    stage_nothing();
    let raw = given.small.raw.clone();
    stage_up_to_the_store_2_kib(&given.rehearsal, raw, given.small.received_at);
    stage_nothing();
}

#[inline(never)]
fn stage_nothing() {
    black_box(());
}

#[inline(never)]
fn stage_path_and_integration(tables: &Tables) {
    let Path::Integration(integration) = Path::of(black_box("/webhooks/github")) else { panic!("a path") };
    assert!(tables.endpoint(integration).is_some());
}

#[inline(never)]
fn stage_provider_by_name(config: &Config, name: &ProviderName) {
    assert!(config.catalogue.0.contains_key(black_box(name)));
}

#[inline(never)]
fn stage_verify_github_2_kib(inbound: &Arc<Inbound>) -> Verified {
    proven(inbound)
}

#[inline(never)]
fn stage_verify_github_7_kib(inbound: &Arc<Inbound>) -> Verified {
    proven(inbound)
}

#[inline(never)]
fn stage_verify_stripe_2_kib(inbound: &Arc<Inbound>) -> Verified {
    proven(inbound)
}

#[inline(never)]
fn stage_split_github_2_kib(verified: Verified) -> Split {
    parted(verified)
}

#[inline(never)]
fn stage_split_github_7_kib(verified: Verified) -> Split {
    parted(verified)
}

#[inline(never)]
fn stage_attribute_and_name(split: Split) -> Accepted {
    let claimants = Claimants::declared(&split);
    let Ok(attributed) = attribute(split, &claimants) else { panic!("it is attributed") };
    accept(attributed)
}

#[inline(never)]
fn stage_frame_2_kib(event: &Event) -> Bytes {
    event.to_frame().expect("a frame")
}

#[inline(never)]
fn stage_up_to_the_store_2_kib(rehearsal: &Rehearsal, raw: RawRequest, now: Timestamp) {
    assert!(rehearsal.judge(raw, now).is_ok());
}

fn proven(inbound: &Arc<Inbound>) -> Verified {
    let Ok(verified) = prove(Arc::clone(inbound), &[], None) else { panic!("it is genuine") };
    verified
}

fn parted(verified: Verified) -> Split {
    let Ok(split) = split(verified) else { panic!("it is split") };
    split
}

impl Given {
    fn new() -> Self {
        let env = |_: &str| Some("it's a secret to everybody".to_owned());
        let loaded = gatepost_config::parse(CONFIG, File::new("gatepost.toml"), &env, Options::default());
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        let rehearsal = |id: &str| Rehearsal::new(&config, &id.parse().expect("an id")).expect("it is configured");
        let (github, stripe) = (rehearsal("github"), rehearsal("stripe"));
        let event = [("x-github-event", "push"), ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")];
        Self {
            small: inbound(&github, &event, &push(2_024)),
            large: inbound(&github, &event, &push(7_124)),
            stripe: inbound(&stripe, &[], &invoice(2_024)),
            github: "github".parse().expect("a name"),
            rehearsal: github,
            config,
        }
    }
}

/// A request as the integration's provider would send it.
fn inbound(rehearsal: &Rehearsal, more: &[(&str, &str)], body: &str) -> Arc<Inbound> {
    let integration = &rehearsal.arrival.endpoint.integration;
    let now: Timestamp = "2026-11-22T17:04:05.123Z".parse().expect("a time");
    let url = "https://hooks.example.com/webhooks".parse().expect("a URL");
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    headers.extend(sign(integration, &url, &headers, body.as_bytes(), now).expect("it is signed"));
    let header = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
    };
    let raw = RawRequest {
        method: Method::POST,
        target: format!("/webhooks/{}", integration.id),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: Bytes::from(body.to_owned()),
        connection: None,
    };
    Inbound::rehearsed(Arc::clone(&rehearsal.arrival), raw, now, Instant::now())
}

/// A push of so many bytes, with what is looked up at its end.
fn push(bytes: usize) -> String {
    let commit = r#"{"id":"1f0e2d3c4b5a69788796a5b4c3d2e1f009182736","message":"Update the price list","author":{"name":"Ada","email":"ada@example.com"},"added":[],"removed":[],"modified":["prices.csv"]}"#;
    let around = r#"{"ref":"refs/heads/main","commits":[],"pusher":"","installation":{"id":12345678}}"#.len();
    let commits = (bytes - around) / (commit.len() + 1);
    let padding = bytes - around - (commits * (commit.len() + 1) - 1);
    let body = format!(
        r#"{{"ref":"refs/heads/main","commits":[{}],"pusher":"{}","installation":{{"id":12345678}}}}"#,
        vec![commit; commits].join(","),
        "p".repeat(padding)
    );
    assert_eq!(body.len(), bytes);
    body
}

fn invoice(bytes: usize) -> String {
    let head = r#"{"id":"evt_1","type":"invoice.paid","created":1795367045,"account":"acct_1","data":"#;
    format!("{head}\"{}\"}}", "d".repeat(bytes - head.len() - 3))
}
