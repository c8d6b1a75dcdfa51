//! Signed texts that a provider makes by a rule of its own: a file for each such provider.

mod atlassian_connect;
mod contentful;
mod plivo;
mod unisender_go;

use gatepost_config::provider::{Canonical, Location};
use url::Url;

use super::{Piece, Unfilled, find};
use crate::extract::Lookup;

/// Makes a text: every piece goes to `sink`, in order.
pub(super) fn fill(
    text: Canonical,
    lookup: &Lookup<'_>,
    public_url: Option<&Url>,
    sink: &mut impl FnMut(Piece<'_>),
) -> Result<(), Unfilled> {
    let url = || public_url.ok_or(Unfilled::NoPublicUrl);
    match text {
        Canonical::Contentful => contentful::fill(lookup, sink),
        Canonical::PlivoV2 => plivo::fill_v2(lookup, url()?, sink),
        Canonical::PlivoV3 => plivo::fill_v3(lookup, url()?, sink),
        Canonical::UnisenderGo => unisender_go::fill(lookup, sink),
        Canonical::AtlassianConnect => atlassian_connect::fill(lookup, sink),
    }
}

/// The text at a place that must be there.
fn required(lookup: &Lookup<'_>, place: &Location) -> Result<String, Unfilled> {
    let found = find(lookup, place)?.ok_or_else(|| Unfilled::Missing(place.clone()))?;
    String::from_utf8(found.into_owned()).map_err(|_| Unfilled::Ambiguous(place.clone()))
}

/// A text with everything but letters, digits and some others percent-encoded, as its UTF-8.
fn percent_encoded(text: &[u8], others: &[u8]) -> String {
    text.iter()
        .map(|byte| match byte.is_ascii_alphanumeric() || others.contains(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
