//! Nango: <https://nango.dev/docs/reference/backend/http-api/sync/trigger>.
//!
//! While a sync runs, a trigger of it is answered 200 and starts nothing. So the sync is looked at first, and triggered
//! only when it does not run: whatever run is seen afterwards began after that look, and thus after the tasks that it is
//! for. A trigger without a connection would run it for all of them, so none is ever made without.

use std::time::{Duration, Instant};

use gatepost_config::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    conduct::Heard,
    run::{Run, Said, failure},
};
use crate::{
    envelope::Envelope,
    lanes::Health,
    outcome,
    send::{self, Call, Sent},
    sign,
    work::Desk,
};

/// Longest time of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Most bytes read of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A run that was asked for and did not begin within this is asked for again.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// The answer of `GET /sync/status`.
#[derive(Debug, Deserialize)]
struct Statuses {
    syncs: Vec<Status>,
}

/// How a sync stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Status {
    name: String,
    status: String,
    /// When its last run ended; another text for each run.
    #[serde(default, rename = "finishedAt")]
    finished_at: Option<String>,
}

type Asked = (Said, Option<Health>);

/// Triggers the sync unless it runs, and waits until a run that began afterwards has ended.
pub(super) async fn ask(desk: &Desk, run: &Run) -> Asked {
    let before = match look(desk, run).await {
        Ok(before) if before.is_running() => return (Said::Busy, Some(Health::Answers)),
        Ok(before) => before,
        Err(asked) => return asked,
    };
    // A run may take long, and others need not wait for its end to know that the engine is well.
    let _ = desk.heard.try_send(Heard::Answers(run.engine.token, run.pass));
    let key = &run.go.key;
    let body = json!({
        "provider_config_key": key.integration,
        "connection_id": key.connection,
        "syncs": [key.sync],
        "opts": { "reset": false, "emptyCache": false },
    });
    let url = run.engine.backend.destination.url.clone();
    let trigger = call(desk, run, Method::POST, under(url, "sync/trigger"), Envelope::of_json(body.to_string().into()));
    if let Err(asked) = trigger.await {
        return asked;
    }
    watch(desk, run, &before).await
}

/// Looks until the run has ended.
async fn watch(desk: &Desk, run: &Run, before: &Status) -> Asked {
    let (triggered, mut has_run) = (Instant::now(), false);
    loop {
        tokio::select! {
            () = tokio::time::sleep(run.engine.config.poll) => {}
            // Its webhook says that a run has ended; which, a look tells.
            () = run.heard.notified() => {}
        }
        let status = match look(desk, run).await {
            Ok(status) => status,
            // The run goes on whatever the answer to a look is.
            Err((Said::Failed { counts: false, after, .. }, _)) => {
                tokio::time::sleep(after.unwrap_or_default()).await;
                continue;
            }
            Err(asked) => return asked,
        };
        has_run |= status.is_running();
        let is_over = !status.is_running() && (has_run || status.finished_at != before.finished_at);
        let health = Some(Health::Answers);
        if is_over && status.status == "ERROR" {
            let error = "the run failed; Nango's logs say why".to_owned();
            return (Said::Failed { error, after: None, counts: true }, health);
        } else if is_over {
            // A sync whose schedule is paused says that, and not how its last run ended.
            return (Said::Succeeded, health);
        } else if !has_run && triggered.elapsed() > BEGINS_WITHIN {
            let error = "the trigger was taken, and no run began".to_owned();
            return (Said::Failed { error, after: None, counts: true }, health);
        }
    }
}

/// How the sync stands now.
async fn look(desk: &Desk, run: &Run) -> Result<Status, Asked> {
    let key = &run.go.key;
    let mut url = under(run.engine.backend.destination.url.clone(), "sync/status");
    url.query_pairs_mut()
        .append_pair("provider_config_key", key.integration.as_str())
        .append_pair("connection_id", key.connection.as_str())
        .append_pair("syncs", key.sync.as_str());
    let sent = call(desk, run, Method::GET, url, Envelope::empty()).await?;
    let odd = |why: String| {
        let error = format!("its answer to a look at the sync can't be used: {why}");
        (Said::Failed { error, after: None, counts: true }, Some(Health::Answers))
    };
    let answer: Statuses = serde_json::from_str(&sent.response).map_err(|error| odd(error.to_string()))?;
    let found = answer.syncs.into_iter().find(|status| status.name == key.sync.as_str());
    found.ok_or_else(|| odd("it does not know the sync".to_owned()))
}

/// One call; an answer only when it is 2xx.
async fn call(desk: &Desk, run: &Run, method: Method, url: Url, body: Envelope) -> Result<Sent, Asked> {
    let backend = &run.engine.backend;
    run.pace.wait(&backend.destination).await;
    let signed = sign::introduce(&backend.destination, body);
    let call = Call { method, url: &url, timeout: CALL_TIMEOUT, kept_bytes: ANSWER_BYTES_MAX };
    let sent = send::exchange_within(&desk.outside, backend, call, signed).await;
    match sent.error {
        None => Ok(sent),
        Some(_) => {
            let (said, health) = (failure(&sent, outcome::asked_wait(&sent, Timestamp::now())), outcome::health(&sent));
            Err((said, Some(health)))
        }
    }
}

fn under(mut url: Url, path: &str) -> Url {
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{path}"));
    url
}

impl Status {
    fn is_running(&self) -> bool {
        self.status == "RUNNING"
    }
}
