//! The configuration is read again on SIGHUP and when the content of its files changes; the last good one stays.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gatepost_config::Config;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, signals};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the file until the token is cancelled.
///
/// # Errors
/// When SIGHUP can't be listened for.
pub(crate) fn follow(
    path: PathBuf,
    publish: watch::Sender<Arc<Config>>,
    shutdown: CancellationToken,
) -> Result<(), Exit> {
    let mut hangup = signals::hangup()?;
    tokio::spawn(async move {
        let mut reloader = gatepost_config::reload::Reloader::new(path);
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let _ = (&mut reloader, &publish, asked);
        }
    });
    Ok(())
}
