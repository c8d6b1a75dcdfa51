//! Fields of a multipart form (RFC 7578), as their exact bytes.
//!
//! Read strictly: what two readers could take apart in two ways is not read at all. Parts with a file name are files,
//! not fields.

use super::Trouble;

/// Most parts of one form.
const PARTS_MAX: usize = 1_000;

/// Most bytes of one part's head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most characters of a boundary, by RFC 2046.
const BOUNDARY_CHARS_MAX: usize = 70;

/// A field and its value.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// The fields of a form with that content type, in their order.
pub(crate) fn fields<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Vec<Field<'a>>, Trouble> {
    let boundary = boundary(content_type).ok_or(Trouble::Unreadable)?;
    let delimiter = [b"\r\n--", boundary.as_slice()].concat();
    let mut rest = body.strip_prefix(delimiter.get(2..).unwrap_or_default()).ok_or(Trouble::Unreadable)?;
    let mut fields = Vec::new();
    for _ in 0..=PARTS_MAX {
        rest = match rest {
            // What follows the end is the sender's own padding, of which none is used.
            [b'-', b'-'] | [b'-', b'-', b'\r', b'\n'] => return Ok(fields),
            [b'\r', b'\n', rest @ ..] => rest,
            _ => return Err(Trouble::Unreadable),
        };
        let (part, after) = cut(rest, &delimiter).ok_or(Trouble::Unreadable)?;
        fields.extend(field(part).ok_or(Trouble::Unreadable)?);
        rest = after;
    }
    Err(Trouble::Unreadable)
}

/// A part's field; none inside when it is a file.
fn field(part: &[u8]) -> Option<Option<Field<'_>>> {
    let (head, value) = match part.strip_prefix(b"\r\n") {
        Some(value) => (&b""[..], value),
        None => cut(part, b"\r\n\r\n")?,
    };
    if head.len() > HEAD_BYTES_MAX {
        return None;
    }
    let mut disposition = None;
    for line in lines(head) {
        let at = line.iter().position(|b| *b == b':')?;
        let (name, text) = line.split_at_checked(at)?;
        let text = text.get(1..)?.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if disposition.replace(text).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = [&b"7bit"[..], b"8bit", b"binary"];
            plain.iter().find(|plain| text.eq_ignore_ascii_case(plain))?;
        }
    }
    let named = parameters(disposition?, b"form-data")?;
    let mut name = None;
    for (key, text) in named {
        match key.to_ascii_lowercase().as_slice() {
            b"name" if name.is_none() => name = Some(text),
            b"filename" | b"filename*" => return Some(None),
            _ => return None,
        }
    }
    Some(Some((name?, value)))
}

/// The boundary that a content type names.
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let mut boundary = None;
    for (key, text) in parameters(content_type, b"multipart/form-data")? {
        if key.eq_ignore_ascii_case(b"boundary") && boundary.replace(text.to_vec()).is_some() {
            return None;
        }
    }
    let fit = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
    boundary.filter(|text| (1..=BOUNDARY_CHARS_MAX).contains(&text.len()) && text.iter().all(fit))
}

/// The parameters after a word: `; name=text` or `; name="text"`. Text with escapes is not read.
fn parameters<'a>(text: &'a [u8], word: &[u8]) -> Option<Vec<Field<'a>>> {
    let at = text.iter().position(|b| *b == b';').unwrap_or(text.len());
    let (first, mut rest) = text.split_at_checked(at)?;
    if !first.trim_ascii().eq_ignore_ascii_case(word) {
        return None;
    }
    let mut parameters = Vec::new();
    loop {
        rest = match rest.trim_ascii_start() {
            [] => return Some(parameters),
            [b';', rest @ ..] => rest.trim_ascii_start(),
            _ => return None,
        };
        let at = rest.iter().position(|b| *b == b'=')?;
        let (key, after) = rest.split_at_checked(at)?;
        let is_token = |b: &u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(b);
        if key.is_empty() || !key.iter().all(is_token) {
            return None;
        }
        let after = after.get(1..)?;
        let (value, next) = match after.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = quoted.iter().position(|b| *b == b'"')?;
                let (value, next) = quoted.split_at_checked(end)?;
                (value, next.get(1..)?)
            }
            None => {
                let end = after.iter().position(|b| !is_token(b)).unwrap_or(after.len());
                after.split_at_checked(end)?
            }
        };
        if value.iter().any(|b| matches!(b, b'\\' | 0..=0x1f | 0x7f)) {
            return None;
        }
        parameters.push((key, value));
        rest = next;
    }
}

/// The lines of a head. None may be continued on the next.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = (!head.is_empty()).then_some(head);
    std::iter::from_fn(move || {
        let text = rest?;
        let (line, after) = match cut(text, b"\r\n") {
            Some((line, after)) => (line, Some(after)),
            None => (text, None),
        };
        rest = after;
        Some(line)
    })
}

/// What stands before and after a mark.
fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, mark)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=----x";

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(head, value): &(&str, &str)| format!("------x\r\n{head}\r\n\r\n{value}\r\n");
        format!("{}------x--\r\n", parts.iter().map(part).collect::<String>())
    }

    fn read(body: &str) -> Result<Vec<(String, String)>, Trouble> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields(TYPE, body.as_bytes()).map(|all| all.into_iter().map(|(n, v)| (text(n), text(v))).collect())
    }

    #[test]
    fn fields_are_their_exact_bytes_and_files_are_no_fields() {
        let body = form(&[
            ("Content-Disposition: form-data; name=\"json\"\r\nContent-Type: application/json", "{\"a\":1}\r\n"),
            ("content-disposition: form-data; name=plain", ""),
            ("Content-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"", "--x\r\n------"),
            ("Content-Disposition: form-data; name=\"data[list_id]\"", "a+b%20\u{e9}"),
        ]);
        let expected = [("json", "{\"a\":1}\r\n"), ("plain", ""), ("data[list_id]", "a+b%20\u{e9}")];
        assert_eq!(read(&body), Ok(expected.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec()));
        assert_eq!(
            fields(b"Multipart/Form-Data; charset=utf-8; Boundary=\"----x\"", body.as_bytes()).map(|f| f.len()),
            Ok(3)
        );
    }

    #[test]
    fn what_could_be_taken_apart_in_two_ways_is_not_read() {
        let good = form(&[("Content-Disposition: form-data; name=\"a\"", "1")]);
        assert_eq!(read(&good).map(|fields| fields.len()), Ok(1), "the positive control");
        let cases = [
            good.replace("------x--\r\n", ""),
            good.replace("------x--", "------x"),
            format!("{good}more"),
            format!("more\r\n{good}"),
            good.replace("\r\n", "\n"),
            good.replace("------x--", "------x \r\n------x--"),
            form(&[("Content-Disposition: form-data", "1")]),
            form(&[("Content-Disposition: attachment; name=\"a\"", "1")]),
            form(&[("Content-Disposition: form-data; name=\"a\"; name=\"b\"", "1")]),
            form(&[("Content-Disposition: form-data; name=\"a\\\"b\"", "1")]),
            form(&[("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"", "1")]),
            form(&[("Content-Disposition: form-data; name*=utf-8''a", "1")]),
            form(&[("Content-Disposition: form-data;\r\n name=\"a\"", "1")]),
            form(&[("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64", "MQ==")]),
            form(&[("Content-Type: text/plain", "1")]),
            form(&[("no head", "1")]),
            form(&vec![("Content-Disposition: form-data; name=\"a\"", "1"); 1_001]),
            String::new(),
        ];
        for (n, case) in cases.iter().enumerate() {
            assert_eq!(read(case), Err(Trouble::Unreadable), "case {n}");
        }
        for content_type in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=----x"]
        {
            assert_eq!(fields(content_type.as_bytes(), good.as_bytes()), Err(Trouble::Unreadable), "{content_type}");
        }
        let twice = b"multipart/form-data; boundary=----x; boundary=----y";
        assert_eq!(fields(twice, good.as_bytes()), Err(Trouble::Unreadable));
    }
}
