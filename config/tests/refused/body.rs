//! What a provider's file says of its bodies.

use super::{Case, refused};

#[test]
fn what_a_file_says_of_bodies_must_fit_together() {
    refused(CASES);
}

const EVENT: &str = "[provider.event]\ntype = \"json:/type\"\n";
const HEADERS: &str = "headers = [\"content-type\"]\n";

const CASES: &[Case] = &[
    Case {
        what: "an unknown kind of compression",
        changes: &[(HEADERS, "headers = []\ngzip = \"inside\"\n")],
        said: r#"21:8: error: provider[0].gzip is "inside"; use one of decoded, wire"#,
    },
    Case {
        what: "a check that reads inside what is signed compressed",
        changes: &[(HEADERS, "headers = []\ngzip = \"wire\"\n"), ("header:x-acme-signature", "json:/signature")],
        said: r#"21:8: error: provider[0].gzip is signed as it was sent, while the check reads json:/signature inside it; write gzip = "decoded", or check what stands outside the body"#,
    },
    Case {
        what: "a secret inside what is signed compressed",
        changes: &[(HEADERS, "headers = []\ngzip = \"wire\"\nredact = [\"json:/token\"]\n")],
        said: r#"21:8: error: provider[0].gzip is signed as it was sent, while a secret in it is overwritten, which may not be readable then; write gzip = "decoded", or leave out redact"#,
    },
    Case {
        what: "a secret in a header",
        changes: &[(HEADERS, "headers = []\nredact = [\"header:x-token\"]\n")],
        said: "21:10: error: provider[0].redact names header:x-token, which is not in the body; use json:, item: or xml:",
    },
    Case {
        what: "a secret inside a text",
        changes: &[(HEADERS, "headers = []\nredact = [\"json:/a json:/b\"]\n")],
        said: "21:10: error: provider[0].redact names json:/a json:/b, which is inside a text; name the text itself",
    },
    Case {
        what: "a secret in an attribute",
        changes: &[(HEADERS, "headers = []\nredact = [\"xml:/a/@b\"]\n")],
        said: "21:10: error: provider[0].redact names xml:/a/@b, an attribute; name an element",
    },
    Case {
        what: "a secret of items without a batch",
        changes: &[(HEADERS, "headers = []\nredact = [\"item:/token\"]\n")],
        said: "21:10: error: provider[0].redact uses item:/token, but there are no items; declare [batch], or use json:",
    },
    Case {
        what: "a secret that names the event",
        changes: &[(HEADERS, "headers = []\nredact = [\"json:/type\"]\n")],
        said: "21:10: error: provider[0].redact overwrites json:/type, which names the event; take it out of event and batch",
    },
    Case {
        what: "an XML place without a name",
        changes: &[(EVENT, "[provider.event]\ntype = \"xml:\"\n")],
        said: r#"31:8: error: provider[0].event.type names nothing after "xml:"; write for example xml:/feed/entry/id"#,
    },
    Case {
        what: "lines inside a body",
        changes: &[(
            EVENT,
            "[provider.event]\ntype = \"json:/type\"\n[provider.batch]\nitems = \"/a\"\nform = \"lines\"\n",
        )],
        said: r#"32:1: error: provider[0].batch has lines inside a body; write items = "": every line of the body is an item"#,
    },
    Case {
        what: "elements without a name",
        changes: &[(
            EVENT,
            "[provider.event]\ntype = \"json:/type\"\n[provider.batch]\nitems = \"\"\nform = \"elements\"\n",
        )],
        said: r#"32:1: error: provider[0].batch has elements without a name; name them from the root on, such as "/feed/entry""#,
    },
    Case {
        what: "an unknown form of batch",
        changes: &[(
            EVENT,
            "[provider.event]\ntype = \"json:/type\"\n[provider.batch]\nitems = \"\"\nform = \"line\"\n",
        )],
        said: r#"34:8: error: provider[0].batch.form is "line"; did you mean "lines"?"#,
    },
];
