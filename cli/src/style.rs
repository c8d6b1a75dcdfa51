//! Colour and layout of what people read. Colour goes only where a terminal shows it (and `NO_COLOR` is unset).

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What is there but not the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Success.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Failure.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();

/// A text in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Writes a line to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Writes an error to standard error.
pub(crate) fn error(message: &str) {
    note(&format!("{} {message}", paint(BAD, "error:")));
}

/// Writes a warning to standard error.
pub(crate) fn warning(message: &str) {
    note(&format!("{} {message}", paint(WARN, "warning:")));
}
