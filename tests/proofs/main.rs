//! Drills: short here, long by `tests/proof/run NAME`, which sets `GATEPOST_PROOF=full`.

mod backlog;
mod bombs;
mod connections;
mod crash;
mod delivery;
mod history;
mod load;
mod outage;
mod quarantine;
mod receivers;
mod rolling;
mod setup;
mod syncs;

/// A number of rounds: the short form's, or the full one's.
#[expect(clippy::disallowed_methods, reason = "the drills' own setting")]
fn rounds(short: usize, full: usize) -> usize {
    match std::env::var("GATEPOST_PROOF").as_deref() {
        Ok("full") => full,
        _ => short,
    }
}
