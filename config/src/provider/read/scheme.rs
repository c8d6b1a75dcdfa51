//! `[[scheme]]`: how a way of signing is read.

mod signature;

use std::time::Duration;

use super::{condition, in_table, some};
use crate::{
    provider::{
        Algorithm, Encoding, Hash, Jwt, JwtAlgorithm, JwtTime, Key, KeyForm, Location, Parse, Pointer, Scheme,
        SchemeKind, Signature, Template, TimeUnit, TimestampRule, TokenChain,
    },
    read::{Node, Read, Table},
};

/// What `kind = ...` names.
#[derive(Clone, Copy)]
enum Kind {
    Hmac,
    Digest,
    Ed25519,
    Ecdsa,
    Rsa,
    Jwt,
    Token,
    Basic,
    None,
}

const KINDS: [(&str, Kind); 9] = [
    ("hmac", Kind::Hmac),
    ("digest", Kind::Digest),
    ("ed25519", Kind::Ed25519),
    ("ecdsa", Kind::Ecdsa),
    ("rsa", Kind::Rsa),
    ("jwt", Kind::Jwt),
    ("token", Kind::Token),
    ("basic", Kind::Basic),
    ("none", Kind::None),
];

pub(super) fn read(table: &Table<'_>) -> Option<Scheme> {
    let id = table.required_like("id", "\"v1\"", String::read);
    let when = table.optional("when", condition::when);
    let each = table.optional("each", |node| Pointer::read(node).map(Some));
    let also = table.optional("also", condition::conditions);
    let kind = table.required_like("kind", "\"hmac\"", |node| node.one_of(&KINDS));
    if kind.is_none() {
        // Which settings belong here depends on the kind.
        table.know(&["hash", "key", "raw", "signature", "signed", "timestamp"]);
        table.know(&["algorithms", "required", "max_age", "detached"]);
    }
    let kind = match kind? {
        Kind::Hmac => hmac(table),
        Kind::Digest => digest(table),
        Kind::Ed25519 => public_key(table, Some(Algorithm::Ed25519)),
        Kind::Ecdsa => {
            let raw = table.or("raw", false).map(|raw| if raw { Algorithm::EcdsaRaw } else { Algorithm::EcdsaDer });
            public_key(table, raw)
        }
        Kind::Rsa => {
            let hash = table.required_like("hash", "\"sha256\"", Hash::read).map(Algorithm::Rsa);
            public_key(table, hash)
        }
        Kind::Jwt => jwt(table),
        Kind::Token => {
            let token = |table: &Table<'_>| signature::read(table, Some(Encoding::Plain));
            let signature = table.required_like("signature", TOKEN_EXAMPLE, |node| in_table(node, token));
            signature.map(|signature| SchemeKind::Token { signature })
        }
        Kind::Basic => Some(SchemeKind::Token { signature: basic() }),
        Kind::None => Some(SchemeKind::None),
    };
    Some(Scheme { id: id?, when: when?, each: each?, kind: kind?, also: also? })
}

const TOKEN_EXAMPLE: &str = "{ from = \"header:x-token\" }";
const JWT_EXAMPLE: &str = "{ from = \"header:authorization\", prefix = \"Bearer \" }";
const SIGNATURE_EXAMPLE: &str = "{ from = \"header:x-signature\", encoding = \"hex\" }";

fn hmac(table: &Table<'_>) -> Option<SchemeKind> {
    let hash = table.required_like("hash", "\"sha256\"", Hash::read);
    let key = table.or("key", Key::from(KeyForm::Utf8));
    let text = text(table);
    let Text { signature, signed, timestamp } = text?;
    Some(SchemeKind::Hmac { hash: hash?, key: key?, signature, signed, timestamp })
}

fn digest(table: &Table<'_>) -> Option<SchemeKind> {
    let hash = table.required_like("hash", "\"sha256\"", Hash::read);
    let key = table.or("key", Key::from(KeyForm::Utf8));
    let text = text(table);
    let Text { signature, signed, timestamp } = text?;
    Some(SchemeKind::Digest { hash: hash?, key: key?, signature, signed, timestamp })
}

fn public_key(table: &Table<'_>, algorithm: Option<Algorithm>) -> Option<SchemeKind> {
    let text = text(table);
    let Text { signature, signed, timestamp } = text?;
    Some(SchemeKind::PublicKey { algorithm: algorithm?, signature, signed, timestamp })
}

fn chain(table: &Table<'_>) -> Option<TokenChain> {
    let object =
        |node: &Node<'_>| node.parsed("an object identifier such as \"1.2.840.113635.100.6.11.1\"", str::parse);
    let leaf = table.required_like("leaf", "\"1.2.840.113635.100.6.11.1\"", object);
    let issuer = table.required_like("issuer", "\"1.2.840.113635.100.6.2.1\"", object);
    Some(TokenChain { leaf: leaf?, issuer: issuer? })
}

fn jwt(table: &Table<'_>) -> Option<SchemeKind> {
    let algorithms = table.required_like("algorithms", "[\"RS256\"]", some);
    let key = table.or("key", Key::from(KeyForm::Utf8));
    let token = |table: &Table<'_>| signature::read(table, Some(Encoding::Plain));
    let signature = table.required_like("signature", JWT_EXAMPLE, |node| in_table(node, token));
    let required = table.or("required", vec![JwtTime::Expires]);
    let max_age = table.optional("max_age", crate::section::maybe_span);
    let detached = table.or("detached", false);
    let chain = table.optional("chain", |node| in_table(node, chain).map(Some));
    Some(SchemeKind::Jwt(Jwt {
        algorithms: algorithms?,
        key: key?,
        signature: signature?,
        required: required?,
        max_age: max_age?,
        detached: detached?,
        chain: chain?,
    }))
}

/// The user and password of HTTP basic authentication, `user:password` in the secret.
fn basic() -> Signature {
    Signature {
        from: vec![crate::provider::Source::Header("authorization".to_owned()).into()],
        parse: Parse::Plain { prefix: "Basic ".to_owned(), optional: false },
        encoding: Encoding::Base64,
    }
}

/// A signed text with its signature.
struct Text {
    signature: Signature,
    signed: Vec<Template>,
    timestamp: Option<TimestampRule>,
}

fn text(table: &Table<'_>) -> Option<Text> {
    let signature = |node: &Node<'_>| in_table(node, |table| signature::read(table, None));
    let signature = table.required_like("signature", SIGNATURE_EXAMPLE, signature);
    let signed = table.required_like("signed", "\"{body}\"", signed);
    let timestamp = table.optional("timestamp", |node| in_table(node, timestamp).map(Some));
    Some(Text { signature: signature?, signed: signed?, timestamp: timestamp? })
}

fn signed(node: &Node<'_>) -> Option<Vec<Template>> {
    let signed: Vec<Template> = some(node)?;
    if signed.is_empty() {
        node.error("is an empty list", "write the signed text, such as \"{body}\"");
        return None;
    }
    Some(signed)
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

impl Read for JwtAlgorithm {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(
            &[Self::Hs256, Self::Rs256, Self::Rs512, Self::Es256].map(|algorithm| (algorithm.name(), algorithm)),
        )
    }
}

impl Read for JwtTime {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[Self::Expires, Self::NotBefore, Self::IssuedAt].map(|time| (time.name(), time)))
    }
}

impl Read for Hash {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("sha256", Self::Sha256), ("sha512", Self::Sha512), ("sha1", Self::Sha1), ("md5", Self::Md5)])
    }
}

impl Read for KeyForm {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("utf8", Self::Utf8),
            ("base64", Self::Base64),
            ("hex", Self::Hex),
            ("sha1", Self::Sha1),
            ("sha256", Self::Sha256),
            ("nfkd", Self::Nfkd),
        ])
    }
}

impl Read for Key {
    /// `"utf8"`, or `{ form = "base64", strip_prefix = "whsec_" }`, or `{ form = "utf8", suffix = "&" }`.
    fn read(node: &Node<'_>) -> Option<Self> {
        if !node.is_table() {
            return KeyForm::read(node).map(Self::from);
        }
        in_table(node, |table| {
            let form = table.required_like("form", "\"base64\"", KeyForm::read);
            let strip_prefix = table.optional("strip_prefix", Option::<String>::read);
            let suffix = table.optional("suffix", String::read);
            Some(Self { strip_prefix: strip_prefix?, form: form?, suffix: suffix? })
        })
    }
}
