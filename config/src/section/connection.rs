//! `[[connection]]`

use super::declare::section;
use crate::{
    ConnectionId, DestinationId, IntegrationId, Secret, TenantId,
    read::{Node, Read, Table},
};

section! {
    /// A customer's linked account. Connections can also be made at run time, through the API.
    #[derive(Debug, Clone)]
    pub struct Connection {
        /// Under which integration.
        pub integration: IntegrationId = required("github"),
        /// Its id, unique within the integration.
        pub id: ConnectionId = required("acme"),
        /// The provider's account key.
        pub account: Option<String> = optional("12345678") by account,
        /// Who owns it; its own id when not said.
        pub tenant: TenantId = deduced("acme-inc") by tenant,
        /// Its own signing secrets, for providers with a secret per connection.
        pub secrets: Vec<Secret> = optional([{ env = "ACME_WEBHOOK_SECRET" }]),
        /// Where its events go instead of where routes forward them: a route that matches one sends it here and nowhere
        /// else. One of your own, or of its tenant.
        pub destination: Option<DestinationId> = optional("backend"),
    }
}

fn account(node: &Node<'_>) -> Option<Option<String>> {
    let account = String::read(node)?;
    if account.is_empty() {
        node.error("is empty", "write the account key as the provider sends it, or leave it out");
        return None;
    }
    Some(Some(account))
}

fn tenant(table: &Table<'_>) -> Option<TenantId> {
    match table.get("tenant") {
        Some(node) => TenantId::read(&node),
        // A missing id is noted where the id itself is read.
        None => table.get("id").and_then(|node| TenantId::read(&node)),
    }
}
