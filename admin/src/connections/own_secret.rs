//! A connection's own signing secrets: given one by one, expired or removed, never shown.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{ConnectionId, IntegrationId, Timestamp};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Place, View,
    write::{NewSecret, changed, sealed},
};
use crate::{access::Caller, audit::Note, etag, problem::Problem, serve::Admin};

/// When a secret ends.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = SecretEnd)]
pub(crate) struct End {
    /// It is accepted until then; it is removed at once when this is absent.
    until: Option<Timestamp>,
}

/// `POST .../secrets`: one more secret that requests are proven by. The same again changes its end only.
pub(crate) async fn add(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    place: Place,
    secret: Result<Json<NewSecret>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path((integration, id)), Json(given)) = (place?, secret?);
    let keys = admin.keyring()?;
    let now = Timestamp::now();
    let (before, found) = changed(&admin, &caller, &integration, &id, |mut linked| {
        let own = sealed(&linked, &keys, &given, now)?;
        linked.secrets.retain(|kept| kept.id != own.id);
        linked.secrets.push(own);
        Ok(linked)
    })
    .await?;
    let view = View::of(&found.linked);
    caller.note(Note::new(Some(&before), Some(&view)));
    Ok(etag::tagged(Some(found.linked.version), (StatusCode::OK, Json(view))))
}

/// `DELETE .../secrets/{own_secret}`: it is accepted no more, or until a time.
pub(crate) async fn end(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    place: Result<Path<(IntegrationId, ConnectionId, String)>, PathRejection>,
    end: Result<Query<End>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let (Path((integration, id, secret)), Query(End { until })) = (place?, end?);
    let (before, found) = changed(&admin, &caller, &integration, &id, |mut linked| {
        let own = linked.secrets.iter_mut().find(|own| own.id == secret);
        let own = own.ok_or_else(|| Problem::missing(&format!("secret {secret} of the connection")))?;
        match until {
            Some(_) => own.until = until,
            None => linked.secrets.retain(|own| own.id != secret),
        }
        Ok(linked)
    })
    .await?;
    caller.note(Note::new(Some(&before), Some(&View::of(&found.linked))));
    Ok(StatusCode::NO_CONTENT)
}
