//! Requests whose signed URL differs from ours, with a provider of the overlay that signs it.

use super::capture::{Bench, Capture, hex, hmac_sha256};

const PROVIDER: &str = "title = \"Acme\"\n\
    [[scheme]]\nid = \"url\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
    signature = { from = \"header:x-acme-signature\", encoding = \"hex\" }\nsigned = \"{method}{url}{body}\"\n\
    [event]\ntype = \"json:/type\"\n";

/// A request that Acme signed for a URL.
fn capture(signed_url: &str) -> Capture {
    let (secret, body) = ("the secret of acme", b"{\"type\":\"x\"}");
    let tag = hex(&hmac_sha256(secret.as_bytes(), &[b"POST", signed_url.as_bytes(), &body[..]].concat()));
    Capture {
        provider: "acme".to_owned(),
        secret: secret.to_owned(),
        at: "2026-11-22T17:04:05Z".to_owned(),
        method: "POST",
        target: "/webhooks/acme?a=1&b=2".to_owned(),
        headers: vec![("x-acme-signature".to_owned(), tag)],
        body: body.to_vec(),
        public_url: Some("https://hooks.example.com".to_owned()),
        values: Vec::new(),
    }
}

#[test]
fn a_url_that_differs_is_told_by_the_part_that_does() {
    let bench = Bench::with("[catalogue]\npath = \"providers\"\n", &[]);
    bench.provider("acme", PROVIDER);
    let ours = "https://hooks.example.com/webhooks/acme?a=1&b=2";
    let (code, report) = bench.explain(&capture(ours));
    assert_eq!(code, Some(0), "{report}");
    let whole = Capture { public_url: Some("https://hooks.example.com/webhooks/acme".to_owned()), ..capture(ours) };
    assert_eq!(bench.explain(&whole).0, Some(0), "the whole URL is as good as its start");

    let rows: [(&str, &str, &str, &str); 10] = [
        ("url_port_differs", "https://hooks.example.com:443/webhooks/acme?a=1&b=2", "", ""),
        ("url_scheme_differs", "http://hooks.example.com/webhooks/acme?a=1&b=2", "", ""),
        ("url_port_differs", "https://hooks.example.com:8443/webhooks/acme?a=1&b=2", "x-forwarded-port", "8443"),
        ("url_host_differs", "https://acme.example.net/webhooks/acme?a=1&b=2", "x-forwarded-host", "acme.example.net"),
        ("url_path_differs", "https://hooks.example.com/in/webhooks/acme?a=1&b=2", "x-forwarded-prefix", "/in"),
        ("url_path_differs", "https://hooks.example.com/old?a=1&b=2", "x-original-uri", "/old?a=1&b=2"),
        ("url_trailing_slash", "https://hooks.example.com/webhooks/acme/?a=1&b=2", "", ""),
        ("url_query_differs", "https://hooks.example.com/webhooks/acme", "", ""),
        (
            "url_query_differs",
            "https://hooks.example.com/webhooks/acme?a=1&b=2&c=3",
            "x-original-uri",
            "/webhooks/acme?a=1&b=2&c=3",
        ),
        ("secret_wrong", "https://elsewhere.example.org/?a=1&b=2", "", ""),
    ];
    for (reason, signed, header, value) in rows {
        let mut capture = capture(signed);
        if !header.is_empty() {
            capture.set(header, value);
        }
        let (code, report) = bench.explain(&capture);
        assert_eq!((code, report["reason"].as_str()), (Some(1), Some(reason)), "{signed}: {report}");
    }

    let mut put = capture(ours);
    put.method = "PUT";
    assert_eq!(bench.explain(&put).1["reason"], "method_differs");
    let unknown = Capture { public_url: None, ..capture(ours) };
    let (_, report) = bench.explain(&unknown);
    assert_eq!(report["reason"], "public_url_absent", "{report}");
    assert!(
        report["detail"].as_str().is_some_and(|detail| detail.contains(ours)),
        "found by the Host header: {report}"
    );
}
