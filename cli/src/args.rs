//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    address::Address,
    check::CheckArgs,
    connections::{ConnectionsCommand, UnmatchedCommand},
    deliveries::DeliveriesCommand,
    destinations::DestinationsCommand,
    dev::DevArgs,
    erase::EraseArgs,
    events::EventsCommand,
    explain::ExplainArgs,
    heal::HealArgs,
    incident::IncidentArgs,
    init::InitArgs,
    keys::{AuditCommand, KeysCommand},
    providers::ProvidersCommand,
    quarantine::QuarantineCommand,
    replays::ReplaysCommand,
    routes::RoutesCommand,
    run::RunArgs,
    search::SearchArgs,
    secret::SecretCommand,
    send::SendArgs,
    store::StoreCommand,
    syncs::SyncsCommand,
    trace::TraceArgs,
};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "gatepost", version, about = ABOUT, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(long, global = true, env = "GATEPOST_CONFIG", default_value = "gatepost.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ABOUT: &str = "A self-hosted webhook gateway and event router: verifies, attributes, stores, delivers";
const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 usage, 78 bad configuration.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway, the router, the admin API, or all of them (when none is named)
    Run(RunArgs),
    /// Try Gatepost: every role on this machine, no file and no server needed
    Dev(DevArgs),
    /// Write a configuration for the providers you use
    Init(InitArgs),
    /// Check the configuration; show each webhook URL, its secret and where to paste it
    Check(CheckArgs),
    /// Make secrets
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Post a genuine signed sample to an integration
    Send(SendArgs),
    /// Say whether a captured or refused request verifies, and if not why
    Explain(ExplainArgs),
    /// List, show and prove providers
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// Customers' linked accounts: list, make, change, remove and import them
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Look at deliveries, and replay dead letters
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// How destinations stand; pause and resume them
    #[command(subcommand)]
    Destinations(DestinationsCommand),
    /// Look at stored events
    #[command(subcommand)]
    Events(EventsCommand),
    /// Keys of the API: make, list and revoke them
    #[command(subcommand)]
    Keys(KeysCommand),
    /// What was changed through the API, by whom
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Find events by any id, an account, a connection, or words of the body
    Search(SearchArgs),
    /// The whole way of an event on one screen
    Trace(TraceArgs),
    /// Deliver once more: dead letters, or stored events through the present routes
    #[command(subcommand)]
    Replays(ReplaysCommand),
    /// Events that no connection claims
    #[command(subcommand)]
    Unmatched(UnmatchedCommand),
    /// Requests that were refused: see them, and let them in once what was wrong is put right
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Have from a provider what it could not deliver (GitHub, Stripe)
    Heal(HealArgs),
    /// Erase everything that is stored of a connection or a tenant
    Erase(EraseArgs),
    /// What was turned away or missed in a time, what providers do about it, and what to do
    Incident(IncidentArgs),
    /// Try routes out on what is stored
    #[command(subcommand)]
    Routes(RoutesCommand),
    /// How syncs of connections stand; ask for a run
    #[command(subcommand)]
    Syncs(SyncsCommand),
    /// Set up or check the store
    #[command(subcommand)]
    Store(StoreCommand),
}

/// How a command reaches the API.
#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) address: Address,
    /// One of its keys; better given in the environment than here, where others see it
    #[arg(long, env = "GATEPOST_API_KEY", hide_env_values = true, default_value = "", value_name = "KEY")]
    pub(crate) api_key: String,
    /// JSON as the API gives it, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Where to go on: what the last list gave as `next`
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

/// Which events or deliveries.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only of this integration
    #[arg(long, value_name = "ID")]
    pub(crate) integration: Option<String>,
    /// Only of this connection
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
    /// Only of this type, such as github.push
    #[arg(long = "type", value_name = "TYPE", value_parser = whole_type)]
    pub(crate) kind: Option<String>,
}

/// A type as an event has it; a pattern would match none.
fn whole_type(text: &str) -> Result<String, String> {
    match text.contains('*') {
        true => Err("types are looked for as a whole, such as github.push; patterns with * are for routes".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// When.
#[derive(Debug, clap::Args)]
pub(crate) struct WhenArgs {
    /// Only from then on: a time (RFC 3339), or how long ago (3h, 2d)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Args;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
