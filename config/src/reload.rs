//! A configuration that follows its file, and keeps the last good one.

mod fingerprint;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
pub(crate) use fingerprint::{Fingerprint, hash};

use crate::{
    Config, Loaded, Options, Place, Problem, Problems, Severity,
    load::{parse_noting_files, unreadable},
};

/// The configuration in use, for everybody who works by it. Clones see the same one.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Config>>);

impl Live {
    /// Starts with a configuration.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// The configuration in use now. Hold it for one request or attempt, not longer.
    pub fn get(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// Puts another configuration in use.
    pub fn replace(&self, config: Arc<Config>) {
        self.0.store(config);
    }
}

/// What came of a reload.
#[derive(Debug, Clone)]
pub enum Reload {
    /// Nothing has changed since the last try.
    Unchanged,
    /// The new configuration is in use, except for what its warnings say needs a restart.
    Replaced {
        /// The configuration now in use.
        config: Arc<Config>,
        /// What a person should look at.
        warnings: Problems,
    },
}

/// Reads a file again when its content, or that of a file it refers to, has changed.
pub struct Reloader {
    path: PathBuf,
    env: Env,
    options: Options,
    live: Live,
    /// What the last try saw, good or not. Held over a reload, so that two can't cross.
    seen: Mutex<Fingerprint>,
}

type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Follows a file from what was loaded of it. The file is read by [`Reloader::poll`] and [`Reloader::reload`] only: the
/// caller decides when.
pub fn watch(
    path: &Path,
    initial: Loaded,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    options: Options,
) -> Reloader {
    Reloader {
        path: path.to_owned(),
        env: Box::new(env),
        options,
        seen: Mutex::new(initial.seen),
        live: Live::new(initial.config),
    }
}

impl Reloader {
    /// The configuration in use.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Reloads if a file's content has changed since the last try, so that what is wrong is told once.
    ///
    /// # Errors
    /// With everything that is wrong; the last good configuration stays in use.
    pub fn poll(&self) -> Result<Reload, Problems> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_current(&self.path) {
            return Ok(Reload::Unchanged);
        }
        self.read(&mut seen)
    }

    /// Reloads in any case, for an operator who asks for it.
    ///
    /// # Errors
    /// With everything that is wrong; the last good configuration stays in use.
    pub fn reload(&self) -> Result<Reload, Problems> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.read(&mut seen)
    }

    fn read(&self, seen: &mut Fingerprint) -> Result<Reload, Problems> {
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            *seen = Fingerprint::unreadable(&self.path);
            unreadable(&self.path, &error)
        })?;
        let served = self.live.get().catalogue.clone();
        let (loaded, fingerprint) = parse_noting_files(&text, &self.path, &*self.env, self.options, Some(&served));
        *seen = fingerprint;
        let Loaded { mut config, warnings, .. } = loaded?;
        let kept = keep_fixed(&mut config, &self.live.get());
        let place = Place { file: self.path.display().to_string().into(), line: 1, column: 1 };
        let kept = kept.into_iter().map(|key| needs_restart(&place, key));
        let warnings = Problems::new(kept.chain(warnings.iter().cloned()).collect());
        let config = Arc::new(config);
        self.live.replace(Arc::clone(&config));
        Ok(Reload::Replaced { config, warnings })
    }
}

/// Puts back what can't change while running, and names what would have.
fn keep_fixed(new: &mut Config, old: &Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    let mut keep = |key, differs: bool| {
        if differs {
            kept.push(key);
        }
        differs
    };
    if keep("gateway.listen", new.gateway.listen != old.gateway.listen) {
        new.gateway.listen = old.gateway.listen;
    }
    if keep("gateway.connections_max", new.gateway.connections_max != old.gateway.connections_max) {
        new.gateway.connections_max = old.gateway.connections_max;
    }
    if keep("gateway.inflight_bytes_max", new.gateway.inflight_bytes_max != old.gateway.inflight_bytes_max) {
        new.gateway.inflight_bytes_max = old.gateway.inflight_bytes_max;
    }
    if keep("admin.listen", new.admin.listen != old.admin.listen) {
        new.admin.listen = old.admin.listen;
    }
    if keep("admin.history", new.admin.history != old.admin.history) {
        new.admin.history = old.admin.history;
    }
    if keep("admin.history_path", new.admin.history_path != old.admin.history_path) {
        new.admin.history_path.clone_from(&old.admin.history_path);
    }
    if keep("ops.listen", new.ops.listen != old.ops.listen) {
        new.ops.listen = old.ops.listen;
    }
    if keep("router.concurrency", new.router.concurrency != old.router.concurrency) {
        new.router.concurrency = old.router.concurrency;
    }
    if keep("retention", new.retention != old.retention) {
        new.retention = old.retention.clone();
    }
    if keep("store", new.store != old.store) {
        new.store = old.store.clone();
    }
    kept
}

fn needs_restart(place: &Place, key: &str) -> Problem {
    Problem {
        place: place.clone(),
        key: key.to_owned(),
        message: "has changed, which a running Gatepost can't take up".to_owned(),
        remedy: "restart it".to_owned(),
        severity: Severity::Warning,
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("path", &self.path).finish_non_exhaustive()
    }
}
