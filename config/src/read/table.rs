//! A table whose keys are asked for one by one; what was never asked for is unknown.

use std::cell::RefCell;

use toml::de::{DeTable, DeValue};

use super::{Node, Read, Sheet, Spot, near};

/// A table being read.
pub(crate) struct Table<'a> {
    pub(crate) spot: Spot<'a>,
    entries: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(spot: Spot<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { spot, entries, asked: RefCell::default() }
    }

    /// The table that a whole file is.
    pub(crate) fn root(sheet: &'a Sheet<'a>, entries: &'a DeTable<'a>) -> Self {
        Self::new(Spot { sheet, key: String::new(), span: 0..0 }, entries)
    }

    /// The value of a key, which is thereby known.
    pub(crate) fn get(&self, name: &'static str) -> Option<Node<'a>> {
        if !self.asked.borrow().contains(&name) {
            self.asked.borrow_mut().push(name);
        }
        let (_, value) = self.entries.get_key_value(name)?;
        Some(Node::new(self.spot.sheet, self.path(name), value.span(), value.get_ref()))
    }

    /// Makes keys known that nobody asks for.
    pub(crate) fn know(&self, names: &[&'static str]) {
        self.asked.borrow_mut().extend(names);
    }

    /// Every entry, whatever its key: the key with its place, and the value.
    pub(crate) fn entries(&self) -> Vec<(String, Node<'a>)> {
        let entry = |(key, value): (&'a toml::Spanned<_>, &'a toml::Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'a, str> = key.get_ref();
            let node = Node::new(self.spot.sheet, self.path(name), key.span(), value.get_ref());
            (name.clone().into_owned(), node)
        };
        self.entries.iter().map(entry).collect()
    }

    /// Where a key stands, or the table when it isn't there.
    pub(crate) fn at(&self, name: &'static str) -> Spot<'a> {
        match self.get(name) {
            Some(node) => node.spot,
            None => Spot { key: self.path(name), ..self.spot.clone() },
        }
    }

    /// Where an item of a list stands.
    pub(crate) fn at_item(&self, name: &'static str, n: usize) -> Spot<'a> {
        let item = match self.get(name).map(|node| (node.is_list(), node)) {
            Some((true, node)) => node.items().and_then(|items| items.into_iter().nth(n)),
            _ => None,
        };
        item.map_or_else(|| self.at(name), |node| node.spot)
    }

    /// A value that must be there, with an example for who left it out.
    pub(crate) fn required_like<T>(
        &self,
        name: &'static str,
        example: &str,
        read: impl Fn(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(node) => read(&node),
            None => {
                let remedy = match example {
                    "" => format!("add {name} = ..."),
                    example => format!("add for example {name} = {example}"),
                };
                self.at(name).error("is missing", remedy);
                None
            }
        }
    }

    /// A value that may be absent, which is the default of its type (`None`, an empty list).
    pub(crate) fn optional<T: Default>(&self, name: &'static str, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<T> {
        self.get(name).map_or_else(|| Some(T::default()), |node| read(&node))
    }

    /// A value that has another value when absent.
    pub(crate) fn or<T: Read>(&self, name: &'static str, absent: T) -> Option<T> {
        self.get(name).map_or(Some(absent), |node| T::read(&node))
    }

    /// A value whose default is written as TOML.
    pub(crate) fn default<T>(
        &self,
        name: &'static str,
        default: &str,
        read: impl Fn(&Node<'_>) -> Option<T>,
    ) -> Option<T> {
        if let Some(node) = self.get(name) {
            return read(&node);
        }
        let sheet = Sheet::new("default value", default, self.spot.sheet.around);
        let (value, errors) = DeValue::parse_recoverable(default);
        let node = Node::new(&sheet, self.path(name), value.span(), value.get_ref());
        let read = if errors.is_empty() { read(&node) } else { None };
        self.spot.sheet.adopt(sheet.into_parts().0);
        read
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let spot = Spot { sheet: self.spot.sheet, key: self.path(name), span: key.span() };
                spot.error("is no known setting", near(name, &asked));
            }
        }
    }

    fn path(&self, name: &str) -> String {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let name = if plain { name.to_owned() } else { format!("{name:?}") };
        if self.spot.key.is_empty() { name } else { format!("{}.{name}", self.spot.key) }
    }
}
