//! Waiting for what the API was asked for and a gateway or a router does: heals, replays, releases.

use std::time::{Duration, Instant};

use gatepost_config::units::format_span;
use serde_json::Value;

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
};

/// Time between looks at a job that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long a job is waited for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WaitArgs {
    /// Longest wait for its end (90s, 15m, 2h); it goes on all the same
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = api::span)]
    pub(crate) within: Duration,
}

/// A kind of job: its word, where the API has it, and the command that shows one.
pub(crate) struct Job {
    pub(crate) word: &'static str,
    pub(crate) path: &'static str,
    pub(crate) again: &'static str,
}

/// What a provider could not deliver.
pub(crate) const HEAL: Job = Job { word: "heal", path: "heals", again: "gatepost heal --no-wait --job" };
/// Deliveries once more.
pub(crate) const REPLAY: Job = Job { word: "replay", path: "replays", again: "gatepost replays show" };
/// Refused requests that are let in.
pub(crate) const RELEASE: Job =
    Job { word: "release", path: "releases", again: "gatepost quarantine release --no-wait --job" };

impl WaitArgs {
    /// When the wait is over that begins now.
    pub(crate) fn deadline(self) -> Instant {
        Instant::now() + self.within
    }
}

impl Job {
    /// A job as it stands.
    ///
    /// # Errors
    /// When the API can't be asked, or knows no such job.
    pub(crate) async fn show(&self, api: &ApiArgs, id: &str) -> Result<Value, Exit> {
        api::get(api, &[self.path, id], &[]).await
    }

    /// Waits for a job's end, however it ends.
    ///
    /// # Errors
    /// When it has not ended by the deadline, or the API can't be asked.
    pub(crate) async fn ended(
        &self,
        api: &ApiArgs,
        id: &str,
        wait: WaitArgs,
        deadline: Instant,
    ) -> Result<Value, Exit> {
        loop {
            let job = self.show(api, id).await?;
            let state = field(&job, "state");
            if !matches!(state.as_str(), "pending" | "running") {
                return Ok(job);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let Self { word, again, .. } = self;
                let waited = format_span(wait.within);
                return Err(Exit::failed(format!(
                    "the {word} {id} is still {state} after {waited} and goes on; see how far it is: {again} {id}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY.min(left)).await;
        }
    }
}
