//! Patterns over event types.

/// A pattern over the dot-separated segments of an event type.
///
/// `*` inside stands for exactly one segment, at the end for one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Any,
    Text(String),
}

impl Pattern {
    /// Reads a pattern. Any text is one: what is not `*` is compared as it stands.
    pub(crate) fn new(text: &str) -> Self {
        let segment = |part: &str| if part == "*" { Segment::Any } else { Segment::Text(part.to_owned()) };
        Self(text.split('.').map(segment).collect())
    }

    /// Whether an event type matches.
    pub(crate) fn matches(&self, kind: &str) -> bool {
        let mut parts = kind.split('.');
        let open_ended = matches!(self.0.last(), Some(Segment::Any));
        for segment in &self.0 {
            let Some(part) = parts.next() else { return false };
            match segment {
                Segment::Any => {}
                Segment::Text(text) if text == part => {}
                Segment::Text(_) => return false,
            }
        }
        open_ended || parts.next().is_none()
    }
}

/// Whether one of the patterns matches; no patterns at all match everything.
pub(crate) fn any_matches(patterns: &[Pattern], kind: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_inside_and_one_or_more_at_the_end() {
        for (pattern, kind, expected) in [
            ("github.push", "github.push", true),
            ("github.push", "github.push.x", false),
            ("github.push", "github.pus", false),
            ("github.push", "github", false),
            ("github.*", "github.push", true),
            ("github.*", "github.pull_request.opened", true),
            ("github.*", "github.a.b.c.d", true),
            ("github.*", "github", false),
            ("github.*", "githubx.push", false),
            ("github.pull_request.*", "github.pull_request.opened", true),
            ("github.pull_request.*", "github.pull_request", false),
            ("github.pull_request.*", "github.push.opened", false),
            ("github.*.opened", "github.pull_request.opened", true),
            ("github.*.opened", "github.issues.opened", true),
            ("github.*.opened", "github.opened", false),
            ("github.*.opened", "github.a.b.opened", false),
            ("github.*.opened", "github.a.opened.b", false),
            ("*.push", "github.push", true),
            ("*.push", "gitlab.push", true),
            ("*.push", "push", false),
            ("*.*", "github.push", true),
            ("*.*", "github.push.x", true),
            ("*.*", "github", false),
            ("*", "github", true),
            ("*", "github.push.x", true),
            ("git*", "github", false),
            ("GitHub.push", "github.push", false),
            ("", "github", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(kind), expected, "{pattern:?} on {kind:?}");
        }
    }

    #[test]
    fn no_patterns_match_everything_and_one_of_several_is_enough() {
        assert!(any_matches(&[], "github.push"));
        let some = [Pattern::new("stripe.*"), Pattern::new("github.push")];
        assert!(any_matches(&some, "github.push"));
        assert!(!any_matches(&some, "slack.message"));
    }
}
