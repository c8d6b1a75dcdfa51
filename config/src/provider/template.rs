//! Texts made from a request: what was signed, what a handshake answers.

mod canonical;
mod parse;

pub use canonical::Canonical;
pub use parse::TemplateError;

use super::{Location, Source};

/// A text with places to fill in: `{signature:t}.{body}`, `v0:{header:x-slack-request-timestamp}:{body}`.
///
/// `{{` and `}}` stand for braces, `[[` and `]]` for brackets, `\n` for a line feed, `\\` for a backslash. `[...]`
/// around a part leaves it out when a place in it is absent; `?` after a place makes it empty when absent. Anything
/// else absent refuses the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub Vec<Segment>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text as it stands.
    Literal(String),
    /// The raw bytes of a place.
    Place {
        /// Which.
        location: Location,
        /// Empty when absent, rather than a refusal.
        optional: bool,
        /// `{place!}`: what follows it may also stand in it, because the provider separates its parts no better.
        open: bool,
    },
    /// `{sha256hex:body}`: a checksum of a place.
    Sum {
        /// Which checksum.
        sum: Sum,
        /// Of what.
        location: Location,
    },
    /// `{form:*}`: every field of a form, sorted by name: each name followed by its value. Of a name that stands there
    /// several times each different value once, sorted. A body that is no form must be empty.
    Form,
    /// `{canonical:contentful}`: a text made by code.
    Canonical(Canonical),
    /// `{secret}`: the secret's key, where the hash has no key of its own.
    Secret,
    /// `{computed}`: what a handshake's answer computes.
    Computed,
    /// The request's method.
    Method,
    /// The public URL with path and query as received.
    Url(UrlForm),
    /// A part left out when a place in it is absent.
    Optional(Template),
}

/// How the URL is written in a signed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlForm {
    /// `{url}`: exactly as received.
    Raw,
    /// `{url_decoded}`: with `%3A %2F %3F %40 %21 %24 %27 %28 %29 %2A %2C %3B` decoded and nothing else (HubSpot).
    Decoded,
    /// `{url_with_port}`: with the scheme's own port written out.
    WithPort,
    /// `{url_without_query}`: without the query.
    WithoutQuery,
}

/// A checksum of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// SHA-256 in lower-case hexadecimal.
    Sha256Hex,
    /// SHA-256 in base64.
    Sha256Base64,
    /// SHA-256 in base64 with `-` and `_`, unpadded.
    Sha256Base64Url,
    /// CRC-32 as an unsigned decimal number. Anybody can make a body of any CRC-32.
    Crc32Decimal,
}

impl Sum {
    /// Its word in a template.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sha256Hex => "sha256hex",
            Self::Sha256Base64 => "sha256b64",
            Self::Sha256Base64Url => "sha256b64url",
            Self::Crc32Decimal => "crc32dec",
        }
    }

    /// Whether nobody can find another text of the same sum.
    pub const fn binds(self) -> bool {
        !matches!(self, Self::Crc32Decimal)
    }
}

impl Template {
    /// Every place it takes something from, in order, those of optional parts too.
    pub fn places(&self) -> Vec<&Location> {
        self.0
            .iter()
            .flat_map(|segment| match segment {
                Segment::Place { location, .. } | Segment::Sum { location, .. } => vec![location],
                Segment::Optional(inner) => inner.places(),
                Segment::Canonical(text) => text.places().iter().collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// Whether every text made from it contains all that a location names: outside `[...]`, and not as a part of it.
    pub fn always_covers(&self, source: &Source) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Place { location, .. } => location.within.is_none() && location.source == *source,
            Segment::Sum { sum, location } => sum.binds() && location.within.is_none() && location.source == *source,
            _ => false,
        })
    }

    /// Whether every text made from it pins the whole body, or the form field that is the payload.
    pub fn covers_body(&self, form_payload: Option<&str>) -> bool {
        let payload = form_payload.map(|name| Source::Form(name.to_owned()));
        let by_code = |segment: &Segment| matches!(segment, Segment::Canonical(text) if text.covers_body());
        self.always_covers(&Source::Body)
            || self.0.contains(&Segment::Form)
            || self.0.iter().any(by_code)
            || payload.is_some_and(|payload| self.always_covers(&payload))
    }

    /// Whether the URL is in every text made from it.
    pub fn has_url(&self) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Url(_) => true,
            Segment::Canonical(text) => text.has_url(),
            _ => false,
        })
    }

    /// Whether the URL is needed for some text made from it.
    pub fn needs_url(&self) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Url(_) => true,
            Segment::Canonical(text) => text.has_url(),
            Segment::Optional(inner) => inner.needs_url(),
            _ => false,
        })
    }

    /// Whether the secret is in every text made from it.
    pub fn has_secret(&self) -> bool {
        self.0.contains(&Segment::Secret)
            || self.0.iter().any(|segment| matches!(segment, Segment::Canonical(text) if text.has_secret()))
    }

    /// Whether something computed is in a text made from it.
    pub fn has_computed(&self) -> bool {
        self.0.contains(&Segment::Computed)
    }
}
