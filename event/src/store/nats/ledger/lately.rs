//! What was counted lately, so that it is not counted again.

use std::collections::{HashSet, VecDeque};

/// Ends that are remembered of a shard. A crash may make those of about a second be owed again: so long may the cursors
/// of the log's partitions be behind.
const ENDS_MAX: usize = 16 * 1024;
/// Pages that they stand in, which are read when a shard is taken over.
pub(super) const PAGES_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lately {
    keys: HashSet<u64>,
    /// By page, the oldest first.
    pages: VecDeque<(u64, Vec<u64>)>,
}

impl Lately {
    /// Remembers what a page counts, and forgets the oldest where that is too much.
    pub(super) fn add(&mut self, place: u64, keys: Vec<u64>) {
        self.keys.extend(&keys);
        self.pages.push_back((place, keys));
        while self.pages.len() > 1 && (self.keys.len() > ENDS_MAX || self.pages.len() > PAGES_MAX) {
            for key in self.pages.pop_front().into_iter().flat_map(|(_, keys)| keys) {
                self.keys.remove(&key);
            }
        }
    }

    /// Whether an end was counted lately.
    pub(super) fn has(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// The oldest page that is remembered; 0 for none.
    pub(super) fn since(&self) -> u64 {
        self.pages.front().map_or(0, |(place, _)| *place)
    }

    /// The newest one.
    pub(super) fn newest(&self) -> Option<u64> {
        self.pages.back().map(|(place, _)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_a_page_at_a_time() {
        let mut lately = Lately::default();
        assert_eq!((lately.since(), lately.newest(), lately.has(1)), (0, None, false));
        let half = ENDS_MAX as u64 / 2;
        lately.add(10, (0..half).collect());
        lately.add(20, (half..2 * half).collect());
        assert!(lately.has(0) && lately.has(2 * half - 1));
        lately.add(30, vec![2 * half]);
        assert!(!lately.has(0) && !lately.has(half - 1) && lately.has(half) && lately.has(2 * half));
        assert_eq!((lately.since(), lately.newest()), (20, Some(30)));
        for page in 0..PAGES_MAX as u64 {
            lately.add(100 + page, vec![]);
        }
        assert_eq!((lately.since(), lately.has(half)), (100, false));
    }

    #[test]
    fn a_page_that_is_too_large_by_itself_is_remembered() {
        let mut lately = Lately::default();
        lately.add(1, (0..=ENDS_MAX as u64).collect());
        assert!(lately.has(0) && lately.since() == 1);
    }
}
