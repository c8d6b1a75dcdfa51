//! A vector with the integration that it is tried on.

use std::{fmt, path::Path, sync::Arc};

use bytes::Bytes;
use gatepost_config::{
    Config, Options, Provider, Secret, Timestamp,
    provider::{Location, Method, Pointer, Scheme, SchemeKind, Signature, Source, Template, TimestampRule, Vector},
};
use gatepost_gateway::{Judge, RawRequest, Rehearsal, Rehearsed, Turned, as_signed, verify};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::attempt::Attempt;

const PUBLIC_URL: &str = "https://hooks.example.com";

/// A vector with the integration that it is tried on.
pub(crate) struct Subject {
    pub(crate) provider: Arc<Provider>,
    pub(crate) vector: Vector,
    /// The request as the vector has it.
    pub(crate) sent: Attempt,
    /// The same as it is checked: decompressed, where the provider signs what was compressed.
    pub(crate) genuine: Attempt,
    /// The scheme that proves it, if any is needed.
    pub(crate) scheme: Option<Scheme>,
    config: Config,
    rehearsal: Rehearsal,
}

impl Subject {
    pub(crate) fn new(provider: &Arc<Provider>, vector: &Vector) -> Self {
        let mut vector = vector.clone();
        vector.secret = vector.pinned().to_owned();
        let mut config = config(provider, &vector);
        let sent = Attempt {
            request: request(provider, &vector),
            at: vector.at,
            secrets: None,
            public_url: None,
            published: None,
        };
        let request = as_signed(provider, sent.request.clone()).expect("a whole body");
        let genuine = Attempt { request, ..sent.clone() };
        let scheme = proving(provider, &mut config, &genuine);
        let rehearsal = rehearsal(&config);
        Self { provider: Arc::clone(provider), vector, sent, genuine, scheme, config, rehearsal }
    }

    /// A request as it comes back from the quarantine.
    pub(crate) fn kept(&self, attempt: &Attempt) -> Option<Attempt> {
        let request = self.rehearsal.kept(attempt.request.clone(), attempt.at)?;
        Some(Attempt { request, ..attempt.clone() })
    }

    /// Whether the vector is accepted because something was checked.
    pub(crate) fn is_checked(&self) -> bool {
        self.scheme.is_some()
    }

    /// Takes a request all the way up to the store.
    pub(crate) fn judge(&self, attempt: &Attempt) -> Result<Rehearsed, Turned> {
        if attempt.secrets.is_none() && attempt.public_url.is_none() && attempt.published.is_none() {
            return self.rehearsal.judge(attempt.request.clone(), attempt.at);
        }
        let mut config = self.config.clone();
        if let Some(secrets) = &attempt.secrets {
            config.integrations[0].secrets.clone_from(secrets);
        }
        if let Some(url) = &attempt.public_url {
            config.gateway.public_url = Some(url.parse().expect("a URL"));
        }
        if let Some(published) = &attempt.published {
            config.integrations[0].secrets.clear();
            let published = rehearsal(&config).publishing(&published.documents, published.authorities.as_deref());
            return published.judge(attempt.request.clone(), attempt.at);
        }
        rehearsal(&config).judge(attempt.request.clone(), attempt.at)
    }

    /// The vector's secret, as the configuration has it.
    pub(crate) fn secret(&self) -> &Secret {
        &self.config.integrations[0].secrets[0]
    }

    /// What provider's call us in this vector.
    pub(crate) fn public_url(&self) -> String {
        self.config.gateway.public_url.as_ref().map_or_else(String::new, ToString::to_string)
    }

    pub(crate) fn signature(&self) -> Option<&Signature> {
        self.scheme.as_ref()?.kind.signature()
    }

    /// Where the signature stands in this request.
    pub(crate) fn signature_place(&self) -> Option<Location> {
        let places: Vec<Location> = self.signature()?.from.iter().map(|place| self.in_body(place)).collect();
        let present = places.iter().find(|place| crate::places::read(&self.genuine, place).is_some());
        present.or(places.first()).cloned()
    }

    /// A place in an item, where the check runs for each: that of the first item.
    fn in_body(&self, place: &Location) -> Location {
        match (&place.source, self.scheme.as_ref().and_then(|scheme| scheme.each.as_ref())) {
            (Source::Item(pointer), Some(each)) => {
                let first = each.0.iter().cloned().chain(["0".to_owned()]).chain(pointer.0.iter().cloned());
                Source::Json(Pointer(first.collect())).into()
            }
            _ => place.clone(),
        }
    }

    /// The texts of which one is signed.
    pub(crate) fn signed(&self) -> &[Template] {
        self.scheme.as_ref().map(|scheme| scheme.kind.signed()).unwrap_or_default()
    }

    pub(crate) fn timestamp(&self) -> Option<&TimestampRule> {
        self.scheme.as_ref()?.kind.timestamp()
    }

    /// Whether some scheme of the provider takes its signature from a header.
    pub(crate) fn reads_header(&self, name: &str) -> bool {
        let signatures = self.provider.schemes.iter().filter_map(|scheme| scheme.kind.signature());
        signatures.flat_map(|signature| &signature.from).any(|place| place.source == Source::Header(name.to_owned()))
    }

    /// Whether some word stands in braces in what is signed.
    pub(crate) fn signs(&self, word: &str) -> bool {
        self.signed().iter().any(|template| template.to_string().contains(word))
    }

    /// Whether all of the body is signed.
    pub(crate) fn signs_body(&self) -> bool {
        let payload = self.provider.form_payload.as_ref().map(|name| format!("{{form:{name}}}"));
        let by_code =
            self.signed().iter().any(|text| text.to_string().starts_with("{canonical:") && text.covers_body(None));
        by_code || self.signs("body}") || self.signs("{form:*}") || payload.is_some_and(|payload| self.signs(&payload))
    }

    pub(crate) fn signs_url(&self) -> bool {
        self.signs("{url") || self.signs("{canonical:plivo-v3}")
    }

    /// Every place that is part of what is signed.
    pub(crate) fn signed_places(&self) -> Vec<Location> {
        self.signed().iter().flat_map(Template::places).map(|place| self.in_body(place)).collect()
    }

    /// The headers that are part of what is signed, and that the request has.
    pub(crate) fn signed_headers(&self) -> Vec<String> {
        let name = |place: Location| match place.source {
            Source::Header(name) if self.genuine.request.headers.contains_key(&name) => Some(name),
            _ => None,
        };
        let mut names: Vec<String> = self.signed_places().into_iter().filter_map(name).collect();
        names.dedup();
        names
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vector.name {
            Some(name) => write!(f, "{} ({name})", self.provider.name),
            None => write!(f, "{}", self.provider.name),
        }
    }
}

fn rehearsal(config: &Config) -> Rehearsal {
    Rehearsal::new(config, &config.integrations[0].id).expect("the integration is there")
}

/// A configuration with the vector's secret, values and URL, read as an operator's is.
fn config(provider: &Provider, vector: &Vector) -> Config {
    let unverified = provider.schemes.iter().any(|scheme| matches!(scheme.kind, SchemeKind::None));
    let values: Vec<String> = provider.values.keys().map(|name| format!("{name} = {{ env = \"{name}\" }}")).collect();
    let text = format!(
        "[gateway]\npublic_url = \"{}\"\n[[integration]]\nid = \"proof\"\nprovider = \"{}\"\n\
         secrets = [{{ env = \"SECRET\" }}]\nunverified = {unverified}\nvalues = {{ {} }}\n",
        vector.public_url.as_ref().map_or(PUBLIC_URL.to_owned(), ToString::to_string),
        provider.name,
        values.join(", ")
    );
    let env = |name: &str| match name {
        "SECRET" => Some(vector.secret.clone()),
        name => Some(vector.values.get(name).cloned().unwrap_or_else(|| format!("no value of {name}"))),
    };
    let loaded = gatepost_config::parse(&text, Path::new("gatepost.toml"), &env, Options::default());
    loaded.unwrap_or_else(|problems| panic!("{}: {problems}", provider.name)).config
}

fn request(provider: &Provider, vector: &Vector) -> RawRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in &vector.headers {
        let name: HeaderName = name.parse().unwrap_or_else(|_| panic!("{}: header {name}", provider.name));
        headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    let method = match vector.method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Options => http::Method::OPTIONS,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
    };
    RawRequest {
        method,
        target: vector.target.clone(),
        headers,
        body: Bytes::from(vector.body.clone()),
        connection: None,
    }
}

/// The scheme that proves a vector; `unverified` is taken back unless it is needed.
fn proving(provider: &Provider, config: &mut Config, genuine: &Attempt) -> Option<Scheme> {
    config.integrations[0].unverified = false;
    let integration = &config.integrations[0];
    let judge = Judge {
        provider,
        secrets: &integration.secrets,
        values: &integration.values,
        public_url: config.gateway.public_url.as_ref(),
        unverified: false,
    };
    if let Ok(passed) = verify(&judge, &genuine.request, genuine.at) {
        return provider.schemes.iter().find(|scheme| scheme.id == passed.scheme).cloned();
    }
    config.integrations[0].unverified = provider.schemes.iter().any(|scheme| matches!(scheme.kind, SchemeKind::None));
    None
}

/// Some time after another, or before.
pub(crate) fn shifted(at: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(millis))
}
