//! Texts made from a request: what was signed, what a handshake answers.

use super::Location;

/// A text with places to fill in: `{signature:t}.{body}`, `v0:{header:x-slack-request-timestamp}:{body}`.
///
/// `{{` and `}}` stand for braces, `\n` for a line feed. `[...]` around a part leaves it out when a place in it is absent;
/// `?` after a place makes it empty when absent. Anything else absent refuses the request.
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
    },
    /// The request's method.
    Method,
    /// The public URL with path and query exactly as received.
    Url,
    /// A part left out when a place in it is absent.
    Optional(Template),
}
