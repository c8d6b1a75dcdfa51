//! The configuration is read again on SIGHUP and when the content of its files changes; the last good one stays.

use std::{path::Path, sync::Arc, time::Duration};

use gatepost_config::{Config, Loaded, Reload};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, load, signals};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that was changed so shortly ago may be half written: an editor empties it first, and an empty one is a good
/// configuration without a single integration.
const STILL_FOR: Duration = Duration::from_millis(300);

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
    let path = path.to_owned();
    tokio::spawn(async move {
        loop {
            let read = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = hangup.recv() => reloader.reload(),
                () = tokio::time::sleep(LOOK_EVERY) => match is_being_written(&path) {
                    true => Ok(Reload::Unchanged),
                    false => reloader.poll(),
                },
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

fn is_being_written(path: &Path) -> bool {
    let changed = std::fs::metadata(path).and_then(|file| file.modified()).ok();
    // A time in the future says nothing.
    changed.and_then(|at| at.elapsed().ok()).is_some_and(|since| since < STILL_FOR)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::is_being_written;

    #[test]
    fn a_file_is_left_alone_until_it_has_been_still() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("gatepost.toml");
        let file = File::create(&path)?;
        let now = file.metadata()?.modified()?;
        file.set_modified(now - Duration::from_secs(60))?;
        assert!(!is_being_written(&path));
        file.set_modified(now + Duration::from_secs(86_400))?;
        assert!(!is_being_written(&path), "a time in the future says nothing");
        assert!(!is_being_written(&folder.path().join("none")));
        Ok(())
    }

    #[test]
    fn a_file_that_was_changed_just_now_may_be_half_written() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("gatepost.toml");
        // On a busy machine the first look may come late.
        for _ in 0..100 {
            std::fs::write(&path, "")?;
            if is_being_written(&path) {
                return Ok(());
            }
        }
        panic!("never, although it was changed before each look");
    }
}
