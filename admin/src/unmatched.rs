//! Events that no connection claims: to look at, to count, and to release when somebody asks for old ones.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
};
use gatepost_config::{ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use gatepost_event::{
    Meta,
    connection::{self, Phase},
    store::{Release, Under},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    audit::Note,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Events read at a time; each has its body.
const READ: usize = 64;
/// Events looked at for one count.
const COUNTED_MAX: usize = 20_000;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = UnmatchedQuery)]
pub(crate) struct Ask {
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only with this account key; needs the integration.
    account: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(minimum = 0)]
    cursor: Option<i64>,
}

/// What is asked of the counts.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = UnmatchedCountQuery)]
pub(crate) struct AskCounts {
    /// Only of this integration.
    integration: Option<IntegrationId>,
}

/// An event that waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UnmatchedEvent)]
pub(crate) struct Item {
    #[serde(flatten)]
    meta: Meta,
    /// How long its body is.
    bytes: usize,
}

/// How much waits under an account key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UnmatchedCount)]
pub(crate) struct Count {
    integration: IntegrationId,
    /// None: without an account key.
    account: Option<String>,
    events: u64,
    oldest: Timestamp,
    newest: Timestamp,
}

/// What waits, by account key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UnmatchedCounts)]
pub(crate) struct Counts {
    /// Most first.
    items: Vec<Count>,
    /// Whether everything was counted; only the oldest events are when there are too many.
    whole: bool,
}

/// What is to be released.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReleaseWish)]
pub(crate) struct Wish {
    integration: IntegrationId,
    /// Whose account keys the events wait under, and whose they become.
    connection: ConnectionId,
}

/// What was released.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Released {
    events: u64,
}

/// `GET /v1/unmatched`: in stored order.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Item>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    if ask.account.is_some() && ask.integration.is_none() {
        return Err(Problem::senseless("account needs integration: each has accounts of its own"));
    }
    let mut after = page::number(ask.cursor)?.unwrap_or(0);
    let mut items = Vec::new();
    loop {
        let want = READ.min(limit - items.len());
        let page = admin.store.unmatched(ask.integration.as_ref(), ask.account.as_deref(), after, want).await?;
        let Some(last) = page.last() else { return Ok(Json(Page::of(items, None))) };
        after = last.position;
        let shown = page.into_iter().map(|parked| parked.event).filter(|event| admin.shows(&event.meta));
        items.extend(shown.map(|event| Item { bytes: event.body.len(), meta: event.meta }));
        if items.len() >= limit {
            return Ok(Json(Page::of(items, Some(after.to_string()))));
        }
    }
}

/// `GET /v1/unmatched/accounts`: how many wait under which account key.
pub(crate) async fn counts(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<AskCounts>, QueryRejection>,
) -> Result<Json<Counts>, Problem> {
    let Query(ask) = ask?;
    let mut counts: BTreeMap<(IntegrationId, Option<String>), (u64, Timestamp, Timestamp)> = BTreeMap::new();
    let (mut after, mut counted) = (0, 0);
    let whole = loop {
        let page = admin.store.unmatched(ask.integration.as_ref(), None, after, READ).await?;
        let Some(last) = page.last() else { break true };
        after = last.position;
        counted += page.len();
        for parked in page.into_iter().filter(|parked| admin.shows(&parked.event.meta)) {
            let Meta { integration, account, received_at: at, .. } = parked.event.meta;
            let (events, oldest, newest) = counts.entry((integration, account)).or_insert((0, at, at));
            *events += 1;
            *oldest = at.min(*oldest);
            *newest = at.max(*newest);
        }
        if counted >= COUNTED_MAX {
            break false;
        }
    };
    let count =
        |((integration, account), (events, oldest, newest))| Count { integration, account, events, oldest, newest };
    let mut items: Vec<Count> = counts.into_iter().map(count).collect();
    items.sort_by_key(|count| std::cmp::Reverse(count.events));
    Ok(Json(Counts { items, whole }))
}

/// `POST /v1/unmatched/release`: everything that waits under a connection's account keys, however old.
pub(crate) async fn release(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Released>, Problem> {
    let Json(wish) = wish?;
    let Owner { tenant, accounts, destination } = owner(&admin, &wish).await?;
    let mut events = 0;
    for account in accounts {
        let release = Release {
            integration: wish.integration.clone(),
            under: Under::Account(account),
            connection: wish.connection.clone(),
            tenant: tenant.clone(),
            destination: destination.clone(),
            since: None,
        };
        events += admin.store.release_parked(&release).await?;
    }
    let Wish { integration, connection } = &wish;
    tracing::info!(%integration, %connection, events, by = caller.who(), "parked events were released");
    let released = Released { events };
    caller.note(Note::made(&released));
    Ok(Json(released))
}

/// What a connection that takes events now is to events that waited for it.
struct Owner {
    tenant: TenantId,
    /// The account keys that are its own.
    accounts: Vec<String>,
    destination: Option<DestinationId>,
}

async fn owner(admin: &Admin, wish: &Wish) -> Result<Owner, Problem> {
    let Wish { integration, connection: id } = wish;
    let declared =
        admin.config.borrow().connections.iter().find(|c| c.integration == *integration && c.id == *id).cloned();
    if let Some(declared) = declared {
        let accounts = declared.account.into_iter().collect();
        return Ok(Owner { tenant: declared.tenant, accounts, destination: declared.destination });
    }
    let found = connection::get(&admin.store, integration, id).await?;
    let linked = found.ok_or_else(|| Problem::missing(&format!("connection {integration}/{id}")))?.linked;
    if linked.phase != Phase::Active || linked.disabled {
        let detail = "the connection takes no events now: confirm or enable it, or wait until it is bound";
        return Err(Problem::new(StatusCode::CONFLICT, "not_active", detail));
    }
    let mut accounts = Vec::new();
    for account in &linked.accounts {
        if connection::holds(&admin.store, &linked, account).await? {
            accounts.push(account.clone());
        }
    }
    Ok(Owner { tenant: linked.tenant, accounts, destination: linked.destination })
}
