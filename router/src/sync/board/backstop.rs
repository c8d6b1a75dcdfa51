//! When the backstop of a sync asks for a run.

use gatepost_event::sync::backstop;

use super::slot::{NEVER, Slot};

impl Slot {
    /// When the backstop asks for a run, by [`backstop`]'s rules.
    pub(super) fn next_backstop(&self, now: i64) -> i64 {
        match (self.backstop, self.triggered_at) {
            (0, _) => NEVER,
            (_, 0) => backstop::first(&self.token, self.backstop, now),
            (_, last) => backstop::next(&self.token, self.backstop, last),
        }
    }

    /// The same for whoever has just taken over. What was due while nobody was there is not all due at once, but spread
    /// over what is left of its time; what is late already becomes no later than twice that.
    pub(super) fn next_backstop_of_new_owner(&self, now: i64) -> i64 {
        let at = self.next_backstop(now);
        if at >= now {
            return at;
        }
        let end = self.triggered_at + self.backstop;
        now + backstop::spread(&self.token, self.triggered_at, (end - now).abs().min(self.backstop / 10))
    }
}
