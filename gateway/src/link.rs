//! A connection as requests find it, declared in the file or made at run time.

use gatepost_config::{Connection, ConnectionId, DestinationId, Secret, TenantId};
use gatepost_event::{Keyring, Linked, connection::Phase};

/// A connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Its id.
    pub(crate) id: ConnectionId,
    /// Who owns it.
    pub(crate) tenant: TenantId,
    /// The account keys that it names.
    pub(crate) accounts: Vec<String>,
    /// Its own secrets, opened.
    pub(crate) secrets: Vec<Secret>,
    /// Some of its secrets can't be opened: nobody can say what it would have proven.
    pub(crate) is_sealed: bool,
    /// Where its events go, instead of where routes forward them.
    pub(crate) destination: Option<DestinationId>,
    /// What becomes of its events.
    pub(crate) state: State,
}

/// What becomes of a connection's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// They go to the log.
    Open,
    /// They wait at the edge for a moment: what was parked goes before them.
    Settling,
    /// They are parked until what was parked before them is released.
    Binding,
    /// They are parked until somebody enables the connection.
    Shut,
    /// They are parked until somebody confirms the connection, as nobody's.
    Pending,
}

impl Link {
    /// One that the file declares.
    pub(crate) fn declared(connection: &Connection) -> Self {
        Self {
            id: connection.id.clone(),
            tenant: connection.tenant.clone(),
            accounts: connection.account.iter().cloned().collect(),
            secrets: connection.secrets.clone(),
            is_sealed: false,
            destination: connection.destination.clone(),
            state: State::Open,
        }
    }

    /// One that was made at run time, its secrets opened.
    pub(crate) fn linked(linked: Linked, keys: &Keyring) -> Self {
        let opened = linked.secrets.iter().map(|secret| linked.open(keys, secret));
        let opened: Result<Vec<_>, _> = opened.collect();
        let state = match linked.phase {
            Phase::Pending => State::Pending,
            _ if linked.disabled => State::Shut,
            Phase::Binding => State::Binding,
            Phase::Settling => State::Settling,
            Phase::Active => State::Open,
        };
        if let Err(error) = &opened {
            let Linked { integration, id, .. } = &linked;
            tracing::error!(%integration, connection = %id, %error, "a connection's secret can't be opened; answering 503");
        }
        let is_sealed = opened.is_err();
        let secrets = opened.unwrap_or_default();
        let Linked { id, tenant, accounts, destination, .. } = linked;
        Self { id, tenant, accounts, secrets, is_sealed, destination, state }
    }
}
