//! Keys of the API: made, listed, revoked. A key is shown once; what is kept is a hash of its secret part.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::{TenantId, Timestamp};
use gatepost_event::{
    KeyId,
    registry::{Entry, Expect, Kind, Put},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    access::{Caller, Scope},
    audit::Note,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Keys that may be.
const KEYS_MAX: usize = 1000;
/// The longest name.
const NAME_CHARS_MAX: usize = 100;

/// A key as the registry keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) expires_at: Option<Timestamp>,
    /// SHA-256 of the secret part, in base64.
    sha256: String,
}

/// A key as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Key)]
pub(crate) struct View {
    id: KeyId,
    /// What it is for.
    name: String,
    scopes: Vec<Scope>,
    /// The tenant that it is bound to; it sees and touches nothing else.
    tenant: Option<TenantId>,
    created_at: Timestamp,
    /// Who made it.
    created_by: String,
    /// When it stops being accepted.
    expires_at: Option<Timestamp>,
}

/// A key as it is shown once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = NewKey)]
pub(crate) struct New {
    #[serde(flatten)]
    view: View,
    /// The key itself. It is not kept and can't be shown again.
    key: String,
}

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyWish)]
pub(crate) struct Wish {
    /// What it is for, for people.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
    name: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 4)]
    scopes: Vec<Scope>,
    /// The tenant that it is bound to; everything when absent.
    tenant: Option<TenantId>,
    /// When it stops being accepted; never when absent.
    expires_at: Option<Timestamp>,
}

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = KeyQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<KeyId>,
}

/// `POST /v1/keys`
pub(crate) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(wish) = wish?;
    let now = Timestamp::now();
    check(&wish, now)?;
    if admin.store.entries(Kind::Key).await?.len() >= KEYS_MAX {
        let detail = format!("there are {KEYS_MAX} keys; revoke some");
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_keys", detail));
    }
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let record = Record {
        id: KeyId::fresh(now),
        name: wish.name,
        scopes: wish.scopes.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        tenant: wish.tenant,
        created_at: now,
        created_by: caller.who().to_owned(),
        expires_at: wish.expires_at,
        sha256: hash(&secret),
    };
    let value = page::written(&record)?;
    let id = record.id.to_string();
    match admin.store.put(Kind::Key, &id, value, Expect::Absent).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) | Put::TooLong => {
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", "the id is taken; ask again"));
        }
    }
    tracing::info!(key = id, by = caller.who(), "a key of the API was made");
    let view = View::of(record);
    caller.note(Note::made(&view));
    let made = New { view, key: format!("{id}.{secret}") };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    page::place(&mut response, &format!("/v1/keys/{id}"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /v1/keys`: oldest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut views = Vec::new();
    for entry in admin.store.entries(Kind::Key).await? {
        let record = read(&entry)?;
        if ask.cursor.is_none_or(|cursor| record.id > cursor) {
            views.push(View::of(record));
        }
    }
    views.sort_by_key(|view| view.id);
    Ok(Json(Page::cut(views, limit, |view| view.id.to_string())))
}

/// `GET /v1/keys/{key}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<KeyId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let Path(id) = id?;
    let entry = admin.store.entry(Kind::Key, &id.to_string()).await?;
    let entry = entry.ok_or_else(|| Problem::missing(&format!("key {id}")))?;
    Ok(Json(View::of(read(&entry)?)))
}

/// `DELETE /v1/keys/{key}`: it is refused from now on.
pub(crate) async fn revoke(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<KeyId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    let found = admin.store.entry(Kind::Key, &id.to_string()).await?;
    let entry = found.ok_or_else(|| Problem::missing(&format!("key {id}")))?;
    let _ = admin.store.remove(Kind::Key, &id.to_string(), Expect::Any).await?;
    tracing::info!(key = %id, by = caller.who(), "a key of the API was revoked");
    caller.note(Note::gone(&View::of(read(&entry)?)));
    Ok(StatusCode::NO_CONTENT)
}

fn read(entry: &Entry) -> Result<Record, Problem> {
    serde_json::from_slice(&entry.value).map_err(|error| Problem::unreadable("key", &entry.id, &error))
}

fn check(wish: &Wish, now: Timestamp) -> Result<(), Problem> {
    let chars = wish.name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) || wish.name.chars().any(char::is_control) {
        return Err(Problem::bad(format!("name must have 1 to {NAME_CHARS_MAX} characters, none of them a control")));
    }
    if !(1..=4).contains(&wish.scopes.len()) {
        return Err(Problem::bad("scopes must name 1 to 4 of read, write, replay, admin"));
    }
    if wish.tenant.is_some() && wish.scopes.contains(&Scope::Admin) {
        return Err(Problem::senseless("scope admin is the operator's; leave it or tenant out"));
    }
    match wish.expires_at.is_some_and(|at| at <= now) {
        true => Err(Problem::senseless("expires_at is over already")),
        false => Ok(()),
    }
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

impl Record {
    /// Whether this is the secret part, in a time that tells nothing of it.
    pub(crate) fn fits(&self, secret: &str) -> bool {
        hash(secret).as_bytes().ct_eq(self.sha256.as_bytes()).into()
    }

    /// Whether it is still accepted.
    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }

    /// Who has it, for the audit log.
    pub(crate) fn who(&self) -> String {
        format!("{} ({})", self.id, self.name)
    }
}

impl View {
    fn of(record: Record) -> Self {
        let Record { id, name, scopes, tenant, created_at, created_by, expires_at, sha256: _ } = record;
        Self { id, name, scopes, tenant, created_at, created_by, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_fits_and_only_in_its_time() {
        let now = Timestamp::from_millis(1_000);
        let record = Record {
            id: KeyId::fresh(now),
            name: "ci".to_owned(),
            scopes: vec![Scope::Read],
            tenant: None,
            created_at: now,
            created_by: "a test".to_owned(),
            expires_at: Some(Timestamp::from_millis(2_000)),
            sha256: hash("secret"),
        };
        assert!(record.fits("secret") && record.is_active(now));
        for bad in ["", "secre", "secret ", "Secret"] {
            assert!(!record.fits(bad), "{bad}");
        }
        assert!(!record.is_active(Timestamp::from_millis(2_000)));
    }

    #[test]
    fn a_key_that_makes_no_sense_is_refused_and_one_that_does_is_not() {
        let now: Timestamp = "2026-11-22T17:00:00Z".parse().expect("a time");
        let judge = |json: &str| match serde_json::from_str::<Wish>(json) {
            Ok(wish) => check(&wish, now).is_ok(),
            Err(_) => false,
        };
        assert!(judge(
            r#"{"name":"ci","scopes":["read","replay"],"tenant":"acme","expires_at":"2026-11-23T17:00:00Z"}"#
        ));
        assert!(judge(r#"{"name":"operator","scopes":["admin"]}"#));
        for bad in [
            r#"{"name":"","scopes":["read"]}"#,
            r#"{"name":"a\nb","scopes":["read"]}"#,
            r#"{"name":"x","scopes":[]}"#,
            r#"{"name":"x","scopes":["all"]}"#,
            r#"{"name":"x","scopes":["admin"],"tenant":"acme"}"#,
            r#"{"name":"x","scopes":["read"],"expires_at":"2026-11-22T17:00:00Z"}"#,
            r#"{"name":"x","scopes":["read"],"hash":"x"}"#,
        ] {
            assert!(!judge(bad), "{bad}");
        }
    }
}
