use gatepost_config::{ByteSize, Timestamp};
use gatepost_event::{RequestId, subject::integration_token};

use super::*;

fn limits(requests_max: usize, bytes_max: u64) -> Quarantine {
    Quarantine {
        requests_max,
        bytes_max: ByteSize(bytes_max),
        total_requests_max: requests_max * 2,
        total_bytes_max: ByteSize(bytes_max * 2),
    }
}

fn keys(integration: &str, reason: &str, source: u8, from_ms: i64, count: usize, bytes: u64) -> Vec<RefusalKey> {
    let integration = integration_token(&integration.parse().expect("an id"));
    let key = |n| RefusalKey {
        request: RequestId::fresh(Timestamp::from_millis(from_ms + i64::try_from(n).expect("small"))),
        integration,
        reason: reason.to_owned(),
        source,
        bytes,
    };
    (0..count).map(key).collect()
}

fn left(all: &[RefusalKey], limits: &Quarantine) -> Vec<RefusalKey> {
    let gone = surplus(all, limits);
    all.iter().filter(|key| !gone.contains(key)).cloned().collect()
}

#[test]
fn nothing_goes_while_there_is_room() {
    let all = [keys("a", "signature_mismatch", 1, 0, 50, 10), keys("b", "signature_mismatch", 1, 0, 50, 10)].concat();
    assert!(surplus(&all, &limits(100, 100_000)).is_empty());
}

#[test]
fn a_flood_pushes_out_nothing_of_another_source_reason_or_integration() {
    let genuine = keys("a", "signature_mismatch", 1, 5_000, 40, 100);
    let missing = keys("a", "signature_missing", 2, 5_000, 3, 100);
    let other = keys("b", "signature_mismatch", 2, 5_000, 100, 100);
    let all = [keys("a", "signature_mismatch", 2, 0, 20_000, 100), genuine.clone(), missing.clone(), other.clone()];
    let limits = limits(100, 100_000);
    let left = left(&all.concat(), &limits);
    for kept in genuine.iter().chain(&missing).chain(&other) {
        assert!(left.contains(kept), "{kept:?} went");
    }
    assert_eq!(left.len(), 200);
}

#[test]
fn of_one_class_the_oldest_and_newest_stay_and_a_sample_between() {
    let all = keys("a", "signature_mismatch", 1, 0, 1_000, 100);
    let kept = left(&all, &limits(100, 100_000));
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[..25], all[..25]);
    assert_eq!(kept[75..], all[975..]);
    let place = |key: &RefusalKey| all.iter().position(|other| other == key).expect("it is one of them");
    let middle: Vec<usize> = kept[25..75].iter().map(place).collect();
    let first_half = middle.iter().filter(|at| **at < 500).count();
    assert!((8..=42).contains(&first_half), "{first_half} of 50 are of the first half");
    // Thinned out anew with more, what stays of the old is as large a share as of the new.
    let more = [kept, keys("a", "signature_mismatch", 1, 10_000, 1_000, 100)].concat();
    assert_eq!(left(&more, &limits(100, 100_000)).len(), 100);
}

#[test]
fn bytes_are_bounded_like_requests() {
    let large = keys("a", "signature_mismatch", 1, 0, 50, 50_000);
    let small = keys("a", "token_mismatch", 1, 0, 50, 100);
    let limits = limits(100, 1_000_000);
    let kept = left(&[large, small.clone()].concat(), &limits);
    assert!(small.iter().all(|key| kept.contains(key)), "a small one went for a large one");
    let bytes: u64 = kept.iter().map(|key| key.bytes).sum();
    assert!((400_000..=1_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn all_integrations_together_are_bounded_fairly() {
    let all: Vec<_> = ["a", "b", "c", "d"].map(|id| keys(id, "signature_mismatch", 1, 0, 100, 100)).concat();
    let quiet = keys("e", "signature_mismatch", 1, 0, 10, 100);
    let kept = left(&[all, quiet.clone()].concat(), &limits(100, 100_000));
    assert_eq!(kept.len(), 200);
    assert!(quiet.iter().all(|key| kept.contains(key)));
}
