//! Where a signature stands and how it is written.

use crate::provider::Location;

/// Where a signature stands and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Where. Of several places, those count that are there, and any may hold the one that matches.
    pub from: Vec<Location>,
    /// How candidates are found in it.
    pub parse: Parse,
    /// How a candidate's bytes are written.
    pub encoding: Encoding,
}

/// How candidates are found in a signature's text. At most 16 are considered; any may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parse {
    /// The whole text after a prefix (`sha256=`), which may be empty.
    Plain {
        /// The prefix.
        prefix: String,
        /// The text may also stand without it.
        optional: bool,
    },
    /// `t=1,v1=aa,v1=bb`: pairs split at a separator, then at the first `=`.
    Pairs {
        /// Between pairs.
        separator: char,
        /// The key whose values are candidates.
        key: String,
    },
    /// `t=1,v1=aa t=2,v1=bb`: several of such, separated by spaces, each with fields of its own.
    Groups {
        /// Between the pairs of one group.
        separator: char,
        /// The key whose values are candidates.
        key: String,
    },
    /// `v1,AA v1,BB`: candidates of one version among several, separated by spaces.
    Versioned {
        /// The version.
        version: String,
    },
    /// `aa,bb`: nothing but candidates.
    List {
        /// Between candidates.
        separator: char,
    },
    /// `1700000000,aa,bb`: the field `0`, then candidates.
    Positional {
        /// Between parts.
        separator: char,
    },
    /// `key1|aa&key2|bb`: candidates by the public key they are of; that key is one of the integration's values.
    Keyed {
        /// Between candidates.
        separator: char,
        /// Between a public key and its candidate.
        between: char,
        /// The name of the value.
        value: String,
    },
}

impl Parse {
    /// Whether there are fields beside the candidates.
    pub const fn has_fields(&self) -> bool {
        matches!(self, Self::Pairs { .. } | Self::Groups { .. } | Self::Positional { .. })
    }
}

/// How signature bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base64, padded or not.
    Base64,
    /// Base64 with `-` and `_`, padded or not.
    Base64Url,
    /// As it is (tokens).
    Plain,
}
