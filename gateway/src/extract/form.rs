//! Form fields and query parameters, decoded to their exact bytes.

use std::borrow::Cow;

use super::{Trouble, multipart};
use crate::request::RawRequest;

/// A field's name and its value.
pub(crate) type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The fields of a request whose body is a form, of either kind; `None` when it is none.
pub(crate) fn of(request: &RawRequest) -> Option<Result<Vec<Field<'_>>, Trouble>> {
    if request.is_form() {
        return Some(Ok(fields(&request.body).collect()));
    }
    let content_type = request.multipart()?;
    let plain = |(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value));
    Some(multipart::fields(content_type, &request.body).map(|fields| fields.into_iter().map(plain).collect()))
}

/// The fields of a form or query in their order: split at `&`, then at the first `=`; `+` is a space, `%41` is `A`, and
/// a `%` that starts nothing stays.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    text.split(|b| *b == b'&').filter(|field| !field.is_empty()).map(|field| {
        let at = field.iter().position(|b| *b == b'=').unwrap_or(field.len());
        let (name, value) = field.split_at_checked(at).unwrap_or((field, &[]));
        (decode(name), decode(value.strip_prefix(b"=").unwrap_or(value)))
    })
}

/// A text decoded as a field is.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    decode(text).into_owned()
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Cow::Owned(decoded),
            [b'+', tail @ ..] => {
                decoded.push(b' ');
                tail
            }
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(digit(*high) << 4 | digit(*low));
                tail
            }
            [byte, tail @ ..] => {
                decoded.push(*byte);
                tail
            }
        };
    }
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_to_their_exact_bytes() {
        let text = b"payload=%7B%22a%22%3A+1%7D&empty=&bare&x=a=b&bad=%zz%4&raw=%ff%00";
        let fields: Vec<_> = fields(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let expected: [(&[u8], &[u8]); 6] = [
            (b"payload", b"{\"a\": 1}"),
            (b"empty", b""),
            (b"bare", b""),
            (b"x", b"a=b"),
            (b"bad", b"%zz%4"),
            (b"raw", b"\xff\0"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_vec(), value.to_vec())));
    }
}
