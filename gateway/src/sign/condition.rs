//! Makes a request meet what a scheme asks for beside its signature.

use gatepost_config::{
    Secret,
    provider::{Expect, Location, Scheme, Source, Template},
};

use super::{Draft, SignError, Signer};
use crate::{
    extract::{
        Lookup,
        template::{Piece, fill},
    },
    verify::condition::holds,
};

impl Signer<'_> {
    /// Meets the conditions that choose a scheme, but for those that say what kind of request it is.
    pub(super) fn meet_when(&self, scheme: &Scheme, draft: &mut Draft) -> Result<(), SignError> {
        let signature = scheme.kind.signature();
        for condition in &scheme.when {
            let (place, expect) = condition;
            if self.is_met(condition, draft)? || signature.is_some_and(|s| s.from.contains(place)) {
                continue;
            }
            let text = self.wanted(expect, draft)?.ok_or_else(|| SignError::NotForThis(place.to_string()))?;
            draft.put(self.provider, place, &text)?;
        }
        Ok(())
    }

    /// Meets the conditions on other places than claims.
    pub(super) fn meet_also(&self, scheme: &Scheme, draft: &mut Draft) -> Result<(), SignError> {
        for condition in scheme.also.iter().filter(|(place, _)| !is_claim(place)) {
            if self.is_met(condition, draft)? {
                continue;
            }
            if let Some(text) = self.wanted(&condition.1, draft)? {
                draft.put(self.provider, &condition.0, &text)?;
            }
        }
        Ok(())
    }

    fn is_met(&self, condition: &(Location, Expect), draft: &Draft) -> Result<bool, SignError> {
        let request = draft.request()?;
        let lookup = Lookup::new(self.provider, &request, self.values);
        Ok(holds(condition, &lookup, self.values, Some(&self.origin(draft))) == Ok(true))
    }

    /// The text that meets a condition; none when it is not for us to write it.
    pub(super) fn wanted(&self, expect: &Expect, draft: &Draft) -> Result<Option<String>, SignError> {
        let value = |name: &str| {
            let value = self.values.get(name).map(Secret::expose);
            value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        Ok(match expect {
            Expect::Present | Expect::Absent => None,
            Expect::Equals(text) => Some(text.clone()),
            Expect::Value(name) => value(name),
            Expect::OneOf(name) => value(name).and_then(|list| {
                let mut texts = list.split(|c: char| c == ',' || c.is_ascii_whitespace()).map(str::to_owned);
                texts.find(|text| !text.is_empty())
            }),
            Expect::Text { template, .. } => Some(self.written(template, draft)?),
        })
    }

    fn written(&self, template: &Template, draft: &Draft) -> Result<String, SignError> {
        let request = draft.request()?;
        let lookup = Lookup::new(self.provider, &request, self.values);
        let mut text = Vec::new();
        let filled = fill(template, &lookup, Some(&self.origin(draft)), None, &mut |piece| match piece {
            Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
            Piece::Secret | Piece::Computed => {}
        });
        filled.map_err(|error| SignError::Text(format!("{error:?}")))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Whether a place is in a token.
pub(super) const fn is_claim(place: &Location) -> bool {
    matches!(place.source, Source::Claim(_))
}
