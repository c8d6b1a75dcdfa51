//! `gatepost quarantine`: refused requests, seen and let in through the API.

use clap::Subcommand;
use gatepost_config::Timestamp;
use serde_json::{Map, Value};

use crate::{
    api::{self, field},
    args::{ApiArgs, ListArgs, WhenArgs},
    exit::Exit,
    jobs::{RELEASE, WaitArgs},
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Refused requests that are kept, newest first
    List {
        /// Only of this integration
        #[arg(long, value_name = "ID")]
        integration: Option<String>,
        /// Only those refused for this reason, such as signature_mismatch
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One of them, with what was posted; secrets are masked
    Show {
        /// Its id (req_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Verify them again, and let those in that pass now; the rest stay
    ///
    /// Only the time that they waited here doesn't count against them. One that was refused for its own time
    /// (timestamp_stale, timestamp_future) is let in only when it, or that reason, is named.
    Release {
        /// Only this one (req_...)
        id: Option<String>,
        /// Only of this integration
        #[arg(long, value_name = "ID")]
        integration: Option<String>,
        /// Only those refused for this reason, such as signature_mismatch
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        /// Nothing new: show this one (rls_...) when it has ended, or with --no-wait as it stands
        #[arg(long, value_name = "ID", conflicts_with_all = ["id", "integration", "reason"])]
        job: Option<String>,
        /// Don't wait for its end
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Lists, shows or lets in.
pub(crate) async fn quarantine(command: &QuarantineCommand) -> Result<(), Exit> {
    match command {
        QuarantineCommand::List { integration, reason, when, list, api } => {
            let now = Timestamp::now();
            let query = [
                ("since", api::time(when.since.as_ref(), now)?),
                ("until", api::time(when.until.as_ref(), now)?),
                ("integration", integration.clone()),
                ("reason", reason.clone()),
                ("limit", list.limit.map(|limit| limit.to_string())),
                ("cursor", list.cursor.clone()),
            ];
            api::print_page(api, &api::get(api, &["quarantine"], &query).await?, line);
            Ok(())
        }
        QuarantineCommand::Show { id, api } => {
            api::print(&api::get(api, &["quarantine", id], &[]).await?);
            Ok(())
        }
        QuarantineCommand::Release { id, integration, reason, job, no_wait, wait, api } => {
            let asked = match job {
                Some(job) => RELEASE.show(api, job).await?,
                None => {
                    let wishes = [("request", id), ("integration", integration), ("reason", reason)];
                    let said =
                        wishes.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said.clone()?.into())));
                    api::post(api, &["quarantine", "release"], &said.collect::<Map<_, _>>().into()).await?
                }
            };
            let release = match no_wait {
                true => asked,
                false => RELEASE.ended(api, &field(&asked, "id"), *wait, wait.deadline()).await?,
            };
            show(api, &release);
            Ok(())
        }
    }
}

fn show(api: &ApiArgs, release: &Value) {
    if api.json {
        return api::print(release);
    }
    style::line(&format!(
        "{}  {}  {} looked at, {} let in with {} events, {} bring no event",
        field(release, "id"),
        field(release, "state"),
        field(release, "progress.examined"),
        field(release, "progress.released"),
        field(release, "progress.events"),
        field(release, "progress.skipped"),
    ));
    let refused = release.get("progress").and_then(|progress| progress.get("refused")).and_then(Value::as_object);
    for (reason, count) in refused.into_iter().flatten() {
        style::line(&format!("  {count} stay: {reason}"));
    }
}

fn line(item: &Value) -> String {
    format!(
        "{}  {}  {:<24}  {}  {} bytes",
        field(item, "request"),
        field(item, "received_at"),
        field(item, "reason"),
        field(item, "integration"),
        field(item, "bytes"),
    )
}
