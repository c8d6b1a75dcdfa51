//! Texts made from a request: what was signed, what a handshake answers.

mod parse;

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
    },
    /// The request's method.
    Method,
    /// The public URL with path and query exactly as received.
    Url,
    /// A part left out when a place in it is absent.
    Optional(Template),
}

impl Template {
    /// Every place it takes something from, in order, those of optional parts too.
    pub fn places(&self) -> Vec<&Location> {
        self.0
            .iter()
            .flat_map(|segment| match segment {
                Segment::Place { location, .. } => vec![location],
                Segment::Optional(inner) => inner.places(),
                Segment::Literal(_) | Segment::Method | Segment::Url => Vec::new(),
            })
            .collect()
    }

    /// Whether every text made from it contains all that a location names: outside `[...]`, and not as a part of it.
    pub fn always_covers(&self, source: &Source) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Place { location, .. } => location.within.is_none() && location.source == *source,
            _ => false,
        })
    }
}
