//! How a template is read and written.

use std::{fmt, str::FromStr};

use super::{Canonical, Segment, Sum, Template, UrlForm};
use crate::provider::{Location, extract::LocationError};

/// Why a text is not a template. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("has a {{ at character {0} that is never closed; write }} after the place, or {{{{ for a brace")]
    OpenBrace(usize),
    /// A `}` without its `{`.
    #[error("has a }} at character {0} that closes nothing; write }}}} for a brace")]
    CloseBrace(usize),
    /// A `[` without its `]`.
    #[error("has a [ at character {0} that is never closed; write ] after the part, or [[ for a bracket")]
    OpenBracket(usize),
    /// A `]` without its `[`.
    #[error("has a ] at character {0} that closes nothing; write ]] for a bracket")]
    CloseBracket(usize),
    /// `[...]` inside `[...]`.
    #[error("has a [ at character {0} inside another [...]; close the first one before, or write [[ for a bracket")]
    Nested(usize),
    /// `[...]` without a place, which would never be left out.
    #[error("has a [...] at character {0} without a place; put a {{place}} in it, or write [[ and ]] for brackets")]
    NoPlace(usize),
    /// A backslash before anything but `n` or `\`.
    #[error("has a \\ at character {0} that starts no escape; write \\n for a line feed or \\\\ for a backslash")]
    Escape(usize),
    /// A text made by code that there is none of.
    #[error("has {1:?} at character {0}, which no code here makes; see the list in the documentation of providers")]
    Canonical(usize, String),
    /// A bad place that starts at a character.
    #[error("has at character {0} a place that {1}")]
    Place(usize, LocationError),
}

/// The characters not yet read, with the position of the next.
struct Reader<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    at: usize,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Reader { chars: text.chars().peekable(), at: 0 }.template(None)
    }
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.chars.next()
    }

    /// Takes the next character when it is this one.
    fn take(&mut self, c: char) -> bool {
        let same = self.chars.peek() == Some(&c);
        if same {
            self.next();
        }
        same
    }

    /// Reads to the end of the text, or of the `[...]` that was opened at a position.
    fn template(&mut self, opened: Option<usize>) -> Result<Template, TemplateError> {
        let mut parts: Vec<Segment> = Vec::new();
        while let Some(c) = self.next() {
            let at = self.at;
            let segment = match c {
                '{' if self.take('{') => literal('{'),
                '}' if self.take('}') => literal('}'),
                '[' if self.take('[') => literal('['),
                ']' if opened.is_none() && self.take(']') => literal(']'),
                '{' => self.place(at)?,
                '}' => return Err(TemplateError::CloseBrace(at)),
                '[' if opened.is_some() => return Err(TemplateError::Nested(at)),
                '[' => Segment::Optional(self.template(Some(at))?),
                ']' => return close(parts, opened, at),
                '\\' if self.take('n') => literal('\n'),
                '\\' if self.take('\\') => literal('\\'),
                '\\' => return Err(TemplateError::Escape(at)),
                c => literal(c),
            };
            push(&mut parts, segment);
        }
        match opened {
            Some(at) => Err(TemplateError::OpenBracket(at)),
            None => Ok(Template(parts)),
        }
    }

    fn place(&mut self, at: usize) -> Result<Segment, TemplateError> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('}') => break,
                Some(c) => text.push(c),
                None => return Err(TemplateError::OpenBrace(at)),
            }
        }
        match text.as_str() {
            "method" => return Ok(Segment::Method),
            "url" => return Ok(Segment::Url(UrlForm::Raw)),
            "url_decoded" => return Ok(Segment::Url(UrlForm::Decoded)),
            "url_with_port" => return Ok(Segment::Url(UrlForm::WithPort)),
            "url_without_query" => return Ok(Segment::Url(UrlForm::WithoutQuery)),
            "computed" => return Ok(Segment::Computed),
            "form:*" => return Ok(Segment::Form),
            "secret" => return Ok(Segment::Secret),
            _ => {}
        }
        if let Some(word) = text.strip_prefix("canonical:") {
            let known = Canonical::ALL.into_iter().find(|text| text.word() == word);
            return known.map(Segment::Canonical).ok_or_else(|| TemplateError::Canonical(at + 11, word.to_owned()));
        }
        for sum in [Sum::Sha256Hex, Sum::Sha256Base64, Sum::Sha256Base64Url, Sum::Crc32Decimal] {
            if let Some(name) = text.strip_prefix(sum.word()).and_then(|rest| rest.strip_prefix(':')) {
                let at = at + 1 + sum.word().len() + 1;
                let location = name.parse().map_err(|error| TemplateError::Place(at, error))?;
                return Ok(Segment::Sum { sum, location });
            }
        }
        let (name, open) = text.strip_suffix('!').map_or((text.as_str(), false), |name| (name, true));
        let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let location: Location = name.parse().map_err(|error| TemplateError::Place(at + 1, error))?;
        Ok(Segment::Place { location, optional, open })
    }
}

fn literal(c: char) -> Segment {
    Segment::Literal(c.to_string())
}

/// Adds a segment; text after text becomes one.
fn push(parts: &mut Vec<Segment>, segment: Segment) {
    match (parts.last_mut(), segment) {
        (Some(Segment::Literal(before)), Segment::Literal(text)) => before.push_str(&text),
        (_, segment) => parts.push(segment),
    }
}

/// Ends a `[...]` at a position.
fn close(parts: Vec<Segment>, opened: Option<usize>, at: usize) -> Result<Template, TemplateError> {
    let Some(start) = opened else { return Err(TemplateError::CloseBracket(at)) };
    let inner = Template(parts);
    if inner.places().is_empty() { Err(TemplateError::NoPlace(start)) } else { Ok(inner) }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => text.chars().try_for_each(|c| match c {
                '{' | '}' | '[' | ']' | '\\' => write!(f, "{c}{c}"),
                '\n' => f.write_str("\\n"),
                c => write!(f, "{c}"),
            }),
            Segment::Place { location, optional, open } => {
                write!(f, "{{{location}{}{}}}", if *optional { "?" } else { "" }, if *open { "!" } else { "" })
            }
            Segment::Sum { sum, location } => write!(f, "{{{}:{location}}}", sum.word()),
            Segment::Computed => f.write_str("{computed}"),
            Segment::Url(UrlForm::WithoutQuery) => f.write_str("{url_without_query}"),
            Segment::Form => f.write_str("{form:*}"),
            Segment::Canonical(text) => write!(f, "{{canonical:{}}}", text.word()),
            Segment::Secret => f.write_str("{secret}"),
            Segment::Method => f.write_str("{method}"),
            Segment::Url(UrlForm::Raw) => f.write_str("{url}"),
            Segment::Url(UrlForm::Decoded) => f.write_str("{url_decoded}"),
            Segment::Url(UrlForm::WithPort) => f.write_str("{url_with_port}"),
            Segment::Optional(inner) => write!(f, "[{inner}]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::Source;

    fn place(location: Source, optional: bool) -> Segment {
        Segment::Place { location: location.into(), optional, open: false }
    }

    #[test]
    fn a_template_is_text_with_places() {
        let template: Template = "v0:{header:x-time}:{body}\\n{{}}".parse().expect("a template");
        let expected = vec![
            Segment::Literal("v0:".into()),
            place(Source::Header("x-time".into()), false),
            Segment::Literal(":".into()),
            place(Source::Body, false),
            Segment::Literal("\n{}".into()),
        ];
        assert_eq!(template, Template(expected));
        assert!(template.always_covers(&Source::Body));
    }

    #[test]
    fn a_part_in_brackets_is_optional_and_so_is_a_place_with_a_question_mark() {
        let template: Template = "[id:{query:data.id};]{method}{url}{form:a?}[[1]]".parse().expect("a template");
        let inner = vec![
            Segment::Literal("id:".into()),
            place(Source::Query("data.id".into()), false),
            Segment::Literal(";".into()),
        ];
        let expected = vec![
            Segment::Optional(Template(inner)),
            Segment::Method,
            Segment::Url(UrlForm::Raw),
            place(Source::Form("a".into()), true),
            Segment::Literal("[1]".into()),
        ];
        assert_eq!(template, Template(expected));
        assert_eq!(template.places().len(), 2);
        let optional_body: Template = "[{body}]".parse().expect("a template");
        assert!(!optional_body.always_covers(&Source::Body));
    }

    #[test]
    fn a_template_is_written_as_it_is_read() {
        for text in [
            "{signature:t}.{body}{json:/a!}{json:/b?!}",
            "{{\"a\":\"{json:/challenge}\"}}",
            "[x{header:a}]\\n\\\\[[]]{query:b?}",
            "{url}{url_decoded}{url_with_port}{url_without_query}{form:*}{secret}{computed}",
            "{sha256hex:body}{sha256b64:body}{sha256b64url:json:/a}{crc32dec:body}",
            "",
        ] {
            assert_eq!(text.parse::<Template>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bad_template_is_refused_with_its_position_and_the_remedy() {
        for (text, why) in [
            ("{body", "{ at character 1 that is never closed; write } after the place, or {{ for a brace"),
            ("{body}}", "} at character 7 that closes nothing; write }} for a brace"),
            ("a[{body}", "[ at character 2 that is never closed"),
            ("{body}]", "] at character 7 that closes nothing"),
            ("[a[{body}]]", "[ at character 3 inside another"),
            ("a[b]", "[...] at character 2 without a place"),
            ("a\\t", "\\ at character 2 that starts no escape"),
            ("{boby}", "has at character 2 a place that starts with \"boby\""),
            (".{header:X}", "has at character 3 a place that has 'X' at character 8"),
            ("{}", "has at character 2 a place that is empty"),
        ] {
            let error = text.parse::<Template>().expect_err(text).to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_written_so_that_it_parses_to_the_same(text in "[a{}\\[\\]?:/n\\\\ .body]{0,24}") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string().parse::<Template>(), Ok(template));
            }
        }
    }
}
