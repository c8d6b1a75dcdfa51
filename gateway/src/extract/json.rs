//! Reads a few places of a JSON text in one pass, without building the document.
//!
//! Values are returned as they are written, so that a number of any size keeps its digits. A key that stands twice in an
//! object on the way to a place makes the whole text ambiguous: readers differ in which one they take, and whoever could
//! add a second one could choose whose event it is.

use std::{borrow::Cow, fmt};

use gatepost_config::provider::Pointer;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Trouble;

/// Why nothing could be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonTrouble {
    /// A key on the way to a place stands twice.
    Duplicated,
    /// The text is not exactly one JSON value in UTF-8.
    NotJson,
}

/// Pointers as a tree, so that one pass finds all of them.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    pub(super) root: Node,
    pub(super) pointers: Vec<Pointer>,
}

/// A step on the way to a pointer.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) slot: Option<usize>,
    pub(super) children: Vec<(String, Node)>,
}

/// What was found for each pointer: JSON text, exactly as it stands.
#[derive(Debug)]
pub(crate) struct Found<'a>(Vec<Option<&'a str>>);

impl Trie {
    /// The tree of some pointers.
    pub(crate) fn new<'a>(pointers: impl Iterator<Item = &'a Pointer>) -> Self {
        let mut trie = Self::default();
        for pointer in pointers {
            if trie.holds(pointer) {
                continue;
            }
            let slot = trie.pointers.len();
            trie.pointers.push(pointer.clone());
            let node = pointer.0.iter().fold(&mut trie.root, |node, token| node.child(token));
            node.slot = Some(slot);
        }
        trie
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// Whether a pointer is one of them.
    pub(crate) fn holds(&self, pointer: &Pointer) -> bool {
        self.pointers.contains(pointer)
    }
}

impl Node {
    fn child(&mut self, token: &str) -> &mut Self {
        let at = self.children.iter().position(|(key, _)| key == token);
        let at = at.unwrap_or_else(|| {
            self.children.push((token.to_owned(), Self::default()));
            self.children.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.children[at].1
    }
}

impl<'a> Found<'a> {
    /// What stands at a pointer, as JSON text.
    pub(crate) fn get(&self, trie: &Trie, pointer: &Pointer) -> Option<&'a str> {
        let slot = trie.pointers.iter().position(|known| known == pointer)?;
        self.0.get(slot).copied().flatten()
    }
}

/// Finds a tree's pointers in a JSON text.
pub(crate) fn scan<'a>(trie: &Trie, text: &'a [u8]) -> Result<Found<'a>, JsonTrouble> {
    let mut walk = Walk { found: vec![None; trie.pointers.len()], duplicated: false };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = walk.step(&trie.root, &mut reader).and_then(|()| reader.end());
    match read {
        _ if walk.duplicated => Err(JsonTrouble::Duplicated),
        Ok(()) => Ok(Found(walk.found)),
        Err(_) => Err(JsonTrouble::NotJson),
    }
}

/// The text of a JSON value: strings decoded, numbers and booleans as they are written; none for null, objects and
/// arrays.
pub(crate) fn text(raw: &str) -> Result<Option<Cow<'_, str>>, Trouble> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(|text| Some(Cow::Owned(text))).map_err(|_| Trouble::Unreadable),
        Some(b'n' | b'{' | b'[') | None => Ok(None),
        Some(_) => Ok(Some(Cow::Borrowed(raw))),
    }
}

/// The items of a JSON array as they are written; `None` when it is no array.
pub(crate) fn items(raw: &str, limit: usize) -> Option<Result<Vec<&str>, TooMany>> {
    let mut reader = serde_json::Deserializer::from_str(raw);
    match raw.as_bytes().first() {
        Some(b'[') => match reader.deserialize_seq(Items { limit }) {
            Ok(items) if items.len() > limit => Some(Err(TooMany)),
            Ok(items) => Some(Ok(items)),
            Err(_) => None,
        },
        _ => None,
    }
}

/// An array has more items than a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A pass under way.
struct Walk<'de> {
    found: Vec<Option<&'de str>>,
    duplicated: bool,
}

impl<'de> Walk<'de> {
    /// Reads one value with a node of the tree.
    fn step<D: Deserializer<'de>>(&mut self, node: &Node, from: D) -> Result<(), D::Error> {
        let Some(slot) = node.slot else { return from.deserialize_any(Step { walk: self, node }) };
        let raw = <&'de RawValue>::deserialize(from)?.get();
        if let Some(place) = self.found.get_mut(slot) {
            *place = Some(raw);
        }
        if !node.children.is_empty() && matches!(raw.as_bytes().first(), Some(b'{' | b'[')) {
            let mut reader = serde_json::Deserializer::from_str(raw);
            let inner = reader.deserialize_any(Step { walk: self, node });
            return inner.map_err(serde::de::Error::custom);
        }
        Ok(())
    }
}

/// One value of the way.
struct Step<'w, 't, 'de> {
    walk: &'w mut Walk<'de>,
    node: &'t Node,
}

impl<'de> DeserializeSeed<'de> for Step<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.walk.step(self.node, from)
    }
}

impl<'de> Visitor<'de> for Step<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.node.children.len()];
        while let Some(child) = map.next_key_seed(Key(self.node))? {
            let Some((at, child)) = child else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.walk.duplicated |= seen.get(at).copied().unwrap_or_default();
            if let Some(seen) = seen.get_mut(at) {
                *seen = true;
            }
            map.next_value_seed(Step { walk: &mut *self.walk, node: child })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let wanted = self.node.children.iter().find(|(token, _)| is_index(token, index));
            let more = match wanted {
                Some((_, child)) => array.next_element_seed(Step { walk: &mut *self.walk, node: child })?.is_some(),
                None => array.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// Whether a pointer's token is an array index, in its one spelling.
fn is_index(token: &str, index: usize) -> bool {
    token.as_bytes().first().is_some_and(u8::is_ascii_digit) && token == index.to_string()
}

/// An object's key: which of the node's children it names, compared decoded.
struct Key<'t>(&'t Node);

impl<'de, 't> DeserializeSeed<'de> for Key<'t> {
    type Value = Option<(usize, &'t Node)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'t> Visitor<'_> for Key<'t> {
    type Value = Option<(usize, &'t Node)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let mut children = self.0.children.iter().enumerate();
        Ok(children.find(|(_, (token, _))| token == key).map(|(at, (_, child))| (at, child)))
    }
}

/// An array's items, at most one more than the limit.
struct Items {
    limit: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= self.limit {
            match array.next_element::<&'de RawValue>()? {
                Some(item) => items.push(item.get()),
                None => return Ok(items),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}
