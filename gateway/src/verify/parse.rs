//! Finds the candidates in a signature's text, and writes one.

use gatepost_config::provider::{Parse, Signature};

use super::encoding;
use crate::reason::Reason;

/// Most bytes of a signature's text.
pub(crate) const SIGNATURE_BYTES_MAX: usize = 8 * 1024;

/// Most candidates of one signature.
pub(crate) const CANDIDATES_MAX: usize = 16;

/// A signature's text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    /// The bytes of each candidate.
    pub(crate) candidates: Vec<Vec<u8>>,
    /// The named fields beside them (`t`).
    pub(crate) fields: Vec<(&'a str, &'a str)>,
}

/// Takes a signature's text apart. A candidate that is not written as declared spoils the whole.
pub(crate) fn parse<'a>(signature: &Signature, text: &'a [u8]) -> Result<Parsed<'a>, Reason> {
    if text.len() > SIGNATURE_BYTES_MAX {
        return Err(Reason::SignatureTooLong);
    }
    if let Parse::Plain { prefix } = &signature.parse {
        let rest = text.strip_prefix(prefix.as_bytes()).ok_or(Reason::SignatureMalformed)?;
        return Ok(Parsed { candidates: decoded(signature, &[rest])?, fields: Vec::new() });
    }
    let text = std::str::from_utf8(text).map_err(|_| Reason::SignatureMalformed)?;
    match &signature.parse {
        Parse::Plain { .. } => Err(Reason::SignatureMalformed),
        Parse::Pairs { separator, key } => {
            let pairs = text.split(*separator).map(|pair| pair.trim_start_matches(' ').split_once('='));
            let fields: Vec<_> = pairs.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)?;
            let candidates: Vec<_> =
                fields.iter().filter(|(k, _)| k == key).map(|(_, value)| value.as_bytes()).collect();
            let fields = fields.iter().filter(|(k, _)| k != key).copied().collect();
            Ok(Parsed { candidates: decoded(signature, &candidates)?, fields })
        }
        Parse::Versioned { version } => {
            let parts = text.split(' ').map(|part| part.split_once(','));
            let parts: Vec<_> = parts.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)?;
            let candidates: Vec<_> = parts.iter().filter(|(v, _)| v == version).map(|(_, s)| s.as_bytes()).collect();
            if parts.len() > CANDIDATES_MAX {
                return Err(Reason::SignatureTooMany);
            }
            Ok(Parsed { candidates: decoded(signature, &candidates)?, fields: Vec::new() })
        }
    }
}

/// Writes a signature as [`parse`] reads it; `time` is the field that a signature of pairs carries its time in.
pub(crate) fn write(signature: &Signature, time: Option<(&str, &str)>, tag: &[u8]) -> String {
    let tag = encoding::encode(signature.encoding, tag);
    match &signature.parse {
        Parse::Plain { prefix } => format!("{prefix}{tag}"),
        Parse::Pairs { separator, key } => match time {
            Some((name, time)) => format!("{name}={time}{separator}{key}={tag}"),
            None => format!("{key}={tag}"),
        },
        Parse::Versioned { version } => format!("{version},{tag}"),
    }
}

fn decoded(signature: &Signature, candidates: &[&[u8]]) -> Result<Vec<Vec<u8>>, Reason> {
    match candidates.len() {
        0 => return Err(Reason::SignatureMissing),
        1..=CANDIDATES_MAX => {}
        _ => return Err(Reason::SignatureTooMany),
    }
    if candidates.iter().any(|text| text.is_empty()) {
        return Err(Reason::SignatureMissing);
    }
    let bytes = candidates.iter().map(|text| encoding::decode(signature.encoding, text));
    bytes.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)
}
