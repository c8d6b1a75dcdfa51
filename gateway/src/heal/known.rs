//! What is asked of a router: the keys and partitions under which an undelivered event may be stored already.

use std::sync::Arc;

use gatepost_config::ConnectionId;
use gatepost_event::{
    StoreError,
    heal::{Wanted, key, key_of_any},
    subject::connection_token,
};

use super::source::Undelivered;
use crate::{serve::Gateway, tables::Endpoint};

/// Where an event may be stored: as a connection's that claims its account now, or as nobody's; when it names no account,
/// as any connection's, since the URL that it came by may have named one.
pub(super) async fn wanted(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    one: &Undelivered,
) -> Result<Wanted, StoreError> {
    let integration = &endpoint.integration.id;
    let Some(account) = one.account.as_deref() else {
        let keys = vec![key_of_any(integration, &one.id).to_string()];
        return Ok(Wanted { keys, partitions: (0..gateway.store.partitions()).collect() });
    };
    let claimants = gateway.directory.claimants(endpoint, account).await?;
    let mut connections: Vec<Option<ConnectionId>> = vec![None];
    connections.extend(claimants.iter().map(|link| Some(link.id.clone())));
    let partition = |connection: &Option<ConnectionId>| {
        connection_token(integration, connection.as_ref(), Some(account)).spread(gateway.store.partitions())
    };
    let mut partitions: Vec<u16> = connections.iter().map(partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let keys = connections.iter().map(|connection| key(integration, connection.as_ref(), &one.id).to_string());
    Ok(Wanted { keys: keys.collect(), partitions })
}
