//! `gatepost erase`: everything that is stored of a connection or a tenant; asked for through the API.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    style,
};

/// Time between looks at an erasure that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// `gatepost erase`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub(crate) struct EraseArgs {
    /// Of this connection: INTEGRATION/ID
    #[arg(long, value_name = "INTEGRATION/ID", group = "whose", value_parser = connection)]
    pub(crate) connection: Option<(String, String)>,
    /// Of every connection of this tenant, and its destinations, keys and record
    #[arg(long, value_name = "ID", group = "whose")]
    pub(crate) tenant: Option<String>,
    /// Only count what there is
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Don't wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Longest wait for its end (90s, 15m, 2h); it goes on all the same
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = api::span)]
    pub(crate) within: Duration,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Asks for an erasure, and waits until everything is overwritten.
pub(crate) async fn erase(args: &EraseArgs) -> Result<(), Exit> {
    let asked = api::post(&args.api, &["erasures"], &wish(args)).await?;
    let erasure = match args.no_wait {
        true => asked,
        false => ended(args, asked).await?,
    };
    match args.api.json {
        true => api::print(&erasure),
        false => style::line(&line(&erasure)),
    }
    Ok(())
}

/// `INTEGRATION/ID`
fn connection(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((integration, id)) if !integration.is_empty() && !id.is_empty() && !id.contains('/') => {
            Ok((integration.to_owned(), id.to_owned()))
        }
        _ => Err("write it as INTEGRATION/ID, such as github/acme".to_owned()),
    }
}

fn wish(args: &EraseArgs) -> Value {
    let (integration, connection) = args.connection.clone().unzip();
    let mut wish = Map::from_iter([("dry_run".to_owned(), args.dry_run.into())]);
    for (name, value) in [("integration", integration), ("connection", connection), ("tenant", args.tenant.clone())] {
        wish.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    wish.into()
}

/// Waits until the store is overwritten, and the history of the process that answers.
async fn ended(args: &EraseArgs, asked: Value) -> Result<Value, Exit> {
    let (id, until) = (field(&asked, "id"), Instant::now() + args.within);
    let mut erasure = asked;
    while field(&erasure, "state") != "done" || field(&erasure, "history") == "pending" {
        if Instant::now() >= until {
            return Err(late(&args.api, &erasure));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        erasure = api::get(&args.api, &["erasures", &id], &[]).await?;
    }
    Ok(erasure)
}

/// It is not done, but nothing of it is shown or sent any more.
fn late(api: &ApiArgs, erasure: &Value) -> Exit {
    let id = field(erasure, "id");
    let waits_for = match field(erasure, "walked_at").as_str() {
        "-" => "the router that has the lease for replays",
        _ => "the gateway that has the lease for the quarantine, which looks through refused requests",
    };
    Exit::failed(format!(
        "the erasure {id} is {}, its history {}; nothing of it is shown or sent any more, and it goes on: see \
         {}v1/erasures/{id}, and the log of {waits_for}",
        field(erasure, "state"),
        field(erasure, "history"),
        api.address.url(),
    ))
}

fn line(erasure: &Value) -> String {
    let what = match field(erasure, "wish.dry_run").as_str() {
        "true" => "would be erased (dry run)",
        _ => "erased",
    };
    format!(
        "{}  {}  {what}: {} events, {} parked, {} deliveries that were owed, {} dead letters, {} attempts",
        field(erasure, "id"),
        field(erasure, "state"),
        field(erasure, "progress.events"),
        field(erasure, "progress.parked"),
        field(erasure, "progress.deliveries"),
        field(erasure, "progress.dead_letters"),
        field(erasure, "progress.attempts"),
    )
}
