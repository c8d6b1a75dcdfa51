use std::time::{Duration, Instant};

use super::*;
use crate::route::fixture::event;

fn passes(filter: &str, body: &str) -> Result<bool, String> {
    let compiled = Filter::compile(filter)?;
    let event = event("github.push", body);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let evaluated = thread.spawn(move || compiled.passes(&event, Instant::now())).expect("a thread");
    evaluated.join().expect("no panic")
}

#[test]
fn filters_see_the_envelopes_fields_and_the_body() {
    let body = r#"{"ref":"main","n":3,"big":18446744073709551615,"list":[1,2,3],"deep":{"a":{"b":null}},"on":true}"#;
    for (filter, expected) in [
        ("true", true),
        ("event.type == 'github.push'", true),
        ("event.type.startsWith('github.')", true),
        ("event.provider == 'github' && event.integration == 'github-app'", true),
        ("event.connection == 'acme' && event.tenant == 'acme-inc' && event.account == '1'", true),
        ("event.trust == 'verified'", true),
        ("event.occurred_at == null", true),
        ("event.headers['x-github-event'] == 'push'", true),
        ("'x-none' in event.headers", false),
        ("event.data.ref == 'main'", true),
        ("event.data.ref == 'other'", false),
        ("event.data.n == 3 && event.data.n > 2", true),
        ("event.data.on", true),
        ("has(event.data.ref)", true),
        ("has(event.data.none)", false),
        ("has(event.data.deep.a)", true),
        ("event.data.deep.a.b == null", true),
        ("2 in event.data.list", true),
        ("event.data.list.exists(x, x == 3)", true),
        ("event.data.list.all(x, x < 3)", false),
        ("event.data.list.exists_one(x, x == 1)", true),
        ("event.data.list.filter(x, x > 1).size() == 2", true),
        ("event.data.list.map(x, x * 2) == [2, 4, 6]", true),
        ("event.data.list.map(x, x > 1, x * 2) == [4, 6]", true),
        ("event.data.list.map(x, event.data.list.map(y, x * y)).size() == 3", true),
        ("event.data.ref.matches('^m.*n$')", true),
        ("size(event.data.ref) == 4", true),
        ("event.data.n == 3 ? true : false", true),
    ] {
        assert_eq!(passes(filter, body), Ok(expected), "{filter}");
    }
}

#[test]
fn a_body_that_is_not_json_is_null_to_a_filter() {
    assert_eq!(passes("event.data == null", "not json"), Ok(true));
    assert!(passes("event.data.ref == 'main'", "not json").is_err());
}

#[test]
fn what_has_no_boolean_value_is_an_error_and_never_a_no() {
    for filter in
        ["event.data.none == 1", "1", "'true'", "event", "event.data.n.x", "none", "event.data.n + 'x' == 'y'"]
    {
        let error = passes(filter, r#"{"n":3}"#).expect_err(filter);
        assert!(!error.is_empty() && error.len() <= 600, "{filter}: {error}");
    }
    assert!(passes("event.none", "{}").expect_err("an unknown field").contains("none"));
}

#[test]
fn names_that_no_event_has_are_refused_before_any_event_comes() {
    for (filter, said) in [
        ("data.ref == 'main'", "write event.data"),
        ("event.typ == 'github.push'", "event.typ; event has id, type,"),
        ("has(event.payload)", "event.payload"),
        ("event.type == github", "\"github\""),
        ("event.data.list.exists(x, y == 3)", "\"y\""),
        ("event.data.list.exists(x, x == 3) && x == 3", "\"x\""),
        ("[1].size() == 1 || ref in {'a': 1}", "\"ref\""),
        ("run.connection == 'acme'", "only \"event\""),
    ] {
        let error = check(filter, "event").expect_err(filter);
        assert!(error.contains(said), "{filter}: {error}");
    }
    for filter in [
        "event['typ'] == 'x'",
        "event.data.anything.at.all == 1 && event.headers['x-none'] == 'a'",
        "event.data.list.map(x, event.data.list.map(y, x * y)).size() == 3",
        "event.data.list.all(event, event > 1)",
        "type(event.data) == map || type(event.data.n) == int",
        "'x' in event.headers ? true : false",
    ] {
        assert_eq!(check(filter, "event"), Ok(()), "{filter}");
    }
    assert_eq!(check("{'customer': run.connection, 'since': run.first_event_at}", "run"), Ok(()));
    assert!(check("run.tenant", "run").is_err_and(|error| error.contains("first_event_at")));
}

#[test]
fn every_field_that_a_filter_may_name_is_there() {
    for field in variables::fields("event") {
        assert_eq!(passes(&format!("has(event.{field})"), "{}"), Ok(true), "{field}");
    }
}

#[test]
fn a_filter_that_is_no_expression_is_refused_with_a_reason() {
    for bad in ["", " ", "event.", "a b", "&&", "(", "'", "event.type = 'x'", "for x in y", "x -> y", "\0"] {
        let error = check(bad, "event").expect_err(bad);
        assert!(error.starts_with("is not a CEL expression"), "{bad:?}: {error}");
    }
    assert!(check(&format!("true{}", " ".repeat(CHARS_MAX - 4)), "event").is_ok());
    assert!(check(&format!("true{}", " ".repeat(CHARS_MAX)), "event").expect_err("too long").contains("4096"));
}

#[test]
fn hostile_expressions_are_errors_and_end_no_process() {
    let nested = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let mut hostile = vec![
        nested("(", ")", 90),
        nested("(", ")", 2000),
        nested("[", "]", 2000),
        nested("{1:", "}", 1300),
        "!".repeat(4000) + "true",
        "-".repeat(4000) + "1",
        format!("1{}", "+1".repeat(2000)),
        format!("event{}", ".a".repeat(2000)),
        format!("event{}", "[0]".repeat(1300)),
        format!("true{}", "&&true".repeat(650)),
        format!("true{}", "?true:true".repeat(400)),
        format!("'a'{}", "+'a'".repeat(1000)),
        nested("f(", ")", 1300),
        "(".repeat(4000),
        "[".repeat(4000),
        "\"".repeat(4000),
        "'\\u".repeat(1000),
        "x.map(".repeat(600),
        "\u{202e}\u{0}\u{ffff}".to_owned(),
    ];
    for size in [8, 20] {
        let list = "[0,1,2,3,4,5,6,7,8,9]";
        hostile.push((0..size).fold("true".to_owned(), |inner, n| format!("{list}.all(x{n}, {inner})")));
        hostile.push((0..size).fold("1".to_owned(), |inner, n| format!("{list}.map(x{n}, {inner})")) + ".size() == 10");
        hostile.push((0..size).fold("true".to_owned(), |inner, n| format!("{list}.exists_one(x{n}, {inner})")));
        hostile.push((0..size).fold("false".to_owned(), |inner, n| format!("{list}.exists(x{n}, {inner}) || false")));
        hostile.push(
            (0..size).fold("[1]".to_owned(), |inner, n| format!("{list}.filter(x{n}, {inner}.size() > 0)"))
                + ".size() == 10",
        );
    }
    for filter in hostile {
        let began = Instant::now();
        let result = passes(&filter, "{}");
        let shown: String = filter.chars().take(60).collect();
        assert!(began.elapsed() < Duration::from_secs(10), "{shown} took {:?}", began.elapsed());
        // These have a value after all: pairs of `!` cancel out, and a chain of `&&` is flat. All the rest are errors.
        if filter.contains("&&true") || filter.starts_with('!') {
            assert_eq!(result, Ok(true), "{shown}");
        } else {
            assert!(result.is_err(), "{shown}: {result:?}");
        }
    }
}

#[test]
fn loops_over_a_hostile_body_end_at_the_budget() {
    let body = format!("[{}0]", "0,".repeat(20_000));
    let filter = "event.data.all(a, event.data.all(b, a == b))";
    let began = Instant::now();
    let error = passes(filter, &body).expect_err("too many turns");
    assert!(error.contains("took more than"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(passes("event.data.all(a, a == 0)", &body), Ok(true), "one loop over it is within the budget");
    let hidden = passes(&format!("{filter} || true"), &body).expect_err("an `or` does not hide it");
    assert!(hidden.contains("took more than"), "{hidden}");
}

#[test]
fn a_body_too_large_to_look_into_is_an_error_only_for_filters_that_do() {
    let body = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
    assert!(passes("event.data == 'x'", &body).expect_err("too large").contains("event.data"));
    assert_eq!(passes("event.type == 'github.push'", &body), Ok(true));
}

#[test]
fn a_body_is_json_of_the_run() {
    let run = serde_json::json!({ "connection": "acme", "reason": "events", "first_event_at": null });
    let of = |body: &str| {
        let (compiled, run) = (Body::compile(body)?, run.clone());
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let evaluated = thread.spawn(move || compiled.of(run, Instant::now())).expect("a thread");
        let json = evaluated.join().expect("no panic")?;
        Ok::<_, String>(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON"))
    };
    let expected = serde_json::json!({ "customer": "acme", "by": ["events", 1], "since": null });
    assert_eq!(of("{'customer': run.connection, 'by': [run.reason, 1], 'since': run.first_event_at}"), Ok(expected));
    assert!(of("{'customer': run.tenant}").is_err_and(|error| error.contains("tenant")));
    assert!(of("{'customer': ").is_err());
}
