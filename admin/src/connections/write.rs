//! Making, changing and removing connections.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use gatepost_config::{
    Config, ConnectionId, DestinationId, Integration, IntegrationId, SharedAccounts, TenantId, Timestamp,
};
use gatepost_event::{
    Keyring, Linked, SealError,
    connection::{self, Claiming, Found, LinkError, OwnSecret, Phase, SECRET_BYTES},
    erasure::Job,
    registry::Expect,
};
use http::StatusCode;
use serde::Deserialize;

use super::{Place, View, declared, declared_in_file, find, owner};
use crate::{
    access::Caller,
    audit::Note,
    destinations,
    etag::{self, Expected},
    page,
    problem::Problem,
    serve::Admin,
};

/// Tries to write beside somebody else, where nothing certain is expected.
const TRIES: usize = 20;

/// What a connection is to be.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectionWish)]
pub(crate) struct Wish {
    /// Who owns it; when absent who owns it already, and for a new one its own id (or the key's tenant). One that is pending
    /// stays so until it is confirmed.
    tenant: Option<TenantId>,
    /// The provider's account keys, byte for byte. Only a key that is bound to no tenant may change them. Where several
    /// connections may share one (`shared_accounts = "all"`), what was parked under it goes to the first that has it.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub(super) accounts: Vec<String>,
    /// Its own signing secrets, instead of those it has; when absent it keeps them.
    #[schema(max_items = 8)]
    secrets: Option<Vec<NewSecret>>,
    /// What you want to remember of it.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Its events wait until it is enabled.
    #[serde(default)]
    disabled: bool,
    /// Where its events go instead of where routes forward them: a route that matches one sends it here and nowhere
    /// else. Deliveries wait while there is no such destination.
    destination: Option<DestinationId>,
}

/// A signing secret that is given.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConnectionSecret)]
pub(crate) struct NewSecret {
    /// As the provider shows it. It is sealed, and never shown again.
    #[schema(min_length = 8, max_length = 1024)]
    pub(super) secret: String,
    /// When it stops being accepted.
    pub(super) until: Option<Timestamp>,
}

/// Whose a connection is that announced itself.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectionConfirmation)]
pub(crate) struct Confirmation {
    /// Who owns it from now on.
    tenant: TenantId,
}

/// Which connection is to be written, and how it stood a moment ago.
pub(super) struct Over<'a> {
    pub(super) integration: &'a IntegrationId,
    pub(super) id: &'a ConnectionId,
    pub(super) before: Option<Found>,
}

/// What may be done beside writing the connection itself.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = ConnectionMoves)]
pub(crate) struct Moves {
    /// The tenant's other connections lose the accounts that this one names.
    #[serde(default)]
    #[param(required = false)]
    take_over: bool,
    /// The connection may be another tenant's until now.
    #[serde(default)]
    #[param(required = false)]
    change_tenant: bool,
}

/// `PUT /v1/connections/{integration}/{connection}`: makes or replaces it. The same again changes nothing.
pub(crate) async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    place: Place,
    moves: Result<Query<Moves>, QueryRejection>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path((integration, id)), Query(moves), Json(wish)) = (place?, moves?, wish?);
    let before = connection::get(&admin.store, &integration, &id).await?;
    let over = Over { integration: &integration, id: &id, before };
    let (before, found) = replace(&admin, &caller, over, expected, moves, wish).await?;
    tracing::info!(%integration, connection = %id, by = caller.who(), "a connection was put");
    let view = View::of(&found.linked);
    let is_new = before.is_none();
    caller.note(Note::new(before.as_ref(), Some(&view)));
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = etag::tagged(Some(found.linked.version), (status, Json(view)));
    if is_new {
        page::place(&mut response, &format!("/v1/connections/{integration}/{id}"));
    }
    Ok(response)
}

/// Makes or replaces one: how it was, and how it is.
pub(super) async fn replace(
    admin: &Admin,
    caller: &Caller,
    Over { integration, id, before }: Over<'_>,
    expected: Expected,
    moves: Moves,
    wish: Wish,
) -> Result<(Option<View>, Found), Problem> {
    let config = admin.config.borrow().clone();
    let declared_integration = integration_of(&config, integration)?;
    if declared(&config, integration, id).is_some() {
        return Err(declared_in_file(&format!("connection {integration}/{id}")));
    }
    if let Some(before) = &before
        && !caller.sees(owner(&before.linked))
    {
        return Err(Problem::missing(&format!("connection {integration}/{id}")));
    }
    let wanted = wanted(admin, caller, integration, id, before.as_ref(), wish)?;
    check_destination(admin, caller, &wanted).await?;
    check_declared_accounts(&config, &wanted, &wanted.tenant)?;
    check_erasures(admin, &wanted)?;
    let expect = expected.over(before.is_some())?;
    let claiming = Claiming {
        shared: shares_accounts(declared_integration),
        take_over: moves.take_over,
        change_tenant: moves.change_tenant,
    };
    if caller.tenant().is_some() && (claiming.take_over || claiming.change_tenant) {
        return Err(Problem::operator_only("moving accounts and connections"));
    }
    let view = before.as_ref().map(|before| View::of(&before.linked));
    let found = connection::put_over(&admin.store, before, wanted, expect, claiming, Timestamp::now()).await?;
    Ok((view, found))
}

/// What comes for a connection while its erasure goes on is erased too.
fn check_erasures(admin: &Admin, wanted: &Linked) -> Result<(), Problem> {
    let means = |job: &&Job| job.erasure.means_connection(&wanted.integration, &wanted.id, &wanted.tenant);
    match admin.erasures.jobs().iter().filter(|job| !job.state.is_over()).find(means) {
        None => Ok(()),
        Some(job) => {
            let detail = format!("it is being erased; ask again when the erasure {} is done", job.id);
            Err(Problem::new(StatusCode::CONFLICT, "being_erased", detail))
        }
    }
}

/// `DELETE /v1/connections/{integration}/{connection}`: its account keys are free again.
pub(crate) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    place: Place,
) -> Result<StatusCode, Problem> {
    let Path((integration, id)) = place?;
    let found = made(&admin, &caller, &integration, &id).await?;
    let removed = connection::remove(&admin.store, &integration, &id, expected.over(true)?).await?;
    if !removed {
        return Err(Problem::missing(&format!("connection {integration}/{id}")));
    }
    tracing::info!(%integration, connection = %id, by = caller.who(), "a connection was deleted");
    caller.note(Note::gone(&View::of(&found.linked)));
    Ok(StatusCode::NO_CONTENT)
}

/// `POST .../disable`: its events wait.
pub(crate) async fn disable(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    place: Place,
) -> Result<Response, Problem> {
    change(&admin, &caller, place, |linked| Ok(Linked { disabled: true, ..linked })).await
}

/// `POST .../enable`: what waited is released.
pub(crate) async fn enable(State(admin): State<Arc<Admin>>, caller: Caller, place: Place) -> Result<Response, Problem> {
    change(&admin, &caller, place, |linked| Ok(Linked { disabled: false, ..linked })).await
}

/// `POST .../confirm`: a connection that announced itself becomes a tenant's, and receives what waited for it.
pub(crate) async fn confirm(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    place: Place,
    confirmation: Result<Json<Confirmation>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Confirmation { tenant }) = confirmation?;
    let config = admin.config.borrow().clone();
    let confirmed = |linked: Linked| match linked.phase {
        Phase::Pending => {
            check_declared_accounts(&config, &linked, &tenant)?;
            // From here on it is not one of those that may announce themselves at most.
            Ok(Linked { phase: Phase::Binding, tenant: tenant.clone(), announced_by: None, ..linked })
        }
        _ if linked.tenant == tenant => Ok(linked),
        _ => Err(LinkError::OtherTenant.into()),
    };
    change(&admin, &caller, place, confirmed).await
}

/// Changes one of those made, whoever writes beside it.
pub(super) async fn change(
    admin: &Admin,
    caller: &Caller,
    place: Place,
    to: impl Fn(Linked) -> Result<Linked, Problem>,
) -> Result<Response, Problem> {
    let Path((integration, id)) = place?;
    let (before, found) = changed(admin, caller, &integration, &id, to).await?;
    let view = View::of(&found.linked);
    caller.note(Note::new(Some(&before), Some(&view)));
    Ok(etag::tagged(Some(found.linked.version), Json(view)).into_response())
}

/// As [`change`]: how it was, and how it is.
pub(super) async fn changed(
    admin: &Admin,
    caller: &Caller,
    integration: &IntegrationId,
    id: &ConnectionId,
    to: impl Fn(Linked) -> Result<Linked, Problem>,
) -> Result<(View, Found), Problem> {
    let shared = shares_accounts(integration_of(&admin.config.borrow(), integration)?);
    for _ in 0..TRIES {
        let found = made(admin, caller, integration, id).await?;
        let before = View::of(&found.linked);
        let expect = Expect::Revision(found.linked.version);
        let wanted = to(found.linked)?;
        let claiming = Claiming { shared, ..Claiming::default() };
        match connection::put(&admin.store, wanted, expect, claiming, Timestamp::now()).await {
            Err(LinkError::Conflict(_)) => {}
            outcome => {
                let found = outcome?;
                tracing::info!(%integration, connection = %id, by = caller.who(), "a connection was changed");
                return Ok((before, found));
            }
        }
    }
    Err(Problem::busy("the connection"))
}

/// One of those made, and not the file's.
async fn made(
    admin: &Admin,
    caller: &Caller,
    integration: &IntegrationId,
    id: &ConnectionId,
) -> Result<Found, Problem> {
    let declared_tenant = declared(&admin.config.borrow(), integration, id).map(|declared| declared.tenant.clone());
    match declared_tenant {
        Some(tenant) if caller.sees(Some(&tenant)) => Err(declared_in_file(&format!("connection {integration}/{id}"))),
        Some(_) => Err(Problem::missing(&format!("connection {integration}/{id}"))),
        None => find(admin, caller, integration, id).await,
    }
}

fn integration_of<'c>(config: &'c Config, id: &IntegrationId) -> Result<&'c Integration, Problem> {
    let found = config.integrations.iter().find(|integration| integration.id == *id);
    found.ok_or_else(|| Problem::missing(&format!("integration {id}")))
}

fn shares_accounts(integration: &Integration) -> bool {
    integration.shared_accounts == SharedAccounts::All
}

fn wanted(
    admin: &Admin,
    caller: &Caller,
    integration: &IntegrationId,
    id: &ConnectionId,
    before: Option<&Found>,
    wish: Wish,
) -> Result<Linked, Problem> {
    let now = Timestamp::now();
    let before = before.map(|found| &found.linked);
    let own_name = || id.as_str().parse().map_err(|_| Problem::bad("the connection's id can't be a tenant's"));
    let tenant = match (wish.tenant, before, caller.tenant()) {
        (Some(tenant), ..) => tenant,
        (None, Some(before), _) => before.tenant.clone(),
        (None, None, Some(tenant)) => tenant.clone(),
        (None, None, None) => own_name()?,
    };
    if !caller.sees(Some(&tenant)) {
        return Err(Problem::operator_only("a connection of another tenant"));
    }
    if caller.tenant().is_some() && wish.accounts != before.map_or_else(Vec::new, |before| before.accounts.clone()) {
        return Err(Problem::operator_only("changing accounts"));
    }
    let fresh = || Linked::new(integration.clone(), id.clone(), tenant.clone(), now);
    let mut linked = before.cloned().unwrap_or_else(fresh);
    linked.tenant = tenant;
    linked.accounts = wish.accounts;
    linked.metadata = wish.metadata;
    linked.disabled = wish.disabled;
    linked.destination = wish.destination;
    if let Some(secrets) = wish.secrets {
        let keys = if secrets.is_empty() { None } else { Some(admin.keyring()?) };
        linked.secrets = match &keys {
            None => Vec::new(),
            Some(keys) => secrets.iter().map(|secret| sealed(&linked, keys, secret, now)).collect::<Result<_, _>>()?,
        };
    }
    Ok(linked)
}

/// A secret as the connection keeps it: the same one stays as it was sealed, so that the same request changes nothing.
pub(super) fn sealed(linked: &Linked, keys: &Keyring, given: &NewSecret, now: Timestamp) -> Result<OwnSecret, Problem> {
    if !SECRET_BYTES.contains(&given.secret.len()) {
        let (min, max) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        return Err(Problem::senseless(format!("a secret must have {min} to {max} bytes")));
    }
    let fresh = linked.seal(keys, given.secret.as_bytes(), given.until, now).map_err(unsealed)?;
    let kept = linked.secrets.iter().find(|own| own.id == fresh.id);
    let is_same = |own: &&OwnSecret| linked.open(keys, own).is_ok_and(|open| open.expose() == given.secret.as_bytes());
    Ok(kept.filter(is_same).map_or(fresh, |own| OwnSecret { until: given.until, ..own.clone() }))
}

/// Why a secret can't be kept.
pub(crate) fn unsealed(error: SealError) -> Problem {
    match error {
        SealError::NoKey => Problem::new(StatusCode::CONFLICT, "no_master_key", error.to_string()),
        SealError::UnknownKey(_) | SealError::Broken | SealError::NoRandom => {
            tracing::error!(%error, "a secret can't be sealed or opened");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unsealable", "the secret can't be sealed; see the log")
        }
    }
}

/// An event never goes to another tenant's destination, so that a connection can't name one.
async fn check_destination(admin: &Admin, caller: &Caller, wanted: &Linked) -> Result<(), Problem> {
    let Some(id) = &wanted.destination else { return Ok(()) };
    let fits = destinations::known(admin, id).await?.is_some_and(|known| match known.tenant() {
        Some(tenant) => *tenant == wanted.tenant,
        None => caller.tenant().is_none(),
    });
    let unknown = || {
        let remedy = "make it first, or name another of its tenant's or, with an operator's key, one of your own";
        let id = id.as_str();
        Problem::senseless(format!("destination is {id:?}, which is none that the connection may have; {remedy}"))
    };
    if fits { Ok(()) } else { Err(unknown()) }
}

/// What the file says of an account wins, so that nobody else can have it.
fn check_declared_accounts(config: &Config, wanted: &Linked, tenant: &TenantId) -> Result<(), Problem> {
    for declared in config.connections.iter().filter(|declared| declared.integration == wanted.integration) {
        let Some(account) = declared.account.as_ref().filter(|account| wanted.names(account)) else { continue };
        return Err(match declared.tenant == *tenant {
            true => LinkError::AccountShared { account: account.clone(), connections: vec![declared.id.clone()] },
            false => LinkError::AccountTaken(account.clone()),
        }
        .into());
    }
    Ok(())
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret").field("until", &self.until).finish_non_exhaustive()
    }
}
