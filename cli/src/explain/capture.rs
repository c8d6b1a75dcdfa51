//! A raw HTTP/1.1 request, as it was captured.

use bytes::Bytes;
use gatepost_gateway::RawRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// A captured request, with what a person should know of how it was read.
pub(super) struct Capture {
    pub(super) request: RawRequest,
    pub(super) notes: Vec<String>,
}

/// Reads a request: lines that end in CRLF or LF, an empty line, then the body byte for byte.
///
/// # Errors
/// Why it is no request, with the number of the line.
pub(super) fn parse(text: &[u8]) -> Result<Capture, String> {
    let (head, body) = split(text).ok_or("has no empty line between the headers and the body")?;
    let head = std::str::from_utf8(head).map_err(|_| "has headers that are not UTF-8")?;
    let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    let first = lines.next().map(|(_, line)| line).unwrap_or_default();
    let (method, target) = request_line(first)?;
    let mut headers = HeaderMap::new();
    for (at, line) in lines {
        let at = at.saturating_add(1);
        if line.starts_with([' ', '\t']) {
            return Err(format!("line {at}: goes on from the line before, which HTTP no longer allows; join the two"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("line {at}: is no `name: value`"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| format!("line {at}: {name:?} is no header's name"))?;
        let value = HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes());
        headers.append(name, value.map_err(|_| format!("line {at}: the value can't be sent"))?);
    }
    let mut notes = Vec::new();
    let body = whole(&headers, body, &mut notes);
    let connection = connection(&target);
    let request = RawRequest { method, target, headers, body, connection };
    Ok(Capture { request, notes })
}

/// The head without its last line end, and the body.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut start = 0;
    loop {
        let end = start + text.get(start..)?.iter().position(|byte| *byte == b'\n')?;
        let line = text.get(start..end)?;
        if start > 0 && (line.is_empty() || line == b"\r") {
            let head = text.get(..start)?.strip_suffix(b"\n")?;
            return Some((head, text.get(end + 1..)?));
        }
        start = end + 1;
    }
}

fn request_line(line: &str) -> Result<(Method, String), String> {
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err("line 1: is no request line such as `POST /webhooks/github HTTP/1.1`".to_owned());
    };
    let method = method.parse().map_err(|_| format!("line 1: {method:?} is no method"))?;
    let path = match target.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..))) {
        Some(path) => path,
        None if target.starts_with('/') => target,
        None => return Err(format!("line 1: {target:?} is neither a path nor a URL with one")),
    };
    Ok((method, path.to_owned()))
}

/// The body by its Content-Length or chunks, where they fit.
fn whole(headers: &HeaderMap, body: &[u8], notes: &mut Vec<String>) -> Bytes {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if text(header::TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return match dechunked(body) {
            Some(body) => body.into(),
            None => {
                notes.push("Transfer-Encoding says chunked, but the body is not in chunks: taken as it is".to_owned());
                Bytes::copy_from_slice(body)
            }
        };
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    match length.map(|length| (length, body.get(..length))) {
        Some((length, Some(whole))) => {
            if length < body.len() {
                let more = body.len() - length;
                notes.push(format!("the capture has {more} bytes after the {length} of Content-Length: left out"));
            }
            Bytes::copy_from_slice(whole)
        }
        Some((length, None)) => {
            notes.push(format!("Content-Length says {length} bytes, but the body has {}: taken as it is", body.len()));
            Bytes::copy_from_slice(body)
        }
        None => Bytes::copy_from_slice(body),
    }
}

fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?.trim().split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        rest = rest.get(end + 1..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?;
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

/// The connection that a webhook URL of ours names.
fn connection(target: &str) -> Option<String> {
    let path = target.split('?').next()?;
    let mut segments = path.strip_prefix("/webhooks/")?.split('/');
    segments.next()?;
    segments.next().filter(|connection| !connection.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> (Bytes, usize) {
        let capture = parse(text.as_bytes()).expect("a request");
        (capture.request.body, capture.notes.len())
    }

    #[test]
    fn the_body_is_what_stands_after_the_empty_line_byte_for_byte() {
        assert_eq!(body("POST /a HTTP/1.1\r\nHost: x\r\n\r\n{\"a\":1}\r\n"), ("{\"a\":1}\r\n".into(), 0));
        assert_eq!(body("POST /a HTTP/1.1\nHost: x\n\n\n{\"a\":1}"), ("\n{\"a\":1}".into(), 0));
        assert_eq!(body("POST /a HTTP/1.1\n\nx"), ("x".into(), 0));
        assert_eq!(body("POST /a HTTP/1.1\nContent-Length: 2\n\nabc"), ("ab".into(), 1));
        assert_eq!(body("POST /a HTTP/1.1\nContent-Length: 4\n\nabc"), ("abc".into(), 1));
        assert_eq!(body("POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\n\r\n"), ("abc".into(), 0));
    }

    #[test]
    fn headers_are_kept_each_and_the_target_as_it_was_sent() {
        let text = "POST https://x.example/webhooks/a/b?q=%2F HTTP/1.1\r\nX_A: 1\r\nx-b:  2 \r\nX-B: 3\r\n\r\n";
        let request = parse(text.as_bytes()).expect("a request").request;
        assert_eq!(request.target, "/webhooks/a/b?q=%2F");
        assert_eq!(request.connection.as_deref(), Some("b"));
        assert_eq!(request.headers.get_all("x-b").iter().collect::<Vec<_>>(), ["2", "3"]);
        assert!(request.headers.contains_key("x_a"));
        for bad in
            ["", "POST /a HTTP/1.1\nHost: x", "POST\n\n", "POST a\n\n", "POST /a\nhost\n\n", "POST /a\nA: 1\n b\n\n"]
        {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
