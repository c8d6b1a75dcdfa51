//! `gatepost replays`: deliveries once more, asked for through the API.

use std::time::Duration;

use clap::Subcommand;
use gatepost_config::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, FilterArgs, ListArgs, WhenArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ReplaysCommand {
    /// Ask for a replay: of dead letters, or with --reroute of stored events
    Create {
        /// Stored events (delivered, filtered and unrouted too) through the present routes
        #[arg(long)]
        reroute: bool,
        /// Only count
        #[arg(long)]
        dry_run: bool,
        /// Deliveries a second, at most
        #[arg(long, value_name = "N")]
        rate: Option<u32>,
        /// Under fresh webhook-ids, so that receivers don't take them for repeats
        #[arg(long)]
        new_ids: bool,
        /// Only this event (evt_...)
        #[arg(long, value_name = "ID")]
        event: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        when: WhenArgs,
        /// Only to this destination
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
        /// With --reroute: delivered or undelivered (to the destination)
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        /// Only dead letters that died of this
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        /// Wait for its end
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Replays, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// How far one is
    Show {
        /// Its id (rpl_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Owe no further delivery
    Cancel {
        /// Its id (rpl_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Time between looks at a replay that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Asks for, lists, shows or cancels.
pub(crate) async fn replays(command: &ReplaysCommand) -> Result<(), Exit> {
    match command {
        ReplaysCommand::Create { dry_run, wait, api, .. } => {
            let asked = api::post(api, &["replays"], &wish(command)?).await?;
            match *wait || *dry_run {
                true => follow(api, asked).await,
                false => {
                    show(api, &asked);
                    Ok(())
                }
            }
        }
        ReplaysCommand::List { list, api } => {
            let query = [("limit", list.limit.map(|limit| limit.to_string())), ("cursor", list.cursor.clone())];
            api::print_page(api, &api::get(api, &["replays"], &query).await?, line);
            Ok(())
        }
        ReplaysCommand::Show { id, api } => {
            show(api, &api::get(api, &["replays", id], &[]).await?);
            Ok(())
        }
        ReplaysCommand::Cancel { id, api } => {
            show(api, &api::post(api, &["replays", id, "cancel"], &json!({})).await?);
            Ok(())
        }
    }
}

/// What is asked for; only what was said.
fn wish(command: &ReplaysCommand) -> Result<Value, Exit> {
    let ReplaysCommand::Create {
        reroute,
        dry_run,
        rate,
        new_ids,
        event,
        filter,
        when,
        destination,
        status,
        reason,
        ..
    } = command
    else {
        return Ok(Value::Null);
    };
    let now = Timestamp::now();
    let mut wish = Map::new();
    for (name, set) in [("reroute", reroute), ("dry_run", dry_run), ("new_ids", new_ids)] {
        wish.insert(name.to_owned(), (*set).into());
    }
    for (name, value) in [
        ("event", event.clone()),
        ("integration", filter.integration.clone()),
        ("connection", filter.connection.clone()),
        ("type", filter.kind.clone()),
        ("destination", destination.clone()),
        ("status", status.clone()),
        ("reason", reason.clone()),
        ("since", api::time(when.since.as_ref(), now)?),
        ("until", api::time(when.until.as_ref(), now)?),
    ] {
        wish.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    wish.extend(rate.map(|rate| ("rate".to_owned(), rate.into())));
    Ok(wish.into())
}

/// Waits for a replay's end and shows it.
///
/// # Errors
/// When it failed, or the API can't be asked.
pub(crate) async fn follow(api: &ApiArgs, asked: Value) -> Result<(), Exit> {
    let id = field(&asked, "id");
    loop {
        let replay = api::get(api, &["replays", &id], &[]).await?;
        match field(&replay, "state").as_str() {
            "pending" | "running" => tokio::time::sleep(LOOK_EVERY).await,
            "failed" => return Err(Exit::failed(format!("the replay {id} failed: {}", field(&replay, "error")))),
            _ => {
                show(api, &replay);
                return Ok(());
            }
        }
    }
}

fn show(api: &ApiArgs, replay: &Value) {
    match api.json {
        true => api::print(replay),
        false => style::line(&line(replay)),
    }
}

fn line(replay: &Value) -> String {
    let owed = match field(replay, "wish.dry_run").as_str() {
        "true" => "would be owed (dry run)",
        _ => "owed",
    };
    format!(
        "{}  {}  {} looked at, {} matched, {} {owed}, {} skipped",
        field(replay, "id"),
        field(replay, "state"),
        field(replay, "progress.examined"),
        field(replay, "progress.matched"),
        field(replay, "progress.owed"),
        field(replay, "progress.skipped"),
    )
}
