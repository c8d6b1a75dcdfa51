//! How ids are spread over partitions and shards, and stand in subjects: as hashes, so that no id can change a
//! subject's shape.

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, SyncName, TenantId};

use crate::id::Token;

/// Stands for a connection, or for an account that no connection claims, or for an event that carries neither.
pub fn connection_token(
    integration: &IntegrationId,
    connection: Option<&ConnectionId>,
    account: Option<&str>,
) -> Token {
    match (connection, account) {
        (Some(connection), _) => {
            Token::hash(&[b"connection", integration.as_str().as_bytes(), connection.as_str().as_bytes()])
        }
        (None, Some(account)) => account_token(integration, account),
        (None, None) => Token::hash(&[b"nobody", integration.as_str().as_bytes()]),
    }
}

/// Stands for an account key of an integration.
pub fn account_token(integration: &IntegrationId, account: &str) -> Token {
    Token::hash(&[b"account", integration.as_str().as_bytes(), account.as_bytes()])
}

/// Stands for an integration.
pub fn integration_token(integration: &IntegrationId) -> Token {
    Token::hash(&[b"integration", integration.as_str().as_bytes()])
}

/// Stands for a destination.
pub fn destination_token(destination: &DestinationId) -> Token {
    Token::hash(&[b"destination", destination.as_str().as_bytes()])
}

/// Stands for a tenant.
pub fn tenant_token(tenant: &TenantId) -> Token {
    Token::hash(&[b"tenant", tenant.as_str().as_bytes()])
}

/// Stands for a sync engine.
pub fn engine_token(engine: &str) -> Token {
    Token::hash(&[b"sync engine", engine.as_bytes()])
}

/// Stands for one sync of one connection.
pub fn sync_token(integration: &IntegrationId, connection: Option<&ConnectionId>, sync: &SyncName) -> Token {
    let connection = connection.map_or("", ConnectionId::as_str);
    Token::hash(&[b"sync", integration.as_str().as_bytes(), connection.as_bytes(), sync.as_str().as_bytes()])
}
