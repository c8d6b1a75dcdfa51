//! `gatepost heal`: what a provider could not deliver, had from it later; asked for through the API.

use std::time::Duration;

use gatepost_config::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    style,
};

/// `gatepost heal`
#[derive(Debug, clap::Args)]
pub(crate) struct HealArgs {
    /// The integration, which has `heal` in the configuration
    #[arg(long, value_name = "ID")]
    pub(crate) integration: String,
    /// From then on: a time (RFC 3339), or how long ago (2h, 3d)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: String,
    /// Before then; now when not said
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only say what is missing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Don't wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Time between looks at a heal that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Asks for a heal, and waits for its end.
pub(crate) async fn heal(args: &HealArgs) -> Result<(), Exit> {
    let now = Timestamp::now();
    let wish = json!({
        "integration": args.integration,
        "since": api::time(Some(&args.since), now)?,
        "until": api::time(args.until.as_ref(), now)?,
        "dry_run": args.dry_run,
    });
    let asked = api::post(&args.api, &["heals"], &wish).await?;
    let heal = match args.no_wait {
        true => asked,
        false => ended(&args.api, &asked).await?,
    };
    show(&args.api, &heal);
    match field(&heal, "state").as_str() {
        "failed" => Err(Exit::failed(failure(&heal))),
        _ => Ok(()),
    }
}

/// Waits for a heal's end, however it ends.
pub(crate) async fn ended(api: &ApiArgs, asked: &Value) -> Result<Value, Exit> {
    let id = field(asked, "id");
    loop {
        let heal = api::get(api, &["heals", &id], &[]).await?;
        match field(&heal, "state").as_str() {
            "pending" | "running" => tokio::time::sleep(LOOK_EVERY).await,
            _ => return Ok(heal),
        }
    }
}

/// Why a heal failed.
pub(crate) fn failure(heal: &Value) -> String {
    format!("the heal {} failed: {}", field(heal, "id"), field(heal, "error"))
}

fn show(api: &ApiArgs, heal: &Value) {
    if api.json {
        return api::print(heal);
    }
    let healed = match field(heal, "wish.dry_run").as_str() {
        "true" => "nothing is done about them (dry run)".to_owned(),
        _ => format!("{} had, {} not to be had", field(heal, "progress.healed"), field(heal, "progress.failed")),
    };
    style::line(&format!(
        "{}  {}  {} undelivered, {} of them stored all the same, {} under way, {} missing: {healed}",
        field(heal, "id"),
        field(heal, "state"),
        field(heal, "progress.undelivered"),
        field(heal, "progress.present"),
        field(heal, "progress.under_way"),
        field(heal, "progress.missing"),
    ));
}
