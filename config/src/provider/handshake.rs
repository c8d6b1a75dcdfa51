//! Requests that are answered without an event: challenges, validations, probes.

use super::{Conditions, Encoding, Hash, HostPattern, Key, Location, Method, Template, condition};

/// A request that is answered without an event (`url_verification`).
#[derive(Debug, Clone, PartialEq)]
pub struct Handshake {
    /// The method it comes with.
    pub method: Method,
    /// All of these must hold.
    pub when: Conditions,
    /// It must be signed like any other request.
    pub verified: bool,
    /// Where the secret stands that the provider gives to sign with from now on (Asana's `x-hook-secret`). It is kept once,
    /// while there is none yet; a request with any other is refused ever after.
    pub capture: Option<Location>,
    /// The answer.
    pub respond: Respond,
    /// What is asked for before it is answered, once it is verified.
    pub visit: Option<Visit>,
}

/// A URL that a handshake wants visited, to show that we want its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// Where the URL stands.
    pub url: Location,
    /// Hosts that it may be of.
    pub hosts: Vec<HostPattern>,
}

/// An answer to a handshake.
#[derive(Debug, Clone, PartialEq)]
pub struct Respond {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// Its body; what it takes from the request must be fit for an echo, or the request is refused.
    pub body: Template,
    /// Headers of it, filled in likewise.
    pub headers: Vec<(String, Template)>,
    /// What stands for `{computed}` in them.
    pub compute: Option<Compute>,
    /// What is fit for an echo.
    pub echo: Echo,
    /// Most characters of one echoed text.
    pub echo_chars_max: usize,
}

/// A hash that proves to the provider who answers.
///
/// With a key this makes tags of texts that anybody may send. What is hashed must be fit for an echo, and a request
/// whose signed text would be fit for one too is never accepted: no answer can be used as a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Compute {
    /// The hash.
    pub hash: Hash,
    /// The key made from the integration's first secret; a plain hash without one.
    pub key: Option<Key>,
    /// How the result is written.
    pub encoding: Encoding,
    /// What is hashed.
    pub text: Template,
}

/// What is fit for an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// `A-Z a-z 0-9 _ - . =`
    Word,
    /// `0-9 a-f`
    Hex,
    /// Printable ASCII without `< > & " ' \` and backquote, for plain text alone.
    Text,
}

impl Handshake {
    /// Every place that it reads.
    pub fn places(&self) -> Vec<&Location> {
        let mut places = condition::places_of(&self.when);
        places.extend(&self.capture);
        places.extend(self.respond.templates().flat_map(Template::places));
        places
    }

    /// Whether it gives a secret.
    pub const fn captures(&self) -> bool {
        self.capture.is_some()
    }

    /// Whether anybody can have texts tagged with the integration's secret.
    pub fn is_oracle(&self) -> bool {
        !self.verified && self.respond.compute.as_ref().is_some_and(|compute| compute.key.is_some())
    }
}

impl Respond {
    /// The texts that it answers with.
    pub fn answers(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.body).chain(self.headers.iter().map(|(_, value)| value))
    }

    /// Every text that is made for it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.answers().chain(self.compute.iter().map(|compute| &compute.text))
    }
}

impl Echo {
    /// Whether every byte of a text is fit.
    pub fn fits(self, text: &[u8]) -> bool {
        let fit = |b: &u8| match self {
            Self::Word => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'='),
            Self::Hex => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            Self::Text => matches!(b, b' '..=b'~') && !matches!(b, b'<' | b'>' | b'&' | b'"' | b'\'' | b'\\' | b'`'),
        };
        text.iter().all(fit)
    }
}
