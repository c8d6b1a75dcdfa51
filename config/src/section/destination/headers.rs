//! `headers = { .. }`: headers that a backend wants to see besides Gatepost's own.

use crate::{
    Secret,
    read::{Node, Read, all},
};

/// Most of them.
const HEADERS_MAX: usize = 32;
/// Longest name and value.
const NAME_BYTES_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 4096;

/// A header of the operator's.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value, printable ASCII; it may be a secret.
    pub value: Secret,
}

/// Names that mean something to the connection, the body or the proof of a delivery, with what to do instead.
const FORBIDDEN: [(&str, &str); 20] = [
    ("authorization", "write auth = { bearer = { env = \"NAME\" } } or auth = { basic = .. }"),
    ("host", "write the host into the destination's url"),
    ("connection", HOP),
    ("keep-alive", HOP),
    ("te", HOP),
    ("trailer", HOP),
    ("transfer-encoding", HOP),
    ("upgrade", HOP),
    ("http2-settings", HOP),
    ("expect", HOP),
    ("proxy-authorization", "write the password into router.egress_proxy"),
    ("proxy-connection", HOP),
    ("proxy-authenticate", HOP),
    ("via", FORGED),
    ("forwarded", FORGED),
    ("x-real-ip", FORGED),
    ("date", "leave it out; webhook-timestamp says when a delivery was signed"),
    ("x-nango-hmac-sha256", "write format = \"nango\""),
    ("x-nango-signature", "write format = \"nango\" and nango_legacy_signature = true"),
    ("retry-after", "leave it out; backends answer with it"),
];
const HOP: &str = "leave it out; it is about the connection, which Gatepost makes";
const FORGED: &str = "leave it out; backends take it for the word of a proxy";

/// Starts of names that are Gatepost's to say.
const FORBIDDEN_STARTS: [(&str, &str); 6] = [
    ("content-", "leave it out; the format decides it"),
    ("webhook-", "leave it out; every delivery has its own"),
    ("svix-", "leave it out; every delivery has webhook-id and its kin"),
    ("gatepost-", "leave it out; every delivery has its own"),
    ("ce-", "write format = \"raw\", which sets them"),
    ("x-forwarded-", FORGED),
];

/// Parts of names whose values are secrets.
const SECRETS: [&str; 6] = ["key", "token", "secret", "password", "auth", "credential"];

/// Custom headers, in the order of their names.
pub(super) fn headers(node: &Node<'_>) -> Option<Vec<Header>> {
    let entries = node.table()?.entries();
    if entries.len() > HEADERS_MAX {
        node.error(format!("has {} headers", entries.len()), format!("keep {HEADERS_MAX}"));
        return None;
    }
    let mut headers: Vec<Header> = all(entries.into_iter().map(|(name, node)| header(&name, &node)))?;
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in headers.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            node.error(format!("has {:?} twice", a.name), "keep one; upper and lower case are the same");
            return None;
        }
    }
    Some(headers)
}

fn header(name: &str, node: &Node<'_>) -> Option<Header> {
    let name = name.to_ascii_lowercase();
    if let Some((message, remedy)) = name_error(&name) {
        node.error(message, remedy);
        return None;
    }
    let by_reference = node.is_table();
    if by_reference && node.spot.sheet.is_without_secrets() {
        return Some(Header { value: Secret::read(node)?, name });
    }
    let value = String::read(node)?;
    if let Some((message, remedy)) = value_error(&value) {
        node.error(message, remedy);
        return None;
    }
    if !by_reference && SECRETS.iter().any(|part| name.contains(part)) {
        node.spot.warning(
            "sounds like a secret and is written out in the file",
            "write { env = \"NAME\" } or { file = \"path\" } if it is one",
        );
    }
    Some(Header { name, value: Secret::new(value.into_bytes(), "a header of a destination") })
}

fn name_error(name: &str) -> Option<(&'static str, &'static str)> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_token) {
        return Some(("is no name of a header", "write 1 to 128 of A-Z a-z 0-9 and - such as \"x-team\""));
    }
    let same = FORBIDDEN.iter().find(|(forbidden, _)| name == *forbidden);
    let starts = FORBIDDEN_STARTS.iter().find(|(start, _)| name.starts_with(start));
    same.or(starts).map(|(_, remedy)| ("is a header that destinations may not set", *remedy))
}

fn value_error(value: &str) -> Option<(&'static str, &'static str)> {
    match () {
        () if value.is_empty() => Some(("is empty", "give it a value, or leave the header out")),
        () if value.len() > VALUE_BYTES_MAX => Some(("is longer than 4096 bytes", "shorten it")),
        () if !value.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) => {
            Some(("has a character that headers can't carry", "write printable ASCII, on one line"))
        }
        () if value.trim() != value => Some(("starts or ends with a space", "trim it")),
        () => None,
    }
}
