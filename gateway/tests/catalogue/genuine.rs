//! A vector as it is, and the spellings of it that are as good.

use gatepost_config::provider::{Encoding, TimeUnit};
use gatepost_event::{Event, EventId, Meta};
use gatepost_gateway::{Rehearsed, Turned};

use crate::{
    attempt::Attempt,
    kinds, places,
    signatures::Text,
    subject::{Subject, shifted},
    tally::Tally,
};

/// Tries a vector as it is and in every spelling that is as good.
pub(crate) fn prove(subject: &Subject, tally: &mut Tally) {
    tally.good(subject, "as it is", &subject.sent);
    match subject.judge(&subject.genuine) {
        Ok(outcome) => {
            told(subject, &outcome, tally);
            kinds::redacted(subject, &outcome, tally);
        }
        Err(_) => return,
    }
    quarantined(subject, tally);
    if !subject.is_checked() {
        tally.unsigned(subject, "everything: a handshake or webhook that nobody signs");
        return;
    }
    let more = subject.genuine.with_header("x-not-of-the-provider", &[b"1", b"2"]);
    tally.good(subject, "with a header that nobody asked for", &more.expect("a header"));
    window(subject, tally);
    rotating(subject, tally);
    spellings(subject, tally);
    unsigned(subject, tally);
}

/// As it would come back from the quarantine, with no more than what decides over it. But for a handshake that gives a
/// secret: that is not kept.
fn quarantined(subject: &Subject, tally: &mut Tally) {
    let gives_a_secret = subject.provider.handshakes.iter().any(|handshake| handshake.capture.is_some());
    match (subject.judge(&subject.genuine), subject.kept(&subject.genuine)) {
        (Ok(Rehearsed::Handshake { .. }), _) if gives_a_secret => {}
        (genuine, Some(kept)) => {
            tally.good(subject, "as the quarantine gives it back", &kept);
            if told_of(subject.judge(&kept)) != told_of(genuine) {
                tally.wrong(subject, "came to something else out of the quarantine");
            }
        }
        (_, None) => tally.wrong(subject, "can't be kept in quarantine"),
    }
}

/// What a request came to, but for ids that are fresh.
fn told_of(outcome: Result<Rehearsed, Turned>) -> Result<(Option<Vec<u8>>, Vec<Event>), Turned> {
    let id = EventId::of("any", "any", "any", None);
    let alike = |event: Event| Event { meta: Meta { id, ..event.meta }, body: event.body };
    outcome.map(|outcome| match outcome {
        Rehearsed::Handshake { body, .. } => (Some(body), Vec::new()),
        Rehearsed::Events(events) => (None, events.into_iter().map(alike).collect()),
    })
}

/// What a vector came to must be what it expects, as far as it says.
fn told(subject: &Subject, outcome: &Rehearsed, tally: &mut Tally) {
    let Some(expected) = &subject.vector.expect else { return };
    match outcome {
        Rehearsed::Handshake { body, .. } => {
            if !expected.is_empty() {
                tally.wrong(subject, "was answered as a handshake, and expects events");
            }
            if let Some(answer) = &subject.vector.answer
                && answer.as_bytes() != body
            {
                tally.wrong(subject, format!("was answered {:?}, not {answer:?}", String::from_utf8_lossy(body)));
            }
        }
        Rehearsed::Events(events) => {
            if events.len() != expected.len() {
                tally.wrong(subject, format!("gave {} events, not {}", events.len(), expected.len()));
            }
            for (event, expected) in events.iter().zip(expected) {
                let meta = &event.meta;
                let same = [
                    (Some(&meta.kind), &expected.kind),
                    (meta.provider_event_id.as_ref(), &expected.id),
                    (meta.account.as_ref(), &expected.account),
                ];
                for (found, expected) in same {
                    if expected.is_some() && found != expected.as_ref() {
                        tally.wrong(subject, format!("gave {found:?}, not {expected:?}"));
                    }
                }
            }
            let mut ids: Vec<_> = events.iter().map(|event| event.meta.id).collect();
            ids.sort();
            ids.dedup();
            if ids.len() != events.len() {
                tally.wrong(subject, "gave two events one id");
            }
        }
    }
}

/// At both edges of the time that a signature is good for.
fn window(subject: &Subject, tally: &mut Tally) {
    let Some(rule) = subject.timestamp() else { return };
    let Some(signed) = crate::times::signed_at(subject) else { return };
    let tolerance = i64::try_from(rule.tolerance.as_millis()).expect("a span");
    tally.good(subject, "at the late edge of its time", &subject.genuine.at(shifted(signed, tolerance)));
    tally.good(subject, "at the early edge of its time", &subject.genuine.at(shifted(signed, -tolerance)));
    if rule.unit == TimeUnit::Seconds {
        tally.good(
            subject,
            "within the last second of its time",
            &subject.genuine.at(shifted(signed, tolerance + 999)),
        );
    }
}

/// With another active secret beside the right one.
fn rotating(subject: &Subject, tally: &mut Tally) {
    let right = subject.secret();
    let other = subject.genuine.with_secrets(&[&subject.other_secret()]).secrets.expect("a secret").remove(0);
    let both = |secrets| Attempt { secrets: Some(secrets), ..subject.genuine.clone() };
    tally.good(subject, "with the next secret beside it", &both(vec![right.clone(), other.clone()]));
    tally.good(subject, "with the old secret before it", &both(vec![other, right.clone()]));
}

/// In other spellings of the same bytes.
fn spellings(subject: &Subject, tally: &mut Tally) {
    let Some(text) = Text::of(subject) else { return };
    let good = |tally: &mut Tally, class, candidate: String| {
        if let Some(attempt) = text.with_candidate(subject, candidate.as_bytes()) {
            tally.good(subject, class, &attempt);
        }
    };
    let candidate = text.candidate();
    match subject.signature().map(|signature| signature.encoding) {
        // That hash stands in the text that it is of, where a change of spelling is a change.
        Some(Encoding::Hex) if subject.signs("{canonical:unisender-go}") => {}
        Some(Encoding::Hex) => good(tally, "hexadecimal in upper case", candidate.to_ascii_uppercase()),
        Some(Encoding::Base64 | Encoding::Base64Url) => {
            good(tally, "base64 without its padding", candidate.trim_end_matches('=').to_owned());
        }
        _ => {}
    }
}

/// Lists what could be changed without anybody noticing.
fn unsigned(subject: &Subject, tally: &mut Tally) {
    let request = &subject.genuine.request;
    if !subject.signs_body() {
        let parts: Vec<String> = subject.signed_places().iter().map(ToString::to_string).collect();
        match parts.is_empty() {
            true => tally.unsigned(subject, "the body"),
            false => tally.unsigned(subject, format!("the body, but for {}", parts.join(" "))),
        }
    }
    if !subject.signs("{method}") {
        tally.unsigned(subject, "the method");
    }
    if !subject.signs_url() {
        tally.unsigned(subject, "the URL");
    }
    if subject.timestamp().is_none() {
        tally.unsigned(subject, "a time that is checked");
    }
    let signed = subject.signed_headers();
    let signature = places::header_name(subject.signature_place().as_ref());
    for name in request.headers.keys().map(http::HeaderName::as_str) {
        if !signed.iter().any(|signed| signed == name) && signature.as_deref() != Some(name) {
            tally.unsigned(subject, format!("the header {name}"));
        }
    }
}
