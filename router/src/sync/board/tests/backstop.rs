//! Backstops, by a clock that is told what time it is: each within its period, whoever is killed, and none twice.

use gatepost_event::sync::{SyncState, backstop::latest};

use super::{at, config, engine};
use crate::sync::{
    board::{Board, Ended, SlotId, Why, slot::Slot},
    live::Live,
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// So many connections with a backstop, and what is known of their runs whoever begins them.
struct Site {
    backstop: String,
    connections: Vec<Live>,
    board: Board,
    now: i64,
    /// When each was run last.
    last: Vec<Option<i64>>,
    runs: usize,
    longest: i64,
    shortest: i64,
    /// Runs sooner than three fifths of a minute after the one before, of each connection since the last take-over; and
    /// the most of one.
    early: Vec<usize>,
    most_early: usize,
    most_in_a_second: usize,
    second: (i64, usize),
}

impl Site {
    fn new(connections: usize, backstop: &str) -> Self {
        let live = |n| Live {
            integration: "hubspot".parse().expect("an id"),
            connection: format!("c{n}").parse().expect("an id"),
        };
        let backstop = format!("backstop = \"{backstop}\"");
        let mut site = Self {
            board: Board::new(engine(&config(&backstop))),
            backstop,
            connections: (0..connections).map(live).collect(),
            now: 0,
            last: vec![None; connections],
            runs: 0,
            longest: 0,
            shortest: i64::MAX,
            early: vec![0; connections],
            most_early: 0,
            most_in_a_second: 0,
            second: (0, 0),
        };
        site.taken_over(0, &[]);
        site
    }

    /// Another owner, by what the store remembers.
    fn taken_over(&mut self, now: i64, remembered: &[SyncState]) {
        let engine = engine(&config(&self.backstop));
        self.now = now;
        self.early.fill(0);
        self.board = Board::new(engine.clone());
        for state in remembered {
            self.board.recall(state, at(now));
        }
        self.board.replan(engine, &self.connections, at(now));
    }

    /// What the store remembers, when all of it was written.
    fn states(&mut self) -> Vec<SyncState> {
        let slots = (0..u32::try_from(self.connections.len()).expect("few")).map(SlotId);
        let states = slots.filter_map(|slot| self.board.state(slot));
        states.filter(|state| state.triggered_at.is_some()).collect()
    }

    fn run_until(&mut self, until: i64) {
        loop {
            self.now = self.board.wakes_at().expect("all have one").millis() - at(0).millis();
            if self.now > until {
                self.now = until;
                return;
            }
            self.board.wake(at(self.now));
            while let Some(go) = self.board.begin(at(self.now)) {
                assert_eq!((go.why, go.through), (Why::Backstop, None));
                self.board.ended(&go, Ended::Succeeded, at(self.now + 10), 0.0);
                let n: usize = go.key.connection.as_str()[1..].parse().expect("a number");
                self.ran(n);
            }
        }
    }

    fn ran(&mut self, n: usize) {
        let before = self.last[n].replace(self.now);
        let gap = self.now - before.unwrap_or(0);
        self.longest = self.longest.max(gap);
        if before.is_some() {
            self.shortest = self.shortest.min(gap);
            self.early[n] += usize::from(gap < MINUTE * 3 / 5);
            self.most_early = self.most_early.max(self.early[n]);
        }
        self.runs += 1;
        let second = self.now / SECOND;
        self.second = (second, if self.second.0 == second { self.second.1 + 1 } else { 1 });
        self.most_in_a_second = self.most_in_a_second.max(self.second.1);
    }
}

/// 100,000 connections, and three hours.
#[test]
fn each_of_100_000_connections_has_a_run_within_its_backstop_and_none_twice() {
    let mut site = Site::new(100_000, "1h");
    site.run_until(HOUR * 3 / 2);
    let states = site.states();
    site.taken_over(site.now, &states);
    site.run_until(HOUR * 3);
    assert!(site.longest <= HOUR * 99 / 100, "none for {} ms", site.longest);
    assert!(site.shortest >= HOUR * 79 / 100, "twice within {} ms", site.shortest);
    assert!(site.last.iter().all(|last| last.is_some_and(|last| last >= 2 * HOUR)), "each in the last hour");
    assert!((300_000..=400_000).contains(&site.runs), "{} runs in three hours", site.runs);
    assert!(site.most_in_a_second < 400, "{} in one second, where 31 are the mean", site.most_in_a_second);
    assert!(size_of::<Slot>() <= 224, "{} bytes each", size_of::<Slot>());
}

/// The owner is killed when some were never run, and later; what it ran in its last two seconds is not written down, and
/// twelve more go by before another has taken over.
#[test]
fn no_connection_is_without_a_run_for_a_minute_though_its_owner_is_killed_and_at_most_one_run_is_repeated() {
    let mut site = Site::new(1_000, "1m");
    let kills = [20, 150, 300].map(|second| second * SECOND);
    for kill in kills {
        site.run_until(kill - 2 * SECOND);
        let remembered = site.states();
        site.run_until(kill);
        site.taken_over(kill + 12 * SECOND, &remembered);
    }
    site.run_until(6 * MINUTE);
    assert!(site.longest <= MINUTE, "none for {} ms", site.longest);
    assert_eq!(site.most_early, 1, "what was not written down is repeated, once a kill");
    assert!(site.most_in_a_second < 120, "{} in one second, where 25 are the mean", site.most_in_a_second);
}

#[test]
fn what_is_late_by_hours_is_not_due_all_at_once() {
    let mut site = Site::new(1_000, "1h");
    site.run_until(HOUR);
    let states = site.states();
    let (runs, now) = (site.runs, 5 * HOUR);
    site.taken_over(now, &states);
    site.run_until(now + HOUR / 10);
    assert_eq!(site.runs, runs + 1_000, "each within a tenth of its time");
    assert!(site.most_in_a_second < 20, "{} in one second", site.most_in_a_second);
}

#[test]
fn what_is_kept_in_reserve_is_a_hundredth_or_a_take_over_but_no_more_than_a_quarter() {
    assert_eq!(latest(24 * HOUR), 24 * HOUR * 99 / 100);
    assert_eq!(latest(HOUR), HOUR - 36 * SECOND);
    assert_eq!(latest(5 * MINUTE), 5 * MINUTE - 15 * SECOND);
    // From here on the configuration warns.
    let shortest = i64::try_from(gatepost_config::BACKSTOP_KEPT_MIN.as_millis()).expect("a minute");
    assert_eq!(latest(shortest), shortest - 15 * SECOND);
    assert_eq!(latest(shortest - 4), shortest - 4 - 15 * SECOND + 1);
    assert_eq!(latest(SECOND), 750);
}
