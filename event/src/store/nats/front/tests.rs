use std::time::{Duration, Instant};

use super::*;
use crate::id::Token;

const SHARD: u16 = 3;

fn lane(name: &str) -> Lane {
    Lane { destination: Token::hash(&[name.as_bytes()]), tenant: None, connection: None }
}

fn through(fronts: &Fronts, lane: &Lane) -> u64 {
    fronts.bound(SHARD, lane, Instant::now()).through
}

#[test]
fn a_lane_is_emptied_up_to_the_first_task_that_is_owed() {
    let (fronts, lane) = (Fronts::default(), lane("a"));
    fronts.read(SHARD, &lane, 0, [10, 20, 30].into_iter(), 30);
    assert_eq!(through(&fronts, &lane), 9, "what stood before was never owed");
    fronts.ended(SHARD, &lane, 20);
    assert_eq!(through(&fronts, &lane), 9, "the first one is in the way");
    fronts.ended(SHARD, &lane, 10);
    assert_eq!(through(&fronts, &lane), 29);
    fronts.ended(SHARD, &lane, 30);
    assert_eq!(through(&fronts, &lane), 30, "and no further than was read");
}

#[test]
fn what_was_not_read_is_not_emptied() {
    let (fronts, lane) = (Fronts::default(), lane("a"));
    assert_eq!(through(&fronts, &lane), 0, "nothing was read");
    fronts.read(SHARD, &lane, 40, [50, 60].into_iter(), 60);
    assert_eq!(fronts.bound(SHARD, &lane, Instant::now()), Bound::none(40), "something may stand before it");
    fronts.ended(SHARD, &lane, 50);
    fronts.begins(SHARD, &lane, 30);
    fronts.begins(SHARD, &lane, 40);
    assert_eq!(through(&fronts, &lane), 0, "something does");
    fronts.begins(SHARD, &lane, 41);
    assert_eq!(through(&fronts, &lane), 59);
}

#[test]
fn a_lane_that_is_read_with_a_gap_is_emptied_once_it_begins_behind_the_gap() {
    let (fronts, lane) = (Fronts::default(), lane("a"));
    fronts.read(SHARD, &lane, 0, [10].into_iter(), 10);
    fronts.read(SHARD, &lane, 40, [50, 60].into_iter(), 60);
    fronts.ended(SHARD, &lane, 10);
    fronts.ended(SHARD, &lane, 50);
    assert_eq!(through(&fronts, &lane), 0, "between 10 and 40 nothing is known");
    fronts.begins(SHARD, &lane, 60);
    assert_eq!(through(&fronts, &lane), 59);
    fronts.read(SHARD, &lane, 60, [70].into_iter(), 70);
    fronts.ended(SHARD, &lane, 60);
    assert_eq!(through(&fronts, &lane), 69);
}

#[test]
fn what_is_read_again_is_not_owed_again() {
    let (fronts, lane) = (Fronts::default(), lane("a"));
    fronts.read(SHARD, &lane, 0, [10, 20].into_iter(), 20);
    fronts.ended(SHARD, &lane, 10);
    fronts.ended(SHARD, &lane, 20);
    fronts.read(SHARD, &lane, 5, [10, 20, 30].into_iter(), 30);
    assert_eq!(through(&fronts, &lane), 29);
}

#[test]
fn who_is_behind_waits_for_the_first_a_moment_and_no_longer() {
    let (fronts, lane, now) = (Fronts::default(), lane("a"), Instant::now());
    fronts.read(SHARD, &lane, 0, [10, 20, 30].into_iter(), 30);
    let is_moving = |after| fronts.bound(SHARD, &lane, now + after).is_moving;
    assert!(is_moving(Duration::ZERO) && is_moving(PATIENCE / 2));
    assert!(!is_moving(PATIENCE));
    fronts.ended(SHARD, &lane, 10);
    assert!(is_moving(PATIENCE), "another one is the first");
    for place in [20, 30] {
        fronts.ended(SHARD, &lane, place);
    }
    assert!(!is_moving(PATIENCE), "nothing is in the way");
}

#[test]
fn lanes_and_shards_are_apart_and_a_shard_is_forgotten() {
    let (fronts, a, b) = (Fronts::default(), lane("a"), lane("b"));
    fronts.read(SHARD, &a, 0, [10].into_iter(), 10);
    fronts.read(SHARD, &b, 0, [20].into_iter(), 20);
    fronts.read(SHARD + 1, &a, 0, [30].into_iter(), 30);
    fronts.ended(SHARD, &b, 20);
    assert_eq!((through(&fronts, &a), through(&fronts, &b)), (9, 20));
    fronts.forget(SHARD);
    assert_eq!((through(&fronts, &a), through(&fronts, &b)), (0, 0));
    assert_eq!(fronts.bound(SHARD + 1, &a, Instant::now()).through, 29);
}

#[test]
fn a_lane_of_which_too_much_is_owed_is_forgotten() {
    let (fronts, lane) = (Fronts::default(), lane("a"));
    fronts.read(SHARD, &lane, 0, (1..=OWED_MAX as u64).map(|place| place * 10), 10 * OWED_MAX as u64);
    assert_eq!(through(&fronts, &lane), 9);
    fronts.read(SHARD, &lane, 10 * OWED_MAX as u64, [1_000_000].into_iter(), 1_000_000);
    assert_eq!(through(&fronts, &lane), 0);
}
