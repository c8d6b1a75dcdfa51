//! `schedule = ..`: when a delivery is tried.

use std::time::Duration;

use crate::read::{Node, Read};

use super::super::value;

/// More attempts than this would outlast every retention.
const SCHEDULE_MAX: usize = 50;

/// Waits before attempt 1, 2, ...: a list, or waits that grow.
pub(in crate::section) fn schedule(node: &Node<'_>) -> Option<Vec<Duration>> {
    if node.is_table() {
        return growing(node);
    }
    let schedule = Vec::<Duration>::read(node)?;
    if !(1..=SCHEDULE_MAX).contains(&schedule.len()) {
        node.error(format!("has {} waits", schedule.len()), "write 1 to 50, one per attempt");
        return None;
    }
    Some(schedule)
}

/// Attempt 1 at once, then `first`, each further wait `factor` times the one before, none longer than `longest`.
fn growing(node: &Node<'_>) -> Option<Vec<Duration>> {
    let table = node.table()?;
    let first = table.required_like("first", "\"5s\"", value::span);
    let factor = table.default("factor", "4", |node| node.number(1, 100));
    let longest = table.default("longest", "\"10h\"", value::span);
    let attempts = table.default("attempts", "9", |node| node.number(1, SCHEDULE_MAX as u64));
    table.finish();
    let (first, longest) = (first?, longest?);
    if first > longest {
        table.at("longest").error("is shorter than first", "give the longest wait there may be");
        return None;
    }
    let (factor, attempts) = (u32::try_from(factor?).ok()?, usize::try_from(attempts?).ok()?);
    let waits = std::iter::successors(Some(first), |wait| Some(wait.saturating_mul(factor).min(longest)));
    Some(std::iter::once(Duration::ZERO).chain(waits).take(attempts).collect())
}
