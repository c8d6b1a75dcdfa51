//! How each type of value is read.

use std::{collections::BTreeMap, fmt::Display, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use toml::de::DeValue;
use url::Url;

use super::{Node, near};
use crate::{
    ByteSize, ConnectionId, DestinationId, IntegrationId, ProviderName, RouteId, SyncEngineId, SyncName, TenantId,
    provider::{Location, Pointer, Template},
    units::parse_span,
};

/// A type of value: read from a node, or `None` when why not is noted.
pub(crate) trait Read: Sized {
    fn read(node: &Node<'_>) -> Option<Self>;
}

impl Node<'_> {
    /// Reads a text by a parser. An error of the form `what; remedy` brings its own remedy; when the text came from the
    /// environment or a file, no part of it is shown.
    pub(crate) fn parsed<T, E: Display>(&self, form: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        if !matches!(self.value, DeValue::String(_) | DeValue::Table(_)) {
            return self.wrong_type("a text", &format!("write {form}"));
        }
        let text = self.text()?;
        let error = match parse(&text.value) {
            Ok(value) => return Some(value),
            Err(error) => error.to_string(),
        };
        let advice = format!("write {form}");
        match text.from {
            Some(reference) => self.error(format!("has the wrong form in {reference}"), advice),
            None => match error.split_once("; ") {
                Some((message, remedy)) => self.error(message, remedy),
                None => self.error(error, advice),
            },
        }
        None
    }

    /// Reads one of some words.
    pub(crate) fn one_of<T: Clone>(&self, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.parsed(&format!("one of {}", known.join(", ")), |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| value.clone()).ok_or_else(|| format!("is {text:?}; {}", near(text, &known)))
        })
    }

    /// Reads a whole number within bounds.
    pub(crate) fn number(&self, min: u64, max: u64) -> Option<u64> {
        let range = format!("write a whole number from {min} to {max}");
        let DeValue::Integer(integer) = self.value else { return self.wrong_type("an integer", &range) };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let within = number.filter(|number| (min..=max).contains(number));
        if within.is_none() {
            self.error(format!("is {integer}, which is out of range"), range);
        }
        within
    }
}

impl Read for String {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.text().map(|text| text.value)
    }
}

impl Read for bool {
    fn read(node: &Node<'_>) -> Option<Self> {
        match node.value {
            DeValue::Boolean(value) => Some(*value),
            _ => node.wrong_type("true or false", "write true or false, without quotes"),
        }
    }
}

impl Read for usize {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.number(1, u64::from(u32::MAX)).and_then(|number| Self::try_from(number).ok())
    }
}

impl Read for u16 {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.number(1, u64::from(Self::MAX)).and_then(|number| Self::try_from(number).ok())
    }
}

impl Read for Duration {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("a span such as \"500ms\", \"2s\", \"5m\", \"10h\" or \"14d\"", |text| {
            parse_span(text).map_err(|_| format!("is {text:?}, which is no span"))
        })
    }
}

impl Read for ByteSize {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("a size such as \"512KiB\" or \"25MiB\"", |text| {
            text.parse().map_err(|_| format!("is {text:?}, which is no size"))
        })
    }
}

impl Read for SocketAddr {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("an address and port such as \"127.0.0.1:8080\" or \"[::]:8080\"", |text| {
            text.parse().map_err(|_| format!("is {text:?}, which is no address with a port"))
        })
    }
}

impl Read for Url {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("a whole URL such as \"https://hooks.example.com\"", |text| {
            Self::parse(text).map_err(|why| format!("is no URL ({why})"))
        })
    }
}

impl Read for PathBuf {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("a path", |text| match text {
            "" => Err("is empty; name a folder"),
            text => Ok(Self::from(text)),
        })
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node<'_>) -> Option<Self> {
        all(node.items()?.iter().map(T::read))
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node<'_>) -> Option<Self> {
        T::read(node).map(Some)
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(node: &Node<'_>) -> Option<Self> {
        let entries = node.table()?.entries();
        let read = entries.into_iter().map(|(key, node)| T::read(&node).map(|value| (key, value)));
        all(read).map(Self::from_iter)
    }
}

/// Every value, or `None` when one is wrong; those after it are read all the same.
pub(crate) fn all<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = values.collect();
    read.into_iter().collect()
}

macro_rules! read_by_parsing {
    ($($type:ty: $form:literal)*) => {$(
        impl Read for $type {
            fn read(node: &Node<'_>) -> Option<Self> {
                node.parsed($form, <$type as FromStr>::from_str)
            }
        }
    )*};
}

read_by_parsing! {
    IntegrationId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    ConnectionId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    TenantId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    DestinationId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    RouteId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    SyncEngineId: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    SyncName: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    ProviderName: "1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -"
    Location: "a place such as \"header:x-github-event\" or \"json:/team/id\""
    Pointer: "a pointer such as \"/team/id\""
    Template: "a text with places such as \"{signature:t}.{body}\""
}
