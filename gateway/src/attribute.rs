//! Works out whose each event is.

use std::sync::Arc;

use gatepost_config::provider::SecretScope;

use crate::{
    claimants::Claimants,
    failure::Failure,
    fields::Account,
    inbound::Inbound,
    link::{Link, State},
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
    Connection(Arc<Link>),
    /// A connection's that takes nothing yet, or for now: it waits for that connection.
    Waiting(Arc<Link>),
    /// As [`Self::Waiting`], found by its account alone: it waits under that, behind what came before there was such a
    /// connection, and for no other tenant.
    Queued(Arc<Link>),
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
pub(crate) fn attribute(split: Split, claimants: &Claimants) -> Result<Attributed, Failure> {
    let (verified, parts) = split.into_parts();
    let mut attributed = Vec::with_capacity(parts.len());
    for part in parts {
        let inbound = verified.inbound();
        let owners = owners(inbound, verified.proof(), &part.fields.account, claimants)
            .map_err(|reason| inbound.refuse(reason))?;
        for owner in &owners {
            let connection = match owner {
                Owner::Connection(connection) | Owner::Waiting(connection) => connection.id.as_str(),
                Owner::Queued(_) | Owner::Unmatched => "unmatched",
            };
            tracing::debug!(target: "gatepost::step", step = "attributed", request = %inbound.arrival.request,
                connection, account = part.fields.account.key());
        }
        attributed.push((part, owners));
    }
    Ok(Attributed { verified, parts: attributed })
}

fn owners(inbound: &Inbound, proof: &Proof, account: &Account, claimants: &Claimants) -> Result<Vec<Owner>, Reason> {
    let endpoint = inbound.endpoint();
    match (proof, claimants.named()) {
        // Its own secret proved it: whatever else the request says, it is that connection's.
        (Proof::Own(_) | Proof::Nothing, Some(connection)) => Ok(vec![of_its_own(connection)]),
        (Proof::Integration, Some(named)) => by_url(inbound, named, account, claimants),
        (Proof::Own(_), None) => Err(Reason::AccountUnproven),
        (Proof::Integration | Proof::Nothing, None) => {
            let claimants = account.key().map(|key| claimants.of(key)).unwrap_or_default();
            let own_secret_needed = endpoint.provider().secret_scope == SecretScope::Connection;
            if own_secret_needed
                && claimants.iter().any(|c| c.is_sealed || !inbound.arrival.own_secrets(c).is_empty())
                && matches!(proof, Proof::Integration)
            {
                return Err(Reason::AccountUnproven);
            }
            match claimants {
                [] => Ok(vec![default_owner(inbound, account)]),
                [one] => Ok(vec![of_its_account(one)]),
                // Each gets its own event, and waits for it by itself.
                several => Ok(several.iter().map(of_its_own).collect()),
            }
        }
    }
}

/// A connection's event that was found by more than its account, or is not its alone.
fn of_its_own(link: &Arc<Link>) -> Owner {
    match link.state {
        State::Open | State::Settling => Owner::Connection(Arc::clone(link)),
        State::Binding | State::Shut | State::Pending => Owner::Waiting(Arc::clone(link)),
    }
}

/// A connection's event that was found by its account: while it must wait it does so under that account, behind what
/// came before there was such a connection.
fn of_its_account(link: &Arc<Link>) -> Owner {
    match link.state {
        State::Open | State::Settling => Owner::Connection(Arc::clone(link)),
        State::Binding | State::Shut | State::Pending => Owner::Queued(Arc::clone(link)),
    }
}

/// The URL names a connection that has no secret of its own, so the URL alone proves nothing: the account must be that
/// connection's, or, where secrets are per connection, be absent.
fn by_url(
    inbound: &Inbound,
    named: &Arc<Link>,
    account: &Account,
    claimants: &Claimants,
) -> Result<Vec<Owner>, Reason> {
    let endpoint = inbound.endpoint();
    match account {
        Account::Key(key) if claimants.of(key).iter().any(|c| c.id == named.id) => {}
        // It claims nothing yet, and its events wait.
        Account::Key(key) if named.state == State::Pending && named.accounts.contains(key) => {}
        Account::Key(_) if !named.accounts.is_empty() => return Err(Reason::AccountMismatch),
        Account::Key(key) if !claimants.of(key).is_empty() => return Err(Reason::AccountMismatch),
        _ if endpoint.provider().secret_scope == SecretScope::Connection => {}
        _ => return Err(Reason::AccountUnproven),
    }
    Ok(vec![of_its_own(named)])
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
