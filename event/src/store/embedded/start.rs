//! From a folder to a running engine.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use gatepost_config::{Retention, Retentions, Timestamp, units::format_span};
use tokio::sync::watch;

use super::{
    Parts,
    body::Bodies,
    bucket::{self, Buckets},
    checkpoint,
    desk::Desks,
    frames::Frames,
    ids::Ids,
    lease::Leases,
    lookup::Lookups,
    open::{Folder, refuse},
    queue::Queue,
    read::Readers,
    shared::Shared,
    work::State,
    writer::Writer,
};
use crate::store::{OpenError, Promises};

/// Opens the folder and starts the writer and the checkpointer.
pub(super) fn start(path: &Path, window: Option<Duration>, retention: &Retentions) -> Result<Parts, OpenError> {
    let folder = Folder::take(path)?;
    let mut db = folder.writer()?;
    let broken = |error: &dyn std::fmt::Display| refuse(path, &format!("can't be read ({error})"));
    let bodies = Bodies::open(path).map_err(|error| broken(&error))?;
    let swept = bodies.sweep(&db).map_err(|error| broken(&error))?;
    if swept > 0 {
        tracing::info!(files = swept, "removed body files that an unfinished append left");
    }
    let promises = promises(path, window, &retention.all);
    let buckets = Buckets::load(&db, promises.dedupe_window, &retention.all).map_err(|error| broken(&error))?;
    let kept = buckets.all().iter().map(|bucket| bucket.number);
    let frames = Frames::open(path, kept).map_err(|error| broken(&error))?;
    let state = State::load(&db, buckets).map_err(|error| broken(&error))?;
    let buckets = state.buckets.in_window(Timestamp::now());
    let ids = Ids::load(&mut db, buckets).map_err(|error| broken(&error))?;
    let shared = Arc::new(Shared::new(state.last_sequence, retention.clone()));
    let queue = Arc::new(Queue::new());
    let (checkpoint, asked) = mpsc::sync_channel(1);
    let copier = folder.checkpointer().map_err(|error| broken(&error))?;
    let help = Arc::default();
    let mut writer = Writer {
        db,
        state,
        ids,
        frames,
        bodies: bodies.clone(),
        queue: Arc::clone(&queue),
        shared: Arc::clone(&shared),
        checkpoint,
        help: Arc::clone(&help),
        database_syncs: true,
    };
    let restored = writer.restore().map_err(|error| broken(&error))?;
    if restored > 0 {
        tracing::info!(events = restored, "events were stored when the power failed, and their rows are made anew");
    }
    let unstarted = |error: std::io::Error| OpenError(format!("the store's threads did not start: {error}"));
    let copier = thread::Builder::new()
        .name("store-checkpoint".to_owned())
        .spawn(move || checkpoint::run(&copier, &asked, &help))
        .map_err(unstarted)?;
    let (finish, finished) = watch::channel(false);
    let guard = Gone { queue: Arc::clone(&queue), shared: Arc::clone(&shared), finish };
    thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || work(writer, copier, folder, guard))
        .map_err(unstarted)?;
    let readers = Readers::new(path.to_owned(), bodies.clone());
    let lookups = Lookups::new(readers.clone());
    let (desks, leases) = (Desks::default(), Leases::default());
    Ok(Parts { queue, desks, shared, readers, lookups, bodies, leases, promises, finished })
}

/// Says that the writer has gone, however it went.
struct Gone {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    finish: watch::Sender<bool>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.queue.abandon();
        self.shared.closed.cancel();
        self.finish.send_replace(true);
    }
}

/// The writer's thread: works, then leaves everything in one file.
fn work(writer: Writer, copier: thread::JoinHandle<()>, folder: Folder, guard: Gone) {
    let db = writer.run();
    if copier.join().is_err() {
        tracing::error!("the checkpointer failed");
    }
    checkpoint::truncate(&db);
    drop(db);
    drop(folder);
    drop(guard);
}

fn promises(path: &Path, window: Option<Duration>, retention: &Retention) -> Promises {
    let dedupe_window = bucket::window(window, retention);
    let mut warnings = Vec::new();
    if window.is_some_and(|window| window != dedupe_window) {
        warnings.push(format!(
            "store.dedupe_window is {}, not longer than retention.events and at least 100 ms",
            format_span(dedupe_window)
        ));
    }
    let durability = format!(
        "synced to the disk of {} before the answer (events by fdatasync; SQLite {}, write-ahead log, synchronous = FULL)",
        path.display(),
        rusqlite::version()
    );
    Promises { engine: "embedded", durability, dedupe_window, warnings }
}
