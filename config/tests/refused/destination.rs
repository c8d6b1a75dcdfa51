//! Destinations that could reach what they shouldn't, or never deliver.

use super::{Case, refused};

#[test]
fn a_destination_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "no URL",
        changes: &[(r#"url = "https://api.example.com/hooks""#, "")],
        said: r#"77:1: error: destination[0].url is missing; add for example url = "https://api.example.com/webhooks""#,
    },
    Case {
        what: "no absolute URL",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "/hooks""#)],
        said: r#"79:7: error: destination[0].url is no URL (relative URL without a base); write a whole URL such as "https://hooks.example.com""#,
    },
    Case {
        what: "another scheme",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "ftp://api.example.com/hooks""#)],
        said: "79:7: error: destination[0].url starts with ftp:; write https://...",
    },
    Case {
        what: "a password",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://me:canary@api.example.com/hooks""#)],
        said: "79:7: error: destination[0].url has a user name or password; leave out everything before the @; deliveries are signed instead",
    },
    Case {
        what: "a fragment",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://api.example.com/hooks#here""#)],
        said: "79:7: error: destination[0].url has a # part, which is never sent; end it before the #",
    },
    Case {
        what: "another service's port",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://api.example.com:6379/hooks""#)],
        said: "79:7: error: destination[0].url has a port that public backends don't use; write 443, 8443, 80 or 8080, or private = true if it is in your own network",
    },
    Case {
        what: "plain http",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "http://api.example.com/hooks""#)],
        said: "79:7: error: destination[0].url is not encrypted; write https://, or private = true if it is in your own network",
    },
    Case {
        what: "a private host, localhost",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://localhost/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 127.0.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://127.0.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 127.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://127.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 2130706433",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://2130706433/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 10.0.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://10.0.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 172.16.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://172.16.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 192.168.1.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://192.168.1.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 100.64.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://100.64.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 0.0.0.0",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://0.0.0.0/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 198.18.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://198.18.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, 224.0.0.1",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://224.0.0.1/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [::1]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[::1]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [::]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[::]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [::ffff:127.0.0.1]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[::ffff:127.0.0.1]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [64:ff9b::a00:1]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[64:ff9b::a00:1]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [fc00::1]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[fc00::1]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [fe80::1]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[fe80::1]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, [2002:7f00:1::]",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://[2002:7f00:1::]/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, db.internal",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://db.internal/hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a private host, LOCALHOST.",
        changes: &[(r#"url = "https://api.example.com/hooks""#, r#"url = "https://LOCALHOST./hooks""#)],
        said: "79:7: error: destination[0].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a metadata service even where private is allowed, 169.254.169.254",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://169.254.169.254/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "a metadata service even where private is allowed, 169.254.170.2",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://169.254.170.2/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "a metadata service even where private is allowed, 100.100.100.200",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://100.100.100.200/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "a metadata service even where private is allowed, [fd00:ec2::254]",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://[fd00:ec2::254]/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "a metadata service even where private is allowed, [::ffff:169.254.169.254]",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://[::ffff:169.254.169.254]/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "a metadata service even where private is allowed, metadata.google.internal",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"private = true
url = "http://metadata.google.internal/latest""#,
        )],
        said: "80:7: error: destination[0].url is a metadata service, which hands out credentials; name your backend",
    },
    Case {
        what: "an unknown format",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
format = "cloudevent""#,
        )],
        said: r#"80:10: error: destination[0].format is "cloudevent"; did you mean "cloudevents"?"#,
    },
    Case {
        what: "a pattern in upper case",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
events = ["github.Push"]"#,
        )],
        said: r#"80:11: error: destination[0].events[0] is "github.Push", which has 'P'; types are made of a-z 0-9 _ - and dots"#,
    },
    Case {
        what: "a pattern with a star inside a segment",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
events = ["github.pull_*"]"#,
        )],
        said: r#"80:11: error: destination[0].events[0] is "github.pull_*", which has * inside the segment "pull_*"; * stands for a whole segment, such as github.*.opened"#,
    },
    Case {
        what: "a pattern with an empty segment",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
events = ["github..push"]"#,
        )],
        said: r#"80:11: error: destination[0].events[0] is "github..push", which has an empty segment; write something between and around the dots"#,
    },
    Case {
        what: "an empty pattern",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
events = [""]"#,
        )],
        said: r#"80:11: error: destination[0].events[0] is "", which has an empty segment; write something between and around the dots"#,
    },
    Case {
        what: "no attempts",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
schedule = []"#,
        )],
        said: "80:12: error: destination[0].schedule has 0 waits; write 1 to 50, one per attempt",
    },
    Case {
        what: "51 attempts",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
schedule = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]"#,
        )],
        said: "80:12: error: destination[0].schedule has 51 waits; write 1 to 50, one per attempt",
    },
    Case {
        what: "a wait that is no span",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
schedule = ["0s", "soon"]"#,
        )],
        said: r#"80:19: error: destination[0].schedule[1] is "soon", which is no span; write a span such as "500ms", "2s", "5m", "10h" or "14d""#,
    },
    Case {
        what: "a final status that is a success",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
final_statuses = [410, 204]"#,
        )],
        said: "80:24: error: destination[0].final_statuses[1] is 204, which is a success; list statuses outside 200 to 299",
    },
    Case {
        what: "a final status that is none",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
final_statuses = [4100]"#,
        )],
        said: "80:19: error: destination[0].final_statuses[0] is 4100, which is out of range; write a whole number from 100 to 599",
    },
    Case {
        what: "a timeout of zero",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
timeout = "0s""#,
        )],
        said: "80:11: error: destination[0].timeout is zero; give a span above zero",
    },
    Case {
        what: "no concurrency",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
concurrency = 0"#,
        )],
        said: "80:15: error: destination[0].concurrency is 0, which is out of range; write a whole number from 1 to 4294967295",
    },
    Case {
        what: "a rate without a unit",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
rate = "100""#,
        )],
        said: r#"80:8: error: destination[0].rate is "100", which has no /; write a rate such as "100/s", "30/m" or "500/h""#,
    },
    Case {
        what: "a rate of nothing",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
rate = "0/s""#,
        )],
        said: "80:8: error: destination[0].rate is zero; pause the destination with paused = true instead",
    },
    Case {
        what: "a rate by the day",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
rate = "5/d""#,
        )],
        said: r#"80:8: error: destination[0].rate has the unit "d"; write s, m or h"#,
    },
    Case {
        what: "a burst above the rate",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
rate = "5/s"
burst = 6"#,
        )],
        said: "81:9: error: destination[0].burst is 6, more than the rate's 5; give at most the rate's number",
    },
    Case {
        what: "private in quotes",
        changes: &[(
            r#"url = "https://api.example.com/hooks""#,
            r#"url = "https://api.example.com/hooks"
private = "yes""#,
        )],
        said: "80:11: error: destination[0].private is a text but should be true or false; write true or false, without quotes",
    },
    Case {
        what: "a filter that is too long",
        changes: &[(
            r#"forward = ["backend"]"#,
            r#"filter = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
forward = ["backend"]"#,
        )],
        said: "93:10: error: route[0].filter has 4097 bytes; shorten it to at most 4 KiB",
    },
    Case {
        what: "an empty filter",
        changes: &[(
            r#"forward = ["backend"]"#,
            r#"filter = ""
forward = ["backend"]"#,
        )],
        said: "93:10: error: route[0].filter is empty; write a CEL expression, or leave it out",
    },
];
