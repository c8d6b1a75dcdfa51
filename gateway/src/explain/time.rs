//! By how much a signed time misses its window.

use std::time::Duration;

use gatepost_config::{Timestamp, units::format_span};

use super::{Case, Finding};
use crate::{reason::Reason, verify::verify};

/// Milliseconds between two instants that are farther apart than any two times that can be written.
const FAR_MS: i64 = 400_000_000_000_000;

/// Finds the edge of the window by judging the request at other times: exact, whatever the scheme makes of its time.
pub(super) fn outside(case: &Case<'_>, reason: Reason) -> Finding {
    let is_out = |at: i64| verify(&case.judge, case.request, Timestamp::from_millis(at)) == Err(reason);
    let now = case.now.millis();
    // `out` is always outside on this side of the window, `edge` never.
    let (mut out, mut edge) = match reason {
        Reason::TimestampStale => (now, now.saturating_sub(FAR_MS)),
        _ => (now, now.saturating_add(FAR_MS)),
    };
    while out.abs_diff(edge) > 1 {
        let middle = out.midpoint(edge);
        if is_out(middle) { out = middle } else { edge = middle }
    }
    let beyond = format_span(Duration::from_millis(now.abs_diff(edge).div_ceil(1_000).saturating_mul(1_000)));
    let tolerance = tolerance(case).map(|span| format!(" of {} either way", format_span(span))).unwrap_or_default();
    let side = if reason == Reason::TimestampStale { "too old" } else { "too far in the future" };
    let detail = format!(
        "The signature itself is genuine; at {} its time is {beyond} {side}, outside the window{tolerance}.",
        case.now
    );
    Finding::reason(reason, &detail)
}

fn tolerance(case: &Case<'_>) -> Option<Duration> {
    let mut rules = case.judge.provider.schemes.iter().filter_map(|scheme| scheme.kind.timestamp());
    rules.next().map(|rule| rule.tolerance)
}
