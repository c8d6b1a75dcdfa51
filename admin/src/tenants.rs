//! Tenants: what is known of them beside their ids. A tenant needs no record to own things.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{TenantId, Timestamp};
use gatepost_event::{
    connection::{METADATA_BYTES_MAX, METADATA_MAX},
    registry::{Entry, Expect, Kind, Put},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    audit::Note,
    etag::{self, Expected},
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Tries to write beside somebody else.
const TRIES: usize = 20;
/// The longest name.
const NAME_CHARS_MAX: usize = 200;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct Record {
    id: TenantId,
    /// For people.
    name: Option<String>,
    metadata: BTreeMap<String, String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What a tenant is to be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantWish)]
pub(crate) struct Wish {
    /// For people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What you want to remember of it.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = TenantQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<TenantId>,
}

/// `GET /v1/tenants`: by id.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Record>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut records = Vec::new();
    for entry in admin.store.entries(Kind::Tenant).await? {
        let record = read(&entry)?;
        if caller.sees(Some(&record.id)) && ask.cursor.as_ref().is_none_or(|cursor| record.id > *cursor) {
            records.push(record);
        }
    }
    records.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(Page::cut(records, limit, |record| record.id.to_string())))
}

/// `GET /v1/tenants/{tenant}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<TenantId>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    let entry = admin.store.entry(Kind::Tenant, id.as_str()).await?;
    let entry = caller.own(entry, |_| Some(id.clone()), || format!("tenant {id}"))?;
    Ok(etag::tagged(Some(entry.revision), Json(read(&entry)?)))
}

/// `PUT /v1/tenants/{tenant}`: makes or replaces it. The same again changes nothing.
pub(crate) async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    id: Result<Path<TenantId>, PathRejection>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path(id), Json(wish)) = (id?, wish?);
    check(&wish)?;
    for _ in 0..TRIES {
        let entry = admin.store.entry(Kind::Tenant, id.as_str()).await?;
        let before = entry.as_ref().map(read).transpose()?;
        expected.check(entry.as_ref().map(|entry| entry.revision))?;
        let now = Timestamp::now();
        let mut after = Record {
            id: id.clone(),
            name: wish.name.clone(),
            metadata: wish.metadata.clone(),
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: before.as_ref().map_or(now, |before| before.updated_at),
        };
        if let (Some(entry), true) = (&entry, before.as_ref() == Some(&after)) {
            return Ok(etag::tagged(Some(entry.revision), Json(after)));
        }
        after.updated_at = now;
        let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        match admin.store.put(Kind::Tenant, id.as_str(), page::written(&after)?, expect).await? {
            Put::Stored(revision) => {
                caller.note(Note::new(before.as_ref(), Some(&after)));
                let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
                return Ok(etag::tagged(Some(revision), (status, Json(after))));
            }
            Put::TooLong => return Err(Problem::senseless("what is asked for is too long to be kept")),
            Put::Conflict(_) => {}
        }
    }
    Err(Problem::busy("the tenant"))
}

/// `DELETE /v1/tenants/{tenant}`: forgets what is known of it; what it owns stays.
pub(crate) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    id: Result<Path<TenantId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    for _ in 0..TRIES {
        let entry = admin.store.entry(Kind::Tenant, id.as_str()).await?;
        let entry = entry.ok_or_else(|| Problem::missing(&format!("tenant {id}")))?;
        expected.check(Some(entry.revision))?;
        let removed = admin.store.remove(Kind::Tenant, id.as_str(), Expect::Revision(entry.revision)).await?;
        if matches!(removed, Put::Stored(_)) {
            caller.note(Note::gone(&read(&entry)?));
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(Problem::busy("the tenant"))
}

fn check(wish: &Wish) -> Result<(), Problem> {
    let name = wish.name.as_deref().unwrap_or("x");
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::senseless(format!("name must have 1 to {NAME_CHARS_MAX} characters")));
    }
    let (key_max, value_max) = METADATA_BYTES_MAX;
    let fits = |(key, value): (&String, &String)| (1..=key_max).contains(&key.len()) && value.len() <= value_max;
    if wish.metadata.len() > METADATA_MAX || !wish.metadata.iter().all(fits) {
        let detail = format!(
            "metadata must have at most {METADATA_MAX} entries, keys of 1 to {key_max} and values of at most {value_max} bytes"
        );
        return Err(Problem::senseless(detail));
    }
    Ok(())
}

fn read(entry: &Entry) -> Result<Record, Problem> {
    serde_json::from_slice(&entry.value).map_err(|error| Problem::unreadable("tenant", &entry.id, &error))
}
