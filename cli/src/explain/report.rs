//! What `gatepost explain` prints.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::{Timestamp, provider::Trust};
use gatepost_gateway::explain::Diagnosis;
use serde_json::{Value, json};

use crate::style::{self, BAD, BOLD, DIM, GOOD};

/// Most bytes of a signed text that people are shown from its start, and from its end.
const SHOWN_BYTES_MAX: usize = 1_024;
/// Most bytes of a signed text that machines are given.
const GIVEN_BYTES_MAX: usize = 256 * 1_024;

/// A diagnosis, to be printed.
pub(super) struct Report<'a> {
    pub(super) provider: &'a str,
    pub(super) now: Timestamp,
    pub(super) diagnosis: &'a Diagnosis,
    pub(super) notes: &'a [String],
}

impl Report<'_> {
    /// For people.
    pub(super) fn text(&self) {
        let diagnosis = self.diagnosis;
        match diagnosis.code {
            None => style::line(&format!("{} {}", style::paint(GOOD, "valid"), self.provider)),
            Some(code) => style::line(&format!("{} {} {code}", style::paint(BAD, "refused"), self.provider)),
        }
        style::line(&format!("  {}", diagnosis.detail));
        if !diagnosis.remedy.is_empty() {
            style::line(&format!("  {}", style::paint(BOLD, &diagnosis.remedy)));
        }
        for note in self.notes {
            style::line(&format!("  {}", style::paint(DIM, &format!("({note})"))));
        }
        if let Some(text) = &diagnosis.signed {
            style::line(&format!("\nThe signature must be of these {} bytes:\n{}", text.len(), shown(text)));
        }
        if let Some(text) = &diagnosis.provider_signed {
            style::line(&format!("\nIt is of these {}:\n{}", text.len(), shown(text)));
        }
    }

    /// For machines.
    pub(super) fn json(&self) {
        let diagnosis = self.diagnosis;
        let passed = diagnosis.verdict.as_ref().ok();
        let trust = passed.map(|passed| match passed.trust {
            Trust::Verified => "verified",
            Trust::Authenticated => "authenticated",
            Trust::Unverified => "unverified",
        });
        let report = json!({
            "valid": passed.is_some(),
            "reason": diagnosis.code,
            "refusal": diagnosis.verdict.as_ref().err().map(|reason| reason.code()),
            "provider": self.provider,
            "scheme": diagnosis.scheme,
            "trust": trust,
            "signed": text(diagnosis.signed.as_deref()),
            "signed_base64": base64(diagnosis.signed.as_deref()),
            "signed_bytes": diagnosis.signed.as_ref().map(Vec::len),
            "provider_signed": text(diagnosis.provider_signed.as_deref()),
            "provider_signed_base64": base64(diagnosis.provider_signed.as_deref()),
            "detail": diagnosis.detail,
            "remedy": diagnosis.remedy,
            "at": self.now.to_string(),
            "notes": self.notes,
        });
        style::line(&report.to_string());
    }
}

fn given(bytes: Option<&[u8]>) -> Option<&[u8]> {
    bytes.map(|bytes| bytes.get(..GIVEN_BYTES_MAX).unwrap_or(bytes))
}

fn text(bytes: Option<&[u8]>) -> Value {
    given(bytes).and_then(|bytes| std::str::from_utf8(bytes).ok()).into()
}

/// What is no text, in base64.
fn base64(bytes: Option<&[u8]>) -> Value {
    given(bytes).filter(|bytes| std::str::from_utf8(bytes).is_err()).map(|bytes| STANDARD.encode(bytes)).into()
}

/// A text with what can't be seen written out, its middle left out when it is long.
fn shown(text: &[u8]) -> String {
    let end = text.len().saturating_sub(SHOWN_BYTES_MAX);
    match (text.get(..SHOWN_BYTES_MAX), text.get(end..)) {
        (Some(first), Some(last)) if text.len() > 2 * SHOWN_BYTES_MAX => {
            let left_out = text.len().saturating_sub(2 * SHOWN_BYTES_MAX);
            format!("{}\n... {left_out} bytes ...\n{}", escaped(first), escaped(last))
        }
        _ => escaped(text),
    }
}

fn escaped(text: &[u8]) -> String {
    let chunk = |chunk: std::str::Utf8Chunk<'_>| {
        let seen: String = chunk.valid().chars().map(visible).collect();
        let raw: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        seen + &raw
    };
    text.utf8_chunks().map(chunk).collect()
}

fn visible(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}') => {
            c.escape_unicode().to_string()
        }
        c => c.to_string(),
    }
}
