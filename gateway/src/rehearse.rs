//! The way of one webhook up to the store, without one: what the catalogue is proven by.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use gatepost_config::{Config, IntegrationId, Timestamp};
use gatepost_event::{Event, RequestId};
use rustls::RootCertStore;

use crate::{
    attribute,
    captured::{self, Known},
    claimants::{self, Claimants},
    event::accept,
    failure::Failure,
    handshake::{self, Reply},
    inbound::{Arrival, Inbound, is_unreadable},
    inflate,
    keys::{self, Published},
    quarantine::kept,
    reason::Reason,
    request::RawRequest,
    split,
    tables::{Tables, method_name},
    verify::certificate::Chain,
};

/// An integration that requests are tried on.
pub struct Rehearsal {
    arrival: Arc<Arrival>,
    published: Published,
}

/// What a request came to.
#[derive(Debug, Clone)]
pub enum Rehearsed {
    /// It would be answered without an event.
    Handshake {
        /// The answer's status.
        status: u16,
        /// The answer's content type.
        content_type: String,
        /// The answer's body.
        body: Vec<u8>,
    },
    /// These events would be stored.
    Events(Vec<Event>),
}

/// Why a request would be turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// It is refused.
    Refused(Reason),
    /// It breaks a limit, such as the provider's methods; the word that metrics have for it.
    Limited(&'static str),
}

impl Rehearsal {
    /// For an integration of a configuration, if it has one of that id.
    pub fn new(config: &Config, integration: &IntegrationId) -> Option<Self> {
        let tables = Arc::new(Tables::new(config));
        let endpoint = Arc::clone(tables.endpoint(integration.as_str())?);
        let request = RequestId::fresh(Timestamp::from_millis(0));
        let published = Published { documents: BTreeMap::new(), roots: RootCertStore::empty() };
        Some(Self {
            arrival: Arc::new(Arrival {
                request,
                tables,
                endpoint,
                connection: None,
                has_links: false,
                captured: Known::nothing(),
                peer: None,
                released: None,
                fetched: None,
            }),
            published,
        })
    }

    /// With what the provider publishes: documents by URL, and as PEM the only authorities that are trusted.
    #[must_use]
    pub fn publishing(self, documents: &BTreeMap<String, String>, authorities: Option<&str>) -> Self {
        let mut roots = RootCertStore::empty();
        let chain = authorities.and_then(|text| Chain::from_pem(text.as_bytes()));
        roots.add_parsable_certificates(chain.into_iter().flat_map(Chain::into_certificates));
        Self { published: Published { documents: documents.clone(), roots }, ..self }
    }

    /// Takes a request all the way up to the store, by the very stages that the gateway takes it.
    ///
    /// # Errors
    /// Why it would be turned away.
    pub fn judge(&self, raw: RawRequest, now: Timestamp) -> Result<Rehearsed, Turned> {
        self.receive(raw, now).map_err(|failure| match failure {
            Failure::Refused(reason, _) => Turned::Refused(reason),
            other => Turned::Limited(other.word()),
        })
    }

    /// The request as the quarantine would give it back: with no more than what decides over it.
    pub fn kept(&self, raw: RawRequest, now: Timestamp) -> Option<RawRequest> {
        let inbound = Inbound::rehearsed(Arc::clone(&self.arrival), raw, now, Instant::now());
        kept(&inbound)
    }

    fn receive(&self, raw: RawRequest, now: Timestamp) -> Result<Rehearsed, Failure> {
        let provider = self.arrival.endpoint.provider();
        if !provider.methods.iter().any(|method| method_name(*method) == raw.method.as_str()) {
            return Err(Failure::MethodNotAllowed);
        }
        if is_unreadable(provider, &raw.headers) {
            return Err(Failure::UnsupportedEncoding);
        }
        if raw.body.len() as u64 > provider.body_max.0 {
            return Err(Failure::BodyTooLarge(provider.body_max.0));
        }
        let inbound = Inbound::rehearsed(Arc::clone(&self.arrival), raw, now, Instant::now());
        let inbound = inflate::before_check(inbound, None)?;
        if let Some(reply) = handshake::unsigned(&inbound)? {
            return Ok(captured::rehearse(reply, &inbound)?.into());
        }
        let unproven = claimants::unproven_declared(&inbound)?;
        let verified = keys::prove_offline(inbound, &unproven, &self.published)?;
        let verified = inflate::after_check(verified, None)?;
        if let Some(reply) = handshake::signed(&verified)? {
            return Ok(reply.into());
        }
        let split = split::split(verified)?;
        let claimants = Claimants::declared(&split);
        let (_, items) = accept(attribute::attribute(split, &claimants)?).into_parts();
        Ok(Rehearsed::Events(items.into_iter().map(|item| item.event).collect()))
    }
}

impl From<Reply> for Rehearsed {
    fn from(reply: Reply) -> Self {
        Self::Handshake { status: reply.status, content_type: reply.content_type, body: reply.body }
    }
}

#[cfg(test)]
mod cost;
