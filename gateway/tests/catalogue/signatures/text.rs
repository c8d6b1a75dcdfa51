//! A signature's text with the candidate in it that counts.

use std::ops::Range;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use gatepost_config::provider::{Encoding, Location, Parse};

use crate::{
    attempt::{Attempt, spliced},
    places,
    subject::Subject,
};

/// A signature's text with the candidate in it that counts.
pub(crate) struct Text {
    place: Location,
    full: String,
    candidate: Range<usize>,
    label: Range<usize>,
    encoding: Encoding,
    separators: Vec<char>,
    /// A label that may stand before it, or not.
    optional_label: Option<String>,
    /// Several candidates stand there, each with fields of its own or none.
    is_of_several: bool,
    is_of_groups: bool,
}

impl Text {
    /// The text of a vector's signature; none when it has no such text, or it can't be found.
    pub(crate) fn of(subject: &Subject) -> Option<Self> {
        let signature = subject.signature()?;
        let place = subject.signature_place()?;
        let full = places::read(&subject.genuine, &place)?;
        let separators = match &signature.parse {
            Parse::Pairs { separator, .. } | Parse::Positional { separator } => vec![*separator],
            Parse::Groups { separator, .. } => vec![*separator, ' '],
            _ => vec![','],
        };
        let optional_label = match &signature.parse {
            Parse::Plain { prefix, optional: true } => Some(prefix.clone()),
            _ => None,
        };
        let made = |(label, candidate): (usize, Range<usize>)| Self {
            place: place.clone(),
            full: full.clone(),
            label: label..candidate.start,
            candidate,
            encoding: signature.encoding,
            separators: separators.clone(),
            optional_label: optional_label.clone(),
            is_of_several: match &signature.parse {
                Parse::Pairs { separator, .. } => *separator == ',' && !subject.signs("{signature:"),
                Parse::List { .. } | Parse::Groups { .. } => true,
                _ => false,
            },
            is_of_groups: matches!(signature.parse, Parse::Groups { .. }),
        };
        let texts = candidates(&full, &signature.parse).into_iter().map(made);
        // Of several candidates the one that counts is the one that can't be changed.
        texts.into_iter().find(|text| {
            let first = text.candidate().as_bytes()[0];
            let changed = spliced(text.candidate().as_bytes(), 0..1, if first == b'0' { b"1" } else { b"0" });
            text.with_candidate(subject, &changed).is_some_and(|attempt| subject.judge(&attempt).is_err())
        })
    }

    pub(crate) fn place(&self) -> &Location {
        &self.place
    }

    pub(crate) fn full(&self) -> &str {
        &self.full
    }

    pub(crate) fn candidate(&self) -> &str {
        &self.full[self.candidate.clone()]
    }

    pub(crate) fn label(&self) -> &str {
        &self.full[self.label.clone()]
    }

    pub(crate) fn has_label(&self) -> bool {
        !self.label.is_empty()
    }

    /// Whether the same candidate twice is as good as once, and white space between them nobody's business.
    pub(crate) const fn is_of_several(&self) -> bool {
        self.is_of_several
    }

    /// Where a field stands that belongs to the candidate.
    fn field(&self, text: &str, name: &str) -> Option<Range<usize>> {
        if !self.is_of_groups {
            return field(text, &self.separators, name);
        }
        let group = self.full[..self.candidate.start].matches(' ').count();
        let part = parts(text, &[' ']).into_iter().nth(group)?;
        let found = field(&text[part.clone()], &self.separators, name)?;
        Some(part.start + found.start..part.start + found.end)
    }

    /// Whether a label may stand before the candidate or not, as the sender likes.
    pub(crate) fn may_have(&self, label: &str) -> bool {
        self.optional_label.as_deref() == Some(label)
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Where the candidate's label starts.
    pub(crate) fn start(&self) -> usize {
        self.label.start
    }

    /// Where the candidate ends.
    pub(crate) fn end(&self) -> usize {
        self.candidate.end
    }

    /// Whether the text up to there only lacks the padding of base64, which may be left out.
    pub(crate) fn is_only_unpadded(&self, end: usize) -> bool {
        let base64 = matches!(self.encoding, Encoding::Base64 | Encoding::Base64Url);
        base64
            && self
                .full
                .get(end..self.candidate.end)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b == b'='))
            && !self.full[..end].ends_with('=')
    }

    /// The bytes that the candidate stands for; none where it is a secret itself.
    pub(crate) fn tag(&self) -> Option<Vec<u8>> {
        let text = self.candidate();
        match self.encoding {
            Encoding::Hex => {
                let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
                (0..text.len()).step_by(2).map(pair).collect()
            }
            Encoding::Base64 => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            Encoding::Base64Url => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            _ => None,
        }
    }

    /// The vector with another text for its signature.
    pub(crate) fn with_text(&self, subject: &Subject, text: &[u8]) -> Option<Attempt> {
        places::write(&subject.genuine, &self.place, Some(text))
    }

    /// The vector with another candidate.
    pub(crate) fn with_candidate(&self, subject: &Subject, candidate: &[u8]) -> Option<Attempt> {
        self.with_text(subject, &spliced(self.full.as_bytes(), self.candidate.clone(), candidate))
    }

    /// The vector with another label.
    pub(crate) fn with_label(&self, subject: &Subject, label: &str) -> Option<Attempt> {
        self.with_text(subject, &spliced(self.full.as_bytes(), self.label.clone(), label.as_bytes()))
    }

    /// A request whose signature is this one's but for its tag; other fields of its signature are kept.
    pub(crate) fn with_tag_in(&self, subject: &Subject, attempt: &Attempt, tag: &[u8]) -> Option<Attempt> {
        let spelled = match self.encoding {
            Encoding::Hex => tag.iter().map(|byte| format!("{byte:02x}")).collect(),
            Encoding::Base64 => STANDARD.encode(tag),
            Encoding::Base64Url => URL_SAFE.encode(tag),
            _ => return None,
        };
        let now = places::read(attempt, &self.place)?;
        let signature = subject.signature()?;
        let ranges = candidates(&now, &signature.parse);
        let nth = candidates(&self.full, &signature.parse).iter().position(|(_, range)| *range == self.candidate)?;
        let (_, range) = ranges.into_iter().nth(nth)?;
        places::write(attempt, &self.place, Some(&spliced(now.as_bytes(), range, spelled.as_bytes())))
    }

    /// A field that stands beside the candidate in a request's signature.
    pub(crate) fn field_in(&self, attempt: &Attempt, name: &str) -> Option<String> {
        let now = places::read(attempt, &self.place)?;
        let range = self.field(&now, name)?;
        Some(now[range].to_owned())
    }

    /// The request with another text in a field of its signature, or without the field.
    pub(crate) fn with_field_in(&self, attempt: &Attempt, name: &str, text: Option<&[u8]>) -> Option<Attempt> {
        let now = places::read(attempt, &self.place)?;
        let range = self.field(&now, name)?;
        let changed = match text {
            Some(text) => spliced(now.as_bytes(), range.clone(), text),
            None => {
                let is_kept = |part: &Range<usize>| !(part.start <= range.start && range.end <= part.end);
                let kept = parts(&now, &self.separators).into_iter().filter(is_kept).map(|part| &now[part]);
                kept.collect::<Vec<_>>().join(&self.separators[0].to_string()).into_bytes()
            }
        };
        places::write(attempt, &self.place, Some(&changed))
    }
}

/// Where each candidate's label starts, and where the candidate stands.
fn candidates(text: &str, parse: &Parse) -> Vec<(usize, Range<usize>)> {
    let labelled = |separators: &[char], label: &str| {
        let parts = parts(text, separators)
            .into_iter()
            .filter(|part| text[part.clone()].strip_prefix(label).is_some_and(|candidate| !candidate.is_empty()));
        parts.map(|part| (part.start, part.start + label.len()..part.end)).collect::<Vec<_>>()
    };
    match parse {
        Parse::Plain { prefix, optional: false } if text.starts_with(prefix) => vec![(0, prefix.len()..text.len())],
        Parse::Plain { prefix, optional: true } => {
            let start = if text.starts_with(prefix) { prefix.len() } else { 0 };
            vec![(start, start..text.len())]
        }
        Parse::Pairs { separator, key } => labelled(&[*separator], &format!("{key}=")),
        Parse::Groups { separator, key } => labelled(&[*separator, ' '], &format!("{key}=")),
        Parse::Versioned { version } => labelled(&[' '], &format!("{version},")),
        Parse::List { separator } => labelled(&[*separator], ""),
        Parse::Positional { separator } => labelled(&[*separator], "").into_iter().skip(1).collect(),
        Parse::Keyed { separator, between, .. } => {
            let after = |part: Range<usize>| {
                let label = text[part.clone()].find(*between)? + between.len_utf8();
                Some((part.start, part.start + label..part.end))
            };
            parts(text, &[*separator]).into_iter().filter_map(after).collect()
        }
        _ => Vec::new(),
    }
}

/// Where the parts between separators stand, without the spaces before them.
fn parts(text: &str, separators: &[char]) -> Vec<Range<usize>> {
    let mut at = 0;
    let part = |part: &str| {
        let range = at + (part.len() - part.trim_start_matches(' ').len())..at + part.len();
        at += part.len() + 1;
        range
    };
    text.split(|c| separators.contains(&c)).map(part).collect()
}

/// Where the value of a field stands; `0` is the first part, where parts have no names.
fn field(text: &str, separators: &[char], name: &str) -> Option<Range<usize>> {
    let parts = parts(text, separators);
    let named = format!("{name}=");
    let found = parts.iter().find(|part| text[(*part).clone()].starts_with(&named));
    let named = found.map(|part| part.start + named.len()..part.end);
    named.or_else(|| parts.first().filter(|_| name == "0").cloned())
}
