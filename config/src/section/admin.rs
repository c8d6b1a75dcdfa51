//! `[admin]`

use std::net::SocketAddr;

use super::declare::section;
use crate::Secret;

section! {
    /// The API's listener.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Admin {
        /// Address of the API and console.
        pub listen: SocketAddr = default("127.0.0.1:8081"),
        /// Keys that may do everything. Without one a process of all roles leaves the API out.
        pub api_keys: Vec<Secret> = optional([{ env = "GATEPOST_API_KEY" }]),
    }
}
