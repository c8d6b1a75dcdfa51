//! Events and configurations for unit tests.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bytes::Bytes;
use gatepost_config::{
    Admin, ByteSize, Catalogue, CatalogueFolder, Config, DeliveryFormat, Destination, Engine, Forward, Gateway, Ops,
    Quarantine, Retention, Route, Router, Secrets, Store, Timestamp, provider::Trust,
};
use gatepost_event::{Event, EventId, Meta};

/// An event of connection `acme` of tenant `acme-inc`.
pub(crate) fn event(kind: &str, body: &str) -> Event {
    let at: Timestamp = "2026-11-22T17:04:05.123Z".parse().expect("a time");
    Event {
        meta: Meta {
            id: EventId::of("github-app", "acme", "72d3162e-cc78-11e3-81ab-4c9367dc0958", None),
            request: "req_01m823e203efz9rqqwd23k2byc".parse().expect("an id"),
            integration: "github-app".parse().expect("an id"),
            provider: "github".parse().expect("a name"),
            connection: Some("acme".parse().expect("an id")),
            tenant: Some("acme-inc".parse().expect("an id")),
            account: Some("1".to_owned()),
            kind: kind.to_owned(),
            provider_type: Some("push".to_owned()),
            provider_event_id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned()),
            trust: Trust::Verified,
            redacted: false,
            occurred_at: None,
            received_at: at,
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("x-github-event".to_owned(), "push".to_owned()),
            ],
            content_type: Some("application/json".to_owned()),
            key_id: None,
            destination: None,
        },
        body: Bytes::from(body.to_owned()),
    }
}

/// A destination of the operator's own, or of a tenant.
pub(crate) fn destination(id: &str, tenant: Option<&str>) -> Destination {
    Destination {
        id: id.parse().expect("an id"),
        tenant: tenant.map(|tenant| tenant.parse().expect("an id")),
        url: "http://127.0.0.1:9/webhooks".parse().expect("a URL"),
        private: true,
        secrets: Vec::new(),
        format: DeliveryFormat::Json,
        nango_legacy_signature: false,
        headers: Vec::new(),
        auth: None,
        client_certificate: None,
        events: Vec::new(),
        timeout: Duration::from_secs(15),
        concurrency: 16,
        rate: None,
        burst: None,
        breaker_failures: 0,
        breaker_wait: Duration::from_secs(30),
        paused: false,
        schedule: [0, 5, 300, 1800].map(Duration::from_secs).to_vec(),
        final_statuses: Vec::new(),
    }
}

/// A route of everything.
pub(crate) fn route(id: &str, forward: Forward) -> Route {
    Route {
        id: id.parse().expect("an id"),
        integration: None,
        events: Vec::new(),
        filter: None,
        forward: Some(forward),
        sync: None,
        ordered: false,
    }
}

/// To these destinations.
pub(crate) fn to(ids: &[&str]) -> Forward {
    Forward::To(ids.iter().map(|id| id.parse().expect("an id")).collect())
}

/// A configuration of these.
pub(crate) fn config(destinations: Vec<Destination>, routes: Vec<Route>) -> Config {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let span = Duration::from_secs;
    Config {
        catalogue_folder: CatalogueFolder { path: None },
        gateway: Gateway {
            connections_cached_max: 1,
            connections_preloaded_max: 0,
            connections_stale_max: Duration::from_secs(30),
            listen,
            public_url: None,
            inflight_bytes_max: ByteSize(1),
            accept_rate: None,
            tenant_rate: None,
            connections_max: 1,
            head_timeout: span(1),
            body_timeout: span(1),
            answer_deadline: span(1),
            shutdown_deadline: span(1),
        },
        router: Router {
            release_max_age: Duration::from_hours(24),
            concurrency: 256,
            inflight_bytes_max: ByteSize(256 * 1024 * 1024),
            shutdown_deadline: span(1),
            disable_after: span(5 * 86_400),
            egress_proxy: None,
        },
        store: Store { dedupe_window: None, engine: Engine::Embedded { path: PathBuf::new() } },
        retention: Retention {
            events: span(14 * 86_400),
            dead_letters: span(86_400),
            unmatched: span(86_400),
            quarantine: span(86_400),
            audit: span(86_400),
        },
        quarantine: Quarantine {
            requests_max: 0,
            bytes_max: ByteSize(1),
            total_requests_max: 0,
            total_bytes_max: ByteSize(1),
        },
        secrets: Secrets { master_keys: Vec::new() },
        admin: Admin { listen, api_keys: Vec::new(), wrong_keys_a_minute: 60, history: true, history_path: None },
        ops: Ops { listen },
        nango_environments: Vec::new(),
        catalogue: Catalogue(BTreeMap::new()),
        integrations: Vec::new(),
        connections: Vec::new(),
        destinations,
        sync_engines: Vec::new(),
        routes,
    }
}
