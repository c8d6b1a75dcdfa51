//! What the gateway looks up for each request, worked out once per configuration.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use gatepost_config::{
    Config, ConnectionId, Gateway as Settings, Integration, IntegrationId, Provider,
    provider::{Announce, Handshake, Identity, Location, Method, Pointer, Scheme, Source},
};
use http::HeaderName;

use crate::{
    extract::json::Trie,
    keys::{self, Place},
    link::Link,
    redact::Redaction,
};

/// Everything that a request is looked up in.
pub(crate) struct Tables {
    /// `[gateway]`
    pub(crate) settings: Settings,
    /// `[quarantine]`
    pub(crate) quarantine: gatepost_config::Quarantine,
    endpoints: HashMap<IntegrationId, Arc<Endpoint>>,
    environments: HashSet<String>,
    /// Where keys are that are known beforehand.
    pub(crate) places: Vec<Place>,
}

/// An integration with the connections that the file declares, as requests find them.
pub(crate) struct Endpoint {
    /// The integration.
    pub(crate) integration: Integration,
    /// What its provider's file says, worked out.
    pub(crate) profile: Profile,
    by_id: HashMap<ConnectionId, Arc<Link>>,
    by_account: HashMap<String, Vec<Arc<Link>>>,
}

/// What a provider's file says, worked out.
pub(crate) struct Profile {
    /// Every place of the JSON payload that is read, for one pass over it.
    pub(crate) payload: Trie,
    /// The same of an XML payload.
    pub(crate) xml: Trie,
    /// Every place of a batch item that is read.
    pub(crate) item: Trie,
    /// What is heeded of what events say of connections themselves.
    pub(crate) announce: Announce,
    /// Secrets of the body that are overwritten.
    pub(crate) redaction: Option<Redaction>,
    /// Headers kept with an event, in the file's order.
    pub(crate) kept: Vec<HeaderName>,
    /// Headers kept with a refused request: those that decide over it, and no other.
    pub(crate) evidence: BTreeSet<String>,
    /// The value of `Allow`.
    pub(crate) allow: String,
}

/// Headers that carry secrets of clients or proxies; never kept with an event.
pub(crate) const NEVER_KEPT: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-github-encoded-secret"];

impl Tables {
    /// Works the tables out.
    pub(crate) fn new(config: &Config) -> Self {
        let mut connections: HashMap<&IntegrationId, Vec<Arc<Link>>> = HashMap::new();
        for connection in &config.connections {
            connections.entry(&connection.integration).or_default().push(Arc::new(Link::declared(connection)));
        }
        let mut endpoint = |integration: &Integration| {
            let own = connections.remove(&integration.id).unwrap_or_default();
            (integration.id.clone(), Arc::new(Endpoint::new(integration.clone(), own)))
        };
        let endpoints: HashMap<_, _> = config.integrations.iter().map(&mut endpoint).collect();
        Self {
            settings: config.gateway.clone(),
            quarantine: config.quarantine.clone(),
            places: keys::places(endpoints.values()),
            endpoints,
            environments: config.nango_environments.iter().cloned().collect(),
        }
    }

    /// The integration of that id.
    pub(crate) fn endpoint(&self, integration: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(integration)
    }

    /// Every integration, in no order.
    pub(crate) fn integrations(&self) -> impl Iterator<Item = &Integration> {
        self.endpoints.values().map(|endpoint| &endpoint.integration)
    }

    /// Whether `/webhook/{environment}/...` is served.
    pub(crate) fn has_environment(&self, environment: &str) -> bool {
        self.environments.contains(environment)
    }
}

impl Endpoint {
    fn new(integration: Integration, connections: Vec<Arc<Link>>) -> Self {
        let profile = Profile::new(&integration.provider, integration.heeds());
        let mut by_account: HashMap<String, Vec<Arc<Link>>> = HashMap::new();
        for connection in &connections {
            for account in &connection.accounts {
                by_account.entry(account.clone()).or_default().push(Arc::clone(connection));
            }
        }
        let by_id = connections.into_iter().map(|c| (c.id.clone(), c)).collect();
        Self { integration, profile, by_id, by_account }
    }

    /// The provider.
    pub(crate) fn provider(&self) -> &Provider {
        &self.integration.provider
    }

    /// Whether it has any connection.
    pub(crate) fn has_connections(&self) -> bool {
        !self.by_id.is_empty()
    }

    /// The connection of that id.
    pub(crate) fn connection(&self, id: &str) -> Option<&Arc<Link>> {
        self.by_id.get(id)
    }

    /// Every account key that a connection names.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &str> {
        self.by_account.keys().map(String::as_str)
    }

    /// The connections that claim an account: usually one; each of several gets its own event, so that none wins
    /// silently.
    pub(crate) fn claimants(&self, account: &str) -> &[Arc<Link>] {
        self.by_account.get(account).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Profile {
    fn new(provider: &Provider, announce: Announce) -> Self {
        let mut places = Vec::new();
        event_places(provider, &mut places);
        places.extend(announce.places());
        let mut payload: Vec<_> = places.iter().filter_map(|place| json_pointer(&place.source)).collect();
        payload.extend(provider.batch.iter().flat_map(|batch| &batch.items));
        let item = places.iter().filter_map(|place| match &place.source {
            Source::Item(pointer) => Some(pointer),
            _ => None,
        });
        let item = Trie::new(item);
        let payload = Trie::new(payload.into_iter());
        let xml = Trie::new(places.iter().filter_map(|place| match &place.source {
            Source::Xml(pointer) => Some(pointer),
            _ => None,
        }));

        let proof: Vec<_> = provider.schemes.iter().flat_map(Scheme::places).collect();
        let signatures = signature_headers(provider);
        let never = |name: &str| NEVER_KEPT.contains(&name) || signatures.contains(name);
        let kept = provider.headers.iter().map(|name| name.to_ascii_lowercase());
        let kept: Vec<HeaderName> = kept.filter(|name| !never(name)).filter_map(|name| name.parse().ok()).collect();

        let mut evidence: BTreeSet<String> =
            ["content-type", "content-encoding", "user-agent"].map(String::from).into();
        evidence.extend(kept.iter().map(ToString::to_string));
        let keys = provider.keys.iter().flat_map(|keys| keys.url.places());
        let deciding = places.iter().copied().chain(proof).chain(keys);
        evidence.extend(deciding.filter_map(|place| header(&place.source)));
        for given in provider.handshakes.iter().filter_map(|handshake| handshake.capture.as_ref()) {
            header(&given.source).map(|name| evidence.remove(&name));
        }
        let redaction = Redaction::new(provider);
        Self { payload, xml, item, announce, redaction, kept, evidence, allow: allow(&provider.methods) }
    }
}

fn json_pointer(source: &Source) -> Option<&Pointer> {
    match source {
        Source::Json(pointer) => Some(pointer),
        _ => None,
    }
}

fn header(source: &Source) -> Option<String> {
    match source {
        Source::Header(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// Every place that says what an event is, and whose.
fn event_places<'a>(provider: &'a Provider, places: &mut Vec<&'a Location>) {
    let rule = &provider.event;
    places.extend(rule.kind.iter().flatten().chain(&rule.account));
    places.extend(rule.id.iter().flat_map(Identity::places));
    places.extend(rule.occurred_at.as_ref().map(|at| &at.from));
    places.extend(provider.batch.iter().flat_map(|batch| &batch.discriminator));
    places.extend(provider.handshakes.iter().flat_map(Handshake::places));
}

/// Headers that hold a signature or token.
fn signature_headers(provider: &Provider) -> BTreeSet<String> {
    let signatures = provider.schemes.iter().filter_map(|scheme| scheme.kind.signature());
    signatures.flat_map(|signature| &signature.from).filter_map(|place| header(&place.source)).collect()
}

/// The HTTP name of a method.
pub(crate) const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
        Method::Post => "POST",
        Method::Put => "PUT",
    }
}

fn allow(methods: &[Method]) -> String {
    methods.iter().map(|method| method_name(*method)).collect::<Vec<_>>().join(", ")
}
