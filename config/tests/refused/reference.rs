//! Ids, and references to them.

use super::{Case, refused};

#[test]
fn a_reference_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "an integration without an id",
        changes: &[(
            r#"id = "github"
"#,
            "",
        )],
        said: r#"39:1: error: integration[0].id is missing; add for example id = "github""#,
    },
    Case {
        what: "an id with a slash",
        changes: &[(
            r#"id = "github"
"#,
            r#"id = "git/hub"
"#,
        )],
        said: "40:6: error: integration[0].id contains '/'; allowed are A-Z a-z 0-9 . _ ~ @ : -",
    },
    Case {
        what: "an empty id",
        changes: &[(
            r#"id = "backend"
"#,
            r#"id = ""
"#,
        )],
        said: "78:6: error: destination[0].id is empty; give 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ : -",
    },
    Case {
        what: "an id of 129 characters",
        changes: &[(
            r#"id = "all"
"#,
            r#"id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"#,
        )],
        said: "91:6: error: route[0].id has 129 characters; at most 128 are allowed",
    },
    Case {
        what: "an unknown provider",
        changes: &[(r#"provider = "github""#, r#"provider = "githbu""#)],
        said: r#"41:12: error: integration[0].provider is "githbu", which is no provider of the catalogue; did you mean "github"?"#,
    },
    Case {
        what: "an integration without a provider",
        changes: &[(
            r#"provider = "github"
"#,
            "",
        )],
        said: r#"39:1: error: integration[0].provider is missing; add for example provider = "github""#,
    },
    Case {
        what: "the same integration twice",
        changes: &[(r#"id = "pay""#, r#"id = "github""#)],
        said: r#"47:6: error: integration[1].id is "github", which integration[0].id has already; choose another"#,
    },
    Case {
        what: "the same destination twice",
        changes: &[(r#"id = "acmes""#, r#"id = "backend""#)],
        said: r#"83:6: error: destination[1].id is "backend", which destination[0].id has already; choose another"#,
    },
    Case {
        what: "the same route twice",
        changes: &[(r#"id = "own""#, r#"id = "all""#)],
        said: r#"96:6: error: route[1].id is "all", which route[0].id has already; choose another"#,
    },
    Case {
        what: "the same connection twice",
        changes: &[(r#"id = "globex""#, r#"id = "acme""#)],
        said: r#"68:6: error: connection[1].id is "acme", which connection[0].id has already; choose another"#,
    },
    Case {
        what: "two connections that claim one account",
        changes: &[(r#"account = "87654321""#, r#"account = "12345678""#)],
        said: r#"69:11: error: connection[1].account is "12345678", which connection[0].account has already; choose another"#,
    },
    Case {
        what: "an empty account",
        changes: &[(r#"account = "87654321""#, r#"account = """#)],
        said: "69:11: error: connection[1].account is empty; write the account key as the provider sends it, or leave it out",
    },
    Case {
        what: "an account that is a number",
        changes: &[(r#"account = "87654321""#, "account = 87654321")],
        said: r#"69:11: error: connection[1].account is an integer but should be a text; write it in quotes, or as { env = "NAME" } or { file = "path" }"#,
    },
    Case {
        what: "a connection under no integration",
        changes: &[(
            r#"integration = "github"
id = "globex""#,
            r#"integration = "githup"
id = "globex""#,
        )],
        said: r#"67:15: error: connection[1].integration is "githup", which is no integration; did you mean "github"?"#,
    },
    Case {
        what: "a default connection that isn't there",
        changes: &[(r#"default_connection = "acme""#, r#"default_connection = "acne""#)],
        said: r#"44:22: error: integration[0].default_connection is "acne", which is no connection of this integration; did you mean "acme"?"#,
    },
    Case {
        what: "a default connection of another integration",
        changes: &[(r#"default_connection = "acme""#, r#"default_connection = "sender""#)],
        said: r#"44:22: error: integration[0].default_connection is "sender", which is no connection of this integration; use one of acme, globex"#,
    },
    Case {
        what: "a route of no integration",
        changes: &[(
            r#"events = ["github.push"]"#,
            r#"events = ["github.push"]
integration = "gitlab""#,
        )],
        said: r#"93:15: error: route[0].integration is "gitlab", which is no integration; did you mean "github"?"#,
    },
    Case {
        what: "a route to no destination",
        changes: &[(r#"forward = ["backend"]"#, r#"forward = ["backed"]"#)],
        said: r#"93:12: error: route[0].forward[0] is "backed", which is no destination; did you mean "backend"?"#,
    },
    Case {
        what: "a route to a destination twice",
        changes: &[(r#"forward = ["backend"]"#, r#"forward = ["backend", "backend"]"#)],
        said: r#"93:23: error: route[0].forward[1] is "backend" again; name each destination once"#,
    },
    Case {
        what: "a route to nowhere",
        changes: &[(r#"forward = ["backend"]"#, "forward = []")],
        said: "93:11: error: route[0].forward is an empty list; name a destination, or remove the route",
    },
    Case {
        what: "a route without forward",
        changes: &[(
            r#"forward = ["backend"]
"#,
            "",
        )],
        said: r#"90:1: error: route[0].forward is missing, and so is sync; add for example forward = ["backend"], or sync = { engine = "nango", name = "contacts" }"#,
    },
    Case {
        what: "a route to a word",
        changes: &[(r#"forward = ["backend"]"#, r#"forward = "backend""#)],
        said: r#"93:11: error: route[0].forward is "backend"; write "tenant", or a list of destinations such as ["backend"]"#,
    },
    Case {
        what: "a route that crosses tenants",
        changes: &[(r#"forward = ["backend"]"#, r#"forward = ["backend", "acmes"]"#)],
        said: r#"93:23: error: route[0].forward[1] is "acmes", which belongs to the tenant "acme" and would get every tenant's events; write forward = "tenant", or remove the destination's tenant to make it your own"#,
    },
    Case {
        what: "a connection with a destination that there isn't",
        changes: &[(r#"account = "12345678""#, r#"destination = "backed""#)],
        said: r#"64:15: error: connection[0].destination is "backed", which is no destination; did you mean "backend"?"#,
    },
    Case {
        what: "a connection with another tenant's destination",
        changes: &[(r#"account = "87654321""#, r#"destination = "acmes""#)],
        said: r#"69:15: error: connection[1].destination is "acmes", which belongs to the tenant "acme" and not to "globex-inc"; name one of the connection's tenant, or one of your own"#,
    },
    Case {
        what: "an unverified provider without the operator's word",
        changes: &[("unverified = true", "")],
        said: "52:1: error: integration[2].unverified is missing, and nothing of Plain can be verified; write unverified = true if anybody may post events here",
    },
    Case {
        what: "the operator's word on a provider that signs",
        changes: &[(r#"unmatched = "forward""#, "unverified = true")],
        said: "43:14: error: integration[0].unverified is true, but GitHub proves its requests; remove it",
    },
    Case {
        what: "a confirmation that no event waits for",
        changes: &[(r#"unmatched = "forward""#, "unmatched = \"forward\"\nannounced = \"pending\"")],
        said: r#"44:13: error: integration[0].announced is "pending", but unmatched = "forward" lets no event wait for a confirmation; write unmatched = "park", or announced = "ended" or "trusted""#,
    },
    Case {
        what: "trusted connections that are nobody's",
        changes: &[(r#"unmatched = "forward""#, r#"announced = "trusted""#)],
        said: r#"43:13: error: integration[0].announced is "trusted", but nothing says whose a new connection is; add announced_tenant = "...", or announce = { tenant = "json:/..." }"#,
    },
    Case {
        what: "announcements of a provider that makes none",
        changes: &[(r#"id = "pay""#, "id = \"pay\"\nannounced = \"ended\"")],
        said: r#"48:13: error: integration[1].announced is set, but nothing that Acme Pay sends is known to announce connections so; say what does: announce = { ends = { "json:/type" = "..." } }, or remove it"#,
    },
    Case {
        what: "a tenant that anybody may write",
        changes: &[(r#"unmatched = "forward""#, r#"announce = { tenant = "header:x-tenant" }"#)],
        said: r#"43:12: error: integration[0].announce.tenant is at header:x-tenant, which no signature covers; name a place of the body (json:, item:, form:, xml:) or of the token (claim:)"#,
    },
    Case {
        what: "an end that anybody may write",
        changes: &[(r#"unmatched = "forward""#, r#"announce = { ends = { "header:x-github-event" = "gone" } }"#)],
        said: r#"43:12: error: integration[0].announce.ends looks only at what no signature covers; add a condition: name a place of the body (json:, item:, form:, xml:) or of the token (claim:)"#,
    },
    Case {
        what: "a word that unmatched doesn't know",
        changes: &[(r#"unmatched = "forward""#, r#"unmatched = "drop""#)],
        said: r#"43:13: error: integration[0].unmatched is "drop"; use one of park, forward"#,
    },
];
