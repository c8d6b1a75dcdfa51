//! Providers for tests, built by hand.

use gatepost_config::{
    ByteSize, Provider,
    provider::{
        Encoding, EventRule, Hash, Key, KeyForm, Location, Method, Parse, Pointer, Responses, Scheme, SchemeKind,
        SecretScope, Segment, Signature, Source, Template, Trust,
    },
};

/// A header.
pub(crate) fn header(name: &str) -> Location {
    Location { source: Source::Header(name.into()), within: None }
}

/// A pointer, from its text.
pub(crate) fn pointer(text: &str) -> Pointer {
    Pointer(text.split('/').skip(1).map(str::to_owned).collect())
}

/// A place in the JSON body.
pub(crate) fn json(text: &str) -> Location {
    Location { source: Source::Json(pointer(text)), within: None }
}

/// GitHub's.
pub(crate) fn github() -> Provider {
    let body = Segment::Place { location: Location { source: Source::Body, within: None }, optional: false };
    let kind = SchemeKind::Hmac {
        hash: Hash::Sha256,
        key: Key { strip_prefix: None, form: KeyForm::Utf8 },
        signature: Signature {
            from: header("x-hub-signature-256"),
            parse: Parse::Plain { prefix: "sha256=".into() },
            encoding: Encoding::Hex,
        },
        signed: Template(vec![body]),
        timestamp: None,
    };
    Provider {
        name: "github".parse().expect("name"),
        title: "GitHub".into(),
        docs: None,
        setup: None,
        category: None,
        confidence: None,
        retries: None,
        methods: vec![Method::Post],
        body_max: ByteSize(25 << 20),
        secret_scope: SecretScope::App,
        deadline: None,
        trust: Trust::Verified,
        schemes: vec![Scheme { id: "sha256".into(), when: None, kind }],
        handshakes: vec![],
        event: EventRule {
            kind: vec![vec![header("x-github-event")], vec![json("/action")]],
            id: vec![header("x-github-delivery")],
            account: vec![json("/installation/id")],
            occurred_at: None,
        },
        batch: None,
        form_payload: Some("payload".into()),
        headers: vec!["content-type".into(), "x-github-event".into(), "x-github-delivery".into()],
        values: std::collections::BTreeMap::default(),
        responses: Responses { accepted_status: 200, accepted_body: String::new(), refused_status: 401 },
        samples: vec![],
        vectors: vec![],
    }
}
