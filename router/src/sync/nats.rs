//! Workers of the operator's that answer requests on a subject of the store's NATS.

use std::time::Instant;

use gatepost_event::StoreError;
use serde::Deserialize;

use super::{
    http,
    run::{Run, Said},
};
use crate::{lanes::Health, work::Desk};

/// A worker's answer.
#[derive(Debug, Deserialize)]
struct Answer {
    status: Status,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// A run that began after the request has succeeded.
    Succeeded,
    /// It has begun, and no more will be said.
    Started,
    /// An earlier run is under way.
    Busy,
    Failed,
}

/// Asks for a run; the answer is its end.
pub(super) async fn ask(desk: &Desk, run: &Run) -> (Said, Option<Health>) {
    run.pace.wait(&run.engine.backend.destination).await;
    let subject = run.engine.config.subject.as_deref().unwrap_or_default();
    let deadline = Instant::now() + run.engine.config.timeout;
    match desk.store.request(subject, http::request(run).to_string().into(), deadline).await {
        Ok(answer) => (judge(&answer), Some(Health::Answers)),
        Err(error) => {
            let said = Said::Failed { error: error.to_string(), after: None, counts: true };
            // The store's own absence says nothing about the workers.
            (said, (!matches!(error, StoreError::Closed)).then_some(Health::Fails))
        }
    }
}

fn judge(answer: &[u8]) -> Said {
    let failed = |error: String| Said::Failed { error, after: None, counts: true };
    match serde_json::from_slice::<Answer>(answer) {
        Ok(Answer { status: Status::Succeeded | Status::Started, .. }) => Said::Succeeded,
        Ok(Answer { status: Status::Busy, .. }) => Said::Busy,
        Ok(Answer { status: Status::Failed, error }) => failed(error.unwrap_or_else(|| "the run failed".to_owned())),
        Err(error) => failed(format!("a worker's answer can't be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_answer_says_how_the_run_ended() {
        for (answer, said) in
            [(r#"{"status":"succeeded"}"#, Said::Succeeded), (r#"{"status":"busy","more":1}"#, Said::Busy)]
        {
            assert_eq!(judge(answer.as_bytes()), said);
        }
        let failed = judge(br#"{"status":"failed","error":"no token"}"#);
        assert_eq!(failed, Said::Failed { error: "no token".to_owned(), after: None, counts: true });
        assert!(matches!(judge(b"ok"), Said::Failed { counts: true, .. }));
    }
}
