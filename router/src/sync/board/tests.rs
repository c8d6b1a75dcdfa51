mod backstop;

use std::{sync::Arc, time::Duration};

use gatepost_config::{Config, Options, Timestamp, parse};
use gatepost_event::{DeliveryId, EventId, EventRef, Queued, Task};

use super::{Board, Ended, Go, Next, Why};
use crate::sync::engine::Engine;

/// A configuration with a route of these words.
fn config(sync: &str) -> Config {
    let text = format!(
        r#"
        [[integration]]
        id = "hubspot"
        provider = "github"
        secrets = [{{ env = "SECRET" }}]
        [[sync_engine]]
        id = "nango"
        kind = "nango"
        api_key = {{ env = "SECRET" }}
        schedule = ["0s", "10s", "60s"]
        [[route]]
        id = "contacts"
        integration = "hubspot"
        sync = {{ engine = "nango", name = "contacts", {sync} }}
        "#
    );
    let env = |_: &str| Some("a-secret-of-a-test".to_owned());
    let loaded = parse(&text, std::path::Path::new("test.toml"), &env, Options::default());
    loaded.unwrap_or_else(|problems| panic!("{problems}")).config
}

fn engine(config: &Config) -> Arc<Engine> {
    Arc::new(Engine::of(&config.sync_engines[0], config).expect("an engine"))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn task(position: u64, millis: i64) -> Queued {
    let id = EventId::of("hubspot", "acme", &position.to_string(), None);
    let event = EventRef { id, partition: 0, sequence: position, received_at: at(millis) };
    let task = Task {
        delivery: DeliveryId::of(&event, "sync"),
        event,
        destination: "nango".parse().expect("an id"),
        route: "contacts".parse().expect("an id"),
        integration: "hubspot".parse().expect("an id"),
        connection: Some("acme".parse().expect("an id")),
        tenant: None,
        attempt: 1,
        created_at: at(millis),
        ordered: false,
        not_before: None,
        bytes: 0,
        replay: None,
        sync: Some("contacts".parse().expect("a name")),
    };
    Queued { position, task }
}

/// A board of `coalesce = "2s"`, `max_wait = "10s"`, with one event at 0.
fn board() -> Board {
    let config = config("coalesce = \"2s\", max_wait = \"10s\"");
    let mut board = Board::new(engine(&config));
    board.arrived(&task(1, 0), at(0));
    board
}

/// The run that begins at a time, if one does.
fn begin(board: &mut Board, millis: i64) -> Option<Go> {
    board.wake(at(millis));
    board.begin(at(millis))
}

/// When the next run begins, and which.
fn next(board: &mut Board) -> (i64, Go) {
    for _ in 0..10 {
        let wakes = board.wakes_at().expect("something is due").millis() - at(0).millis();
        if let Some(go) = begin(board, wakes) {
            return (wakes, go);
        }
    }
    panic!("nothing begins")
}

#[test]
fn events_within_coalesce_are_one_run_and_none_waits_longer_than_max_wait() {
    let mut quiet = board();
    quiet.arrived(&task(2, 1_500), at(1_500));
    assert_eq!(begin(&mut quiet, 3_499), None, "another may come");
    let (when, go) = next(&mut quiet);
    assert_eq!((when, go.through, go.events, go.why), (3_500, Some(2), 2, Why::Events));
    assert_eq!(go.first_at, Some(at(0)));
    assert_eq!(quiet.ended(&go, Ended::Succeeded, at(5_000), 0.0), Next::Rest);
    assert_eq!(quiet.wakes_at(), None);

    let mut busy = board();
    for n in 1..100 {
        busy.arrived(&task(n + 1, 1_000 * n as i64), at(1_000 * n as i64));
        if let Some(go) = begin(&mut busy, 1_000 * n as i64) {
            assert_eq!((n, go.through), (10, Some(11)), "max_wait after the first");
            return;
        }
    }
    panic!("it never ran");
}

#[test]
fn what_comes_while_a_run_is_under_way_makes_exactly_one_more() {
    let mut board = board();
    let (when, first) = next(&mut board);
    assert_eq!(when, 2_000);
    for position in 2..50 {
        board.arrived(&task(position, 2_000), at(2_100));
        assert_eq!(begin(&mut board, 2_100 + i64::try_from(position).expect("small")), None, "one at a time");
    }
    assert_eq!(board.ended(&first, Ended::Succeeded, at(4_000), 0.0), Next::Dirty);
    let (when, second) = next(&mut board);
    assert_eq!((when, second.through, second.events), (6_000, Some(49), 48));
    assert_eq!(board.ended(&second, Ended::Succeeded, at(8_000), 0.0), Next::Rest);
    assert_eq!(board.wakes_at(), None);
}

#[test]
fn an_engine_that_is_busy_with_an_earlier_run_is_asked_again_for_all_of_it() {
    let mut board = board();
    let (_, go) = next(&mut board);
    board.arrived(&task(2, 2_500), at(2_500));
    assert_eq!(board.ended(&go, Ended::Again, at(3_000), 0.0), Next::Rest);
    let (when, again) = next(&mut board);
    assert_eq!(
        (when, again.through, again.events, again.first_at),
        (8_000, Some(2), 2, Some(at(0))),
        "by the time of poll"
    );
}

#[test]
fn a_run_that_fails_is_tried_by_the_schedule_and_then_given_up() {
    let mut board = board();
    let failed = |counts| Ended::Failed { error: "no".to_owned(), after: None, counts };
    let (_, go) = next(&mut board);
    assert_eq!(board.ended(&go, failed(false), at(2_000), 0.0), Next::Rest);
    let (when, go) = next(&mut board);
    assert_eq!(when, 3_000, "too busy is no try");
    board.ended(&go, failed(true), at(3_000), 1.0);
    let state = board.take_stale().pop().expect("a state");
    assert_eq!((state.failures, state.retry_at, state.error.as_deref()), (1, Some(at(15_000)), Some("no")));

    // Its next owner knows when it is due, and that it failed before.
    let mut later = Board::new(board.engine().clone());
    later.recall(&state, at(4_000));
    later.found(&task(1, 0), &task(1, 0), at(4_000));
    for board in [&mut board, &mut later] {
        let (when, go) = next(board);
        assert_eq!((when, go.through), (15_000, Some(1)), "10 s and a fifth");
        let asked = Ended::Failed { error: "no".to_owned(), after: Some(Duration::from_secs(100)), counts: true };
        board.ended(&go, asked, at(15_000), 0.0);
        let (when, go) = next(board);
        assert_eq!(when, 115_000, "it asked for more than the schedule's 60 s");
        assert_eq!(board.ended(&go, failed(true), at(115_000), 0.0), Next::GiveUp);
        assert_eq!(board.wakes_at(), None, "not before the letters are written");
        board.arrived(&task(2, 116_000), at(116_000));
        assert_eq!(board.ended(&go, Ended::GivenUp, at(117_000), 0.0), Next::Dirty);
        let (when, go) = next(board);
        assert_eq!((when, go.through), (119_000, Some(2)), "what came since has all its tries");
    }
}

#[test]
fn what_a_new_owner_finds_in_a_lane_is_run_at_once_when_it_is_old() {
    let config = config("coalesce = \"2s\", max_wait = \"10s\"");
    let mut board = Board::new(engine(&config));
    let token = gatepost_event::Lane::of(&task(1, 0).task).connection.expect("a sync's lane");
    assert!(board.needs_look(&token, true));
    board.found(&task(3, 0), &task(7, 20), at(60_000));
    assert!(!board.needs_look(&token, true), "it runs anyway, and is looked at again afterwards");
    let (when, go) = next(&mut board);
    assert_eq!((when, go.through), (60_000, Some(7)));
    assert_eq!(board.ended(&go, Ended::Succeeded, at(61_000), 0.0), Next::Look);
    assert_eq!(board.wakes_at(), None);
}

#[test]
fn a_wish_is_a_run_at_once_and_one_more_when_it_comes_during_a_run() {
    let mut board = board();
    let key = {
        let mut other = self::board();
        next(&mut other).1.key
    };
    board.wished(&key, at(100));
    let (when, go) = next(&mut board);
    assert_eq!((when, go.through), (100, Some(1)), "for the event too");
    board.wished(&key, at(200));
    assert_eq!(board.ended(&go, Ended::Succeeded, at(300), 0.0), Next::Rest);
    let (when, go) = next(&mut board);
    assert_eq!((when, go.through, go.why), (300, None, Why::Wish));
}
