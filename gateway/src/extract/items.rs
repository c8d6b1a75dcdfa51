//! Where the items of a batch lie in its payload.

use std::ops::Range;

use gatepost_config::provider::{Batch, BatchForm, Pointer};
use serde_json::value::RawValue;

use super::{
    Trouble,
    json::{self, TooMany},
    xml,
};

/// Most items of one request.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// Why a payload can't be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsplit {
    /// It could be split in two ways.
    Duplicated,
    /// It has more items than a request may have.
    TooMany,
}

/// Where the items lie; `None` when the payload is not what the provider's file says. `array` finds an array's own text.
pub(crate) fn of<'a>(
    batch: &Batch,
    payload: &'a [u8],
    array: impl Fn(&Pointer) -> Result<Option<&'a str>, Trouble>,
) -> Result<Option<Vec<Range<usize>>>, Unsplit> {
    if batch.form == BatchForm::Lines && !payload.trim_ascii_start().starts_with(b"[") {
        return lines(payload);
    }
    for place in &batch.items {
        let items = match batch.form {
            BatchForm::Elements => xml::elements(payload, place, ITEMS_MAX)?,
            BatchForm::Array | BatchForm::Lines => in_array(payload, array(place))?,
        };
        if items.is_some() {
            return Ok(items);
        }
    }
    Ok(None)
}

fn in_array<'a>(
    payload: &'a [u8],
    array: Result<Option<&'a str>, Trouble>,
) -> Result<Option<Vec<Range<usize>>>, Unsplit> {
    match array {
        Ok(raw) => match raw.and_then(|raw| json::items(raw, ITEMS_MAX)) {
            Some(Ok(items)) => Ok(Some(ranges(payload, &items))),
            Some(Err(TooMany)) => Err(Unsplit::TooMany),
            None => Ok(None),
        },
        Err(Trouble::Unreadable) => Ok(None),
        Err(Trouble::Duplicated) => Err(Unsplit::Duplicated),
    }
}

/// Where a part of a text starts in it.
pub(crate) fn offset(text: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

fn ranges(payload: &[u8], items: &[&str]) -> Vec<Range<usize>> {
    let range = |item: &&str| {
        let start = offset(payload, item.as_bytes());
        start..start + item.len()
    };
    items.iter().map(range).collect()
}

/// The lines, each a JSON text; `None` when one isn't, or there is none.
fn lines(payload: &[u8]) -> Result<Option<Vec<Range<usize>>>, Unsplit> {
    let mut items = Vec::new();
    for line in payload.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if items.len() == ITEMS_MAX {
            return Err(Unsplit::TooMany);
        }
        if serde_json::from_slice::<&RawValue>(line).is_err() {
            return Ok(None);
        }
        let start = offset(payload, line);
        items.push(start..start + line.len());
    }
    Ok(Some(items).filter(|items| !items.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(text: &str) -> Option<Vec<&str>> {
        let batch =
            Batch { items: vec!["".parse().expect("a pointer")], form: BatchForm::Lines, discriminator: Vec::new() };
        let items = of(&batch, text.as_bytes(), |_| Ok(Some(text.trim()))).expect("one meaning")?;
        Some(items.into_iter().map(|range| &text[range]).collect())
    }

    #[test]
    fn each_line_is_an_item_with_its_own_bytes() {
        assert_eq!(of_lines("{\"a\":1}\n{\"a\": 2}\r\n\n 3 \n"), Some(vec!["{\"a\":1}", "{\"a\": 2}", "3"]));
        assert_eq!(of_lines("{\"a\":1}"), Some(vec!["{\"a\":1}"]));
        assert_eq!(of_lines(" [{\"a\":1}, 2]\n"), Some(vec!["{\"a\":1}", "2"]), "an array is still one");
        for whole in ["", "\n\n", "{\"a\":\n1}", "{\"a\":1}\n{\"a\":", "{\"a\":1} {\"a\":2}"] {
            assert_eq!(of_lines(whole), None, "{whole:?} is no lines");
        }
        assert!(lines("1\n".repeat(10_000).as_bytes()).is_ok_and(|items| items.is_some()));
        assert_eq!(lines("1\n".repeat(10_001).as_bytes()), Err(Unsplit::TooMany));
    }
}
