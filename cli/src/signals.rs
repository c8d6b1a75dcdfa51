//! What the operating system asks of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Cancelled at the first SIGTERM or SIGINT; a second one ends the process at once.
///
/// # Errors
/// When the handlers can't be installed.
pub(crate) fn shutdown() -> Result<CancellationToken, Exit> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                tracing::warn!("asked to stop again: ending at once");
                std::process::exit(130);
            }
            tracing::info!("asked to stop: finishing what is under way");
            asked.cancel();
        }
    });
    Ok(token)
}

/// Hears each SIGHUP.
///
/// # Errors
/// When the handler can't be installed.
pub(crate) fn hangup() -> Result<Signal, Exit> {
    listen(SignalKind::hangup())
}

fn listen(kind: SignalKind) -> Result<Signal, Exit> {
    signal(kind).map_err(|error| Exit::failed(format!("can't listen for signals: {error}")))
}
