//! Providers in files of the operator's own, which add to the catalogue or take the place of what is in it.
//!
//! A bad file never takes effect, and keeps nothing else from it: what served before goes on serving. At the first load,
//! when nothing served before, an integration that needs a bad file is an error; a built-in provider of that name does
//! not step in, because the operator has said that it is not the right one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use super::{Catalogue, Provider};
use crate::{
    Options, Place, Problem, Problems, ProviderName, Severity,
    read::{Sheet, Spot, Surroundings, Table, read_referred},
};

/// Most files of a folder.
const FILES_MAX: usize = 1_000;

/// Reads one provider from a file, whose name is the provider's; with it what a person should look at.
///
/// # Errors
/// With everything that is wrong.
pub fn read_file(path: &Path) -> Result<(Arc<Provider>, Problems), Problems> {
    let label = path.display().to_string();
    let unreadable =
        |message: String, remedy: &str| Problems::new(vec![whole(&label, message, remedy, Severity::Error)]);
    let bytes = read_referred(path).map_err(|why| unreadable(format!("can't be read ({why})"), "name another"))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8 text".to_owned(), "store it as text"))?;
    let name = name(path).map_err(|why| unreadable(why, "name it by the provider, such as acme-pay.toml"))?;
    let around = Surroundings::alone(Path::new(""), &|_| None, Options::default());
    let (provider, problems) = read(&label, name, &text, around);
    let problems = Problems::new(problems);
    match provider {
        Some(provider) if !problems.has_errors() => Ok((provider.into(), problems)),
        _ => Err(problems),
    }
}

/// Reads the text of a provider's file.
pub(super) fn read(
    label: &str,
    name: ProviderName,
    text: &str,
    around: Surroundings<'_>,
) -> (Option<Provider>, Vec<Problem>) {
    let sheet = Sheet::new(label, text, around);
    let (document, errors) = DeTable::parse_recoverable(text);
    let broken = !errors.is_empty();
    sheet.note_syntax(errors);
    let provider = if broken {
        None
    } else {
        let table = Table::root(&sheet, document.get_ref());
        let provider = Provider::read(&table, Some(name));
        table.finish();
        provider
    };
    (provider, sheet.into_parts().0)
}

/// Adds the providers of a folder to a catalogue, and gives those whose files are bad and that nothing stands in for.
pub(crate) fn add(catalogue: &mut Catalogue, folder: &Path, spot: &Spot<'_>) -> Vec<ProviderName> {
    let sheet = spot.sheet;
    let files = list(folder);
    sheet.note_folder(folder.to_owned(), files.as_ref().ok());
    let files = match files {
        Ok(files) => files,
        Err(why) => {
            spot.error(format!("is the folder {}, which {why}", folder.display()), "make it, or remove the setting");
            return Vec::new();
        }
    };
    let mut refused = Vec::new();
    for path in files {
        let label = path.display().to_string();
        let content = read_referred(&path);
        sheet.note_file(path.clone(), content.as_deref().ok());
        let name = match name(&path) {
            Ok(name) => name,
            Err(why) => {
                let remedy = "name it by the provider, such as acme-pay.toml";
                sheet.adopt(vec![whole(&label, why, remedy, Severity::Warning)]);
                continue;
            }
        };
        let (provider, mut problems) = match content.map(String::from_utf8) {
            Ok(Ok(text)) => read(&label, name.clone(), &text, sheet.around()),
            Ok(Err(_)) => (None, vec![whole(&label, "is not UTF-8 text".into(), "store it as text", Severity::Error)]),
            Err(why) => {
                let message = format!("can't be read ({why})");
                (None, vec![whole(&label, message, "make it readable to Gatepost", Severity::Error)])
            }
        };
        let good = provider.filter(|_| problems.iter().all(|problem| problem.severity == Severity::Warning));
        problems.iter_mut().for_each(|problem| problem.severity = Severity::Warning);
        match (good, sheet.served().and_then(|served| served.0.get(&name))) {
            (Some(provider), _) => {
                catalogue.0.insert(name, provider.into());
            }
            (None, Some(before)) => {
                catalogue.0.insert(name.clone(), Arc::clone(before));
                let message = format!("is refused; {name} goes on as it was");
                problems.push(whole(&label, message, "put right what is said of it", Severity::Warning));
            }
            (None, None) => {
                catalogue.0.remove(&name);
                let message = format!("is refused; {name} is not served");
                problems.push(whole(&label, message, "put right what is said of it", Severity::Warning));
                refused.push(name);
            }
        }
        sheet.adopt(problems);
    }
    refused
}

/// The files of a folder that are providers', sorted; why it can't be read, in words.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("can't be read ({error})"))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("can't be read ({error})"))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".toml") && !name.starts_with('.') {
            files.insert(name, path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("has more than {FILES_MAX} files"));
        }
    }
    Ok(files.into_values().collect())
}

/// The provider that a file is of.
fn name(path: &Path) -> Result<ProviderName, String> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.parse().map_err(|error| format!("has a name that {error}"))
}

/// A problem of a file as a whole.
fn whole(label: &str, message: String, remedy: &str, severity: Severity) -> Problem {
    let place = Place { file: label.into(), line: 1, column: 1 };
    Problem { place, key: String::new(), message, remedy: remedy.to_owned(), severity }
}
