//! Making destinations, rotating their secrets, trying them out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::{DestinationId, Timestamp, provider::Trust};
use gatepost_event::{
    Event, EventId, Keyring, Meta, RequestId,
    made::{Made, Secrets},
    registry::{Expect, Kind, Put},
    standing::{OWN_NAME, TEST_KIND, Test},
    store::{Item, Place},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Known, View, find, known,
    settings::{Settings, Wish},
    standing,
};
use crate::{
    access::Caller,
    audit::Note,
    connections::{declared_in_file, write::unsealed},
    etag::{self, Expected},
    page,
    problem::Problem,
    serve::Admin,
};

/// Tries to write beside somebody else.
const TRIES: usize = 20;
/// Destinations that may be made; each is a label of the router's metrics.
const MADE_MAX: usize = 10_000;
/// How long old secrets go on signing when not said, and at most.
const OVERLAP: Duration = Duration::from_hours(24);
const OVERLAP_SECONDS_MAX: u64 = 90 * 86_400;
/// Longest time to store a test.
const STORE_MAX: Duration = Duration::from_secs(4);

/// How secrets are rotated.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// The new secret; one is made when absent, and shown in the answer.
    #[schema(min_length = 1, max_length = 4096)]
    secret: Option<String>,
    /// How long the old ones go on signing.
    #[schema(minimum = 0, maximum = 7_776_000)]
    overlap_seconds: Option<u64>,
}

/// A destination whose secrets were rotated.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rotated {
    destination: View,
    /// The new secret, if it was made here. It can't be shown again.
    secret: Option<String>,
    /// When the old ones stop signing.
    until: Timestamp,
}

/// A test that is on its way.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Tested {
    /// The event that is delivered; `webhook-id` says so.
    event: EventId,
}

/// The path of one.
type Id = Result<Path<DestinationId>, PathRejection>;

/// `PUT /v1/destinations/{destination}`: makes or replaces it. The same again changes nothing.
pub(crate) async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    id: Id,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path(id), Json(Wish(wish))) = (id?, wish?);
    if admin.config.borrow().sync_engines.iter().any(|engine| engine.id.as_str() == id.as_str()) {
        return Err(declared_in_file(&format!("{id}, which is a sync engine's id,")));
    }
    let keys = admin.keyring()?;
    for _ in 0..TRIES {
        let before = made(&admin, &caller, &id).await?;
        expected.check(before.as_ref().map(|(_, revision)| *revision))?;
        let mut wanted = Settings::of(id.as_str(), wish.clone())?;
        let kept = before.as_ref().map(|(made, _)| opened(made, &keys)).transpose()?;
        if let Some(kept) = &kept
            && !wanted.settings.contains_key("secrets")
        {
            keep_secrets(&mut wanted, kept);
        }
        if let (Some(tenant), None) = (caller.tenant(), wanted.settings.get("tenant")) {
            wanted.settings.insert("tenant".to_owned(), tenant.as_str().into());
        }
        let read = wanted.check()?;
        if !caller.sees(read.tenant.as_ref()) {
            return Err(Problem::operator_only("a destination of another tenant, or of your own,"));
        }
        if read.private && caller.tenant().is_some() {
            return Err(Problem::operator_only("private = true"));
        }
        if let (Some((made, revision)), true) = (&before, kept.as_ref() == Some(&wanted)) {
            let view = view(&admin, made, *revision).await?;
            return Ok(etag::tagged(Some(*revision), Json(view)));
        }
        if before.is_none() && admin.store.entries(Kind::MadeDestination).await?.len() >= MADE_MAX {
            let detail = format!("{MADE_MAX} destinations were made; delete some");
            return Err(Problem::new(StatusCode::CONFLICT, "too_many_destinations", detail));
        }
        if let Some((view, revision)) = write(&admin, &caller, &id, &keys, before.as_ref(), &wanted).await? {
            let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
            return Ok(etag::tagged(Some(revision), (status, Json(view))));
        }
    }
    Err(Problem::busy("the destination"))
}

/// `DELETE /v1/destinations/{destination}`
pub(crate) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    expected: Expected,
    id: Id,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    for _ in 0..TRIES {
        let found = made(&admin, &caller, &id).await?;
        let (made, revision) = found.ok_or_else(|| Problem::missing(&format!("destination {id}")))?;
        expected.check(Some(revision))?;
        let removed = admin.store.remove(Kind::MadeDestination, id.as_str(), Expect::Revision(revision)).await?;
        if matches!(removed, Put::Stored(_)) {
            tracing::info!(destination = %id, by = caller.who(), "a destination was deleted");
            caller.note(Note::gone(&made.settings));
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(Problem::busy("the destination"))
}

/// `POST /v1/destinations/{destination}/rotate`
pub(crate) async fn rotate(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Id,
    rotation: Result<Json<Rotation>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path(id), Json(rotation)) = (id?, rotation?);
    let overlap = rotation.overlap_seconds.map_or(OVERLAP, Duration::from_secs);
    if overlap > Duration::from_secs(OVERLAP_SECONDS_MAX) {
        return Err(Problem::senseless(format!("overlap_seconds must be at most {OVERLAP_SECONDS_MAX}")));
    }
    let keys = admin.keyring()?;
    let fresh = || format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()));
    let is_ours = rotation.secret.is_none();
    let secret = rotation.secret.unwrap_or_else(fresh);
    let until = Timestamp::now().after(overlap);
    for _ in 0..TRIES {
        let found = made(&admin, &caller, &id).await?;
        let (made, revision) = found.ok_or_else(|| Problem::missing(&format!("destination {id}")))?;
        let mut wanted = opened(&made, &keys)?;
        let old = wanted.settings.remove("secrets");
        let key = wanted.key(Value::String(secret.clone()));
        let mut secrets = vec![key.clone()];
        let old = old.into_iter().flat_map(|old| old.as_array().cloned().unwrap_or_default());
        secrets.extend(old.filter(|old| old.get("sealed") != key.get("sealed")).map(|old| ending(old, until)));
        wanted.settings.insert("secrets".to_owned(), secrets.into());
        forget_ended(&mut wanted, Timestamp::now());
        wanted.check()?;
        if let Some((destination, revision)) =
            write(&admin, &caller, &id, &keys, Some(&(made, revision)), &wanted).await?
        {
            let rotated = Rotated { destination, secret: is_ours.then_some(secret), until };
            return Ok(etag::tagged(Some(revision), Json(rotated)));
        }
    }
    Err(Problem::busy("the destination"))
}

/// `POST /v1/destinations/{destination}/test`: an event that goes there and nowhere else.
pub(crate) async fn test(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Id,
) -> Result<(StatusCode, Json<Tested>), Problem> {
    let Path(id) = id?;
    let known = find(&admin, &caller, &id).await?;
    let now = Timestamp::now();
    let body = page::written(&Test { destination: id.clone(), asked_at: now })?;
    let request = RequestId::fresh(now);
    let own_name = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unwritable", "gatepost's own name is no id");
    let meta = Meta {
        id: EventId::of(OWN_NAME, id.as_str(), &request.to_string(), None),
        request,
        integration: OWN_NAME.parse().map_err(|_| own_name())?,
        provider: OWN_NAME.parse().map_err(|_| own_name())?,
        connection: None,
        tenant: known.tenant().cloned(),
        account: None,
        kind: TEST_KIND.to_owned(),
        provider_type: None,
        provider_event_id: None,
        trust: Trust::Verified,
        redacted: false,
        occurred_at: Some(now),
        received_at: now,
        headers: Vec::new(),
        content_type: Some("application/json".to_owned()),
        key_id: None,
        destination: None,
    };
    let tested = Tested { event: meta.id };
    let item = Item { event: Event { meta, body }, place: Place::Log };
    admin.store.append(vec![item], Instant::now() + STORE_MAX).await?;
    caller.note(Note::made(&tested));
    Ok((StatusCode::ACCEPTED, Json(tested)))
}

/// One of those made, if there is one; another tenant's is not there.
async fn made(admin: &Admin, caller: &Caller, id: &DestinationId) -> Result<Option<(Made, u64)>, Problem> {
    let Some(known) = known(admin, id).await? else { return Ok(None) };
    if !caller.sees(known.tenant()) {
        return Err(Problem::missing(&format!("destination {id}")));
    }
    match known {
        Known::Declared(_) => Err(declared_in_file(&format!("destination {id}"))),
        Known::Made(made, revision) => Ok(Some((*made, revision))),
    }
}

fn opened(made: &Made, keys: &Keyring) -> Result<Settings, Problem> {
    Ok(Settings { settings: made.settings.clone(), secrets: made.secrets(keys).map_err(unsealed)? })
}

/// Writes it; `None` when somebody else was faster.
async fn write(
    admin: &Admin,
    caller: &Caller,
    id: &DestinationId,
    keys: &Keyring,
    before: Option<&(Made, u64)>,
    wanted: &Settings,
) -> Result<Option<(View, u64)>, Problem> {
    let now = Timestamp::now();
    let after = Made {
        id: id.clone(),
        tenant: wanted.tenant(),
        settings: wanted.settings.clone(),
        sealed: Made::seal(id, keys, &wanted.secrets, now).map_err(unsealed)?,
        created_at: before.map_or(now, |(before, _)| before.created_at),
        updated_at: now,
    };
    let expect = before.map_or(Expect::Absent, |(_, revision)| Expect::Revision(*revision));
    match admin.store.put(Kind::MadeDestination, id.as_str(), page::written(&after)?, expect).await? {
        Put::Stored(revision) => {
            tracing::info!(destination = %id, by = caller.who(), "a destination was put");
            caller.note(Note::new(before.map(|(before, _)| &before.settings), Some(&after.settings)));
            Ok(Some((view(admin, &after, revision).await?, revision)))
        }
        Put::TooLong => Err(Problem::senseless("what is asked for is too long to be kept")),
        Put::Conflict(_) => Ok(None),
    }
}

async fn view(admin: &Admin, made: &Made, revision: u64) -> Result<View, Problem> {
    let (standing, _) = standing(&admin.store, &made.id).await?;
    View::asked(admin, &Known::Made(Box::new(made.clone()), revision), standing).await
}

/// Takes the signing secrets that it has.
fn keep_secrets(wanted: &mut Settings, kept: &Settings) {
    if let Some(keys) = kept.settings.get("secrets") {
        wanted.settings.insert("secrets".to_owned(), keys.clone());
        let own = kept.secrets.iter().filter(|(name, _)| name.starts_with("secrets."));
        wanted.secrets.extend(own.map(|(name, text)| (name.clone(), text.clone())));
    }
}

/// A key that ends at a time, or before.
fn ending(mut key: Value, until: Timestamp) -> Value {
    let ends_before = |key: &Value| {
        let end = key.get("until").and_then(Value::as_str).and_then(|end| end.parse::<Timestamp>().ok());
        end.is_some_and(|end| end <= until)
    };
    if !ends_before(&key)
        && let Value::Object(object) = &mut key
    {
        object.insert("until".to_owned(), until.to_string().into());
    }
    key
}

/// Drops keys that ended.
fn forget_ended(wanted: &mut Settings, now: Timestamp) {
    let Some(Value::Array(keys)) = wanted.settings.get_mut("secrets") else { return };
    let end = |key: &Value| key.get("until").and_then(Value::as_str).and_then(|end| end.parse::<Timestamp>().ok());
    keys.retain(|key| end(key).is_none_or(|end| end > now));
    let named: Vec<String> = keys.iter().filter_map(|key| Some(key.get("sealed")?.as_str()?.to_owned())).collect();
    let lost = |name: &String| name.starts_with("secrets.") && !named.contains(name);
    wanted.secrets =
        std::mem::take(&mut wanted.secrets).into_iter().filter(|(name, _)| !lost(name)).collect::<Secrets>();
}
