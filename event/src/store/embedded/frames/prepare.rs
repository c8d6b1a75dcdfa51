//! Files made ahead, away from the writer: while a file grows, each sync waits for the file system's journal too.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::fill;

/// The pause after a file could not be made.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

const LATE: &str = "a file for events could not be made ahead; they are stored slower meanwhile";

/// Makes one file ahead whenever asked.
#[derive(Debug)]
pub(super) struct Preparer {
    path: PathBuf,
    is_ready: Arc<AtomicBool>,
    /// None until it is asked for the first time.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Preparer {
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join("prepared"), is_ready: Arc::default(), running: None }
    }

    /// Asks for a file, unless there is one.
    pub(super) fn ask(&mut self) {
        if self.is_ready() {
            return;
        }
        match &self.running {
            // One that was asked for already will do.
            Some(running) => drop(running.ask.try_send(())),
            None => self.running = self.start().inspect_err(|error| tracing::warn!(%error, "{LATE}")).ok(),
        }
    }

    fn start(&self) -> io::Result<Running> {
        let (ask, asked) = sync_channel(1);
        let (path, is_ready) = (self.path.clone(), Arc::clone(&self.is_ready));
        let thread = thread::Builder::new().name("store-frames".to_owned());
        let thread = thread.spawn(move || run(&path, &is_ready, &asked))?;
        let _ = ask.try_send(());
        Ok(Running { ask, thread })
    }

    /// Whether there is one.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Gives the file another name, if there is one; whether there was.
    pub(super) fn take(&self, path: &Path) -> io::Result<bool> {
        if !self.is_ready() {
            return Ok(false);
        }
        fs::rename(&self.path, path)?;
        self.is_ready.store(false, Ordering::Release);
        Ok(true)
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        let Some(Running { ask, thread }) = self.running.take() else { return };
        drop(ask);
        if thread.join().is_err() {
            tracing::error!("the thread that makes files for events ahead failed");
        }
        if self.is_ready() {
            // The next start would remove it.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn run(path: &Path, is_ready: &AtomicBool, asked: &Receiver<()>) {
    let mut pause = Duration::ZERO;
    while asked.recv().is_ok() {
        if is_ready.load(Ordering::Acquire) {
            continue;
        }
        thread::sleep(std::mem::take(&mut pause));
        if let Err(error) = fill(path) {
            tracing::warn!(%error, "{LATE}");
            drop(fs::remove_file(path));
            pause = FAILED_PAUSE;
            continue;
        }
        is_ready.store(true, Ordering::Release);
    }
}
