//! Work that goes on when nobody waits for it any more.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// A future that is polled by whoever waits for it, and becomes a task of its own when it is dropped before its end. In
/// the ordinary case, in which somebody waits, that saves a task and its way through the scheduler.
pub(crate) struct Kept<'a, F: Future<Output: Send + 'static> + Send + 'static> {
    /// None once it has ended.
    work: Option<Pin<Box<F>>>,
    tracker: &'a TaskTracker,
}

impl<'a, F: Future<Output: Send + 'static> + Send + 'static> Kept<'a, F> {
    /// `tracker` counts it as soon as it goes on alone.
    pub(crate) fn new(tracker: &'a TaskTracker, work: F) -> Self {
        Self { work: Some(Box::pin(work)), tracker }
    }
}

impl<F: Future<Output: Send + 'static> + Send + 'static> Future for Kept<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken while it is polled: work that panics is not polled again.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send + 'static> + Send + 'static> Drop for Kept<'_, F> {
    fn drop(&mut self) {
        // Without a runtime the process is at its end, and so is the work.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.tracker.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::{Kept, TaskTracker};

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it_any_more() {
        let (tracker, (go, gone), (end, ended)) = (TaskTracker::new(), oneshot::channel(), oneshot::channel());
        let work = Kept::new(&tracker, async move {
            gone.await.expect("it may go on");
            end.send(()).expect("somebody hears of it");
        });
        tokio::time::timeout(Duration::from_millis(1), work).await.expect_err("it waits");
        assert_eq!(tracker.len(), 1, "it is counted");
        go.send(()).expect("it waits for this");
        ended.await.expect("it has ended");
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_no_task() {
        let tracker = TaskTracker::new();
        assert_eq!(Kept::new(&tracker, async { 7 }).await, 7);
        assert!(tracker.is_empty());
    }
}
