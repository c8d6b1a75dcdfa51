//! `gatepost replays`: deliveries once more, asked for through the API.

use clap::Subcommand;
use gatepost_config::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    api::{self, field},
    args::{ApiArgs, FilterArgs, ListArgs, WhenArgs},
    exit::Exit,
    jobs::{REPLAY, WaitArgs},
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ReplaysCommand {
    /// Ask for a replay: of dead letters, or with --reroute of stored events
    Create(Box<CreateArgs>),
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

/// What is to be delivered once more.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
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
    /// Wait for its end; a dry run is waited for in any case
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    longest: WaitArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Asks for, lists, shows or cancels.
pub(crate) async fn replays(command: &ReplaysCommand) -> Result<(), Exit> {
    match command {
        ReplaysCommand::Create(args) => {
            let asked = api::post(&args.api, &["replays"], &wish(args)?).await?;
            match args.wait || args.dry_run {
                true => follow(&args.api, &asked, args.longest).await.map(drop),
                false => {
                    show(&args.api, &asked);
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
fn wish(args: &CreateArgs) -> Result<Value, Exit> {
    let now = Timestamp::now();
    let mut wish = Map::new();
    for (name, set) in [("reroute", args.reroute), ("dry_run", args.dry_run), ("new_ids", args.new_ids)] {
        wish.insert(name.to_owned(), set.into());
    }
    for (name, value) in [
        ("event", args.event.clone()),
        ("integration", args.filter.integration.clone()),
        ("connection", args.filter.connection.clone()),
        ("type", args.filter.kind.clone()),
        ("destination", args.destination.clone()),
        ("status", args.status.clone()),
        ("reason", args.reason.clone()),
        ("since", api::time(args.when.since.as_ref(), now)?),
        ("until", api::time(args.when.until.as_ref(), now)?),
    ] {
        wish.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    wish.extend(args.rate.map(|rate| ("rate".to_owned(), rate.into())));
    Ok(wish.into())
}

/// Waits for a replay's end and shows it.
///
/// # Errors
/// When it failed, or has not ended in time, or the API can't be asked.
pub(crate) async fn follow(api: &ApiArgs, asked: &Value, wait: WaitArgs) -> Result<Value, Exit> {
    let id = field(asked, "id");
    let replay = REPLAY.ended(api, &id, wait, wait.deadline()).await?;
    if field(&replay, "state") == "failed" {
        return Err(Exit::failed(format!("the replay {id} failed: {}", field(&replay, "error"))));
    }
    show(api, &replay);
    Ok(replay)
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
