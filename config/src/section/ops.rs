//! `[ops]`

use std::net::SocketAddr;

use super::declare::section;

section! {
    /// The metrics and health listener.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Ops {
        /// Address of /metrics, /livez and /readyz.
        pub listen: SocketAddr = default("127.0.0.1:9090"),
    }
}
