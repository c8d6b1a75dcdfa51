//! Requests that prove a provider's file.

use std::collections::BTreeMap;

use url::Url;

use super::Method;
use crate::Timestamp;

/// A signed request, made by other means than Gatepost's own, that the provider's checks must accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// What tells it from the provider's others.
    pub name: Option<String>,
    /// The secret as an integration would have it, which nobody else uses; empty where the provider publishes its keys.
    pub secret: String,
    /// What stands at which URL, where the provider publishes its keys.
    pub keys: BTreeMap<String, String>,
    /// Authorities that issued the certificates among them, as PEM; nobody else trusts these.
    pub authorities: Option<String>,
    /// When it arrives.
    pub at: Timestamp,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub target: String,
    /// What the provider calls us, where it signs the URL.
    pub public_url: Option<Url>,
    /// The integration's named values.
    pub values: BTreeMap<String, String>,
    /// Its headers, by lower-case name; a name may stand there more than once.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// The events it must give, in the order of the request, where that is known; none at all for a handshake.
    pub expect: Option<Vec<Expected>>,
    /// The body of the answer to a handshake.
    pub answer: Option<String>,
}

impl Vector {
    /// What an integration would have as its secret: what is published does as well when it is pinned.
    pub fn pinned(&self) -> &str {
        self.keys.values().next().filter(|_| self.secret.is_empty()).unwrap_or(&self.secret)
    }
}

/// What an event of a vector must be, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// Its type, provider and all (`github.push`).
    pub kind: Option<String>,
    /// The provider's id of it.
    pub id: Option<String>,
    /// The account it belongs to.
    pub account: Option<String>,
}
