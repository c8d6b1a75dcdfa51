//! Connections: those of the file, which win, and those that were made at run time.

pub(crate) mod import;
pub(crate) mod own_secret;
pub(crate) mod write;

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{Config, Connection, ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use gatepost_event::{
    Linked,
    connection::{self, Found, LinkError, Phase},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    etag,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Connections looked at for one page; a page may hold fewer items than asked for, or none, and still have a `next`.
const EXAMINED_MAX: usize = 10_000;
/// Connections read at a time.
const READ: usize = 256;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = ConnectionQuery)]
pub(crate) struct Ask {
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only of this tenant.
    tenant: Option<TenantId>,
    /// Only with this account key.
    account: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(pattern = "^(file|made)-[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// A connection. Its secrets are named and not shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Connection)]
pub(crate) struct View {
    integration: IntegrationId,
    id: ConnectionId,
    /// Who owns it; while it is pending, who might.
    tenant: TenantId,
    /// The provider's account keys, byte for byte. While it is pending it keeps none of them from others.
    accounts: Vec<String>,
    secrets: Vec<SecretView>,
    metadata: BTreeMap<String, String>,
    /// Its events wait until it is enabled.
    disabled: bool,
    /// Where its events go instead of where routes forward them: a route that matches one sends it here and nowhere
    /// else. Deliveries wait while there is no such destination.
    destination: Option<DestinationId>,
    /// How far it is on its way to receive events.
    state: Stage,
    /// Where it is declared: what the file declares is changed there.
    source: Source,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// A signing secret of a connection, without the secret.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionSecret)]
pub(crate) struct SecretView {
    /// Names it without telling it: the start of its SHA-256.
    id: String,
    created_at: Option<Timestamp>,
    /// When it stops being accepted.
    until: Option<Timestamp>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionState)]
enum Stage {
    /// It announced itself and waits for a confirmation.
    Pending,
    /// What waited for it is being released.
    Binding,
    /// It receives events.
    Active,
    /// Its events wait.
    Disabled,
}

/// Where something is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// In the configuration.
    File,
    /// Through the API.
    Api,
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    /// After so many of the file's.
    File(usize),
    /// After this revision of those made.
    Made(u64),
}

/// The path of one.
pub(crate) type Place = Result<Path<(IntegrationId, ConnectionId)>, PathRejection>;

/// `GET /v1/connections`: the file's, then those made, in the order of their last changes.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let config = admin.config.borrow().clone();
    let gone = admin.erasures.reach();
    let wants = |view: &View| caller.sees(view.owner()) && ask.wants(view);
    let mut spot = ask.cursor.as_deref().map_or(Ok(Spot::File(0)), str::parse).map_err(|()| page::bad_cursor())?;
    let mut items = Vec::new();
    if let Spot::File(after) = spot {
        for (n, declared) in config.connections.iter().enumerate().skip(after) {
            if items.len() == limit {
                return Ok(Json(Page::of(items, Some(Spot::File(n).to_string()))));
            }
            items.extend(Some(View::declared(declared)).filter(wants));
        }
        spot = Spot::Made(0);
    }
    let Spot::Made(mut after) = spot else { return Err(page::bad_cursor()) };
    let mut examined = 0;
    while examined < EXAMINED_MAX && items.len() < limit {
        let page = connection::page(&admin.store, after, READ).await?;
        let is_end = page.len() < READ;
        for found in page {
            if items.len() == limit {
                return Ok(Json(Page::of(items, Some(Spot::Made(after).to_string()))));
            }
            after = found.revision;
            examined += 1;
            if declared(&config, &found.linked.integration, &found.linked.id).is_none()
                && !gone.takes_linked(&found.linked)
            {
                items.extend(Some(View::of(&found.linked)).filter(wants));
            }
        }
        if is_end {
            return Ok(Json(Page::of(items, None)));
        }
    }
    Ok(Json(Page::of(items, Some(Spot::Made(after).to_string()))))
}

/// `GET /v1/connections/{integration}/{connection}`
pub(crate) async fn show(State(admin): State<Arc<Admin>>, caller: Caller, place: Place) -> Result<Response, Problem> {
    let Path((integration, id)) = place?;
    let config = admin.config.borrow().clone();
    let missing = || format!("connection {integration}/{id}");
    if let Some(declared) = declared(&config, &integration, &id) {
        let view = caller.own(Some(View::declared(declared)), |view| Some(view.tenant.clone()), missing)?;
        return Ok(etag::tagged(None, Json(view)));
    }
    let found = find(&admin, &caller, &integration, &id).await?;
    Ok(etag::tagged(Some(found.linked.version), Json(View::of(&found.linked))))
}

/// One of those made, if it is the caller's business.
async fn find(
    admin: &Admin,
    caller: &Caller,
    integration: &IntegrationId,
    id: &ConnectionId,
) -> Result<Found, Problem> {
    let found = connection::get(&admin.store, integration, id).await?;
    let found = found.filter(|found| !admin.erasures.reach().takes_linked(&found.linked));
    caller.own(found, |found: &Found| owner(&found.linked).cloned(), || format!("connection {integration}/{id}"))
}

/// Whose it is. What announced itself is nobody's until it is confirmed, so that only the operator sees it.
fn owner(linked: &Linked) -> Option<&TenantId> {
    Some(&linked.tenant).filter(|_| linked.phase != Phase::Pending)
}

fn declared<'c>(config: &'c Config, integration: &IntegrationId, id: &ConnectionId) -> Option<&'c Connection> {
    config.connections.iter().find(|declared| declared.integration == *integration && declared.id == *id)
}

/// Something that the file declares can't be written.
pub(crate) fn declared_in_file(what: &str) -> Problem {
    let detail = format!("{what} is declared in the configuration file; change it there");
    Problem::new(StatusCode::CONFLICT, "declared_in_file", detail)
}

impl Ask {
    fn wants(&self, view: &View) -> bool {
        self.integration.as_ref().is_none_or(|integration| *integration == view.integration)
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == view.tenant)
            && self.account.as_ref().is_none_or(|account| view.accounts.contains(account))
    }
}

impl View {
    /// As [`owner`].
    fn owner(&self) -> Option<&TenantId> {
        Some(&self.tenant).filter(|_| self.state != Stage::Pending)
    }

    fn declared(declared: &Connection) -> Self {
        let secret = |secret: &gatepost_config::Secret| SecretView {
            id: secret.key_id(),
            created_at: None,
            until: secret.until(),
        };
        Self {
            integration: declared.integration.clone(),
            id: declared.id.clone(),
            tenant: declared.tenant.clone(),
            accounts: declared.account.iter().cloned().collect(),
            secrets: declared.secrets.iter().map(secret).collect(),
            metadata: BTreeMap::new(),
            disabled: false,
            destination: declared.destination.clone(),
            state: Stage::Active,
            source: Source::File,
            created_at: None,
            updated_at: None,
        }
    }

    fn of(linked: &Linked) -> Self {
        let secret = |secret: &connection::OwnSecret| SecretView {
            id: secret.id.clone(),
            created_at: Some(secret.created_at),
            until: secret.until,
        };
        Self {
            integration: linked.integration.clone(),
            id: linked.id.clone(),
            tenant: linked.tenant.clone(),
            accounts: linked.accounts.clone(),
            secrets: linked.secrets.iter().map(secret).collect(),
            metadata: linked.metadata.clone(),
            disabled: linked.disabled,
            destination: linked.destination.clone(),
            state: match linked.phase {
                Phase::Pending => Stage::Pending,
                _ if linked.disabled => Stage::Disabled,
                Phase::Binding | Phase::Settling => Stage::Binding,
                Phase::Active => Stage::Active,
            },
            source: Source::Api,
            created_at: Some(linked.created_at),
            updated_at: Some(linked.updated_at),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let conflict = |code, error: LinkError| Self::new(StatusCode::CONFLICT, code, error.to_string());
        match error {
            LinkError::AccountTaken(_) => conflict("account_taken", error),
            LinkError::AccountShared { .. } => conflict("account_shared", error),
            LinkError::OtherTenant => conflict("other_tenant", error),
            LinkError::Conflict(_) => etag::changed(),
            LinkError::Invalid { .. } => Self::senseless(error.to_string()),
            LinkError::Store(error) => error.into(),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(after) => write!(f, "file-{after}"),
            Self::Made(after) => write!(f, "made-{after}"),
        }
    }
}

impl FromStr for Spot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('-').ok_or(())? {
            ("file", after) => after.parse().map(Self::File).map_err(drop),
            ("made", after) => after.parse().map(Self::Made).map_err(drop),
            _ => Err(()),
        }
    }
}
