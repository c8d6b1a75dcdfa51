//! Changes of headers and other fields that are signed.

use gatepost_config::provider::Source;

use crate::{
    attempt::{Attempt, flipped},
    places,
    subject::Subject,
    tally::Tally,
};

/// Tries every change of a signed header that must be noticed.
pub(crate) fn prove(subject: &Subject, tally: &mut Tally) {
    for name in subject.signed_headers() {
        let value = subject.genuine.request.headers[name.as_str()].as_bytes().to_vec();
        let with = |values: &[&[u8]]| subject.genuine.with_header(&name, values);
        for at in 0..value.len() {
            for bit in 0..8 {
                tally.all_bad(subject, "signed header: a bit flipped", with(&[&flipped(&value, at, bit)]));
            }
        }
        for end in 0..value.len() {
            tally.all_bad(subject, "signed header: truncated", with(&[&value[..end]]));
        }
        tally.all_bad(subject, "signed header: missing", with(&[]));
        tally.all_bad(subject, "signed header: empty", with(&[b""]));
        tally.all_bad(subject, "signed header: sent twice", with(&[&value, &value]));
        tally.all_bad(subject, "signed header: another after it", with(&[&value, b"forged"]));
        tally.all_bad(subject, "signed header: another before it", with(&[b"forged", &value]));
        tally.all_bad(subject, "signed header: joined by a comma", with(&[&[&value[..], b", ", &value[..]].concat()]));
        tally.all_bad(subject, "signed header: one character more", with(&[&[&value[..], b"0"].concat()]));
        tally.all_bad(subject, "signed header: one character before", with(&[&[b"0", &value[..]].concat()]));
        tally.all_bad(
            subject,
            "signed header: white space inside",
            with(&[&[&value[..1], b" ", &value[1..]].concat()]),
        );
        tally.all_bad(subject, "signed header: quoted", with(&[&[b"\"", &value[..], b"\""].concat()]));
        tally.all_bad(subject, "signed header: under another name", renamed(subject, &name, &value));
        shifted(subject, &name, &value, tally);
    }
    fields(subject, tally);
}

/// Fields of the body or query that are signed by themselves.
fn fields(subject: &Subject, tally: &mut Tally) {
    for place in subject.signed_places() {
        let alone = matches!(place.source, Source::Query(_) | Source::Form(_) | Source::Json(_));
        let Some(value) = places::read(&subject.genuine, &place).filter(|value| alone && !value.is_empty()) else {
            continue;
        };
        let with = |value: Option<&[u8]>| places::write(&subject.genuine, &place, value);
        for at in 0..value.len() {
            tally.all_bad(subject, "signed field: a bit flipped", with(Some(&flipped(value.as_bytes(), at, 0))));
        }
        tally.all_bad(subject, "signed field: missing", with(None));
        tally.all_bad(subject, "signed field: empty", with(Some(b"")));
        tally.all_bad(subject, "signed field: one character more", with(Some(format!("{value}0").as_bytes())));
        tally.all_bad(subject, "signed field: one character lost", with(Some(&value.as_bytes()[1..])));
        tally.all_bad(subject, "signed field: another", with(Some(b"forged")));
    }
}

fn renamed(subject: &Subject, name: &str, value: &[u8]) -> Option<Attempt> {
    subject.genuine.with_header(name, &[])?.with_header(&format!("x-{name}-x"), &[value])
}

/// Moves a byte over the seam between a signed header and the body beside it: the signed bytes stay the same.
fn shifted(subject: &Subject, name: &str, value: &[u8], tally: &mut Tally) {
    let place = format!("{{header:{name}}}");
    let body = subject.genuine.body();
    let beside = subject.signs(&format!("{place}{{body}}")) || subject.signs(&format!("{{body}}{place}"));
    let is_time = subject.timestamp().is_some_and(|rule| rule.from.source == Source::Header(name.to_owned()));
    if beside && !is_time {
        tally.unsigned(subject, format!("where the body ends or begins beside the header {name}"));
        return;
    }
    let mut bad = |value: &[u8], body: Vec<u8>| {
        let attempt = subject.genuine.with_header(name, &[value]).map(|attempt| attempt.with_body(body));
        tally.all_bad(subject, "signed header: a byte moved between it and the body", attempt);
    };
    if subject.signs(&format!("{place}{{body}}")) && !body.is_empty() {
        bad(&[value, &body[..1]].concat(), body[1..].to_vec());
        bad(&value[..value.len() - 1], [&value[value.len() - 1..], body].concat());
    }
    if subject.signs(&format!("{{body}}{place}")) && !body.is_empty() {
        bad(&[&body[body.len() - 1..], value].concat(), body[..body.len() - 1].to_vec());
        bad(&value[1..], [body, &value[..1]].concat());
    }
}
