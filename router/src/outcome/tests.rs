use super::*;
use crate::{
    delivery::fixture::delivery,
    route::fixture::{destination, event},
    send::fixture,
};

const RECEIVED: &str = "2026-11-22T17:04:05.123Z";

fn sent(status: Option<u16>, error: Option<AttemptError>, retry_after: Option<&str>) -> Sent {
    Sent { retry_after: retry_after.map(str::to_owned), ..fixture::sent(status, error) }
}

fn status(status: u16, retry_after: Option<&str>) -> Sent {
    let error = (!(200..300).contains(&status)).then_some(AttemptError::Status);
    sent(Some(status), error, retry_after)
}

/// The destination's schedule is 0, 5 s, 5 min, 30 min.
fn judged(sent: Sent, attempt: u32, after: Duration, jitter: f64) -> End {
    let mut to = destination("backend", None);
    to.final_statuses = vec![404];
    let now: Timestamp = RECEIVED.parse().expect("a time");
    judge(delivery(to, event("github.push", "{}"), attempt), sent, vec!["k".to_owned()], now.after(after), jitter)
}

/// The wait in milliseconds, or the reason of death, or nothing when it is done.
fn told(end: &End) -> Result<i64, Option<DeadReason>> {
    let now: Timestamp = RECEIVED.parse().expect("a time");
    match end {
        End::Done(_) => Err(None),
        End::Retry { at, .. } => Ok(at.millis() - now.millis()),
        End::Dead(letter) => Err(Some(letter.note.reason)),
        End::Erased => panic!("no attempt ends so"),
    }
}

#[test]
fn the_schedule_is_followed_with_a_fifth_of_jitter_either_way() {
    for (attempt, jitter, expected) in [
        (1, 0.0, 5_000),
        (1, 1.0, 6_000),
        (1, -1.0, 4_000),
        (1, 0.5, 5_500),
        (1, 9.0, 6_000),
        (2, 0.0, 300_000),
        (2, -1.0, 240_000),
        (3, 0.0, 1_800_000),
        (3, 1.0, 2_160_000),
    ] {
        let end = judged(status(500, None), attempt, Duration::ZERO, jitter);
        assert_eq!(told(&end), Ok(expected), "attempt {attempt}, jitter {jitter}");
    }
    assert_eq!(told(&judged(status(500, None), 4, Duration::ZERO, 0.0)), Err(Some(DeadReason::Exhausted)));
    assert_eq!(told(&judged(status(500, None), 99, Duration::ZERO, 0.0)), Err(Some(DeadReason::Exhausted)));
}

#[test]
fn only_2xx_is_done_and_everything_but_final_statuses_retries() {
    for code in [200, 201, 202, 204, 299] {
        assert_eq!(told(&judged(status(code, None), 1, Duration::ZERO, 0.0)), Err(None), "{code}");
    }
    for code in [300, 301, 302, 304, 307, 308, 400, 401, 403, 405, 409, 422, 429, 500, 501, 502, 503, 504, 599] {
        assert_eq!(told(&judged(status(code, None), 1, Duration::ZERO, 0.0)), Ok(5_000), "{code}");
    }
    for code in [404, 410] {
        let end = judged(status(code, None), 1, Duration::ZERO, 0.0);
        assert_eq!(told(&end), Err(Some(DeadReason::FinalStatus)), "{code}");
    }
    use AttemptError::{AddressRefused, Connect, Dns, Protocol, Timeout, Tls};
    for error in [Dns, AddressRefused, Connect, Tls, Protocol, Timeout] {
        let end = judged(sent(None, Some(error), None), 1, Duration::ZERO, 0.0);
        assert_eq!(told(&end), Ok(5_000), "{error:?}");
    }
    // A 2xx or 410 whose body never came whole is a broken exchange and no answer.
    for code in [200, 410] {
        let end = judged(sent(Some(code), Some(Timeout), None), 1, Duration::ZERO, 0.0);
        assert_eq!(told(&end), Ok(5_000), "{code}");
    }
}

#[test]
fn retry_after_lengthens_the_wait_within_bounds() {
    let hour = 3_600_000;
    for (attempt, asked, expected) in [
        (1, "0", 5_000),
        (1, "4", 5_000),
        (1, "60", 60_000),
        (1, "3600", hour),
        (1, "3601", hour),
        (1, "9999999999", hour),
        (1, "nonsense", 5_000),
        (1, "-5", 5_000),
        (3, "60", 1_800_000),
        (3, "3600", hour),
        (3, "999999", hour),
        (1, "Sun, 22 Nov 2026 17:05:05 GMT", 59_877),
        (1, "Sun, 22 Nov 2026 17:00:00 GMT", 5_000),
        (1, "Mon, 23 Nov 2026 17:00:00 GMT", hour),
    ] {
        let end = judged(status(503, Some(asked)), attempt, Duration::ZERO, 0.0);
        assert_eq!(told(&end), Ok(expected), "attempt {attempt} asked {asked}");
    }
    let long = [0, 10_000].map(Duration::from_secs);
    assert_eq!(wait(&long, 1, Some(Duration::from_secs(15_000)), -1.0), Some(Duration::from_secs(15_000)));
    assert_eq!(wait(&long, 1, Some(Duration::from_secs(50_000)), -1.0), Some(Duration::from_secs(20_000)));
    assert_eq!(wait(&long, 1, Some(Duration::from_secs(1)), -1.0), Some(Duration::from_secs(10_000)));
}

#[test]
fn a_retry_that_would_outlive_the_event_ends_now_with_its_body() {
    let retention = Duration::from_secs(14 * 86_400);
    let margin = Duration::from_secs(600);
    let late = retention - margin - Duration::from_millis(5_001);
    assert!(matches!(judged(status(500, None), 1, late, 0.0), End::Retry { .. }));
    let end = judged(status(500, None), 1, late + Duration::from_millis(1), 0.0);
    assert_eq!(told(&end), Err(Some(DeadReason::Expired)));
    let End::Dead(letter) = end else { panic!("a dead letter") };
    assert_eq!(letter.event, Some(event("github.push", "{}")));
    assert_eq!(letter.note.attempts, 1);
}

#[test]
fn the_attempt_is_always_recorded() {
    for (sent, attempt) in [(status(204, None), 1), (status(500, None), 2), (status(410, None), 3)] {
        let expected = (sent.status, sent.error);
        let record = match judged(sent, attempt, Duration::ZERO, 0.0) {
            End::Done(record) | End::Retry { attempt: record, .. } => record,
            End::Dead(letter) => letter.note.last.expect("the last attempt"),
            End::Erased => panic!("no attempt ends so"),
        };
        assert_eq!((record.number, record.status, record.error), (attempt, expected.0, expected.1));
        assert_eq!((record.started_at.millis(), record.duration_ms, record.response.as_str()), (5, 7, "text"));
        assert_eq!((record.phases.send_us, record.phases.tls_us), (Some(3), None));
        assert_eq!(record.key_ids, ["k"]);
    }
}

/// Every attempt fails at once: what is due when, from the first to the last.
#[test]
fn the_whole_schedule_is_due_to_the_millisecond() {
    let seconds = |waits: &[u64]| waits.iter().map(|wait| Duration::from_secs(*wait)).collect::<Vec<_>>();
    let usual = seconds(&[0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
    let growing = seconds(&[0, 5, 20, 80, 320, 1_280, 5_120, 20_480, 36_000]);
    for (schedule, jitter, due_ms) in [
        (&usual, 0.0, &[5_000, 305_000, 2_105_000, 9_305_000, 27_305_000, 63_305_000, 99_305_000][..]),
        (&usual, -1.0, &[4_000, 244_000, 1_684_000, 7_444_000, 21_844_000, 50_644_000, 79_444_000]),
        (&usual, 1.0, &[6_000, 366_000, 2_526_000, 11_166_000, 32_766_000, 75_966_000, 119_166_000]),
        (&growing, 0.0, &[5_000, 25_000, 105_000, 425_000, 1_705_000, 6_825_000, 27_305_000, 63_305_000]),
    ] {
        let start: Timestamp = RECEIVED.parse().expect("a time");
        let mut now = start;
        let mut due = Vec::new();
        for attempt in 1.. {
            let mut to = destination("backend", None);
            to.schedule.clone_from(schedule);
            let delivery = delivery(to, event("github.push", "{}"), attempt);
            match judge(delivery, status(500, None), Vec::new(), now, jitter) {
                End::Retry { at, attempt: record } => {
                    assert_eq!(record.number, attempt);
                    due.push(at.millis() - start.millis());
                    now = at;
                }
                end => {
                    assert_eq!(told(&end), Err(Some(DeadReason::Exhausted)));
                    assert_eq!(attempt as usize, schedule.len(), "as many attempts as waits");
                    break;
                }
            }
        }
        assert_eq!(due, due_ms, "jitter {jitter}");
    }
}
