//! Texts that no template can say, because the provider makes them by a rule of its own.

use std::sync::LazyLock;

use crate::provider::{Location, Source};

/// `{canonical:contentful}`: a text made by code, for the few providers whose signed text is more than places in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canonical {
    /// The method, the path with its query escaped, the headers that a header lists, sorted, and the body.
    Contentful,
    /// The URL without its query, then the nonce, which may hold nothing but letters and digits.
    PlivoV2,
    /// The URL, its query and the form, both sorted, and the nonce, with the separators that this needs.
    PlivoV3,
    /// The body with the hash in it replaced by the secret that made it.
    UnisenderGo,
    /// The hexadecimal SHA-256 of the method, the path and the sorted query, but for the token in it.
    AtlassianConnect,
}

static CONTENTFUL: LazyLock<Vec<Location>> =
    LazyLock::new(|| headers(&["x-contentful-signed-headers", "x-contentful-timestamp"]));
static PLIVO_V2: LazyLock<Vec<Location>> = LazyLock::new(|| headers(&["x-plivo-signature-v2-nonce"]));
static PLIVO_V3: LazyLock<Vec<Location>> = LazyLock::new(|| headers(&["x-plivo-signature-v3-nonce"]));

fn headers(names: &[&str]) -> Vec<Location> {
    names.iter().map(|name| Source::Header((*name).to_owned()).into()).collect()
}

impl Canonical {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Contentful, Self::PlivoV2, Self::PlivoV3, Self::UnisenderGo, Self::AtlassianConnect];

    /// Its word in a template.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contentful => "contentful",
            Self::PlivoV2 => "plivo-v2",
            Self::PlivoV3 => "plivo-v3",
            Self::UnisenderGo => "unisender-go",
            Self::AtlassianConnect => "atlassian-connect",
        }
    }

    /// The places that it always takes something from.
    pub fn places(self) -> &'static [Location] {
        match self {
            Self::Contentful => &CONTENTFUL,
            Self::PlivoV2 => &PLIVO_V2,
            Self::PlivoV3 => &PLIVO_V3,
            Self::UnisenderGo | Self::AtlassianConnect => &[],
        }
    }

    /// Whether the whole body is in it.
    pub const fn covers_body(self) -> bool {
        matches!(self, Self::Contentful | Self::PlivoV3 | Self::UnisenderGo)
    }

    /// Whether the public URL is in it.
    pub const fn has_url(self) -> bool {
        matches!(self, Self::PlivoV2 | Self::PlivoV3)
    }

    /// Whether the secret is in it.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::UnisenderGo)
    }
}
