use super::*;

fn refusal() -> Refusal {
    Refusal {
        request: RequestId::fresh(Timestamp::from_millis(1_000)),
        integration: "it".parse().expect("an id"),
        received_at: Timestamp::from_millis(1_000),
        reason: "token_mismatch".to_owned(),
        source: 7,
        connection: None,
        method: "POST".to_owned(),
        target: "/webhooks/it?token=hush&a=1".to_owned(),
        headers: vec![
            ("x-token".to_owned(), Bytes::from_static(b"hush")),
            ("x-event".to_owned(), Bytes::from_static(b"push\xff")),
        ],
        body: Bytes::from_static(b"{\"token\":\"hush\",\"n\":1}"),
        hidden: Hidden { headers: vec!["x-token".to_owned()], query: true, body: std::iter::once(9..15).collect() },
    }
}

#[test]
fn what_is_hidden_is_overwritten_and_the_rest_is_not() {
    let shown = refusal().shown();
    assert_eq!(shown.target, "/webhooks/it?***");
    assert_eq!(shown.body, "{\"token\":******,\"n\":1}");
    assert_eq!(shown.headers[0].1, "***");
    assert_eq!(shown.headers[1].1, refusal().headers[1].1);
    let open = Refusal { hidden: Hidden::default(), ..refusal() };
    assert_eq!(open.shown(), open);
    assert!(!format!("{open:?}").contains("hush"));
}

#[test]
fn a_range_beyond_the_body_hides_nothing_and_breaks_nothing() {
    let mut odd = refusal();
    odd.hidden.body = std::iter::once(5..5_000).collect();
    assert_eq!(odd.shown().body, odd.body);
}
