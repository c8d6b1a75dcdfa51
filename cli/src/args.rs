//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use url::Url;

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
    /// Run the gateway, the router, or both (when none is named)
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
    /// Set up or check the store
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Which roles; all when none is named
    pub(crate) roles: Vec<Role>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Receive, verify, store
    Gateway,
    /// Route, deliver, retry
    Router,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// How log lines look
    #[arg(long = "log", value_enum, env = "GATEPOST_LOG_FORMAT", default_value = "pretty", value_name = "FORM")]
    pub(crate) form: LogForm,
    /// What is logged: error, warn, info, debug, or directives such as `info,gatepost_router=debug`
    #[arg(long = "log-level", env = "GATEPOST_LOG", default_value = "info", value_name = "LEVEL")]
    pub(crate) level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people
    Pretty,
    /// One JSON object a line
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Deliver to your own program instead of the built-in sample backend
    #[arg(long, value_name = "URL")]
    pub(crate) forward: Option<Url>,
    /// End after the samples: 0 if every one was delivered and verified
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON object per step, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Providers from the catalogue (github, stripe, ...)
    #[arg(required = true)]
    pub(crate) providers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Check all but the secrets, on a machine that doesn't have them
    #[arg(long)]
    pub(crate) without_secrets: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Print a fresh signing secret (`whsec_` and 32 random bytes in base64)
    New,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// The integration, as the configuration names it
    pub(crate) integration: String,
    /// Which of the provider's samples; the first when not said
    pub(crate) event: Option<String>,
    /// The gateway; when not said, `gateway.public_url` or the address it listens on
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<Url>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Create what is missing, with the credential of the configuration given
    Init,
    /// Compare what is there with what should be; change nothing
    Check,
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
