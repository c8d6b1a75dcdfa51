//! Headers, authentication, certificates, keys and proxies that can't be used.

use super::{Case, refused};

#[test]
fn a_policy_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "the header authorization",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "authorization" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.authorization is a header that destinations may not set; write auth = { bearer = { env = "NAME" } } or auth = { basic = .. }"#,
    },
    Case {
        what: "the header Authorization",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "Authorization" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.Authorization is a header that destinations may not set; write auth = { bearer = { env = "NAME" } } or auth = { basic = .. }"#,
    },
    Case {
        what: "the header Host",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "Host" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.Host is a header that destinations may not set; write the host into the destination's url"#,
    },
    Case {
        what: "the header connection",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "connection" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.connection is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header keep-alive",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "keep-alive" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.keep-alive is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header te",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "te" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.te is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header trailer",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "trailer" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.trailer is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header transfer-encoding",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "transfer-encoding" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.transfer-encoding is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header upgrade",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "upgrade" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.upgrade is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header expect",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "expect" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.expect is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header proxy-authorization",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "proxy-authorization" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.proxy-authorization is a header that destinations may not set; write the password into router.egress_proxy"#,
    },
    Case {
        what: "the header proxy-connection",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "proxy-connection" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.proxy-connection is a header that destinations may not set; leave it out; it is about the connection, which Gatepost makes"#,
    },
    Case {
        what: "the header via",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "via" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.via is a header that destinations may not set; leave it out; backends take it for the word of a proxy"#,
    },
    Case {
        what: "the header forwarded",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "forwarded" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.forwarded is a header that destinations may not set; leave it out; backends take it for the word of a proxy"#,
    },
    Case {
        what: "the header x-real-ip",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "x-real-ip" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-real-ip is a header that destinations may not set; leave it out; backends take it for the word of a proxy"#,
    },
    Case {
        what: "the header date",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "date" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.date is a header that destinations may not set; leave it out; webhook-timestamp says when a delivery was signed"#,
    },
    Case {
        what: "the header x-nango-hmac-sha256",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "x-nango-hmac-sha256" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-nango-hmac-sha256 is a header that destinations may not set; write format = "nango""#,
    },
    Case {
        what: "the header x-nango-signature",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "x-nango-signature" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-nango-signature is a header that destinations may not set; write format = "nango" and nango_legacy_signature = true"#,
    },
    Case {
        what: "the header content-type",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "content-type" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.content-type is a header that destinations may not set; leave it out; the format decides it"#,
    },
    Case {
        what: "the header content-length",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "content-length" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.content-length is a header that destinations may not set; leave it out; the format decides it"#,
    },
    Case {
        what: "the header content-encoding",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "content-encoding" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.content-encoding is a header that destinations may not set; leave it out; the format decides it"#,
    },
    Case {
        what: "the header webhook-id",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "webhook-id" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.webhook-id is a header that destinations may not set; leave it out; every delivery has its own"#,
    },
    Case {
        what: "the header webhook-signature",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "webhook-signature" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.webhook-signature is a header that destinations may not set; leave it out; every delivery has its own"#,
    },
    Case {
        what: "the header svix-id",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "svix-id" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.svix-id is a header that destinations may not set; leave it out; every delivery has webhook-id and its kin"#,
    },
    Case {
        what: "the header gatepost-attempt",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "gatepost-attempt" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.gatepost-attempt is a header that destinations may not set; leave it out; every delivery has its own"#,
    },
    Case {
        what: "the header ce-id",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "ce-id" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.ce-id is a header that destinations may not set; write format = "raw", which sets them"#,
    },
    Case {
        what: "the header x-forwarded-for",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "x-forwarded-for" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-forwarded-for is a header that destinations may not set; leave it out; backends take it for the word of a proxy"#,
    },
    Case {
        what: "a header with a space in its name",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "x team" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers."x team" is no name of a header; write 1 to 128 of A-Z a-z 0-9 and - such as "x-team""#,
    },
    Case {
        what: "a header without a name",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { "" = "x" }"#,
        )],
        said: r#"103:13: error: destination[2].headers."" is no name of a header; write 1 to 128 of A-Z a-z 0-9 and - such as "x-team""#,
    },
    Case {
        what: "a header of two lines",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = "a\r\nhost: b" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-team has a character that headers can't carry; write printable ASCII, on one line"#,
    },
    Case {
        what: "a header that is not ASCII",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = "é" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-team has a character that headers can't carry; write printable ASCII, on one line"#,
    },
    Case {
        what: "an empty header",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = "" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-team is empty; give it a value, or leave the header out"#,
    },
    Case {
        what: "a header with a space around it",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = " a" }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-team starts or ends with a space; trim it"#,
    },
    Case {
        what: "a header twice",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = "a", X-Team = "b" }"#,
        )],
        said: r#"103:11: error: destination[2].headers has "x-team" twice; keep one; upper and lower case are the same"#,
    },
    Case {
        what: "a header from nowhere",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = { x-team = { env = "NOWHERE" } }"#,
        )],
        said: r#"103:13: error: destination[2].headers.x-team comes from environment NOWHERE, which is not set; set NOWHERE, or write { file = "path" }"#,
    },
    Case {
        what: "headers in a list",
        changes: &[(
            r#"headers = { X-Team = "payments", x-api-key = { env = "SEVEN" } }"#,
            r#"headers = ["x-team: a"]"#,
        )],
        said: r#"103:11: error: destination[2].headers is a list but should be a table; write { key = "value" } or a [section]"#,
    },
    Case {
        what: "auth of no kind",
        changes: &[(r#"auth = { bearer = { env = "TOKEN" } }"#, r#"auth = {}"#)],
        said: r#"104:8: error: destination[2].auth has neither bearer nor basic; write { bearer = { env = "TOKEN" } } or { basic = { user = "gatepost", password = { env = "PASSWORD" } } }"#,
    },
    Case {
        what: "auth of two kinds",
        changes: &[(
            r#"auth = { bearer = { env = "TOKEN" } }"#,
            r#"auth = { bearer = { env = "TOKEN" }, basic = { user = "a", password = { env = "TOKEN" } } }"#,
        )],
        said: r#"104:8: error: destination[2].auth has both bearer and basic; keep one of them"#,
    },
    Case {
        what: "a token in the clear",
        changes: &[(r#"auth = { bearer = { env = "TOKEN" } }"#, r#"auth = { bearer = "canary" }"#)],
        said: r#"104:19: error: destination[2].auth.bearer is a secret written out in the file; write { env = "NAME" } or { file = "path" }, and replace the secret if this file was shared"#,
    },
    Case {
        what: "a token of two lines",
        changes: &[(r#"auth = { bearer = { env = "TOKEN" } }"#, r#"auth = { bearer = { env = "TWO_LINES" } }"#)],
        said: r#"104:19: error: destination[2].auth.bearer is no token in environment TWO_LINES: it has a space, a line break or the like; copy it again, on one line"#,
    },
    Case {
        what: "a user with a colon",
        changes: &[(
            r#"auth = { bearer = { env = "TOKEN" } }"#,
            r#"auth = { basic = { user = "a:b", password = { env = "TOKEN" } } }"#,
        )],
        said: r#"104:27: error: destination[2].auth.basic.user is no user name; write at least one character, and no colon"#,
    },
    Case {
        what: "a user without a password",
        changes: &[(r#"auth = { bearer = { env = "TOKEN" } }"#, r#"auth = { basic = { user = "a" } }"#)],
        said: r#"104:18: error: destination[2].auth.basic.password is missing; add for example password = { env = "PASSWORD" }"#,
    },
    Case {
        what: "auth by another scheme",
        changes: &[(r#"auth = { bearer = { env = "TOKEN" } }"#, r#"auth = { digest = { env = "TOKEN" } }"#)],
        said: r#"104:8: error: destination[2].auth has neither bearer nor basic; write { bearer = { env = "TOKEN" } } or { basic = { user = "gatepost", password = { env = "PASSWORD" } } }
104:10: error: destination[2].auth.digest is no known setting; use one of bearer, basic"#,
    },
    Case {
        what: "a certificate without its key",
        changes: &[(
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.key" } }"#,
            r#"client_certificate = { chain = { file = "client.pem" } }"#,
        )],
        said: r#"105:22: error: destination[2].client_certificate.key is missing; add for example key = { file = "client.key" }"#,
    },
    Case {
        what: "a certificate with another's key",
        changes: &[(
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.key" } }"#,
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "other.key" } }"#,
        )],
        said: r#"105:63: error: destination[2].client_certificate.key doesn't belong to the first certificate; name the key that certificate was made for"#,
    },
    Case {
        what: "a key where the certificate should be",
        changes: &[(
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.key" } }"#,
            r#"client_certificate = { chain = { file = "client.key" }, key = { file = "client.key" } }"#,
        )],
        said: r#"105:32: error: destination[2].client_certificate.chain has no certificate; write the certificate first, then those that lead to its authority, each from -----BEGIN CERTIFICATE-----"#,
    },
    Case {
        what: "a certificate where the key should be",
        changes: &[(
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.key" } }"#,
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.pem" } }"#,
        )],
        said: r#"105:63: warning: destination[2].client_certificate.key comes from file client.pem, which everybody can read; chmod 600 client.pem
105:63: error: destination[2].client_certificate.key is no private key in PEM; write it from -----BEGIN PRIVATE KEY-----, without a password"#,
    },
    Case {
        what: "a certificate that is not there",
        changes: &[(
            r#"client_certificate = { chain = { file = "client.pem" }, key = { file = "client.key" } }"#,
            r#"client_certificate = { chain = { file = "nowhere.pem" }, key = { file = "client.key" } }"#,
        )],
        said: r#"105:32: error: destination[2].client_certificate.chain comes from file nowhere.pem, which can't be read (No such file or directory (os error 2)); make it readable to Gatepost; relative paths start at the configuration file"#,
    },
    Case {
        what: "a growing schedule without a start",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { factor = 4 }"#,
        )],
        said: r#"106:12: error: destination[2].schedule.first is missing; add for example first = "5s""#,
    },
    Case {
        what: "a growing schedule from zero",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { first = "0s" }"#,
        )],
        said: r#"106:22: error: destination[2].schedule.first is zero; give a span above zero"#,
    },
    Case {
        what: "a schedule that doesn't grow",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { first = "5s", factor = 0 }"#,
        )],
        said: r#"106:37: error: destination[2].schedule.factor is 0, which is out of range; write a whole number from 1 to 100"#,
    },
    Case {
        what: "a schedule whose longest wait is the shortest",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { first = "5s", longest = "1s" }"#,
        )],
        said: r#"106:38: error: destination[2].schedule.longest is shorter than first; give the longest wait there may be"#,
    },
    Case {
        what: "a schedule without end",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { first = "5s", attempts = 51 }"#,
        )],
        said: r#"106:39: error: destination[2].schedule.attempts is 51, which is out of range; write a whole number from 1 to 50"#,
    },
    Case {
        what: "a schedule with a misspelt setting",
        changes: &[(
            r#"schedule = { first = "5s", factor = 4, longest = "10h", attempts = 9 }"#,
            r#"schedule = { first = "5s", faktor = 2 }"#,
        )],
        said: r#"106:28: error: destination[2].schedule.faktor is no known setting; did you mean "factor"?"#,
    },
    Case {
        what: "a public key to sign with",
        changes: &[(r#"{ env = "SIGNING_ED25519", until = 2026-12-01T00:00:00Z }"#, r#"{ env = "SIGNING_PUBLIC" }"#)],
        said: r#"102:33: error: destination[2].secrets[1] is no signing secret in environment SIGNING_PUBLIC: it is a public key; its private one starts with whsk_; make one with `gatepost secret new`"#,
    },
    Case {
        what: "a private key that is too short",
        changes: &[(r#"{ env = "SIGNING_ED25519", until = 2026-12-01T00:00:00Z }"#, r#"{ env = "SIGNING_SHORT" }"#)],
        said: r#"102:33: error: destination[2].secrets[1] is no signing secret in environment SIGNING_SHORT: it holds 13 bytes after whsk_, not 32 (a seed) or 64 (with its public key); make one with `gatepost secret new`"#,
    },
    Case {
        what: "a Standard Webhooks secret for Nango",
        changes: &[(r#"secrets = [{ env = "NANGO" }]"#, r#"secrets = [{ env = "SIGNING" }]"#)],
        said: r#"111:12: error: destination[3].secrets[0] is a secret of Standard Webhooks in environment SIGNING, which Nango's verifiers don't take; name the signing key of Nango's webhook settings, or write another format"#,
    },
    Case {
        what: "an Ed25519 key for Nango",
        changes: &[(r#"secrets = [{ env = "NANGO" }]"#, r#"secrets = [{ env = "SIGNING_ED25519" }]"#)],
        said: r#"111:12: error: destination[3].secrets[0] is a secret of Standard Webhooks in environment SIGNING_ED25519, which Nango's verifiers don't take; name the signing key of Nango's webhook settings, or write another format"#,
    },
    Case {
        what: "Nango's key in another format",
        changes: &[(
            r#"format = "nango"
nango_legacy_signature = true"#,
            r#"format = "raw""#,
        )],
        said: r#"111:12: error: destination[3].secrets[0] is no signing secret in environment NANGO: it doesn't start with whsec_; make one with `gatepost secret new`"#,
    },
    Case {
        what: "Nango's old header in another format",
        changes: &[(
            r#"secrets = [{ env = "NANGO" }]
format = "nango""#,
            r#"secrets = [{ env = "SIGNING" }]"#,
        )],
        said: r#"112:26: error: destination[3].nango_legacy_signature is for format = "nango" only; remove it, or write that format"#,
    },
    Case {
        what: "a proxy with a password in the clear",
        changes: &[(
            r#"[router]
"#,
            r#"[router]
egress_proxy = "http://me:canary@proxy.example:3128"
"#,
        )],
        said: r#"9:16: error: router.egress_proxy has a password written out in the file; write "http://proxy.example:3128", or { env = "NAME" } for one with a password"#,
    },
    Case {
        what: "a proxy by https",
        changes: &[(
            r#"[router]
"#,
            r#"[router]
egress_proxy = "https://proxy.example:3128"
"#,
        )],
        said: r#"9:16: error: router.egress_proxy is spoken to by plain http, and this is another scheme; write "http://proxy.example:3128", or { env = "NAME" } for one with a password"#,
    },
    Case {
        what: "a proxy by SOCKS",
        changes: &[(
            r#"[router]
"#,
            r#"[router]
egress_proxy = "socks5://proxy.example:1080"
"#,
        )],
        said: r#"9:16: error: router.egress_proxy is spoken to by plain http, and this is another scheme; write "http://proxy.example:3128", or { env = "NAME" } for one with a password"#,
    },
    Case {
        what: "a proxy with a path",
        changes: &[(
            r#"[router]
"#,
            r#"[router]
egress_proxy = "http://proxy.example:3128/x"
"#,
        )],
        said: r#"9:16: error: router.egress_proxy has something after its host and port; write "http://proxy.example:3128", or { env = "NAME" } for one with a password"#,
    },
    Case {
        what: "a proxy without a scheme",
        changes: &[(
            r#"[router]
"#,
            r#"[router]
egress_proxy = "proxy.example:3128"
"#,
        )],
        said: r#"9:16: error: router.egress_proxy is spoken to by plain http, and this is another scheme; write "http://proxy.example:3128", or { env = "NAME" } for one with a password"#,
    },
];
