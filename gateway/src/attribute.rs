//! Works out whose each event is.

use std::sync::Arc;

use gatepost_config::{Connection, provider::SecretScope};

use crate::{
    failure::Failure,
    fields::Account,
    inbound::Inbound,
    reason::Reason,
    split::{Part, Split},
    verify::{Proof, Verified},
};

/// A split request of which every part has its owners.
pub(crate) struct Attributed {
    verified: Verified,
    parts: Vec<(Part, Vec<Owner>)>,
}

/// Whose an event is.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// A connection's.
    Connection(Arc<Connection>),
    /// Of an account that no connection claims, or of none.
    Unmatched,
}

impl Attributed {
    /// The request and its parts with their owners.
    pub(crate) fn into_parts(self) -> (Verified, Vec<(Part, Vec<Owner>)>) {
        (self.verified, self.parts)
    }
}

/// Attributes every part of a request; one that can't be attributed as the request claims refuses the whole.
pub(crate) fn attribute(split: Split) -> Result<Attributed, Failure> {
    let (verified, parts) = split.into_parts();
    let mut attributed = Vec::with_capacity(parts.len());
    for part in parts {
        let inbound = verified.inbound();
        let owners =
            owners(inbound, verified.proof(), &part.fields.account).map_err(|reason| inbound.refuse(reason))?;
        for owner in &owners {
            let connection = match owner {
                Owner::Connection(connection) => connection.id.as_str(),
                Owner::Unmatched => "unmatched",
            };
            tracing::debug!(target: "gatepost::step", step = "attributed", request = %inbound.arrival.request,
                connection, account = part.fields.account.key());
        }
        attributed.push((part, owners));
    }
    Ok(Attributed { verified, parts: attributed })
}

fn owners(inbound: &Inbound, proof: &Proof, account: &Account) -> Result<Vec<Owner>, Reason> {
    let endpoint = inbound.endpoint();
    let named = inbound.arrival.connection.as_ref();
    match (proof, named) {
        // Its own secret proved it: whatever else the request says, it is that connection's.
        (Proof::Own(connection), _) | (Proof::Nothing, Some(connection)) => {
            Ok(vec![Owner::Connection(Arc::clone(connection))])
        }
        (Proof::Integration, Some(named)) => by_url(inbound, named, account),
        (Proof::Integration | Proof::Nothing, None) => {
            let claimants = account.key().map(|key| endpoint.claimants(key)).unwrap_or_default();
            let own_secret_needed = endpoint.provider().secret_scope == SecretScope::Connection;
            if own_secret_needed
                && claimants.iter().any(|c| !inbound.arrival.own_secrets(c).is_empty())
                && matches!(proof, Proof::Integration)
            {
                return Err(Reason::AccountUnproven);
            }
            if !claimants.is_empty() {
                return Ok(claimants.iter().cloned().map(Owner::Connection).collect());
            }
            Ok(vec![default_owner(inbound, account)])
        }
    }
}

/// The URL names a connection that has no secret of its own, so the URL alone proves nothing: the account must be that
/// connection's, or, where secrets are per connection, be absent.
fn by_url(inbound: &Inbound, named: &Arc<Connection>, account: &Account) -> Result<Vec<Owner>, Reason> {
    let endpoint = inbound.endpoint();
    match account {
        Account::Key(key) if endpoint.claimants(key).iter().any(|c| c.id == named.id) => {}
        Account::Key(_) if named.account.is_some() => return Err(Reason::AccountMismatch),
        Account::Key(key) if !endpoint.claimants(key).is_empty() => return Err(Reason::AccountMismatch),
        _ if endpoint.provider().secret_scope == SecretScope::Connection => {}
        _ => return Err(Reason::AccountUnproven),
    }
    Ok(vec![Owner::Connection(Arc::clone(named))])
}

/// Whose an event is that no connection claims. Only one that certainly carries no account goes to the default.
fn default_owner(inbound: &Inbound, account: &Account) -> Owner {
    let endpoint = inbound.endpoint();
    let default = match account {
        Account::Absent => endpoint.integration.default_connection.as_ref(),
        Account::Key(_) | Account::Unreadable => None,
    };
    let connection = default.and_then(|id| endpoint.connection(id.as_str()));
    connection.map_or(Owner::Unmatched, |connection| Owner::Connection(Arc::clone(connection)))
}
