//! `[store]` with `engine = "nats"`

use std::fmt;

use url::Url;

use crate::{
    Secret,
    read::{Node, Read},
    section::{declare::section, value},
};

/// A prefix is one token of a subject and part of stream names.
const PREFIX_CHARS_MAX: usize = 32;
/// More partitions or shards cost a stream each.
const STREAMS_MAX: u64 = 256;

section! {
    /// With engine = "nats": where events are kept on NATS JetStream.
    #[derive(Clone, PartialEq)]
    pub struct NatsStore {
        /// Servers, one or a list, or separated by commas (may carry `user:password@` for a test).
        pub urls: Vec<String> as url = required(["nats://127.0.0.1:4222"]) by urls,
        /// A credentials file (`.creds`) or an nkey seed.
        pub credentials: Option<Secret> = optional({ file = "gatepost.creds" }),
        /// First token of every subject and stream name.
        pub prefix: String = default("gatepost") by prefix,
        /// Copies of each stream: 1, 3 or 5.
        pub replicas: usize = default(3) by replicas,
        /// What a 2xx promises, as the servers are set up: "fsync" (`sync_interval: always`, on disk) or "replicated"
        /// (accepted by a quorum, not yet on disk).
        pub durability: Durability = required("fsync"),
        /// Monitoring URL at which `sync_interval: always` can be shown.
        pub monitor_url: Option<Url> = optional("http://127.0.0.1:8222") by value::base_url,
        /// Partitions of the event log; fixed when the streams are made.
        pub partitions: u16 = default(16) by streams,
        /// Shards of the delivery lanes; fixed when the streams are made.
        pub shards: u16 = default(16) by streams,
    }
}

/// What a 2xx promises on NATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// `sync_interval: always`: on disk.
    Fsync,
    /// Accepted by a quorum, not yet on disk.
    Replicated,
}

impl Read for Durability {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("fsync", Self::Fsync), ("replicated", Self::Replicated)])
    }
}

impl fmt::Debug for NatsStore {
    /// Without what a URL has before its `@`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&str> = self.urls.iter().map(|url| url.rsplit(['@', '/']).next().unwrap_or_default()).collect();
        f.debug_struct("NatsStore")
            .field("hosts", &hosts)
            .field("credentials", &self.credentials)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("durability", &self.durability)
            .field("monitor_url", &self.monitor_url.as_ref().map(Url::as_str))
            .field("partitions", &self.partitions)
            .field("shards", &self.shards)
            .finish()
    }
}

fn urls(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.one_or_more()?;
    if nodes.is_empty() {
        node.error("is an empty list", "name at least one server, such as \"nats://127.0.0.1:4222\"");
        return None;
    }
    let servers = crate::read::all(nodes.iter().map(|node| {
        let form = "servers such as \"nats://127.0.0.1:4222\"";
        node.parsed(form, |text| text.split(',').map(server).collect::<Result<Vec<_>, _>>())
    }))?;
    Some(servers.concat())
}

/// One server's URL. It may hold a password, so no message shows it.
fn server(text: &str) -> Result<String, &'static str> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "nats" | "tls" | "ws" | "wss") && url.has_host() => Ok(text.to_owned()),
        Ok(_) => Err("is no NATS server; write nats://HOST:4222 or tls://HOST:4222"),
        Err(_) => Err("is no URL; write nats://HOST:4222 or tls://HOST:4222"),
    }
}

fn prefix(node: &Node<'_>) -> Option<String> {
    node.parsed("1 to 32 characters of A-Z a-z 0-9 _ -", |text| {
        let allowed = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if allowed && (1..=PREFIX_CHARS_MAX).contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(format!("is {text:?}, which can't start a subject"))
        }
    })
}

fn replicas(node: &Node<'_>) -> Option<usize> {
    let replicas = usize::read(node)?;
    if !matches!(replicas, 1 | 3 | 5) {
        node.error(format!("is {replicas}, which makes no good quorum"), "write 1, 3 or 5");
        return None;
    }
    Some(replicas)
}

fn streams(node: &Node<'_>) -> Option<u16> {
    node.number(1, STREAMS_MAX).and_then(|number| u16::try_from(number).ok())
}
