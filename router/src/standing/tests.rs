use gatepost_event::AttemptError;

use super::*;
use crate::{route::fixture::destination, send::fixture::sent};

const AFTER: Duration = Duration::from_secs(5 * 86_400);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(0).after(Duration::from_secs(seconds))
}

fn failed(status: Option<u16>) -> Sent {
    sent(status, Some(if status.is_some() { AttemptError::Status } else { AttemptError::Timeout }))
}

#[test]
fn a_410_disables_a_tenants_destination_at_once_and_never_the_operators_own() {
    let (theirs, own) = (destination("theirs", Some("acme")), destination("own", None));
    let after = next(&theirs, Standing::default(), &failed(Some(410)), AFTER, at(7)).expect("a change");
    assert_eq!(after.disabled, Some(Disabled { at: at(7), why: Why::Gone }));
    assert!(after.is_shut());
    assert_eq!(next(&own, Standing::default(), &failed(Some(410)), AFTER, at(7)), None);
    assert_eq!(next(&theirs, after, &failed(Some(410)), AFTER, at(8)), None, "once");
}

#[test]
fn nothing_but_failures_for_exactly_as_long_as_allowed_disables() {
    let theirs = destination("theirs", Some("acme"));
    let first = next(&theirs, Standing::default(), &failed(Some(500)), AFTER, at(100)).expect("a change");
    assert_eq!((first.failing_since, first.disabled), (Some(at(100)), None));
    let almost = at(100 + 5 * 86_400 - 1);
    assert_eq!(next(&theirs, first, &failed(None), AFTER, almost), None);
    let over = at(100 + 5 * 86_400);
    let last = next(&theirs, first, &failed(None), AFTER, over).expect("a change");
    assert_eq!(last.disabled, Some(Disabled { at: over, why: Why::Failing }));
}

#[test]
fn one_success_begins_the_count_anew() {
    let theirs = destination("theirs", Some("acme"));
    let failing = Standing { failing_since: Some(at(1)), ..Standing::default() };
    let good = next(&theirs, failing, &sent(Some(204), None), AFTER, at(2)).expect("a change");
    assert_eq!(good, Standing::default());
    assert_eq!(next(&theirs, good, &sent(Some(204), None), AFTER, at(3)), None, "nothing is written when all is well");
    let paused = Standing { paused: true, ..failing };
    let good = next(&theirs, paused, &sent(Some(204), None), AFTER, at(2)).expect("a change");
    assert!(good.paused, "what somebody else wrote stays");
}
