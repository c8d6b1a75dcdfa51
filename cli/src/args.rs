//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use gatepost_config::Timestamp;
use url::Url;

use crate::{
    connections::{ConnectionsCommand, UnmatchedCommand},
    keys::{AuditCommand, KeysCommand},
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
    /// Say whether a captured request verifies, and if not why
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
    /// Route, deliver, retry, replay
    Router,
    /// Serve the API
    Admin,
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
    New(SecretNewArgs),
    /// Print the secret that a provider gave in its handshake, to be pasted back where it asks for that (Notion)
    Show {
        /// The integration, as the configuration names it
        integration: gatepost_config::IntegrationId,
        /// The connection, where each has its own
        connection: Option<gatepost_config::ConnectionId>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SecretNewArgs {
    /// An Ed25519 key instead (`whsk_`); the public key that backends verify with (`whpk_`) is printed beside it
    #[arg(long)]
    pub(crate) ed25519: bool,
    /// A key pair to try a provider with that signs by a private key: the private key in PEM, the public one beside it
    #[arg(long, value_name = "KIND", conflicts_with = "ed25519")]
    pub(crate) key_pair: Option<PairWord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairWord {
    /// Ed25519
    Ed25519,
    /// ECDSA on P-256
    P256,
    /// RSA; says how to make one with openssl
    Rsa,
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
    /// A private key in PEM, for providers that sign with one: its public key is the integration's secret
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The provider, by its name in the catalogue
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: String,
    /// A file with the secret (or public key) that should fit; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Vec<PathBuf>,
    /// What the provider calls us; when not said, `gateway.public_url` of the configuration if there is one
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<Url>,
    /// A named value that the provider's file asks for
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// When the request arrived (RFC 3339); now when not said
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// One JSON object, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// A file with the raw HTTP/1.1 request as captured; `-` for standard input
    #[arg(value_name = "REQUEST.http")]
    pub(crate) request: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Every provider of the catalogue, your own included
    List {
        /// One JSON list, for machines
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one provider
    Show {
        /// Its name
        name: String,
        /// One JSON object, for machines
        #[arg(long)]
        json: bool,
    },
    /// Read providers' files and prove each by its own vectors
    Check {
        /// The files, each named by its provider: acme-pay.toml
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object a file, for machines
        #[arg(long)]
        json: bool,
    },
    /// Write the documentation page of every built-in provider
    Docs {
        /// Where to
        folder: PathBuf,
    },
}

/// How a command reaches the API.
#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    /// Where the admin API is
    #[arg(long, env = "GATEPOST_URL", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub(crate) url: Url,
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
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// An id (evt_, req_, dlv_, the provider's own), an account, a connection, or words; a star behind a word stands for
    /// its rest
    #[arg(required = true)]
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// Any id: the provider's, req_, evt_, dlv_
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
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

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Deliveries, newest event first
    List {
        /// Only those that stand so: waiting, delivered, synced, dead
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Only to this destination
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
        /// Only those that died of this: exhausted, final_status, filter_error, expired, unreadable
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// All that is known of a delivery; of a dead letter with its body
    Show {
        /// Its id (dlv_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Deliver a dead letter once more
    Replay {
        /// Its id (dlv_...)
        id: String,
        /// Under a fresh webhook-id
        #[arg(long)]
        new_ids: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DestinationsCommand {
    /// All, by id, with their state
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Make or replace one: a file with the settings of a `[[destination]]` as JSON; `-` for standard input
    Put {
        /// Its id
        id: String,
        /// The file
        file: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Remove one that was made through the API
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Sign with a new secret, which is printed once, and for a while with the old ones too
    Rotate {
        /// Its id
        id: String,
        /// Seconds that the old ones go on signing; a day when not said
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u64>,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Deliver a signed sample
    Test {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let its deliveries wait
    Pause {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Let its deliveries go on, also when its answers had disabled it
    Resume {
        /// Its id
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Stored events, newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Only of this tenant
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Only of this account
        #[arg(long, value_name = "KEY")]
        account: Option<String>,
        /// Only those that stand so: waiting, delivered, synced, dead, filtered, unrouted, unmatched
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One event
    Show {
        /// Its id (evt_...)
        id: String,
        /// Its place, as the list gives it; finds it at once
        #[arg(long, value_name = "PLACE")]
        at: Option<String>,
        /// The provider's exact bytes instead
        #[arg(long)]
        body: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// What stored events would go elsewhere under another file than the present one (--config)
    Diff {
        /// The other file
        #[arg(value_name = "NEW.toml")]
        new: PathBuf,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        when: WhenArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

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
        /// Don't wait for its end
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        api: ApiArgs,
    },
}

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
    pub(crate) api: ApiArgs,
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

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SyncsCommand {
    /// Those that have been run, with when, and when the next backstop is
    List {
        /// Only those of an engine
        #[arg(long)]
        engine: Option<String>,
        /// Only those of a connection
        #[arg(long)]
        connection: Option<String>,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// One
    Show {
        #[command(flatten)]
        sync: SyncArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Ask for a run now
    Trigger {
        #[command(flatten)]
        sync: SyncArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// A sync of a connection.
#[derive(Debug, clap::Args)]
pub(crate) struct SyncArgs {
    /// Its engine
    pub(crate) engine: String,
    /// The connection's integration
    pub(crate) integration: String,
    /// The connection
    pub(crate) connection: String,
    /// What the engine calls it
    pub(crate) sync: String,
}
