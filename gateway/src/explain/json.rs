//! The same JSON, written as other programs write it. Numbers and the order of keys stay as they stand.

use std::fmt::Write as _;

/// Deepest nesting that is written again.
const DEPTH_MAX: usize = 64;

/// How values are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// No white space (JavaScript, Go, most libraries).
    Compact,
    /// `, ` and `: ` (Python).
    Spaced,
    /// A line per value, indented by some spaces.
    Indented(usize),
    /// A line per value, indented by tabs.
    Tabs,
    /// A line per member, ` : ` after keys, lists on one line (Java's Jackson).
    Java,
}

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// As they stand.
    Same,
    /// Nothing escaped that needn't be.
    Plain,
    /// All but ASCII escaped, in lower-case hexadecimal (Python).
    Ascii,
    /// The same in upper-case hexadecimal.
    AsciiUpper,
    /// `/` escaped.
    Slashes,
    /// `/` and all but ASCII escaped (PHP).
    SlashesAscii,
    /// `<`, `>` and `&` escaped (Go).
    Html,
}

impl Text {
    /// All ways.
    pub(super) const ALL: &[Self] =
        &[Self::Same, Self::Plain, Self::Ascii, Self::AsciiUpper, Self::Slashes, Self::SlashesAscii, Self::Html];

    /// What it does, for people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Same => "the same escapes",
            Self::Plain => "no needless escapes",
            Self::Ascii => "all but ASCII escaped",
            Self::AsciiUpper => "all but ASCII escaped in upper-case hexadecimal",
            Self::Slashes => "escaped slashes",
            Self::SlashesAscii => "escaped slashes and all but ASCII escaped",
            Self::Html => "<, > and & escaped",
        }
    }
}

impl Layout {
    /// All ways.
    pub(super) const ALL: &[Self] =
        &[Self::Compact, Self::Spaced, Self::Indented(2), Self::Indented(4), Self::Tabs, Self::Java];

    /// What it is, for people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Spaced => "with a space after each comma and colon (as Python writes it)",
            Self::Indented(4) => "indented by four spaces",
            Self::Indented(_) => "indented by two spaces",
            Self::Tabs => "indented by tabs",
            Self::Java => "indented as Java's Jackson does",
        }
    }
}

/// A JSON text, taken apart; scalars and texts as they stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Scalar(&'a str),
    Text(&'a str),
    List(Vec<Node<'a>>),
    Map(Vec<(&'a str, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Takes a text apart; `None` when it is not one JSON text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let node = reader.value(0)?;
        reader.space();
        reader.rest.is_empty().then_some(node)
    }

    /// Puts the members of every object in the order of their keys.
    pub(super) fn sort(&mut self) {
        match self {
            Self::Scalar(_) | Self::Text(_) => {}
            Self::List(items) => items.iter_mut().for_each(Self::sort),
            Self::Map(members) => {
                members.iter_mut().for_each(|(_, value)| value.sort());
                members.sort_by_key(|(key, _)| *key);
            }
        }
    }

    /// Writes it.
    pub(super) fn write(&self, layout: Layout, text: Text) -> String {
        let mut written = String::new();
        self.write_to(&mut written, layout, text, 0);
        written
    }

    fn write_to(&self, out: &mut String, layout: Layout, text: Text, depth: usize) {
        match self {
            Self::Scalar(raw) => out.push_str(raw),
            Self::Text(raw) => out.push_str(&rewrite(raw, text)),
            Self::List(items) if items.is_empty() => out.push_str(if layout == Layout::Java { "[ ]" } else { "[]" }),
            Self::Map(members) if members.is_empty() => {
                out.push_str(if layout == Layout::Java { "{ }" } else { "{}" });
            }
            Self::List(items) if layout == Layout::Java => {
                out.push_str("[ ");
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { ", " });
                    item.write_to(out, layout, text, depth);
                }
                out.push_str(" ]");
            }
            Self::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    separate(out, layout, n, depth);
                    item.write_to(out, layout, text, depth.saturating_add(1));
                }
                close(out, layout, depth, ']');
            }
            Self::Map(members) => {
                out.push('{');
                for (n, (key, value)) in members.iter().enumerate() {
                    separate(out, layout, n, depth);
                    out.push_str(&rewrite(key, text));
                    out.push_str(match layout {
                        Layout::Compact => ":",
                        Layout::Java => " : ",
                        _ => ": ",
                    });
                    value.write_to(out, layout, text, depth.saturating_add(1));
                }
                close(out, layout, depth, '}');
            }
        }
    }
}

/// The same JSON text with its texts written another way and its white space kept; `None` when it is not JSON.
pub(super) fn retext(json: &str, text: Text) -> Option<String> {
    Node::parse(json)?;
    let mut reader = Reader { rest: json };
    let mut out = String::with_capacity(json.len());
    while let Some(c) = reader.rest.chars().next() {
        if c == '"' {
            out.push_str(&rewrite(reader.text()?, text));
        } else {
            out.push(c);
            reader.rest = reader.rest.get(c.len_utf8()..)?;
        }
    }
    Some(out)
}

fn separate(out: &mut String, layout: Layout, n: usize, depth: usize) {
    match layout {
        Layout::Compact | Layout::Spaced if n == 0 => {}
        Layout::Compact => out.push(','),
        Layout::Spaced => out.push_str(", "),
        _ => {
            out.push_str(if n == 0 { "" } else { "," });
            line(out, layout, depth.saturating_add(1));
        }
    }
}

fn close(out: &mut String, layout: Layout, depth: usize, bracket: char) {
    if !matches!(layout, Layout::Compact | Layout::Spaced) {
        line(out, layout, depth);
    }
    out.push(bracket);
}

fn line(out: &mut String, layout: Layout, depth: usize) {
    let step = match layout {
        Layout::Tabs => "\t".to_owned(),
        Layout::Indented(spaces) => " ".repeat(spaces),
        _ => "  ".to_owned(),
    };
    out.push('\n');
    out.push_str(&step.repeat(depth));
}

/// A JSON text with its quotes, written another way.
fn rewrite(raw: &str, text: Text) -> String {
    if text == Text::Same {
        return raw.to_owned();
    }
    let Ok(decoded) = serde_json::from_str::<String>(raw) else { return raw.to_owned() };
    let mut out = String::with_capacity(raw.len());
    out.push('"');
    for c in decoded.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '/' if matches!(text, Text::Slashes | Text::SlashesAscii) => out.push_str("\\/"),
            '<' | '>' | '&' if text == Text::Html => escape(&mut out, c, false),
            c if c < ' ' => escape(&mut out, c, text == Text::AsciiUpper),
            c if !c.is_ascii() && matches!(text, Text::Ascii | Text::AsciiUpper | Text::SlashesAscii) => {
                escape(&mut out, c, text == Text::AsciiUpper);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, c: char, upper: bool) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String can't fail.
        let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
    }
}

/// What is not yet read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, c: char) -> bool {
        self.space();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.rest.chars().next()? {
            '"' => self.text().map(Node::Text),
            '[' => self.list(depth),
            '{' => self.map(depth),
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
                let (scalar, rest) = self.rest.split_at_checked(end)?;
                serde_json::from_str::<serde_json::Value>(scalar).ok()?;
                self.rest = rest;
                Some(Node::Scalar(scalar))
            }
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let mut escaped = true;
        let end = self.rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        })?;
        let (text, rest) = self.rest.split_at_checked(end.saturating_add(1))?;
        self.rest = rest;
        Some(text)
    }

    fn list(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut items = Vec::new();
        self.take('[');
        if self.take(']') {
            return Some(Node::List(items));
        }
        loop {
            items.push(self.value(depth.saturating_add(1))?);
            match (self.take(','), self.take(']')) {
                (true, false) => {}
                (false, true) => return Some(Node::List(items)),
                _ => return None,
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut members = Vec::new();
        self.take('{');
        if self.take('}') {
            return Some(Node::Map(members));
        }
        loop {
            self.space();
            if !self.rest.starts_with('"') {
                return None;
            }
            let key = self.text()?;
            if !self.take(':') {
                return None;
            }
            members.push((key, self.value(depth.saturating_add(1))?));
            match (self.take(','), self.take('}')) {
                (true, false) => {}
                (false, true) => return Some(Node::Map(members)),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_other_programs_write_it() {
        let mut node = Node::parse("{\"b\": [1.0, {}],\n\"a\": \"caf\\u00e9 / <x>\"}").expect("JSON");
        assert_eq!(node.write(Layout::Compact, Text::Plain), "{\"b\":[1.0,{}],\"a\":\"café / <x>\"}");
        assert_eq!(node.write(Layout::Spaced, Text::Ascii), "{\"b\": [1.0, {}], \"a\": \"caf\\u00e9 / <x>\"}");
        assert_eq!(node.write(Layout::Compact, Text::SlashesAscii), "{\"b\":[1.0,{}],\"a\":\"caf\\u00e9 \\/ <x>\"}");
        assert_eq!(node.write(Layout::Compact, Text::Html), "{\"b\":[1.0,{}],\"a\":\"café / \\u003cx\\u003e\"}");
        let pretty = "{\n  \"b\": [\n    1.0,\n    {}\n  ],\n  \"a\": \"café / <x>\"\n}";
        assert_eq!(node.write(Layout::Indented(2), Text::Plain), pretty);
        let java = "{\n  \"b\" : [ 1.0, { } ],\n  \"a\" : \"café / <x>\"\n}";
        assert_eq!(node.write(Layout::Java, Text::Plain), java);
        node.sort();
        assert_eq!(node.write(Layout::Compact, Text::Same), "{\"a\":\"caf\\u00e9 / <x>\",\"b\":[1.0,{}]}");
        assert_eq!(retext("{ \"é\" :1}", Text::AsciiUpper), Some("{ \"\\u00E9\" :1}".to_owned()));
        for bad in ["", "{", "[1,]", "{\"a\"}", "[1 2]", "{,}", "nul", "\"a", "{}x"] {
            assert_eq!(Node::parse(bad), None, "{bad}");
        }
    }
}
