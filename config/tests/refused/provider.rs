//! Providers declared in the file, read as those of the catalogue are.

use super::{Case, refused};

#[test]
fn a_provider_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "a name the catalogue has",
        changes: &[(r#"name = "acme-pay""#, r#"name = "stripe""#)],
        said: r#"17:8: error: provider[0].name is "stripe", which the catalogue already has; choose another name"#,
    },
    Case {
        what: "a name that can't start a type",
        changes: &[
            (r#"name = "plain""#, r#"name = "Plain.Text""#),
            (r#"provider = "plain""#, r#"provider = "Plain.Text""#),
        ],
        said: r#"34:8: error: provider[1].name is "Plain.Text", which can't start a type; use a-z 0-9 and - only: the name starts the type of every event"#,
    },
    Case {
        what: "no name",
        changes: &[(
            r#"name = "acme-pay"
"#,
            "",
        )],
        said: r#"16:1: error: provider[0].name is missing; add for example name = "acme-pay""#,
    },
    Case {
        what: "no title",
        changes: &[(
            r#"title = "Acme Pay"
"#,
            "",
        )],
        said: r#"16:1: error: provider[0].title is missing; add for example title = "Acme Pay""#,
    },
    Case {
        what: "no event",
        changes: &[(r#"type = "json:/type""#, "")],
        said: r#"30:1: error: provider[0].event.type is missing; add for example type = "json:/type""#,
    },
    Case {
        what: "an unknown kind",
        changes: &[(r#"kind = "hmac""#, r#"kind = "hmca""#)],
        said: r#"25:8: error: provider[0].scheme[0].kind is "hmca"; did you mean "hmac"?"#,
    },
    Case {
        what: "an unknown hash",
        changes: &[(r#"hash = "sha256""#, r#"hash = "crc""#)],
        said: r#"26:8: error: provider[0].scheme[0].hash is "crc"; use one of sha256, sha512, sha1, md5"#,
    },
    Case {
        what: "an unknown encoding",
        changes: &[(r#"encoding = "hex""#, r#"encoding = "base16""#)],
        said: r#"27:60: error: provider[0].scheme[0].signature.encoding is "base16"; did you mean "base64"?"#,
    },
    Case {
        what: "no encoding",
        changes: &[(r#", encoding = "hex""#, "")],
        said: r#"27:13: error: provider[0].scheme[0].signature.encoding is missing; add for example encoding = "hex""#,
    },
    Case {
        what: "a header in upper case",
        changes: &[(r#"from = "header:x-acme-signature""#, r#"from = "header:X-Acme-Signature""#)],
        said: "27:22: error: provider[0].scheme[0].signature.from has 'X' at character 8; header names are written in lower case, a-z 0-9 and -",
    },
    Case {
        what: "a kept header in upper case",
        changes: &[(r#"headers = ["content-type"]"#, r#"headers = ["Content-Type"]"#)],
        said: r#"20:12: error: provider[0].headers[0] is "Content-Type", which is not in lower case; write "content-type""#,
    },
    Case {
        what: "no kind of place",
        changes: &[(r#"from = "header:x-acme-signature""#, r#"from = "head:x-acme-signature""#)],
        said: r#"27:22: error: provider[0].scheme[0].signature.from starts with "head", which is no kind of place; use header: query: form: json: xml: item: claim: signature: value: path:connection or body"#,
    },
    Case {
        what: "a bad pointer",
        changes: &[(r#"type = "json:/type""#, r#"type = "json:type""#)],
        said: "31:8: error: provider[0].event.type has at character 6 a pointer that starts with 't'; a pointer starts with / (or is empty for the whole text), such as /team/id",
    },
    Case {
        what: "a broken template",
        changes: &[(r#"signed = "{body}""#, r#"signed = "{body""#)],
        said: "28:10: error: provider[0].scheme[0].signed has a { at character 1 that is never closed; write } after the place, or {{ for a brace",
    },
    Case {
        what: "a signed text without the body",
        changes: &[(r#"signed = "{body}""#, r#"signed = "{header:x-acme-time}""#)],
        said: r#"23:1: error: provider[0].scheme[0] signs a text without the body, while trust is "verified"; put {body} in it, or set trust = "authenticated""#,
    },
    Case {
        what: "a signed text with the body only at times",
        changes: &[(r#"signed = "{body}""#, r#"signed = "[{body}]""#)],
        said: r#"23:1: error: provider[0].scheme[0] signs a text without the body, while trust is "verified"; put {body} in it, or set trust = "authenticated""#,
    },
    Case {
        what: "a field of a signature without fields",
        changes: &[(r#"signed = "{body}""#, r#"signed = "{signature:t}.{body}""#)],
        said: r#"23:1: error: provider[0].scheme[0] uses signature:t, but its signature has no fields; set parse = "pairs""#,
    },
    Case {
        what: "a plain hash without the secret",
        changes: &[(r#"kind = "hmac""#, r#"kind = "digest""#)],
        said: r#"23:1: error: provider[0].scheme[0] hashes a text without the secret, as anybody could; put {secret} in `signed`"#,
    },
    Case {
        what: "a keyed hash with the secret",
        changes: &[(r#"signed = "{body}""#, r#"signed = "{secret}{body}""#)],
        said: "23:1: error: provider[0].scheme[0] has {secret} in `signed`, where the key is the secret already; take it out",
    },
    Case {
        what: "an item of nothing",
        changes: &[(r#"from = "header:x-acme-signature""#, r#"from = "item:/signature""#)],
        said: r#"23:1: error: provider[0].scheme[0] uses item:/signature, but looks at no items; set each = "/the/array" to check every element, or use json:"#,
    },
    Case {
        what: "one of several texts without the body",
        changes: &[(r#"signed = "{body}""#, r#"signed = ["{body}", "{crc32dec:body}"]"#)],
        said: r#"23:1: error: provider[0].scheme[0] signs a text without the body, while trust is "verified"; put {body} in it, or set trust = "authenticated""#,
    },
    Case {
        what: "numbered headers without end",
        changes: &[(r#"from = "header:x-acme-signature""#, r#"from = "header:x-acme-{1..1000}""#)],
        said: r#"27:22: error: provider[0].scheme[0].signature.from is "header:x-acme-{1..1000}"; numbered headers end in {1..100} or less"#,
    },
    Case {
        what: "a condition that says nothing",
        changes: &[(r#"signed = "{body}""#, "signed = \"{body}\"\nalso = { \"header:x-id\" = {} }")],
        said: r#"29:10: error: provider[0].scheme[0].also."header:x-id" says neither or more than one of value, one_of and text; write true for "is present", false for "is absent", a text it must equal, { value = "name" }, { one_of = "name" } or { text = "{body}" }"#,
    },
    Case {
        what: "a value that isn't declared",
        changes: &[(r#"signed = "{body}""#, r#"signed = "{value:app_key}{body}""#)],
        said: r#"23:1: error: provider[0].scheme[0] uses the value "app_key", which is not declared; declare it under [values]; use verify_token"#,
    },
    Case {
        what: "a timestamp that isn't signed",
        changes: &[(
            r#"signed = "{body}""#,
            r#"signed = "{body}"
timestamp = { from = "header:x-acme-time", unit = "s", tolerance = "5m" }"#,
        )],
        said: "23:1: error: provider[0].scheme[0] checks a timestamp at header:x-acme-time that is not part of `signed`; sign it, or leave out the timestamp: anybody could write a fresh one",
    },
    Case {
        what: "an unknown unit",
        changes: &[(
            r#"signed = "{body}""#,
            r#"signed = "{header:x-acme-time}{body}"
timestamp = { from = "header:x-acme-time", unit = "sec", tolerance = "5m" }"#,
        )],
        said: r#"29:51: error: provider[0].scheme[0].timestamp.unit is "sec"; use one of s, ms, iso8601, iso8601_utc"#,
    },
    Case {
        what: "a tolerance of zero",
        changes: &[(
            r#"signed = "{body}""#,
            r#"signed = "{header:x-acme-time}{body}"
timestamp = { from = "header:x-acme-time", unit = "s", tolerance = "0s" }"#,
        )],
        said: "29:68: error: provider[0].scheme[0].timestamp.tolerance is zero; give a span above zero",
    },
    Case {
        what: "a setting of another parse",
        changes: &[(r#"encoding = "hex""#, r#"encoding = "hex", version = "v1""#)],
        said: "27:67: error: provider[0].scheme[0].signature.version is no known setting; use one of from, parse, prefix, prefix_optional, encoding",
    },
    Case {
        what: "a separator of two characters",
        changes: &[(r#"encoding = "hex""#, r#"encoding = "hex", parse = "pairs", key = "v1", separator = "; ""#)],
        said: r#"27:108: error: provider[0].scheme[0].signature.separator is "; ", which doesn't separate pairs"#,
    },
    Case {
        what: "a setting of another kind",
        changes: &[(
            r#"signed = "{body}""#,
            r#"signed = "{body}"
claims = "aud""#,
        )],
        said: "29:1: error: provider[0].scheme[0].claims is no known setting; use one of id, when, each, also, kind, hash, key, signature, signed, timestamp",
    },
    Case {
        what: "a token that promises a signature",
        changes: &[(
            r#"kind = "hmac"
hash = "sha256"
"#,
            r#"kind = "token"
"#,
        )],
        said: r#"16:1: error: provider[0].trust promises more than the schemes check, which is "authenticated"; write trust = "authenticated", or declare a [[scheme]] that covers the body
27:1: error: provider[0].scheme[0].signed is no known setting; use one of id, when, each, also, kind, signature"#,
    },
    Case {
        what: "a scheme that can never apply",
        changes: &[(
            "[provider.event]",
            r#"[[provider.scheme]]
id = "v2"
kind = "hmac"
hash = "sha512"
signature = { from = "header:x-acme-signature-2", encoding = "hex" }
signed = "{body}"

[provider.event]"#,
        )],
        said: r#"30:1: error: provider[0].scheme[1] never applies, because "v1" before it has no `when`; put the one without `when` last"#,
    },
    Case {
        what: "items without a batch",
        changes: &[(r#"type = "json:/type""#, r#"type = "item:/type""#)],
        said: "30:1: error: provider[0].event uses item:/type, but there are no items; declare [batch], or use json:",
    },
    Case {
        what: "a handshake with a method it doesn't have",
        changes: &[(
            "[provider.event]",
            r#"[[provider.handshake]]
method = "GET"
when = { "query:challenge" = true }
verified = false
respond = { body = "{query:challenge}" }

[provider.event]"#,
        )],
        said: r#"30:1: error: provider[0].handshake[0] answers GET, which is not among methods; add "GET" to methods"#,
    },
    Case {
        what: "a handshake that is proven by the secret that it gives",
        changes: &[(
            "[provider.event]",
            r#"[[provider.handshake]]
when = { "header:x-hook-secret" = true }
verified = true
capture = "query:secret"

[provider.event]"#,
        )],
        said: r#"30:1: error: provider[0].handshake[0] is verified by the secret that it gives; write verified = false, or leave out capture
30:1: error: provider[0].handshake[0] captures query:secret; name a header: or json: place, which no log of addresses shows"#,
    },
    Case {
        what: "an answer to an event that shows its body",
        changes: &[(
            "[provider.event]",
            r#"[provider.responses]
accepted_headers = { x-client-id = "{json:/id}" }

[provider.event]"#,
        )],
        said: "30:1: error: provider[0].responses has the header x-client-id, which isn't made of the request's head alone; name only header: and query: places",
    },
    Case {
        what: "a handshake without a condition",
        changes: &[(
            "[provider.event]",
            r"[[provider.handshake]]
when = {}
verified = true

[provider.event]",
        )],
        said: r#"31:8: error: provider[0].handshake[0].when has no condition; write for example { "json:/type" = "url_verification" }"#,
    },
    Case {
        what: "a handshake that answers with a secret",
        changes: &[(
            "[provider.event]",
            r#"[[provider.handshake]]
when = { "json:/type" = "ping" }
verified = true
respond = { body = "{value:verify_token}" }

[provider.event]"#,
        )],
        said: r#"30:1: error: provider[0].handshake[0] answers with the value "verify_token", which may be secret; take it out of the body"#,
    },
    Case {
        what: "a handshake that doesn't say whether it is signed",
        changes: &[(
            "[provider.event]",
            r#"[[provider.handshake]]
when = { "json:/type" = "ping" }

[provider.event]"#,
        )],
        said: "30:1: error: provider[0].handshake[0].verified is missing; add for example verified = true",
    },
    Case {
        what: "a refusal that looks like a success",
        changes: &[(
            "[provider.event]",
            r"[provider.responses]
refused_status = 200

[provider.event]",
        )],
        said: "31:18: error: provider[0].responses.refused_status is 200, which is out of range; write a whole number from 400 to 499",
    },
    Case {
        what: "an unknown method",
        changes: &[(r#"methods = ["POST"]"#, r#"methods = ["post"]"#)],
        said: r#"19:12: error: provider[0].methods[0] is "post"; use one of GET, HEAD, OPTIONS, POST, PUT"#,
    },
    Case {
        what: "no methods",
        changes: &[(r#"methods = ["POST"]"#, "methods = []")],
        said: r#"19:11: error: provider[0].methods is an empty list; write ["POST"], or leave it out"#,
    },
    Case {
        what: "two samples of one name",
        changes: &[(
            "[provider.event]",
            r#"[[provider.sample]]
event = "a"
body = "{}"

[[provider.sample]]
event = "a"
body = "{}"

[provider.event]"#,
        )],
        said: r#"34:1: error: provider[0].sample[1] is a second sample named "a"; give each sample a name of its own"#,
    },
    Case {
        what: "a provider that signs the URL, and none is set",
        changes: &[
            (r#"signed = "{body}""#, r#"signed = "{url}{body}""#),
            (
                r#"public_url = "https://hooks.example.com"
"#,
                "",
            ),
        ],
        said: r#"3:1: error: gateway.public_url is missing, and Acme Pay signs the URL it posts to; add for example public_url = "https://hooks.example.com""#,
    },
];
