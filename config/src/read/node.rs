//! A value in its place.

use std::{fmt::Display, ops::Range};

use toml::de::DeValue;

use super::{Sheet, Table};
use crate::problem::Severity;

/// A place in a file with the name of the setting there, for noting what is wrong with it.
#[derive(Clone)]
pub(crate) struct Spot<'a> {
    pub(crate) sheet: &'a Sheet<'a>,
    /// The setting (`integration[2].secrets[0]`).
    pub(crate) key: String,
    pub(super) span: Range<usize>,
}

/// A value with its place.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) spot: Spot<'a>,
    pub(super) value: &'a DeValue<'a>,
}

impl Spot<'_> {
    /// The same place, for a setting that is not there.
    pub(crate) fn under(self, name: &str) -> Self {
        Self { key: format!("{}.{name}", self.key), ..self }
    }

    /// Notes an error: the message goes on where the key ends, the remedy is an imperative.
    pub(crate) fn error(&self, message: impl Display, remedy: impl Display) {
        self.sheet.note(Severity::Error, &self.span, &self.key, message.to_string(), remedy.to_string());
    }

    /// Notes a warning.
    pub(crate) fn warning(&self, message: impl Display, remedy: impl Display) {
        self.sheet.note(Severity::Warning, &self.span, &self.key, message.to_string(), remedy.to_string());
    }
}

impl<'a> Node<'a> {
    pub(crate) fn new(sheet: &'a Sheet<'a>, key: String, span: Range<usize>, value: &'a DeValue<'a>) -> Self {
        Self { spot: Spot { sheet, key, span }, value }
    }

    pub(crate) fn error(&self, message: impl Display, remedy: impl Display) {
        self.spot.error(message, remedy);
    }

    /// The value as a table.
    pub(crate) fn table(&self) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(entries) => Some(Table::new(self.spot.clone(), entries)),
            _ => self.wrong_type("a table", "write { key = \"value\" } or a [section]"),
        }
    }

    /// The values of a list.
    pub(crate) fn items(&self) -> Option<Vec<Node<'a>>> {
        match self.value {
            DeValue::Array(items) => {
                let node = |(n, item): (usize, &'a toml::Spanned<DeValue<'a>>)| {
                    Node::new(self.spot.sheet, format!("{}[{n}]", self.spot.key), item.span(), item.get_ref())
                };
                Some(items.iter().enumerate().map(node).collect())
            }
            _ => self.wrong_type("a list", "write [..] around the value"),
        }
    }

    /// The values of a list, or the value itself where one may stand alone.
    pub(crate) fn one_or_more(&self) -> Option<Vec<Node<'a>>> {
        match self.value {
            DeValue::Array(_) => self.items(),
            _ => Some(vec![self.clone()]),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    pub(crate) fn is_boolean(&self) -> bool {
        matches!(self.value, DeValue::Boolean(_))
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.value, DeValue::Integer(_))
    }

    /// Notes that the value has another type than it should.
    pub(crate) fn wrong_type<T>(&self, expected: &str, remedy: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("is {found} but should be {expected}"), remedy);
        None
    }
}
