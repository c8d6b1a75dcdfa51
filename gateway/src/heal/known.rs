//! What is asked of a router: the keys and partitions under which an undelivered event may be stored already.

use std::sync::Arc;

use gatepost_config::ConnectionId;
use gatepost_event::{
    StoreError,
    heal::{Wanted, key},
    subject::connection_token,
};

use super::source::Undelivered;
use crate::{serve::Gateway, tables::Endpoint};

/// Where an event may be stored: as a connection's that claims its account now, or as nobody's.
pub(super) async fn wanted(
    gateway: &Gateway,
    endpoint: &Arc<Endpoint>,
    one: &Undelivered,
) -> Result<Wanted, StoreError> {
    let integration = &endpoint.integration;
    let account = one.account.as_deref();
    let mut connections: Vec<Option<ConnectionId>> = vec![None];
    match account {
        Some(account) => {
            let claimants = gateway.directory.claimants(endpoint, account).await?;
            connections.extend(claimants.iter().map(|link| Some(link.id.clone())));
        }
        None => connections.extend(integration.default_connection.clone().map(Some)),
    }
    let partition = |connection: &Option<ConnectionId>| {
        connection_token(&integration.id, connection.as_ref(), account).spread(gateway.store.partitions())
    };
    let mut partitions: Vec<u16> = connections.iter().map(partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let keys = connections.iter().map(|connection| key(&integration.id, connection.as_ref(), &one.id).to_string());
    Ok(Wanted { keys: keys.collect(), partitions })
}
