//! Threads whose tasks have a way to the store of their own.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{OpenError, Store};

/// A thread with a runtime to itself. What its tasks wait for of the store goes a way that this runtime drives, where the
/// engine needs one: else threads of two runtimes wake each other for every message. Dropped, it ends, whatever its tasks
/// were doing.
#[derive(Debug)]
pub struct Thread {
    runtime: Handle,
    /// Ends the thread.
    _stop: DropGuard,
}

impl Thread {
    /// Starts one.
    ///
    /// # Errors
    /// When the system gives no thread, or the way can't be set up. That no server answers is no error: until one does, the
    /// way of all is taken.
    pub async fn start(store: &Store, name: &str) -> Result<Self, OpenError> {
        let thread = Self::spawn(name).map_err(|error| OpenError(format!("a thread did not start: {error}")))?;
        if let Store::Nats(engine) = store {
            engine.attach(&thread.runtime).await?;
        }
        Ok(thread)
    }

    /// Where its tasks run.
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Tasks take their turns, so that a connection to the store is written to once for all that is at hand; the other kind of
    /// runtime runs the task first that was woken last.
    fn spawn(name: &str) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(until.cancelled());
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, _stop: stop.drop_guard() })
    }
}
