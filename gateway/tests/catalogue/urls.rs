//! Changes of a signed URL and method.

use crate::{attempt::Attempt, subject::Subject, tally::Tally};

/// Tries every change of the URL or method that must be noticed.
pub(crate) fn prove(subject: &Subject, tally: &mut Tally) {
    if subject.signs("{method}") || subject.signs("{canonical:contentful}") {
        for method in [http::Method::GET, http::Method::PUT, http::Method::DELETE] {
            let mut attempt = subject.genuine.clone();
            if attempt.request.method != method {
                attempt.request.method = method;
                tally.bad(subject, "method: another", &attempt);
            }
        }
    }
    if subject.signs_url() || subject.signs("{canonical:contentful}") {
        target(subject, tally);
    }
    if subject.signs_url() || subject.signs("{canonical:plivo-v2}") {
        public_url(subject, tally);
    }
}

fn target(subject: &Subject, tally: &mut Tally) {
    let target = subject.genuine.request.target.as_str();
    let mut bad = |class, target: String| tally.bad(subject, class, &subject.genuine.with_target(target));
    for at in 1..target.len() {
        for bit in 0..7 {
            let byte = target.as_bytes()[at] ^ (1 << bit);
            if byte.is_ascii_graphic() && byte != b'#' {
                let changed = [&target.as_bytes()[..at], &[byte], &target.as_bytes()[at + 1..]].concat();
                bad("URL: a bit flipped", String::from_utf8(changed).expect("ASCII"));
            }
        }
    }
    let joiner = if target.contains('?') { '&' } else { '?' };
    bad("URL: a parameter added", format!("{target}{joiner}forged=1"));
    bad("URL: the query lost", target.split('?').next().unwrap_or_default().to_owned());
    bad("URL: a slash after the path", target.replacen('?', "/?", 1) + if target.contains('?') { "" } else { "/" });
    bad("URL: a character percent-encoded", target.replacen('h', "%68", 1));
    bad("URL: in upper case", target.to_ascii_uppercase());
    bad("URL: two slashes for one", target.replacen('/', "//", 1));
}

fn public_url(subject: &Subject, tally: &mut Tally) {
    let genuine = subject.public_url();
    let mut bad = |class, url: String| {
        if url != genuine {
            tally.bad(subject, class, &Attempt { public_url: Some(url), ..subject.genuine.clone() });
        }
    };
    bad("URL: another host", genuine.replacen("://", "://other.", 1));
    bad("URL: http for https", genuine.replacen("https://", "http://", 1));
    bad("URL: another port", "https://hooks.example.com:8443".to_owned());
}
