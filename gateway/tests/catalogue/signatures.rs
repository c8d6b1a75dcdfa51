//! Changes of the signature itself.

mod text;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use gatepost_config::provider::{Encoding, Source};

pub(crate) use text::Text;

use crate::{
    attempt::{Attempt, flipped, spliced},
    places,
    sign::Signer,
    subject::Subject,
    tally::Tally,
};

/// Tries every change of a signature that must be noticed.
pub(crate) fn prove(subject: &Subject, all: &[Subject], tally: &mut Tally) {
    let signature = subject.scheme.as_ref().and_then(|scheme| scheme.kind.signature());
    if signature.is_some_and(|signature| signature.from.iter().all(|place| place.source == Source::Body)) {
        return; // The whole body is the signature: changes of the body are changes of it.
    }
    let Some(text) = Text::of(subject) else {
        tally.wrong(subject, "has a signature that these tests can't find");
        return;
    };
    whole(subject, &text, tally);
    spelling(subject, &text, tally);
    candidate(subject, &text, tally);
    label(subject, &text, tally);
    tag(subject, &text, tally);
    anew(subject, &text, tally);
    others(subject, &text, all, tally);
}

/// The whole text: absent, twice, elsewhere, cut.
fn whole(subject: &Subject, text: &Text, tally: &mut Tally) {
    let genuine = &subject.genuine;
    let full = text.full().as_bytes();
    tally.all_bad(subject, "signature: missing", places::write(genuine, text.place(), None));
    let with = |bytes: &[u8]| text.with_text(subject, bytes);
    tally.all_bad(subject, "signature: empty", with(b""));
    for end in 0..text.end() {
        if !text.is_only_unpadded(end) {
            tally.all_bad(subject, "signature: truncated", with(&full[..end]));
        }
    }
    for start in text.start() + 1..text.end() {
        tally.all_bad(subject, "signature: its start lost", with(&full[start..]));
    }
    if !text.is_of_several() {
        tally.all_bad(subject, "signature: joined by a comma", with(&[full, b", ", full].concat()));
        tally.all_bad(subject, "signature: joined by a comma without space", with(&[full, b",", full].concat()));
    }
    tally.all_bad(subject, "signature: quoted", with(&[b"\"", full, b"\""].concat()));
    tally.all_bad(
        subject,
        "signature: in upper case with its label",
        with(&full.to_ascii_uppercase()).filter(|_| text.has_label()),
    );
    tally.all_bad(subject, "signature: over 8 KiB", with(&[full, &b"0".repeat(9_000)].concat()));
    for word in ["none", "null", "0", "true", "*", "undefined", "{}", "[]", "sha256", "=", ","] {
        tally.all_bad(subject, "signature: a word for nothing", with(word.as_bytes()));
    }
    let Source::Header(name) = &text.place().source else { return };
    let headers = |values: &[&[u8]]| genuine.with_header(name, values);
    tally.all_bad(subject, "signature: sent twice", headers(&[full, full]));
    tally.all_bad(subject, "signature: a wrong one after it", headers(&[full, b"forged"]));
    tally.all_bad(subject, "signature: a wrong one before it", headers(&[b"forged", full]));
    tally.all_bad(subject, "signature: an empty one before it", headers(&[b"", full]));
    let without = genuine.with_header(name, &[]).expect("a header");
    tally.all_bad(subject, "signature: under another name", without.with_header(&format!("{name}-x"), &[full]));
    let bare = name.strip_prefix("x-").map_or_else(|| format!("x-{name}"), str::to_owned);
    if !subject.reads_header(&bare) {
        tally.all_bad(subject, "signature: under its name with or without x-", without.with_header(&bare, &[full]));
    }
    let query: String = url::form_urlencoded::byte_serialize(full).collect();
    let target = format!("{}?{name}={query}", without.request.target);
    tally.bad(subject, "signature: in the query", &without.with_target(target));
}

/// The right bytes, spelled as nobody spells them.
fn spelling(subject: &Subject, text: &Text, tally: &mut Tally) {
    let candidate = text.candidate().as_bytes().to_vec();
    let (first, last) = (&candidate[..1], &candidate[1..]);
    let mut bad = |class, bytes: Vec<u8>| tally.all_bad(subject, class, text.with_candidate(subject, &bytes));
    bad("signature: a space inside", [first, b" ", last].concat());
    bad("signature: a tab inside", [first, b"\t", last].concat());
    if !text.is_of_several() {
        bad("signature: two spaces after it", [&candidate[..], b"  "].concat());
    }
    bad("signature: a no-break space after it", [&candidate[..], "\u{a0}".as_bytes()].concat());
    bad("signature: a NUL inside", [first, b"\0", last].concat());
    bad("signature: a NUL after it", [&candidate[..], b"\0"].concat());
    bad("signature: a line feed after it", [&candidate[..], b"\n"].concat());
    bad("signature: a character percent-encoded", [format!("%{:02X}", candidate[0]).as_bytes(), last].concat());
    bad("signature: in full-width characters", wide(&candidate));
    bad("signature: 0x before it", [b"0x", &candidate[..]].concat());
    bad("signature: a colon between bytes", candidate.chunks(2).collect::<Vec<_>>().join(&b':'));
    for more in ["0", "a", "A", "=", "==", "-", ";", "#"] {
        let is_padding = more.starts_with('=') && text.tag().is_some() && text.encoding() != Encoding::Hex;
        if !is_padding || candidate.ends_with(b"=") {
            bad("signature: one character more", [&candidate[..], more.as_bytes()].concat());
        }
        bad("signature: one character before", [more.as_bytes(), &candidate[..]].concat());
    }
    bad("signature: doubled without a seam", candidate.repeat(2));
}

fn wide(text: &[u8]) -> Vec<u8> {
    let wide = |b: &u8| match b {
        b'!'..=b'~' => char::from_u32(u32::from(*b) + 0xfee0).unwrap_or('?'),
        b => char::from(*b),
    };
    text.iter().map(wide).collect::<String>().into_bytes()
}

/// Every character of a candidate.
fn candidate(subject: &Subject, text: &Text, tally: &mut Tally) {
    let candidate = text.candidate().as_bytes();
    let hex = text.encoding() == Encoding::Hex;
    for at in 0..candidate.len() {
        for bit in 0..7 {
            let changed = flipped(candidate, at, bit);
            let same = hex && changed.eq_ignore_ascii_case(candidate);
            tally.all_bad(
                subject,
                "signature: a bit flipped",
                text.with_candidate(subject, &changed).filter(|_| !same),
            );
        }
        let lost = spliced(candidate, at..at + 1, b"");
        let unpadded = at + 1 == candidate.len() && text.is_only_unpadded(text.end() - 1);
        tally.all_bad(
            subject,
            "signature: a character lost",
            text.with_candidate(subject, &lost).filter(|_| !unpadded),
        );
    }
    let reversed: Vec<u8> = candidate.iter().rev().copied().collect();
    tally.all_bad(subject, "signature: reversed", text.with_candidate(subject, &reversed));
    let swapped: Vec<u8> = candidate
        .iter()
        .map(|b| if b.is_ascii_lowercase() { b.to_ascii_uppercase() } else { b.to_ascii_lowercase() })
        .collect();
    tally.all_bad(subject, "signature: case swapped", text.with_candidate(subject, &swapped).filter(|_| !hex));
}

/// What stands before a candidate.
fn label(subject: &Subject, text: &Text, tally: &mut Tally) {
    let label = text.label().to_owned();
    let mut bad = |class, new: &str| {
        if new != label && !text.may_have(new) {
            tally.all_bad(subject, class, text.with_label(subject, new));
        }
    };
    for wrong in ["sha1=", "sha256=", "sha512=", "md5=", "v0=", "v2=", "v1a,", "v2,", "Bearer ", "Basic ", "hmac "] {
        bad("signature: a wrong label", wrong);
    }
    if !text.is_of_several() {
        bad("signature: a space before it", &format!("{label} "));
    }
    if label.is_empty() {
        return;
    }
    bad("signature: no label", "");
    bad("signature: its label in upper case", &label.to_ascii_uppercase());
    bad("signature: its label doubled", &label.repeat(2));
    bad("signature: its label cut", &label[1..]);
    bad("signature: its label without the mark", label.trim_end_matches(['=', ',', ' ']));
    bad("signature: another mark after its label", &format!("{}:", label.trim_end_matches(['=', ',', ' '])));
    bad("signature: its label longer", &format!("x{label}"));
}

/// The bytes that a candidate stands for.
fn tag(subject: &Subject, text: &Text, tally: &mut Tally) {
    let Some(tag) = text.tag() else { return };
    let with = |tag: &[u8]| text.with_tag_in(subject, &subject.genuine, tag);
    for at in 0..tag.len() {
        for bit in 0..8 {
            tally.all_bad(subject, "tag: a bit flipped", with(&flipped(&tag, at, bit)));
        }
    }
    for length in 0..tag.len() {
        tally.all_bad(subject, "tag: truncated", with(&tag[..length]));
    }
    tally.all_bad(subject, "tag: its second half only", with(&tag[tag.len() / 2..]));
    tally.all_bad(subject, "tag: a zero byte more", with(&[&tag[..], b"\0"].concat()));
    tally.all_bad(subject, "tag: doubled", with(&tag.repeat(2)));
    tally.all_bad(subject, "tag: all zeros", with(&vec![0; tag.len()]));
    tally.all_bad(subject, "tag: all ones", with(&vec![0xff; tag.len()]));
    tally.all_bad(subject, "tag: reversed", with(&tag.iter().rev().copied().collect::<Vec<_>>()));
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut other = |encoding, class, spelled: String| {
        if text.encoding() != encoding && spelled != text.candidate() {
            tally.all_bad(subject, class, text.with_candidate(subject, spelled.as_bytes()));
        }
    };
    other(Encoding::Hex, "tag: in hexadecimal", hex.clone());
    other(Encoding::Base64, "tag: in base64", STANDARD.encode(&tag));
    let same = !STANDARD.encode(&tag).contains(['+', '/']);
    if !same {
        other(Encoding::Base64Url, "tag: in URL-safe base64", URL_SAFE.encode(&tag));
    }
    other(Encoding::Plain, "tag: in base64 of hexadecimal", STANDARD.encode(&hex));
}

/// Signed anew, by a key or over a text that must not count.
fn anew(subject: &Subject, text: &Text, tally: &mut Tally) {
    let Some(signer) = Signer::of(subject, text) else { return };
    let genuine = &subject.genuine;
    let is_plain = subject.timestamp().is_none() && !genuine.is_form() && subject.provider.batch.is_none();
    if subject.signs_body() && is_plain {
        let again = signer.signed_again(&genuine.with_body("{\"another\":true}"));
        tally.all_good(subject, "another body, signed by the right key", again);
    }
    tally.all_bad(subject, "signed by the empty key", signer.signed_by_key(genuine, b""));
    tally.all_bad(subject, "signed by another key", signer.signed_by_key(genuine, &subject.other_secret()));
    tally.all_bad(subject, "signed by a key of zeros", signer.signed_by_key(genuine, &[0; 32]));
    tally.all_bad(
        subject,
        "signed by the provider's name",
        signer.signed_by_key(genuine, subject.provider.name.as_str().as_bytes()),
    );
    tally.all_bad(subject, "signed by another hash", signer.signed_by_other_hashes(genuine));
    tally.all_bad(subject, "hashed without a key", signer.hashed(genuine));
    let over = |body: &[u8]| {
        let signed = signer.signed_again(&genuine.with_body(body))?;
        Some(Attempt {
            request: gatepost_gateway::RawRequest { body: genuine.request.body.clone(), ..signed.request },
            ..signed
        })
    };
    if subject.signs_body() {
        tally.all_bad(subject, "signed over an empty body", over(b""));
        tally.all_bad(subject, "signed over half of the body", over(&genuine.body()[..genuine.body().len() / 2]));
    }
}

/// Other requests' genuine signatures.
fn others(subject: &Subject, text: &Text, all: &[Subject], tally: &mut Tally) {
    for other in all.iter().filter(|other| other.is_checked() && other.vector != subject.vector) {
        let Some(theirs) = Text::of(other) else { continue };
        let is_one_request = other.vector.body == subject.vector.body && other.vector.secret == subject.vector.secret;
        if theirs.full() == text.full() || is_one_request {
            continue;
        }
        let attempt = text.with_text(subject, theirs.full().as_bytes());
        let same = other.provider.name == subject.provider.name;
        let class = if same { "signature: of another request" } else { "signature: another provider's" };
        tally.all_bad(subject, class, attempt);
        if let (false, Source::Header(name)) = (same, &theirs.place().source)
            && let Some(without) = places::write(&subject.genuine, text.place(), None)
        {
            let attempt = without.with_header(name, &[theirs.full().as_bytes()]);
            tally.all_bad(subject, "signature: another provider's header instead", attempt);
        }
    }
}
