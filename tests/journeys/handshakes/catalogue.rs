//! The handshakes that the catalogue declares, as requests.

use std::{collections::BTreeMap, sync::Arc};

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Catalogue, Expect, Handshake, Location, Method, SchemeKind, Segment, Source, Template},
};
use gatepost_gateway::sign::{Unsigned, sign_as};
use serde_json::Value;

use super::request::{CHALLENGE, Request};

/// What providers call us.
const PUBLIC_URL: &str = "https://hooks.example.com";

/// One handshake of a provider.
pub(crate) struct Case {
    /// Which.
    pub(crate) what: String,
    /// Whose.
    pub(crate) provider: Arc<Provider>,
    /// As it is declared.
    pub(crate) handshake: Handshake,
    /// The integration's secret.
    pub(crate) secret: String,
    values: BTreeMap<String, String>,
}

/// Every handshake that can be made here; the others are printed.
pub(crate) fn cases() -> Vec<Case> {
    let (mut cases, mut others) = (Vec::new(), Vec::new());
    for provider in Catalogue::builtin().0.into_values() {
        for (at, handshake) in provider.handshakes.iter().enumerate() {
            let secret = provider.vectors.first().map_or("a-secret-that-nobody-uses", |vector| vector.secret.as_str());
            let given = provider.vectors.iter().find(|vector| !vector.values.is_empty());
            let mut values: BTreeMap<_, _> = given.map(|vector| vector.values.clone()).unwrap_or_default();
            for name in provider.values.keys() {
                values
                    .entry(name.clone())
                    .or_insert_with(|| format!("the-{}-that-nobody-uses", name.replace('_', "-")));
            }
            let mut case = Case {
                what: format!("{} {at}", provider.name),
                provider: provider.clone(),
                handshake: handshake.clone(),
                secret: secret.to_owned(),
                values,
            };
            if case.shown_token().is_some() || handshake.captures() {
                case.secret = CHALLENGE.to_owned();
            }
            match case.made() {
                Some(_) => cases.push(case),
                None => others.push(case.what),
            }
        }
    }
    println!("not made here: {others:?}");
    cases
}

/// A configuration with an integration for each provider, and the files of its secrets.
pub(crate) fn config(cases: &[Case]) -> (String, BTreeMap<String, String>) {
    let mut files = BTreeMap::new();
    let mut text = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{PUBLIC_URL}\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
         [store]\nengine = \"embedded\"\npath = \"data\"\n\n\
         [[integration]]\nid = \"github-control\"\nprovider = \"github\"\nsecrets = [{{ file = \"github-secret\" }}]\n\n"
    );
    let mut seen = std::collections::BTreeSet::new();
    for Case { provider, secret, values, .. } in cases {
        let name = &provider.name;
        if !seen.insert(name.clone()) {
            continue;
        }
        files.insert(format!("{name}.secret"), secret.clone());
        text += &format!("[[integration]]\nid = \"{name}\"\nprovider = \"{name}\"\n");
        if provider.trust == gatepost_config::provider::Trust::Unverified {
            text += "unverified = true\n";
        } else {
            text += &format!("secrets = [{{ file = \"{name}.secret\" }}]\n");
        }
        for (value, given) in values {
            files.insert(format!("{name}.{value}"), given.clone());
            text += &format!("values.{value} = {{ file = \"{name}.{value}\" }}\n");
        }
        text.push('\n');
    }
    (text, files)
}

impl Case {
    /// As the provider sends it.
    pub(crate) fn genuine(&self) -> Request {
        self.made().expect("it was made before")
    }

    /// A text of its answer, where that is plain.
    pub(crate) fn filled(&self, template: &Template) -> Option<String> {
        let texts = template.0.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            Segment::Place { location: Location { source: Source::Value(name), .. }, .. } => {
                self.values.get(name).cloned()
            }
            Segment::Place { .. } => Some(CHALLENGE.to_owned()),
            _ => None,
        });
        texts.collect::<Option<String>>()
    }

    /// The places of the request that it takes something for the answer from.
    pub(crate) fn echoed(&self) -> Vec<Location> {
        let respond = &self.handshake.respond;
        let templates = std::iter::once(&respond.body).chain(respond.headers.iter().map(|(_, template)| template));
        let places = templates.flat_map(Template::places);
        places.filter(|place| !matches!(place.source, Source::Value(_))).cloned().collect()
    }

    /// Places that must show one of the integration's values, and the value.
    pub(crate) fn tokens(&self) -> Vec<(Location, String)> {
        let conditions = self.handshake.when.iter();
        let tokens = conditions.filter_map(|(place, expect)| match expect {
            Expect::Value(name) => Some((place.clone(), self.values[name].clone())),
            _ => None,
        });
        tokens.collect()
    }

    /// Genuine, but for what stands at a place.
    pub(crate) fn with(&self, place: &Location, value: &Value) -> Option<Request> {
        let mut request = self.unsigned()?;
        request.write(place, value)?;
        self.signed(request)
    }

    /// As [`with`](Self::with), where the place is a member of a JSON body.
    pub(crate) fn with_json(&self, place: &Location, value: &Value) -> Option<Request> {
        matches!(place.source, Source::Json(_)).then(|| self.with(place, value))?
    }

    /// Genuine, but for its signature: left out, and each part of it changed.
    pub(crate) fn unproven(&self) -> Vec<(String, Request)> {
        let bare = self.unsigned().expect("it was made before");
        if let Some(place) = self.shown_token() {
            let mut request = bare;
            request.write(&place, &Value::from(format!("{}0", self.secret))).expect("it was written before");
            return vec![(format!("{place} changed"), request)];
        }
        let signed = self.genuine();
        let mut all = vec![("no signature".to_owned(), bare.clone())];
        for at in bare.headers.len()..signed.headers.len() {
            let mut request = signed.clone();
            let (name, value) = &mut request.headers[at];
            let last = value.pop().expect("not empty");
            value.push(if last == '0' { '1' } else { '0' });
            all.push((format!("{name} changed"), request));
        }
        if let Some(place) = self.token_place() {
            let mut request = signed;
            request.write(place, &Value::from(format!("{}0", self.secret))).expect("it was written before");
            all.push((format!("{place} changed"), request));
        }
        all
    }

    /// Where the secret itself stands, when the answer shows it again.
    fn shown_token(&self) -> Option<Location> {
        match &self.provider.schemes.first()?.kind {
            SchemeKind::Token { signature } => self.echoed().into_iter().find(|place| signature.from.contains(place)),
            _ => None,
        }
    }

    /// Where the secret itself stands, when that isn't a header.
    fn token_place(&self) -> Option<&Location> {
        match &self.provider.schemes.first()?.kind {
            SchemeKind::Token { signature } => signature.from.first(),
            _ => None,
        }
        .filter(|place| !matches!(place.source, Source::Header(_)))
    }

    fn made(&self) -> Option<Request> {
        self.signed(self.unsigned()?)
    }

    fn unsigned(&self) -> Option<Request> {
        let method = match self.handshake.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Options => http::Method::OPTIONS,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
        };
        let mut request = Request::new(method, &format!("/webhooks/{}", self.provider.name));
        for place in self.echoed() {
            request.write(&place, &Value::from(CHALLENGE))?;
        }
        for (place, expect) in &self.handshake.when {
            let text = match expect {
                Expect::Present if request.has(place) => continue,
                Expect::Present => CHALLENGE,
                Expect::Equals(text) if text.is_empty() => continue,
                Expect::Equals(text) => text,
                Expect::Value(name) => &self.values[name],
                Expect::Absent => continue,
                _ => return None,
            };
            request.write(place, &Value::from(text))?;
        }
        Some(request)
    }

    fn signed(&self, mut request: Request) -> Option<Request> {
        if !self.handshake.verified || self.shown_token().is_some() {
            return Some(request);
        }
        if let Some(place) = self.token_place() {
            request.write(place, &Value::from(self.secret.as_str()))?;
            return Some(request);
        }
        let url = format!("{PUBLIC_URL}{}", request.target()).parse().expect("a URL");
        let unsigned =
            Unsigned { method: &request.method, url: &url, headers: &request.headers, body: request.body.as_bytes() };
        let secret = |text: &String| Secret::new(text.clone().into_bytes(), "the test");
        let values = self.values.iter().map(|(name, text)| (name.clone(), secret(text))).collect();
        let added = sign_as(&self.provider, &secret(&self.secret), &values, &unsigned, Timestamp::now()).ok()?;
        request.headers.extend(added);
        Some(request)
    }
}
