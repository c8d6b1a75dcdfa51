//! By how much a signed time misses its window.

use std::time::Duration;

use gatepost_config::{Timestamp, provider::TimeUnit, units::format_span};

use super::{Case, Cause, Finding, shape};
use crate::{
    reason::Reason,
    verify::{Judge, verify},
};

/// Milliseconds between two instants that are farther apart than any two times that can be written.
const FAR_MS: i64 = 400_000_000_000_000;

/// Finds the edge of the window by judging the request at other times: exact, whatever the scheme makes of its time.
pub(super) fn outside(case: &Case<'_>, reason: Reason) -> Finding {
    if let Some(words) = other_unit(case) {
        return Finding::cause(Cause::TimestampUnit, format!("It is in {words}, and by that it is in time."));
    }
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
    let beyond = rounded(now.abs_diff(edge).div_ceil(1_000));
    let tolerance = tolerance(case).map(|span| format!(" of {} either way", format_span(span))).unwrap_or_default();
    let side = if reason == Reason::TimestampStale { "too old" } else { "too far in the future" };
    let detail = format!(
        "The signature itself is genuine; at {} its time is {beyond} {side}, outside the window{tolerance}.",
        case.now
    );
    Finding::reason(reason, &detail)
}

/// The unit in which the time would be within its window.
fn other_unit(case: &Case<'_>) -> Option<&'static str> {
    let units = [(TimeUnit::Seconds, "seconds"), (TimeUnit::Milliseconds, "milliseconds")];
    let fits = |unit: TimeUnit| {
        let provider = shape::in_unit(case.judge.provider, unit);
        verify(&Judge { provider: &provider, ..case.judge }, case.request, case.now).is_ok()
    };
    units.into_iter().find_map(|(unit, words)| fits(unit).then_some(words))
}

/// A span in seconds as people say it: minutes from two of them on, then hours, then days.
fn rounded(seconds: u64) -> String {
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    let whole = seconds - seconds % unit;
    let about = if whole == seconds { "" } else { "about " };
    format!("{about}{}", format_span(Duration::from_secs(whole)))
}

fn tolerance(case: &Case<'_>) -> Option<Duration> {
    let mut rules = case.judge.provider.schemes.iter().filter_map(|scheme| scheme.kind.timestamp());
    rules.next().map(|rule| rule.tolerance)
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn spans_are_rounded_to_what_people_say() {
        for (seconds, said) in [
            (1, "1s"),
            (119, "119s"),
            (3_301, "about 55m"),
            (3_600, "1h"),
            (7_300, "about 2h"),
            (86_400, "1d"),
            (1_793_651_793, "about 20759d"),
        ] {
            assert_eq!(rounded(seconds), said, "{seconds}");
        }
    }
}
