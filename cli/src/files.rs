//! How many files and sockets the process may have open.

use gatepost_config::Config;

use crate::run::Role;

/// Beside connections: the store's files and listeners.
const OTHERS: u64 = 512;

/// Raises the soft limit to the hard one, since most systems start a process with 1,024, and warns when that is too few
/// for the configured numbers of connections.
pub(crate) fn raise_limit(config: &Config, has: impl Fn(Role) -> bool) {
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => return tracing::warn!(%error, "the limit of open files could not be raised"),
    };
    let needed = needed(config, has);
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for gateway.connections_max and router.concurrency: raise it \
             (LimitNOFILE of a systemd unit, `ulimit -n`), or lower those"
        );
    }
}

fn needed(config: &Config, has: impl Fn(Role) -> bool) -> u64 {
    let inbound = if has(Role::Gateway) { config.gateway.connections_max } else { 0 };
    // As many again wait to be used again.
    let outbound = if has(Role::Router) { config.router.concurrency.saturating_mul(2) } else { 0 };
    (inbound as u64).saturating_add(outbound as u64).saturating_add(OTHERS)
}
