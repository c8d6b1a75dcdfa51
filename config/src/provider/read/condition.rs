//! `when`, `also`: how conditions are read.

use super::in_table;
use crate::{
    provider::{Conditions, Expect, Location, Template},
    read::{Node, Read, all},
};

const EXPECTED: &str = "write true for \"is present\", false for \"is absent\", a text it must equal, \
                        { value = \"name\" }, { one_of = \"name\" } or { text = \"{body}\" }";

/// A place that must be present, or conditions.
pub(super) fn when(node: &Node<'_>) -> Option<Conditions> {
    match node.is_table() {
        true => conditions(node),
        false => Location::read(node).map(|place| vec![(place, Expect::Present)]),
    }
}

/// `{ "json:/type" = "url_verification" }`
pub(super) fn conditions(node: &Node<'_>) -> Option<Conditions> {
    let entries = node.table()?.entries();
    if entries.is_empty() {
        node.error("has no condition", "write for example { \"json:/type\" = \"url_verification\" }");
        return None;
    }
    all(entries.into_iter().map(|(place, node)| {
        let expect = Expect::read(&node);
        match place.parse::<Location>() {
            Ok(location) => Some((location, expect?)),
            Err(error) => {
                node.error(error, "write a place such as \"json:/type\" before the =");
                None
            }
        }
    }))
}

impl Read for Expect {
    fn read(node: &Node<'_>) -> Option<Self> {
        if node.is_table() {
            return in_table(node, |table| {
                let value = table.optional("value", Option::<String>::read)?;
                let one_of = table.optional("one_of", Option::<String>::read)?;
                let text = table.optional("text", |node| Template::read(node).map(Some))?;
                let or_empty = table.or("or_empty", false)?;
                match (value, one_of, text) {
                    (Some(name), None, None) => Some(Self::Value(name)),
                    (None, Some(name), None) => Some(Self::OneOf(name)),
                    (None, None, Some(template)) => Some(Self::Text { template, or_empty }),
                    _ => {
                        node.error("says neither or more than one of value, one_of and text", EXPECTED);
                        None
                    }
                }
            });
        }
        match node.is_boolean() {
            true => Some(if bool::read(node)? { Self::Present } else { Self::Absent }),
            false if node.is_integer() => node.number(0, u64::MAX).map(|number| Self::Equals(number.to_string())),
            false => String::read(node).map(Self::Equals),
        }
    }
}
