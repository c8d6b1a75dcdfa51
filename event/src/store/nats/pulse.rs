//! One timer for what many requests look at now and then.
//!
//! A timer of its own costs a request more than the rest of its wait does: on a runtime that was about to sleep for longer,
//! setting one is a system call.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{Notify, futures::Notified},
};

/// Beats as long as it lives.
pub(super) struct Pulse(Arc<Notify>);

impl Pulse {
    /// Starts it on a runtime: that of the tasks that wait for it, so that no other thread wakes them.
    pub(super) fn start(runtime: &Handle, every: Duration) -> Self {
        let beat = Arc::new(Notify::new());
        let weak = Arc::downgrade(&beat);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(beat) = weak.upgrade() else { return };
                beat.notify_waiters();
            }
        });
        Self(beat)
    }

    /// The next beat.
    pub(super) fn next(&self) -> Notified<'_> {
        self.0.notified()
    }
}
