//! `gatepost incident`: what was turned away or missed, and what to do about it; asked of the API.

use std::time::Instant;

use gatepost_config::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{self, field},
    args::ApiArgs,
    exit::Exit,
    heal,
    jobs::{HEAL, WaitArgs},
    style::{self, BAD, BOLD, DIM, GOOD, WARN},
};

/// `gatepost incident`
#[derive(Debug, clap::Args)]
pub(crate) struct IncidentArgs {
    /// When it began: a time (RFC 3339), or how long ago (2h, 3d)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// When it was over; now when not said
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only this integration
    #[arg(long, value_name = "ID")]
    pub(crate) integration: Option<String>,
    /// Have what can be had from providers
    #[arg(long)]
    pub(crate) fix: bool,
    /// Don't ask providers what is missing; judge by what is known here
    #[arg(long, conflicts_with = "fix")]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Shows an incident; first asks the providers what is missing, and with `--fix` has it.
pub(crate) async fn incident(args: &IncidentArgs) -> Result<(), Exit> {
    let now = Timestamp::now();
    let from = api::time(Some(&args.from), now)?;
    let to = api::time(args.to.as_ref(), now)?.unwrap_or_else(|| now.to_string());
    let query = |from, to| [("from", from), ("to", to), ("integration", args.integration.clone())];
    let mut incident = api::get(&args.api, &["incidents"], &query(from, Some(to))).await?;
    // As the API took it: by its clock, and no later than now.
    let query = query(Some(field(&incident, "from")), Some(field(&incident, "to")));
    let (mut failures, deadline) = (Vec::new(), args.wait.deadline());
    if !args.offline && heal_each(args, &incident, true, deadline, &mut failures).await? > 0 {
        incident = api::get(&args.api, &["incidents"], &query).await?;
    }
    if args.fix && heal_each(args, &incident, false, deadline, &mut failures).await? > 0 {
        incident = api::get(&args.api, &["incidents"], &query).await?;
    }
    match args.api.json {
        true => api::print(&incident),
        false => show(&incident),
    }
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(Exit::failed(failures.join("\n"))),
    }
}

/// Asks the providers of all integrations that can be healed what is missing; or has it, where something is. How many
/// were asked.
async fn heal_each(
    args: &IncidentArgs,
    incident: &Value,
    dry_run: bool,
    deadline: Instant,
    failures: &mut Vec<String>,
) -> Result<usize, Exit> {
    let items = incident.get("items").and_then(Value::as_array).into_iter().flatten();
    let mut asked = Vec::new();
    for item in items {
        let can_be = field(item, "heal.configured") == "true" && field(item, "heal.in_reach") == "true";
        if !can_be || (!dry_run && field(item, "verdict") != "can_be_healed") {
            continue;
        }
        let wish = json!({
            "integration": item.get("integration"), "since": incident.get("from"), "until": incident.get("to"),
            "dry_run": dry_run,
        });
        asked.push(api::post(&args.api, &["heals"], &wish).await?);
    }
    for heal in &asked {
        let ended = HEAL.ended(&args.api, &field(heal, "id"), args.wait, deadline).await?;
        if field(&ended, "state") == "failed" {
            failures.push(heal::failure(&ended));
        }
    }
    Ok(asked.len())
}

fn show(incident: &Value) {
    style::line(&style::paint(DIM, &format!("{} to {}", field(incident, "from"), field(incident, "to"))));
    for item in incident.get("items").and_then(Value::as_array).into_iter().flatten() {
        let verdict = field(item, "verdict");
        let colour = match verdict.as_str() {
            "nothing_missed" | "healed" => GOOD,
            "provider_retries" => WARN,
            _ => BAD,
        };
        let (id, provider) = (field(item, "integration"), field(item, "provider"));
        style::line(&format!("{}  {provider}  {}", style::paint(BOLD, &id), style::paint(colour, &verdict)));
        style::line(&format!("  {}", field(item, "why")));
        style::line(&format!(
            "  {} events stored, {} requests turned away, {} of them kept",
            field(item, "accepted.events"),
            field(item, "turned_away.total"),
            field(item, "kept"),
        ));
        let reasons = item.get("turned_away").and_then(|all| all.get("by_reason")).and_then(Value::as_object);
        for (reason, count) in reasons.into_iter().flatten() {
            style::line(&format!("    {count} {reason}"));
        }
        let has_fix = item.get("fix").and_then(Value::as_array).is_some_and(|fix| !fix.is_empty());
        if has_fix && item.get("kept").and_then(Value::as_u64).is_some_and(|kept| kept > 0) {
            style::line(&format!(
                "  first put right what refused them: gatepost quarantine list --integration {id}, gatepost explain req_..."
            ));
        }
        for fix in item.get("fix").and_then(Value::as_array).into_iter().flatten() {
            style::line(&format!("  fix: {}", fix.as_str().unwrap_or_default()));
        }
    }
}
