//! Readers of values that must satisfy more than their type.

use std::time::Duration;

use url::Url;

use crate::{
    ByteSize,
    read::{Node, Read},
};

/// A span that is not zero.
pub(super) fn span(node: &Node<'_>) -> Option<Duration> {
    let span = Duration::read(node)?;
    if span.is_zero() {
        node.error("is zero", "give a span above zero");
        return None;
    }
    Some(span)
}

/// A span that is not zero, if there is one.
pub(crate) fn maybe_span(node: &Node<'_>) -> Option<Option<Duration>> {
    span(node).map(Some)
}

/// A number that may be zero.
pub(super) fn count(node: &Node<'_>) -> Option<usize> {
    usize::try_from(node.number(0, u64::from(u32::MAX))?).ok()
}

/// A size that is not zero.
pub(super) fn size(node: &Node<'_>) -> Option<ByteSize> {
    let size = ByteSize::read(node)?;
    if size.0 == 0 {
        node.error("is zero", "give a size above zero");
        return None;
    }
    Some(size)
}

/// The URL of a server, without anything that could not be a base for paths.
pub(super) fn base_url(node: &Node<'_>) -> Option<Option<Url>> {
    let url = Url::read(node)?;
    let wrong = match () {
        () if !matches!(url.scheme(), "http" | "https") => {
            Some(("is neither http nor https", "start it with https://"))
        }
        () if !url.username().is_empty() || url.password().is_some() => {
            Some(("has a user name or password", "leave out everything before the @"))
        }
        () if url.query().is_some() || url.fragment().is_some() => {
            Some(("has a ? or # part", "end it before the ? or #"))
        }
        () => None,
    };
    match wrong {
        Some((message, remedy)) => {
            node.error(message, remedy);
            None
        }
        None => Some(Some(url)),
    }
}

/// Patterns of event types: segments of `a-z 0-9 _ -`, separated by `.`; `*` stands for a whole segment, at the end for one
/// or more.
pub(super) fn patterns(node: &Node<'_>) -> Option<Vec<String>> {
    node.items()?.iter().map(pattern).collect::<Vec<_>>().into_iter().collect()
}

fn pattern(node: &Node<'_>) -> Option<String> {
    node.parsed("a pattern such as \"github.pull_request.*\"", |text| {
        let wrong = text.split('.').find_map(segment_error);
        wrong.map_or_else(|| Ok(text.to_owned()), |why| Err(format!("is {text:?}, which {why}")))
    })
}

fn segment_error(segment: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    match segment {
        "" => Some("has an empty segment; write something between and around the dots".to_owned()),
        "*" => None,
        text if text.contains('*') => {
            Some(format!("has * inside the segment {text:?}; * stands for a whole segment, such as github.*.opened"))
        }
        text => {
            let c = text.chars().find(|c| !allowed(*c))?;
            Some(format!("has {c:?}; types are made of a-z 0-9 _ - and dots"))
        }
    }
}
