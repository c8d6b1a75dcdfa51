//! What erasures take.

use std::collections::HashMap;

use gatepost_config::{ConnectionId, IntegrationId, TenantId, Timestamp};

use super::{Erasure, Whose};
use crate::{Linked, Meta, Refusal, Task, connection::Phase, id::Token, subject};

/// What some erasures take, each up to its time; found at once, however many there are.
#[derive(Debug, Default)]
pub struct Reach {
    connections: HashMap<IntegrationId, HashMap<ConnectionId, Timestamp>>,
    tenants: HashMap<TenantId, Timestamp>,
    accounts: HashMap<IntegrationId, HashMap<Token, Timestamp>>,
    /// Connections as tokens: those of tenants too.
    named: HashMap<Token, Timestamp>,
}

impl Reach {
    /// Of these.
    pub fn of<'e>(erasures: impl IntoIterator<Item = &'e Erasure>) -> Self {
        let mut reach = Self::default();
        for erasure in erasures {
            reach.add(erasure);
        }
        reach
    }

    fn add(&mut self, erasure: &Erasure) {
        let own = erasure.own_until();
        let until = match &erasure.whose {
            Whose::Connection(integration, id) => {
                self.connections.entry(integration.clone()).or_default().entry(id.clone()).or_insert(own)
            }
            Whose::Tenant(tenant) => self.tenants.entry(tenant.clone()).or_insert(own),
        };
        *until = own.max(*until);
        for (integration, tokens) in &erasure.accounts {
            let accounts = self.accounts.entry(integration.clone()).or_default();
            for token in tokens {
                let until = accounts.entry(*token).or_insert(erasure.until);
                *until = erasure.until.max(*until);
            }
        }
        for token in &erasure.connections {
            let until = self.named.entry(*token).or_insert(own);
            *until = own.max(*until);
        }
    }

    /// Whether nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.tenants.is_empty() && self.named.is_empty()
    }

    /// Whether an event is to go.
    pub fn takes(&self, meta: &Meta) -> bool {
        self.takes_named(Some(&meta.integration), meta.connection.as_ref(), meta.tenant.as_ref(), meta.received_at)
            || (meta.connection.is_none() && self.takes_account(meta))
    }

    /// Whether a delivery is to go.
    pub fn takes_task(&self, task: &Task) -> bool {
        self.takes_named(
            Some(&task.integration),
            task.connection.as_ref(),
            task.tenant.as_ref(),
            task.event.received_at,
        )
    }

    /// Whether a refused request is to go: its URL named a connection that is meant.
    pub fn takes_refusal(&self, refusal: &Refusal) -> bool {
        let Some(connection) = refusal.connection.as_ref().filter(|_| !self.named.is_empty()) else { return false };
        let Ok(connection) = connection.parse::<ConnectionId>() else { return false };
        let token = subject::connection_token(&refusal.integration, Some(&connection), None);
        self.named.get(&token).is_some_and(|until| refusal.received_at <= *until)
    }

    /// Whether a connection made at run time is to go. What is made later stays.
    pub fn takes_linked(&self, linked: &Linked) -> bool {
        let tenant = Some(&linked.tenant).filter(|_| linked.phase != Phase::Pending);
        self.takes_named(Some(&linked.integration), Some(&linked.id), tenant, linked.created_at)
    }

    /// Whether something that says whose it is is to go, by when it came.
    pub fn takes_named(
        &self,
        integration: Option<&IntegrationId>,
        connection: Option<&ConnectionId>,
        tenant: Option<&TenantId>,
        at: Timestamp,
    ) -> bool {
        let is_in = |until: &Timestamp| at <= *until;
        let connections = || self.connections.get(integration?)?.get(connection?);
        let tenants = || self.tenants.get(tenant?);
        connections().is_some_and(is_in) || tenants().is_some_and(is_in)
    }

    /// Whether an event without a connection is of an account that was somebody's who is erased.
    fn takes_account(&self, meta: &Meta) -> bool {
        let Some(accounts) = self.accounts.get(&meta.integration) else { return false };
        let Some(account) = &meta.account else { return false };
        let until = accounts.get(&subject::account_token(&meta.integration, account));
        until.is_some_and(|until| meta.received_at <= *until)
    }
}
