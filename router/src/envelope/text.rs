//! Whether bytes may be spliced into JSON.

use serde::de::IgnoredAny;

/// Deepest nesting that is spliced; common parsers refuse what is deeper.
const DEPTH_MAX: usize = 128;

/// Whether `body` is exactly one JSON text in UTF-8, without a byte order mark, at most 128 levels deep.
pub(crate) fn is_one_json_text(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    // The grammar is checked to the last byte; nothing is kept of it.
    serde_json::from_str::<IgnoredAny>(text).is_ok() && (opened(body) <= DEPTH_MAX || depth(body) <= DEPTH_MAX)
}

/// How many arrays and objects begin in a text, or seem to: it can't be nested deeper than that.
fn opened(json: &[u8]) -> usize {
    // Counted so that the compiler may take many bytes in one step: `count` checks for overflow at each, and a number that
    // is as short as a byte has room beside fifteen others.
    let few =
        |bytes: &[u8]| bytes.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from(matches!(byte, b'[' | b'{'))));
    json.chunks(usize::from(u8::MAX)).map(|bytes| usize::from(few(bytes))).sum()
}

/// How deep arrays and objects are nested in a text that is known to be JSON.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut open, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_json_text_may_be_spliced() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n)).into_bytes();
        for good in [
            &b"{}"[..],
            b"null",
            b"1",
            b"-0.5e+3",
            b"\"x\"",
            b" \t\r\n{\"a\": [1, true]} \n",
            b"{\"a\":1,\"a\":2}",
            b"\"\\ud800\"",
            b"{\"a\":\"}\\\"{\"}",
            b"92233720368547758079",
            &deep(128),
        ] {
            assert!(is_one_json_text(good), "{}", String::from_utf8_lossy(good));
        }
        for bad in [
            &b""[..],
            b" ",
            b"{",
            b"{\"a\":1},\"tenant\":\"x\",\"y\":{}",
            b"{}{}",
            b"{} {}",
            b"1 2",
            b"{}x",
            b"{},",
            b"{}\0",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\xed\xa0\x80\"}",
            b"\"a\nb\"",
            b"\"a\0b\"",
            b"{'a':1}",
            b"{a:1}",
            b"[1,]",
            b"{\"a\":1,}",
            b"01",
            b"+1",
            b".5",
            b"1.",
            b"NaN",
            b"Infinity",
            b"// x\n{}",
            b"\xa0{}",
            b"\xc2\xa0{}",
            b"\x0b{}",
            b"\xff\xfe{\0}\0",
            &deep(129),
            &deep(100_000),
            &b"[".repeat(100_000),
        ] {
            let shown: String = String::from_utf8_lossy(bad).chars().take(60).collect();
            assert!(!is_one_json_text(bad), "{shown}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_depth() {
        assert_eq!(depth(br#"{"a":"[[[{{{\"[[\\"}"#), 1);
        assert_eq!(depth(b"[[1],[[2]]]"), 3);
        assert_eq!(depth(b"1"), 0);
    }
}
