//! Finds the candidates in a signature's text, and writes one.

use std::collections::BTreeMap;

use gatepost_config::{
    Secret,
    provider::{Location, Parse, Signature, Source},
};

use super::encoding;
use crate::reason::Reason;

/// Most bytes of a signature's text in the head of a request.
pub(crate) const SIGNATURE_BYTES_MAX: usize = 8 * 1024;

/// Most bytes of a signature's text in the body, which may be a token with all that the request says.
pub(crate) const BODY_SIGNATURE_BYTES_MAX: usize = 1024 * 1024;

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

/// Takes the texts of a signature apart, which stand in several places or one.
pub(crate) fn parse_all<'a>(
    signature: &Signature,
    texts: &'a [Vec<u8>],
    values: &BTreeMap<String, Secret>,
) -> Result<Vec<Parsed<'a>>, Reason> {
    let mut groups = Vec::new();
    for text in texts {
        groups.extend(parse(signature, text, values)?);
    }
    match groups.iter().map(|group| group.candidates.len()).sum() {
        0..=CANDIDATES_MAX => Ok(groups),
        _ => Err(Reason::SignatureTooMany),
    }
}

/// Takes a signature's text apart. A candidate that is not written as declared spoils the whole.
fn parse<'a>(
    signature: &Signature,
    text: &'a [u8],
    values: &BTreeMap<String, Secret>,
) -> Result<Vec<Parsed<'a>>, Reason> {
    let in_body = |place: &Location| matches!(place.source, Source::Json(_) | Source::Body);
    let most = if signature.from.iter().any(in_body) { BODY_SIGNATURE_BYTES_MAX } else { SIGNATURE_BYTES_MAX };
    if text.len() > most {
        return Err(Reason::SignatureTooLong);
    }
    let bare = |candidates: &[&[u8]]| {
        decoded(signature, candidates).map(|candidates| vec![Parsed { candidates, fields: Vec::new() }])
    };
    if let Parse::Plain { prefix, optional } = &signature.parse {
        let rest = text.strip_prefix(prefix.as_bytes()).or(optional.then_some(text));
        return bare(&[rest.ok_or(Reason::SignatureMalformed)?]);
    }
    let text = std::str::from_utf8(text).map_err(|_| Reason::SignatureMalformed)?;
    match &signature.parse {
        Parse::Plain { .. } => Err(Reason::SignatureMalformed),
        Parse::Pairs { separator, key } => Ok(vec![pairs(signature, text, *separator, key)?]),
        Parse::Groups { separator, key } => {
            let groups = text.split(' ').filter(|group| !group.is_empty());
            groups.take(CANDIDATES_MAX + 1).map(|group| pairs(signature, group, *separator, key)).collect()
        }
        Parse::Versioned { version } => {
            let parts = text.split(' ').map(|part| part.split_once(','));
            let parts: Vec<_> = parts.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)?;
            let candidates: Vec<_> = parts.iter().filter(|(v, _)| v == version).map(|(_, s)| s.as_bytes()).collect();
            if parts.len() > CANDIDATES_MAX {
                return Err(Reason::SignatureTooMany);
            }
            bare(&candidates)
        }
        Parse::List { separator } => {
            bare(&text.split(*separator).map(|part| part.trim_matches(' ').as_bytes()).collect::<Vec<_>>())
        }
        Parse::Positional { separator } => {
            let (first, rest) = text.split_once(*separator).ok_or(Reason::SignatureMalformed)?;
            let rest: Vec<_> = rest.split(*separator).map(str::as_bytes).collect();
            Ok(vec![Parsed { candidates: decoded(signature, &rest)?, fields: vec![("0", first)] }])
        }
        Parse::Keyed { separator, between, value } => {
            let key = values.get(value).map(Secret::expose).ok_or(Reason::SecretAbsent)?;
            let parts = text.split(*separator).map(|part| part.split_once(*between));
            let parts: Vec<_> = parts.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)?;
            let own = parts.iter().filter(|(of, _)| of.as_bytes() == key).map(|(_, candidate)| candidate.as_bytes());
            bare(&own.collect::<Vec<_>>())
        }
    }
}

fn pairs<'a>(signature: &Signature, text: &'a str, separator: char, key: &str) -> Result<Parsed<'a>, Reason> {
    let pairs = text.split(separator).map(|pair| pair.trim_start_matches(' ').split_once('='));
    let fields: Vec<_> = pairs.collect::<Option<_>>().ok_or(Reason::SignatureMalformed)?;
    let candidates: Vec<_> = fields.iter().filter(|(k, _)| *k == key).map(|(_, value)| value.as_bytes()).collect();
    let fields = fields.iter().filter(|(k, _)| *k != key).copied().collect();
    Ok(Parsed { candidates: decoded(signature, &candidates)?, fields })
}

/// Writes a signature as [`parse`] reads it; `time` is the field that a signature of pairs carries its time in.
pub(crate) fn write(
    signature: &Signature,
    time: Option<(&str, &str)>,
    tag: &[u8],
    values: &BTreeMap<String, Secret>,
) -> String {
    let tag = encoding::encode(signature.encoding, tag);
    match &signature.parse {
        Parse::Plain { prefix, .. } => format!("{prefix}{tag}"),
        Parse::Pairs { separator, key } | Parse::Groups { separator, key } => match time {
            Some((name, time)) => format!("{name}={time}{separator}{key}={tag}"),
            None => format!("{key}={tag}"),
        },
        Parse::Versioned { version } => format!("{version},{tag}"),
        Parse::List { .. } => tag,
        Parse::Positional { separator } => format!("{}{separator}{tag}", time.map_or("", |(_, time)| time)),
        Parse::Keyed { between, value, .. } => {
            let key = values.get(value).map(Secret::expose).unwrap_or_default();
            format!("{}{between}{tag}", String::from_utf8_lossy(key))
        }
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
    let mut bytes = Vec::with_capacity(candidates.len());
    for text in candidates {
        bytes.push(encoding::decode(signature.encoding, text).ok_or(Reason::SignatureMalformed)?);
    }
    Ok(bytes)
}
