//! One pass over an XML text.

use std::ops::Range;

use gatepost_config::provider::Pointer;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
    name::QName,
};

use super::{
    super::{Trouble, json::Node},
    Value,
};

/// Most elements that stand inside each other.
const DEPTH_MAX: usize = 64;

/// Most attributes of an element that is looked into.
const ATTRIBUTES_MAX: usize = 64;

/// What a pass found.
pub(super) struct Walked {
    /// A value for each slot of the tree.
    pub(super) found: Vec<Option<Value>>,
    /// The elements that were asked for, at most one more than the limit.
    pub(super) elements: Vec<Range<usize>>,
}

/// Walks a document, whose root the tree names.
pub(super) fn walk(
    tree: &Node,
    elements: Option<&Pointer>,
    slots: usize,
    limit: usize,
    text: &[u8],
) -> Result<Walked, Trouble> {
    let names = elements.map(|pointer| pointer.0.as_slice()).unwrap_or_default();
    Walk::new(Frame::of(Some(tree), 0), names, slots, limit).run(text)
}

/// Walks an element that stands alone; the tree starts inside it.
pub(super) fn walk_element(tree: &Node, slots: usize, text: &[u8]) -> Result<Walked, Trouble> {
    let mut walk = Walk::new(Frame::of(None, 0), &[], slots, 0);
    walk.inside = Some(tree);
    walk.run(text)
}

struct Walk<'t> {
    /// The elements that are open, before them what holds the root.
    open: Vec<Frame<'t>>,
    /// The tree of the root's own children, where the root is not part of it.
    inside: Option<&'t Node>,
    /// The names on the way to the elements that are asked for.
    names: &'t [String],
    /// How many of the open elements are on that way.
    on_way: usize,
    limit: usize,
    rooted: bool,
    duplicated: bool,
    walked: Walked,
}

/// An element that is open.
struct Frame<'t> {
    node: Option<&'t Node>,
    /// Which of the tree's children stood here already.
    seen: Vec<bool>,
    /// The way's next name stood here already.
    way_seen: bool,
    /// It is on the way to the elements that are asked for, or one of them.
    way: bool,
    /// Where its tag and its content start.
    start: usize,
    content: usize,
    /// It says that it is nil.
    nil: bool,
    /// Elements stand in it.
    parent: bool,
    text: String,
}

impl<'t> Frame<'t> {
    fn of(node: Option<&'t Node>, start: usize) -> Self {
        let seen = vec![false; node.map_or(0, |node| node.children.len())];
        let text = String::new();
        Self { node, seen, way_seen: false, way: false, start, content: 0, nil: false, parent: false, text }
    }

    fn slot(&self) -> Option<usize> {
        self.node.and_then(|node| node.slot)
    }
}

impl<'t> Walk<'t> {
    fn new(above: Frame<'t>, names: &'t [String], slots: usize, limit: usize) -> Self {
        let walked = Walked { found: vec![None; slots], elements: Vec::new() };
        let (open, rooted, duplicated) = (vec![above], false, false);
        Self { open, inside: None, names, on_way: 0, limit, rooted, duplicated, walked }
    }

    fn run(mut self, text: &[u8]) -> Result<Walked, Trouble> {
        let text = std::str::from_utf8(text).map_err(|_| Trouble::Unreadable)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        loop {
            let start = position(&reader)?;
            let event = reader.read_event().map_err(|_| Trouble::Unreadable)?;
            let end = position(&reader)?;
            match event {
                Event::Start(tag) => self.enter(&tag, start, end)?,
                Event::End(_) => self.leave(start, end),
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.cdata(&text.xml10_content())?,
                Event::GeneralRef(name) => {
                    let resolved = resolved(&name).ok_or(Trouble::Unreadable)?;
                    self.cdata(resolved.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(head) => match head.encoding() {
                    None => {}
                    Some(Ok(encoding)) if is_utf8(&encoding) => {}
                    Some(_) => return Err(Trouble::Unreadable),
                },
                // Empty elements come as a start and an end.
                Event::DocType(_) | Event::Empty(_) => return Err(Trouble::Unreadable),
                Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        match self {
            Self { duplicated: true, .. } => Err(Trouble::Duplicated),
            Self { rooted: true, open, walked, .. } if open.len() == 1 => Ok(walked),
            _ => Err(Trouble::Unreadable),
        }
    }

    fn enter(&mut self, tag: &BytesStart<'_>, start: usize, end: usize) -> Result<(), Trouble> {
        let depth = self.open.len();
        if depth > DEPTH_MAX || (depth == 1 && std::mem::replace(&mut self.rooted, true)) {
            return Err(Trouble::Unreadable);
        }
        let name = local(tag.name());
        let way = self.on_way + 1 == depth && self.names.get(self.on_way).is_some_and(|wanted| wanted == name);
        let last = self.on_way + 1 == self.names.len();
        let Some(parent) = self.open.last_mut() else { return Err(Trouble::Unreadable) };
        parent.parent = true;
        let mut children = parent.node.map_or(&[][..], |node| &node.children).iter().enumerate();
        let child = children.find(|(_, (wanted, _))| wanted == name);
        if let Some(seen) = child.and_then(|(at, _)| parent.seen.get_mut(at)) {
            self.duplicated |= std::mem::replace(seen, true);
        }
        // Any number of the elements that are asked for, but one of each on the way to them.
        if way && !last {
            self.duplicated |= std::mem::replace(&mut parent.way_seen, true);
        }
        let node = match self.inside {
            Some(inside) if depth == 1 => Some(inside),
            _ => child.map(|(_, (_, node))| node),
        };
        let mut frame = Frame { way, content: end, ..Frame::of(node, start) };
        if node.is_some() {
            self.attributes(tag, &mut frame)?;
        }
        self.on_way += usize::from(way);
        self.open.push(frame);
        Ok(())
    }

    fn leave(&mut self, start: usize, end: usize) {
        let Some(frame) = self.open.pop() else { return };
        if frame.way {
            if self.on_way == self.names.len() && self.walked.elements.len() <= self.limit {
                self.walked.elements.push(frame.start..end);
            }
            self.on_way -= 1;
        }
        if let Some(place) = frame.slot().and_then(|slot| self.walked.found.get_mut(slot)) {
            let text = (!frame.parent).then_some(frame.text);
            // An empty element's end is its start's: it has no content.
            let at = frame.content..start.max(frame.content);
            *place = (!frame.nil).then_some(Value { text, at: Some(at) });
        }
    }

    /// Text between tags; outside of the root there may be none but white space.
    fn text(&mut self, text: &str) -> Result<(), Trouble> {
        match text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) && self.open.len() == 1 {
            true => Ok(()),
            false => self.cdata(text),
        }
    }

    /// Text that stands in an element.
    fn cdata(&mut self, text: &str) -> Result<(), Trouble> {
        match self.open.as_mut_slice() {
            [_, .., frame] => {
                if frame.slot().is_some() {
                    frame.text.push_str(text);
                }
                Ok(())
            }
            _ => Err(Trouble::Unreadable),
        }
    }

    fn attributes(&mut self, tag: &BytesStart<'_>, frame: &mut Frame<'t>) -> Result<(), Trouble> {
        let children = frame.node.map_or(&[][..], |node| &node.children);
        for (count, attribute) in tag.attributes().enumerate() {
            let attribute = attribute.map_err(|_| Trouble::Unreadable)?;
            if count == ATTRIBUTES_MAX {
                return Err(Trouble::Unreadable);
            }
            let (name, prefixed) = (local(attribute.key), attribute.key.prefix().is_some());
            let wanted = children.iter().enumerate().find(|(_, (wanted, _))| wanted.strip_prefix('@') == Some(name));
            if wanted.is_none() && name != "nil" {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Trouble::Unreadable)?;
            frame.nil |= prefixed && name == "nil" && matches!(&*value, "true" | "1");
            let Some((at, (_, node))) = wanted else { continue };
            if let Some(seen) = frame.seen.get_mut(at) {
                self.duplicated |= std::mem::replace(seen, true);
            }
            // The value of an xsi:type is a name itself: its prefix is the sender's own choice.
            let text = match value.split_once(':') {
                Some((_, local)) if prefixed && name == "type" => local.to_owned(),
                _ => value.into_owned(),
            };
            if let Some(place) = node.slot.and_then(|slot| self.walked.found.get_mut(slot)) {
                *place = Some(Value { text: Some(text), at: None });
            }
        }
        Ok(())
    }
}

fn position(reader: &Reader<&[u8]>) -> Result<usize, Trouble> {
    usize::try_from(reader.buffer_position()).map_err(|_| Trouble::Unreadable)
}

fn local(name: QName<'_>) -> &str {
    name.local_name().into_inner()
}

fn is_utf8(encoding: &str) -> bool {
    encoding.eq_ignore_ascii_case("utf-8") || encoding.eq_ignore_ascii_case("us-ascii")
}

/// What a reference stands for: a character by number, or one of the five that XML itself names.
fn resolved(name: &BytesRef<'_>) -> Option<char> {
    if name.is_char_ref() {
        return name.resolve_char_ref().ok().flatten();
    }
    match &*name.xml10_content() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}
