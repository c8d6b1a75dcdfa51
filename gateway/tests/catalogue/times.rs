//! Changes of the signed time, and of the clock.

use gatepost_config::{
    Timestamp,
    provider::{Location, Source, TimeUnit},
};

use crate::{
    attempt::Attempt,
    places,
    sign::Signer,
    signatures::Text,
    subject::{Subject, shifted},
    tally::Tally,
};

const DAY: i64 = 86_400_000;

/// When a vector was signed.
pub(crate) fn signed_at(subject: &Subject) -> Option<Timestamp> {
    let rule = subject.timestamp()?;
    let text = Place::of(subject)?.read(&subject.genuine)?;
    let millis = match rule.unit {
        TimeUnit::Seconds => text.parse::<i64>().ok()? * 1_000,
        TimeUnit::Milliseconds => text.parse().ok()?,
        _ => return text.parse().or_else(|_| format!("{text}Z").parse()).ok(),
    };
    Some(Timestamp::from_millis(millis))
}

/// Tries every change of the time or the clock that must be noticed.
pub(crate) fn prove(subject: &Subject, tally: &mut Tally) {
    let Some(rule) = subject.timestamp() else { return };
    let (Some(place), Some(signed)) = (Place::of(subject), signed_at(subject)) else {
        tally.wrong(subject, "has a time that these tests can't find");
        return;
    };
    clock(subject, rule.unit, signed, i64::try_from(rule.tolerance.as_millis()).expect("a span"), tally);
    spelled(subject, &place, tally);
    resigned(subject, &place, rule.unit, tally);
}

fn clock(subject: &Subject, unit: TimeUnit, signed: Timestamp, tolerance: i64, tally: &mut Tally) {
    let step = if unit == TimeUnit::Seconds { 1_000 } else { 1 };
    let mut bad = |class, millis: i64| tally.bad(subject, class, &subject.genuine.at(shifted(signed, millis)));
    bad("time: stale by the least step", tolerance + step);
    bad("time: stale by a second", tolerance + 1_000);
    bad("time: in the future by the least step", -tolerance - step);
    bad("time: in the future by a second", -tolerance - 1_000);
    bad("time: a day old", tolerance + DAY);
    bad("time: a day ahead", -tolerance - DAY);
    bad("time: ten years old", tolerance + 3_650 * DAY);
    bad("time: ten years ahead", -tolerance - 3_650 * DAY);
    tally.bad(subject, "time: with the clock at its start", &subject.genuine.at(Timestamp::from_millis(0)));
}

/// Other times and spellings under the old signature.
fn spelled(subject: &Subject, place: &Place, tally: &mut Tally) {
    let genuine = &subject.genuine;
    let Some(text) = place.read(genuine) else { return };
    let mut bad = |class, new: &str| tally.all_bad(subject, class, place.write(genuine, Some(new.as_bytes())));
    for (class, new) in spellings(&text) {
        bad(class, &new);
    }
    let last = text.bytes().rposition(|b| b.is_ascii_digit()).unwrap_or(0);
    let digit =
        if text.as_bytes()[last] == b'9' { "8".to_owned() } else { char::from(text.as_bytes()[last] + 1).to_string() };
    bad("time: a second later than signed", &format!("{}{digit}{}", &text[..last], &text[last + 1..]));
    tally.all_bad(subject, "time: missing", place.write(genuine, None));
}

/// Spellings of a time that must not be read, under a signature that is right for them.
fn resigned(subject: &Subject, place: &Place, unit: TimeUnit, tally: &mut Tally) {
    let digits = matches!(unit, TimeUnit::Seconds | TimeUnit::Milliseconds);
    let (Some(candidate), Some(text)) = (Text::of(subject), place.read(&subject.genuine)) else { return };
    let Some(signer) = Signer::of(subject, &candidate).filter(|_| digits) else { return };
    let again = |new: &str| place.write(&subject.genuine, Some(new.as_bytes())).and_then(|a| signer.signed_again(&a));
    // White space around a number of JSON is nobody's business, and a comma in a signature ends the time.
    let in_signature = matches!(place, Place::InSignature(..));
    let in_json = matches!(place, Place::At(Location { source: Source::Json(_), .. }));
    let is_fit = |new: &String| !(in_json && new.trim() == text || in_signature && new.contains(','));
    for (_, new) in spellings(&text).into_iter().filter(|(_, new)| is_fit(new)) {
        tally.all_bad(subject, "time: badly spelled, and so signed", again(&new));
    }
    let later: i64 = text.parse().expect("digits");
    for ahead in [1, 2] {
        let at = (later + ahead).to_string();
        tally.all_good(subject, "another time near now, and so signed", again(&at));
    }
}

/// The same time as nobody may spell it, and words for none.
fn spellings(text: &str) -> Vec<(&'static str, String)> {
    let wide = |c: char| if c.is_ascii_digit() { char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c) } else { c };
    let mut all = vec![
        ("time: empty", String::new()),
        ("time: negative", format!("-{text}")),
        ("time: with a plus sign", format!("+{text}")),
        ("time: with a leading zero", format!("0{text}")),
        ("time: with a fraction", format!("{text}.0")),
        ("time: with an exponent", format!("{text}e0")),
        ("time: in another unit", format!("{text}000")),
        ("time: in full-width digits", text.chars().map(wide).collect()),
        ("time: with white space inside", format!("{} {}", &text[..1], &text[1..])),
        ("time: with a line feed after it", format!("{text}\n")),
        ("time: with a NUL after it", format!("{text}\0")),
        ("time: with letters after it", format!("{text}abc")),
        ("time: zero", "0".to_owned()),
        ("time: a word", "now".to_owned()),
        ("time: no number", "NaN".to_owned()),
        ("time: without end", "9".repeat(30)),
        ("time: twice in one", format!("{text},{text}")),
    ];
    if let Ok(number) = text.parse::<i64>() {
        all.push(("time: in another unit", (number / 1_000).to_string()));
        all.push(("time: in hexadecimal", format!("{number:#x}")));
        all.push(("time: with a mark between digits", format!("{}_{}", &text[..1], &text[1..])));
    }
    all
}

/// Where the signed time stands.
enum Place {
    At(Location),
    InSignature(String, Text),
}

impl Place {
    fn of(subject: &Subject) -> Option<Self> {
        let from = subject.timestamp()?.from.clone();
        match &from.source {
            Source::Signature(name) => Some(Self::InSignature(name.clone(), Text::of(subject)?)),
            _ => Some(Self::At(from)),
        }
    }

    fn read(&self, attempt: &Attempt) -> Option<String> {
        match self {
            Self::At(place) => places::read(attempt, place),
            Self::InSignature(name, text) => text.field_in(attempt, name),
        }
    }

    fn write(&self, attempt: &Attempt, new: Option<&[u8]>) -> Option<Attempt> {
        match self {
            Self::At(place) => places::write(attempt, place, new),
            Self::InSignature(name, text) => text.with_field_in(attempt, name, new),
        }
    }
}
