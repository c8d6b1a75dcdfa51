//! How often attempts may begin.

use std::time::Duration;

use crate::read::{Node, Read};

/// How often something may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At most so often.
    pub count: u32,
    /// In any span of this length.
    pub per: Duration,
}

impl Read for Rate {
    fn read(node: &Node<'_>) -> Option<Self> {
        rate(node, "pause the destination with paused = true instead")
    }
}

/// A rate above zero; `instead` says what to write in place of zero.
pub(in crate::section) fn rate(node: &Node<'_>, instead: &str) -> Option<Rate> {
    node.parsed("a rate such as \"100/s\", \"30/m\" or \"500/h\"", |text| {
        let (count, unit) = text.split_once('/').ok_or_else(|| format!("is {text:?}, which has no /"))?;
        let count = count.trim().parse::<u32>().map_err(|_| format!("is {text:?}; before the / must be a number"))?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            unit => return Err(format!("has the unit {unit:?}; write s, m or h")),
        };
        match count {
            0 => Err(format!("is zero; {instead}")),
            count => Ok(Rate { count, per: Duration::from_secs(seconds) }),
        }
    })
}

/// How many may begin at once.
pub(super) fn burst(node: &Node<'_>) -> Option<Option<usize>> {
    let burst = node.number(1, 1_000_000)?;
    usize::try_from(burst).ok().map(Some)
}
