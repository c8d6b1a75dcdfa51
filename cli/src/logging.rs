//! Log lines, and the steps that `gatepost dev` narrates.

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::exit::Exit;

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

/// Starts logging to standard error.
///
/// # Errors
/// When the level's directives can't be read.
pub(crate) fn start(args: &LogArgs) -> Result<(), Exit> {
    let filter = EnvFilter::try_new(&args.level)
        .map_err(|error| Exit::failed(format!("--log-level {:?} can't be read: {error}", args.level)))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match args.form {
        LogForm::Pretty => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogForm::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}
