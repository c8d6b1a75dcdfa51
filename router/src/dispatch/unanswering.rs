//! Telling in the log which destinations don't answer, once each time.

use std::collections::BTreeSet;

use gatepost_config::DestinationId;

use crate::metrics::Metrics;

/// Those that were told of.
#[derive(Debug, Default)]
pub(super) struct Unanswering(BTreeSet<DestinationId>);

impl Unanswering {
    /// Tells what has changed since it was last asked, and has the metrics say how it stands.
    pub(super) fn tell<'a>(&mut self, now: impl Iterator<Item = &'a DestinationId>, metrics: &Metrics) {
        let now: BTreeSet<DestinationId> = now.cloned().collect();
        for destination in now.difference(&self.0) {
            tracing::warn!(
                %destination,
                "the destination doesn't answer, or only with 429 or 5xx; its deliveries wait, and one at a time probes"
            );
        }
        for destination in self.0.difference(&now) {
            tracing::info!(%destination, "nothing is held back for the destination any more");
        }
        metrics.unanswering(now.iter());
        self.0 = now;
    }
}
