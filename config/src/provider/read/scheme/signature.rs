//! `signature = { ... }`: how the place and form of a signature are read.

use crate::{
    provider::{Encoding, Location, LocationError, Parse, Signature},
    read::{Node, Read, Table, all},
};

/// Most numbered headers that one place stands for.
const NUMBERED_MAX: u32 = 100;

/// Reads a signature, with the encoding that is usual where it may be left out.
pub(super) fn read(table: &Table<'_>, usual: Option<Encoding>) -> Option<Signature> {
    let from = table.required_like("from", "\"header:x-signature\"", from);
    let parse = parse(table);
    let encoding = match usual {
        Some(usual) => table.or("encoding", usual),
        None => table.required_like("encoding", "\"hex\"", Encoding::read),
    };
    Some(Signature { from: from?, parse: parse?, encoding: encoding? })
}

/// A place, several, or numbered headers: `header:x-docusign-signature-{1..100}`.
fn from(node: &Node<'_>) -> Option<Vec<Location>> {
    let places: Vec<Vec<Location>> = all(node.one_or_more()?.iter().map(numbered))?;
    if places.is_empty() {
        node.error("is an empty list", "name a place such as \"header:x-signature\"");
        return None;
    }
    Some(places.into_iter().flatten().collect())
}

fn numbered(node: &Node<'_>) -> Option<Vec<Location>> {
    node.parsed("a place, such as \"header:x-signature\"", |text| {
        let parse = |text: &str| text.parse().map_err(|error: LocationError| error.to_string());
        let Some((before, rest)) = text.split_once('{') else { return Ok(vec![parse(text)?]) };
        let range = rest.strip_suffix('}').and_then(|range| range.split_once(".."));
        let range = range.and_then(|(first, last)| Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?));
        match range {
            Some(range) if !range.is_empty() && *range.end() <= NUMBERED_MAX => {
                range.map(|n| parse(&format!("{before}{n}"))).collect()
            }
            _ => Err(format!("is {text:?}; numbered headers end in {{1..100}} or less")),
        }
    })
}

/// What `parse = ...` names.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Pairs,
    Groups,
    Versioned,
    List,
    Positional,
    Keyed,
}

const FORMS: [(&str, Form); 7] = [
    ("plain", Form::Plain),
    ("pairs", Form::Pairs),
    ("groups", Form::Groups),
    ("versioned", Form::Versioned),
    ("list", Form::List),
    ("positional", Form::Positional),
    ("keyed", Form::Keyed),
];

/// How candidates stand in a signature: `parse` says, and each form has settings of its own.
fn parse(table: &Table<'_>) -> Option<Parse> {
    let form = match table.get("parse") {
        Some(node) => node.one_of(&FORMS),
        None => Some(Form::Plain),
    };
    if form.is_none() {
        table.know(&["prefix", "prefix_optional", "separator", "key", "version", "between", "value"]);
    }
    let separator = |usual| table.or("separator", Separator(usual)).map(|separator| separator.0);
    let key = || table.required_like("key", "\"v1\"", String::read);
    match form? {
        Form::Plain => {
            let prefix = table.or("prefix", String::new());
            let optional = table.or("prefix_optional", false);
            Some(Parse::Plain { prefix: prefix?, optional: optional? })
        }
        Form::Pairs => {
            let (separator, key) = (separator(','), key());
            Some(Parse::Pairs { separator: separator?, key: key? })
        }
        Form::Groups => {
            let (separator, key) = (separator(','), key());
            Some(Parse::Groups { separator: separator?, key: key? })
        }
        Form::Versioned => {
            table.required_like("version", "\"v1\"", String::read).map(|version| Parse::Versioned { version })
        }
        Form::List => separator(',').map(|separator| Parse::List { separator }),
        Form::Positional => separator(',').map(|separator| Parse::Positional { separator }),
        Form::Keyed => {
            let separator = separator('&');
            let between = table.or("between", Separator('|'));
            let value = table.required_like("value", "\"public_key\"", String::read);
            Some(Parse::Keyed { separator: separator?, between: between?.0, value: value? })
        }
    }
}

/// One character.
struct Separator(char);

impl Read for Separator {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("one character, such as \",\"", |text| {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if c != '=' => Ok(Self(c)),
                _ => Err(format!("is {text:?}, which doesn't separate pairs")),
            }
        })
    }
}

impl Read for Encoding {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("hex", Self::Hex),
            ("base64", Self::Base64),
            ("base64url", Self::Base64Url),
            ("plain", Self::Plain),
        ])
    }
}
