//! Log lines, and the steps that `gatepost dev` narrates.

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    args::{LogArgs, LogForm},
    exit::Exit,
};

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
