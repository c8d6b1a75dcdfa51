//! `[[scheme]]`: how a way of signing is read.

use std::time::Duration;

use super::in_table;
use crate::{
    provider::{
        Encoding, Hash, Key, KeyForm, Location, Parse, Scheme, SchemeKind, Signature, Template, TimeUnit, TimestampRule,
    },
    read::{Node, Read, Table},
};

/// What `kind = ...` names.
#[derive(Clone, Copy)]
enum Kind {
    Hmac,
    Token,
    None,
}

pub(super) fn read(table: &Table<'_>) -> Option<Scheme> {
    let id = table.required_like("id", "\"v1\"", String::read);
    let when = table.optional("when", Option::<Location>::read);
    let words = [("hmac", Kind::Hmac), ("token", Kind::Token), ("none", Kind::None)];
    let kind = table.required_like("kind", "\"hmac\"", |node| node.one_of(&words));
    if kind.is_none() {
        // Which settings belong here depends on the kind.
        table.know(&["hash", "key", "signature", "signed", "timestamp"]);
    }
    let kind = match kind? {
        Kind::Hmac => hmac(table),
        Kind::Token => table.required_like("signature", TOKEN_EXAMPLE, |node| in_table(node, token)),
        Kind::None => Some(SchemeKind::None),
    };
    Some(Scheme { id: id?, when: when?, kind: kind? })
}

const TOKEN_EXAMPLE: &str = "{ from = \"header:x-token\" }";
const SIGNATURE_EXAMPLE: &str = "{ from = \"header:x-signature\", encoding = \"hex\" }";

fn hmac(table: &Table<'_>) -> Option<SchemeKind> {
    let hash = table.required_like("hash", "\"sha256\"", Hash::read);
    let key = table.or("key", Key { strip_prefix: None, form: KeyForm::Utf8 });
    let signature = table.required_like("signature", SIGNATURE_EXAMPLE, |node| in_table(node, |t| signature(t, None)));
    let signed = table.required_like("signed", "\"{body}\"", Template::read);
    let timestamp = table.optional("timestamp", |node| in_table(node, timestamp).map(Some));
    Some(SchemeKind::Hmac { hash: hash?, key: key?, signature: signature?, signed: signed?, timestamp: timestamp? })
}

fn token(table: &Table<'_>) -> Option<SchemeKind> {
    signature(table, Some(Encoding::Plain)).map(|signature| SchemeKind::Token { signature })
}

fn signature(table: &Table<'_>, usual: Option<Encoding>) -> Option<Signature> {
    let from = table.required_like("from", "\"header:x-signature\"", Location::read);
    let parse = parse(table);
    let encoding = match usual {
        Some(usual) => table.or("encoding", usual),
        None => table.required_like("encoding", "\"hex\"", Encoding::read),
    };
    Some(Signature { from: from?, parse: parse?, encoding: encoding? })
}

/// How candidates stand in a signature: `parse` says, and each form has settings of its own.
fn parse(table: &Table<'_>) -> Option<Parse> {
    let form = match table.get("parse") {
        Some(node) => node.one_of(&[("plain", 0), ("pairs", 1), ("versioned", 2)]),
        None => Some(0),
    };
    if form.is_none() {
        table.know(&["prefix", "separator", "key", "version"]);
    }
    match form? {
        0 => table.or("prefix", String::new()).map(|prefix| Parse::Plain { prefix }),
        1 => {
            let separator = table.or("separator", Separator(','));
            let key = table.required_like("key", "\"v1\"", String::read);
            Some(Parse::Pairs { separator: separator?.0, key: key? })
        }
        _ => table.required_like("version", "\"v1\"", String::read).map(|version| Parse::Versioned { version }),
    }
}

fn timestamp(table: &Table<'_>) -> Option<TimestampRule> {
    let from = table.required_like("from", "\"header:x-timestamp\"", Location::read);
    let unit = table.required_like("unit", "\"s\"", TimeUnit::read);
    let tolerance = table.required_like("tolerance", "\"5m\"", tolerance);
    Some(TimestampRule { from: from?, unit: unit?, tolerance: tolerance? })
}

fn tolerance(node: &Node<'_>) -> Option<Duration> {
    crate::section::maybe_span(node).flatten()
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

impl Read for Hash {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("sha256", Self::Sha256), ("sha512", Self::Sha512), ("sha1", Self::Sha1)])
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

impl Read for KeyForm {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("utf8", Self::Utf8), ("base64", Self::Base64), ("hex", Self::Hex)])
    }
}

impl Read for Key {
    /// `"utf8"`, or `{ form = "base64", strip_prefix = "whsec_" }`.
    fn read(node: &Node<'_>) -> Option<Self> {
        if !node.is_table() {
            return KeyForm::read(node).map(|form| Self { strip_prefix: None, form });
        }
        in_table(node, |table| {
            let form = table.required_like("form", "\"base64\"", KeyForm::read);
            let strip_prefix = table.optional("strip_prefix", Option::<String>::read);
            Some(Self { strip_prefix: strip_prefix?, form: form? })
        })
    }
}
