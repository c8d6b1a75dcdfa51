//! What must hold at a place of a request.

use super::{Location, Template};

/// Places with what each must hold; all must.
pub type Conditions = Vec<(Location, Expect)>;

/// What a location must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Anything at all.
    Present,
    /// Nothing at all.
    Absent,
    /// Exactly this text.
    Equals(String),
    /// The integration's named value, compared in constant time.
    Value(String),
    /// One of the texts in the integration's named value, which are separated by commas or spaces.
    OneOf(String),
    /// This text made from the request, compared in constant time; padding (`=`) at the end of either doesn't count.
    Text {
        /// The text.
        template: Template,
        /// The place may be absent when the body is empty.
        or_empty: bool,
    },
}

impl Expect {
    /// The named value it compares with.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(name) | Self::OneOf(name) => Some(name),
            Self::Present | Self::Absent | Self::Equals(_) | Self::Text { .. } => None,
        }
    }

    /// Whether holding means that the body is as it was when the place was written.
    pub(super) fn covers_body(&self) -> bool {
        matches!(self, Self::Text { template, .. } if template.covers_body(None))
    }
}

/// Every place that some conditions read.
pub(super) fn places_of(conditions: &Conditions) -> Vec<&Location> {
    let templates = conditions.iter().filter_map(|(_, expect)| match expect {
        Expect::Text { template, .. } => Some(template),
        _ => None,
    });
    let inner = templates.flat_map(Template::places);
    conditions.iter().map(|(place, _)| place).chain(inner).collect()
}
