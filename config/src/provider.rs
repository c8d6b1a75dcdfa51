//! The catalogue: what a provider's file says, as types.
//!
//! A provider is data. These types are the whole language its file is written in; the gateway interprets them, and
//! nothing else in Gatepost knows a provider by name.

mod announce;
mod builtin;
pub(crate) mod check;
pub mod condition;
pub mod extract;
pub mod handshake;
pub mod heal;
mod identity;
mod keys;
pub mod overlay;
pub(crate) mod read;
pub mod scheme;
pub mod template;
mod vector;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use announce::{Announce, OwnAnnounce};
pub use condition::{Conditions, Expect};
pub use extract::{Location, LocationError, Pointer, PointerError, Source};
pub use handshake::{Compute, Echo, Handshake, Respond, Visit};
pub use heal::{HealBy, Retried};
pub use identity::Identity;
pub use keys::{CertificateRule, HostPattern, Keys};
pub use scheme::{
    Algorithm, Encoding, Hash, Jwt, JwtAlgorithm, JwtTime, Key, KeyError, KeyForm, ObjectId, Parse, Scheme, SchemeKind,
    Signature, TimeUnit, TimestampRule, TokenChain,
};
pub use template::{Canonical, Segment, Sum, Template, TemplateError, UrlForm};
pub use vector::{Expected, Vector};

pub(crate) use announce::is_signed;

use crate::{ByteSize, ProviderName};

/// Every provider that an integration may name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue(pub BTreeMap<ProviderName, Arc<Provider>>);

impl Catalogue {
    /// The providers that come with Gatepost.
    pub fn builtin() -> Self {
        builtin::catalogue()
    }
}

/// One provider: how it signs, challenges and shapes its webhooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name, part of every event type of it.
    pub name: ProviderName,
    /// How people call it (`GitHub`).
    pub title: String,
    /// The provider's own documentation of its webhooks.
    pub docs: Option<String>,
    /// Where to paste the webhook URL and find the secret, in words.
    pub setup: Option<String>,
    /// What it is about (`payments`).
    pub category: Option<String>,
    /// How well the schemes are known; absent for an operator's own.
    pub confidence: Option<Confidence>,
    /// When and how often it sends again, in words; they begin with `None` when it doesn't by itself.
    pub retries: Option<String>,
    /// How long after a first try that failed its last one comes, where that is known.
    pub retried_for: Option<Duration>,
    /// How what it could not deliver is had from it later.
    pub heal: Option<HealBy>,
    /// Methods it posts with.
    pub methods: Vec<Method>,
    /// Largest body it sends.
    pub body_max: ByteSize,
    /// Whether one secret serves every install, or each connection has its own.
    pub secret_scope: SecretScope,
    /// How long it waits for an answer.
    pub deadline: Option<Duration>,
    /// What a passed check is worth.
    pub trust: Trust,
    /// How it signs; the first scheme whose `when` holds is the one that counts, and it alone.
    pub schemes: Vec<Scheme>,
    /// Where it publishes its keys, for integrations that pin none.
    pub keys: Option<Keys>,
    /// Requests answered without an event.
    pub handshakes: Vec<Handshake>,
    /// What an event is called, and how it is told from others.
    pub event: EventRule,
    /// How one request is split into several events.
    pub batch: Option<Batch>,
    /// Events that say that an account was connected, or is no more.
    pub announce: Announce,
    /// Form field whose decoded bytes are the payload (`payload`), when the request is a form that has it.
    pub form_payload: Option<String>,
    /// Bodies may be compressed with gzip, and what is signed then.
    pub gzip: Option<Gzip>,
    /// Places of the body that hold a secret, overwritten before anything is stored.
    pub redact: Vec<Location>,
    /// Headers kept with an event, lower case.
    pub headers: Vec<String>,
    /// Named values an integration must give, with what they are for.
    pub values: BTreeMap<String, String>,
    /// Answers that differ from the usual.
    pub responses: Responses,
    /// Genuine-looking events for `gatepost send` and `gatepost dev`.
    pub samples: Vec<Sample>,
    /// Requests that prove this file.
    pub vectors: Vec<Vector>,
}

impl Provider {
    /// Whether a named value serves nothing but to find the published keys.
    pub fn is_only_for_keys(&self, name: &str) -> bool {
        let is_it = |source: &Source| matches!(source, Source::Value(value) if value == name);
        let in_keys = self.keys.iter().flat_map(Keys::values).any(|value| value == name);
        let in_schemes = self.schemes.iter().any(|scheme| {
            let mut expected = scheme.when.iter().chain(&scheme.also).filter_map(|(_, expect)| expect.value());
            scheme.places().iter().any(|place| is_it(&place.source)) || expected.any(|value| value == name)
        });
        let rule = &self.event;
        let ids = rule.id.iter().flat_map(Identity::places);
        let in_event = rule.kind.iter().flatten().chain(&rule.account).chain(ids).any(|place| is_it(&place.source));
        in_keys && !in_schemes && !in_event
    }
}

/// Where the facts about a provider's signatures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// The provider's own code.
    OfficialSdk,
    /// The provider's own documentation.
    OfficialDoc,
    /// Others that verify its webhooks.
    ThirdParty,
    /// What is commonly said; check it before you rely on it.
    Memory,
}

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// Whose secret signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretScope {
    /// One secret serves every install: the account must come from what is signed.
    App,
    /// Each connection has its own: the matching secret identifies it.
    Connection,
}

/// What a passed check is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Trust {
    /// The signature covers the body.
    Verified,
    /// The sender showed a secret; the body is not covered.
    Authenticated,
    /// Nothing was checked.
    Unverified,
}

/// What of a compressed body is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gzip {
    /// The body as it was before compression.
    Decoded,
    /// The compressed bytes, as they were sent.
    Wire,
}

/// How events are named and told apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventRule {
    /// Parts of the type, joined by `.`; each is the first of its places that is present, and left out when none is.
    /// Under a batch `item` locations look into the item.
    pub kind: Vec<Vec<Location>>,
    /// What makes its id: the first of these that the request or item has.
    pub id: Vec<Identity>,
    /// The account the event belongs to: the first that is present.
    pub account: Vec<Location>,
    /// When it happened, by the provider's word.
    pub occurred_at: Option<TimeAt>,
}

/// A time in a request.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeAt {
    /// Where it stands.
    pub from: Location,
    /// How it is written.
    pub unit: TimeUnit,
}

/// How one request is split into several events.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The array in the body, the first of these that is there; the empty pointer is the body itself.
    pub items: Vec<Pointer>,
    /// How the items stand there.
    pub form: BatchForm,
    /// What tells items of one request apart, looked up in the item; with none, each item gets a fresh id.
    pub discriminator: Vec<Location>,
}

/// How the items of a batch stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchForm {
    /// As elements of a JSON array.
    Array,
    /// The body is a JSON array, or several JSON texts, one a line.
    Lines,
    /// As XML elements of one name; the pointer names them by local names from the root on.
    Elements,
}

/// Answers that differ from the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responses {
    /// Status when stored, duplicate or unmatched.
    pub accepted_status: u16,
    /// Body then.
    pub accepted_body: String,
    /// Headers then, filled in from the request. What isn't fit for an echo is left out: the event is stored by then.
    pub accepted_headers: Vec<(String, Template)>,
    /// Status when refused.
    pub refused_status: u16,
    /// Body then, instead of the usual one.
    pub refused_body: Option<String>,
}

/// A genuine-looking event.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name (`pull_request.opened`).
    pub event: String,
    /// Headers without the signature's; `{id}` stands for a fresh id, `{now}` for the time in seconds.
    pub headers: Vec<(String, String)>,
    /// Its body, with the same placeholders.
    pub body: String,
}
