//! `[admin]`

use std::{net::SocketAddr, path::PathBuf};

use super::declare::section;
use crate::{Secret, read::Node};

section! {
    /// The API's listener.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Admin {
        /// Address of the API and console.
        pub listen: SocketAddr = default("127.0.0.1:8081"),
        /// Keys that may do everything. Without one a process of all roles leaves the API out.
        pub api_keys: Vec<Secret> = optional([{ env = "GATEPOST_API_KEY" }]),
        /// Wrong keys that one address (of IPv6, one /64 network) may send in a minute; then it is answered 429, but for keys
        /// that were right before.
        pub wrong_keys_a_minute: u32 = default(60) by wrong_keys,
        /// Keep a history that can be searched: what became of every event. It follows the store from behind.
        pub history: bool = default(true),
        /// Its file, which may be deleted at any time and is then made anew; a relative path starts at this file. Absent:
        /// history.db in the folder of the embedded store; on NATS a temporary file, made anew at each start.
        pub history_path: Option<PathBuf> = optional("history.db") by file,
    }
}

fn wrong_keys(node: &Node<'_>) -> Option<u32> {
    u32::try_from(node.number(1, 1_000_000)?).ok()
}

fn file(node: &Node<'_>) -> Option<Option<PathBuf>> {
    node.parsed("a file, such as \"history.db\"", |text| match text {
        "" => Err("is empty; name a file".to_owned()),
        text => Ok(Some(node.spot.sheet.path(text))),
    })
}
