//! What is declared elsewhere than in the file, read as the file is.

use std::path::Path;

use serde::Serialize;
use toml::de::DeTable;

use super::{Options, check};
use crate::{
    Destination, Problems,
    read::{Sheet, Surroundings, Table},
};

/// Reads a destination with the settings of a `[[destination]]`. Its secrets are written `{ sealed = "name" }`, and `sealed`
/// tells what is behind a name; references to the environment and to files are refused.
///
/// # Errors
/// With everything that is wrong. The places in it are those of a TOML text that nobody sees: tell the keys.
pub fn destination(
    settings: &impl Serialize,
    sealed: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Destination, Problems> {
    // What TOML can't say is no setting either.
    let text = toml::to_string(settings).unwrap_or_default();
    let options = Options::default();
    let around = Surroundings { sealed: Some(sealed), ..Surroundings::alone(Path::new(""), &|_| None, options) };
    let sheet = Sheet::new("the request", &text, around);
    let (document, errors) = DeTable::parse_recoverable(&text);
    let mut read = None;
    if errors.is_empty() {
        let table = Table::root(&sheet, document.get_ref());
        read = Destination::read(&table);
        table.finish();
        if let Some(destination) = &read {
            check::destination(&table, destination);
        }
    } else {
        sheet.note_syntax(errors);
    }
    let (problems, _) = sheet.into_parts();
    let problems = Problems::new(problems);
    match read {
        Some(destination) if !problems.has_errors() => Ok(destination),
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";

    fn read(text: &str) -> Result<Destination, String> {
        let settings: BTreeMap<String, toml::Value> = toml::from_str(text).expect("a test's own TOML");
        let sealed = |name: &str| (name == "one").then(|| SECRET.as_bytes().to_vec());
        destination(&settings, &sealed).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_destination_is_read_as_one_of_the_file_but_for_what_only_the_file_may_say() {
        let good = "id = \"a\"\nurl = \"https://example.com/hooks\"\nrate = \"5/s\"\nsecrets = [{ sealed = \"one\" }]";
        let made = read(good).expect("good");
        assert_eq!((made.secrets.len(), made.secrets[0].source()), (1, "the request"));
        for (from, to, said) in [
            ("https://example.com/hooks", "http://localhost/hooks", "url is on this machine"),
            ("rate =", "rat =", "rat is no known setting"),
            ("sealed = \"one\"", "sealed = \"two\"", "secrets[0] has a secret that is not there"),
            ("sealed = \"one\"", "env = \"PATH\"", "secrets[0].env is no known setting"),
            ("sealed = \"one\"", "file = \"/etc/passwd\"", "secrets[0].file is no known setting"),
            ("\"https://example.com/hooks\"", "{ env = \"PATH\" }", "url.env is no known setting"),
        ] {
            let error = read(&good.replace(from, to)).expect_err(to);
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
