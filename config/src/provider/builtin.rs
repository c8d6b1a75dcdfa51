//! The files of the catalogue, part of the program.

use std::{path::Path, sync::LazyLock};

use toml::de::DeTable;

use super::Catalogue;
use crate::{
    Options, Provider,
    problem::Problem,
    read::{Sheet, Surroundings, Table},
};

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../providers/", $name, ".toml")))),*]
    };
}

/// Each provider's name with its file, in the order of the alphabet.
const FILES: &[(&str, &str)] = files! {
    "github"
    "slack"
    "standard-webhooks"
    "stripe"
};

static BUILTIN: LazyLock<(Catalogue, Vec<Problem>)> = LazyLock::new(|| read(FILES));

pub(super) fn catalogue() -> Catalogue {
    BUILTIN.0.clone()
}

fn read(files: &[(&str, &str)]) -> (Catalogue, Vec<Problem>) {
    let mut catalogue = Catalogue::default();
    let mut problems = Vec::new();
    for (name, text) in files {
        let around = Surroundings { env: &|_| None, folder: Path::new(""), options: Options::default() };
        let sheet = Sheet::new(&format!("providers/{name}.toml"), text, around);
        let (document, errors) = DeTable::parse_recoverable(text);
        sheet.note_syntax(errors);
        let provider = match name.parse() {
            Ok(name) => {
                let table = Table::root(&sheet, document.get_ref());
                let provider = Provider::read(&table, Some(name));
                table.finish();
                provider
            }
            Err(_) => None,
        };
        problems.extend(sheet.into_parts().0);
        if let Some(provider) = provider {
            catalogue.0.insert(provider.name.clone(), provider.into());
        }
    }
    (catalogue, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problems;

    #[test]
    fn every_file_of_the_catalogue_is_part_of_the_program_and_has_no_problem() {
        let problems = Problems::new(BUILTIN.1.clone());
        assert!(problems.is_empty(), "{problems}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
        let mut present: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into()))
            .collect();
        present.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(present, listed);
        assert_eq!(Catalogue::builtin().0.len(), FILES.len());
    }
}
