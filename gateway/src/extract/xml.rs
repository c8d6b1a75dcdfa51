//! Reads a few places of an XML text in one pass, without building the document.
//!
//! Elements are found by their local names from the root on, prefixes aside. An element on the way to a place that
//! stands twice makes the text ambiguous, as a key does in JSON. There are no document types here, so no entities but
//! the five of XML itself: nothing is ever expanded.

mod walk;

use std::ops::Range;

use gatepost_config::provider::Pointer;

use super::{Trouble, items::Unsplit, json::Trie};

/// What was found for each pointer of a tree.
#[derive(Debug)]
pub(crate) struct Found(Vec<Option<Value>>);

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// Its text, decoded; none where elements stand instead of one text.
    pub(crate) text: Option<String>,
    /// Where its content lies in the document; none for an attribute.
    pub(crate) at: Option<Range<usize>>,
}

/// One pass over an XML text.
#[derive(Clone, Copy)]
pub(crate) struct XmlScan<'a> {
    /// What was looked for.
    pub(crate) trie: &'a Trie,
    /// What was found, or why nothing could be.
    pub(crate) found: &'a Result<Found, Trouble>,
}

impl<'a> XmlScan<'a> {
    /// What was found at a pointer.
    pub(crate) fn get(&self, pointer: &Pointer) -> Result<Option<&'a Value>, Trouble> {
        match self.found {
            Ok(found) => {
                let slot = self.trie.pointers.iter().position(|known| known == pointer);
                Ok(slot.and_then(|slot| found.0.get(slot)?.as_ref()))
            }
            Err(trouble) => Err(*trouble),
        }
    }
}

/// Finds a tree's pointers in a document.
pub(crate) fn scan(trie: &Trie, text: &[u8]) -> Result<Found, Trouble> {
    walk::walk(&trie.root, None, trie.pointers.len(), 0, text).map(|walked| Found(walked.found))
}

/// Finds a tree's pointers in an element that stands alone, which they don't name themselves.
pub(crate) fn scan_element(trie: &Trie, text: &[u8]) -> Result<Found, Trouble> {
    walk::walk_element(&trie.root, trie.pointers.len(), text).map(|walked| Found(walked.found))
}

/// Reads one place of a document by a pass of its own.
pub(crate) fn point(text: &[u8], pointer: &Pointer) -> Result<Option<Value>, Trouble> {
    let trie = Trie::new(std::iter::once(pointer));
    let found = scan(&trie, text);
    XmlScan { trie: &trie, found: &found }.get(pointer).map(|value| value.cloned())
}

/// Where the elements of one name lie in a document, tags and all; `None` when it is no XML, or nothing that holds such
/// elements.
pub(crate) fn elements(text: &[u8], name: &Pointer, limit: usize) -> Result<Option<Vec<Range<usize>>>, Unsplit> {
    let root = super::json::Node::default();
    match walk::walk(&root, Some(name), 0, limit, text) {
        Ok(walked) if walked.elements.len() > limit => Err(Unsplit::TooMany),
        Ok(walked) => Ok(Some(walked.elements).filter(|elements| !elements.is_empty())),
        Err(Trouble::Duplicated) => Err(Unsplit::Duplicated),
        Err(Trouble::Unreadable) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
