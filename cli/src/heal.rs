//! `gatepost heal`: what a provider could not deliver, had from it later; asked for through the API.

use gatepost_config::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    jobs::{HEAL, WaitArgs},
    style,
};

/// `gatepost heal`
#[derive(Debug, clap::Args)]
pub(crate) struct HealArgs {
    /// The integration, which has `heal` in the configuration
    #[arg(long, value_name = "ID", required_unless_present = "job")]
    pub(crate) integration: Option<String>,
    /// From then on: a time (RFC 3339), or how long ago (2h, 3d)
    #[arg(long, value_name = "TIME", required_unless_present = "job")]
    pub(crate) since: Option<String>,
    /// Before then; now when not said
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only say what is missing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Nothing new: show this one (hea_...) when it has ended, or with --no-wait as it stands
    #[arg(long, value_name = "ID", conflicts_with_all = ["integration", "since", "until", "dry_run"])]
    pub(crate) job: Option<String>,
    /// Don't wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Asks for a heal, and waits for its end.
pub(crate) async fn heal(args: &HealArgs) -> Result<(), Exit> {
    let asked = match &args.job {
        Some(id) => HEAL.show(&args.api, id).await?,
        None => ask(args).await?,
    };
    let heal = match args.no_wait {
        true => asked,
        false => HEAL.ended(&args.api, &field(&asked, "id"), args.wait, args.wait.deadline()).await?,
    };
    show(&args.api, &heal);
    match field(&heal, "state").as_str() {
        "failed" => Err(Exit::failed(failure(&heal))),
        _ => Ok(()),
    }
}

async fn ask(args: &HealArgs) -> Result<Value, Exit> {
    let now = Timestamp::now();
    let wish = json!({
        "integration": args.integration,
        "since": api::time(args.since.as_ref(), now)?,
        "until": api::time(args.until.as_ref(), now)?,
        "dry_run": args.dry_run,
    });
    api::post(&args.api, &["heals"], &wish).await
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
