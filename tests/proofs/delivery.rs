//! What one destination, connection or tenant can't do to another.

mod cap;
mod customers;
mod isolation;
mod order;
mod provider;
mod tenants;
mod town;

use std::time::Duration;

/// A quantile of latencies, which are sorted by this.
pub(crate) fn quantile(latencies: &mut [Duration], q: f64) -> Duration {
    latencies.sort_unstable();
    let last = latencies.len().saturating_sub(1);
    let at = (last as f64 * q).ceil() as usize;
    latencies.get(at).copied().unwrap_or_default()
}

/// The middle of three or more.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long a measured phase takes; `GATEPOST_PROOF_SECONDS` shortens the full form's.
#[expect(clippy::disallowed_methods, reason = "the drills' own setting")]
fn span(short: u64, full: u64) -> Duration {
    let full = std::env::var("GATEPOST_PROOF_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(full);
    Duration::from_secs(crate::rounds(usize::try_from(short).unwrap(), usize::try_from(full).unwrap()) as u64)
}

/// How long of a phase is not compared: what comes first pays for its connections.
fn warm_up(phase: Duration) -> Duration {
    phase / 10
}

/// Whether figures are judged, and not only printed: the full form, whose machine is ours alone.
fn is_full() -> bool {
    crate::rounds(0, 1) == 1
}
