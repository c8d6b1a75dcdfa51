//! The configuration is read again on SIGHUP and when the content of its files changes; the last good one stays.

use std::{path::Path, sync::Arc, time::Duration};

use gatepost_config::{Config, Loaded, Reload};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, load, signals};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the file from what was loaded of it until the token is cancelled; what it gives is the configuration in force.
///
/// # Errors
/// When SIGHUP can't be listened for.
pub(crate) fn follow(
    path: &Path,
    initial: Loaded,
    shutdown: CancellationToken,
) -> Result<watch::Receiver<Arc<Config>>, Exit> {
    let mut hangup = signals::hangup()?;
    let reloader = gatepost_config::watch(path, initial, gatepost_config::std_env, load::options());
    let (publish, config) = watch::channel(reloader.live().get());
    tokio::spawn(async move {
        loop {
            let read = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = hangup.recv() => reloader.reload(),
                () = tokio::time::sleep(LOOK_EVERY) => reloader.poll(),
            };
            match read {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Replaced { config, warnings }) => {
                    for warning in warnings.iter() {
                        tracing::warn!("{warning}");
                    }
                    tracing::info!("the configuration was read again");
                    publish.send_replace(config);
                }
                Err(problems) => tracing::error!("the configuration is bad; the last good one stays:\n{problems}"),
            }
        }
    });
    Ok(config)
}
