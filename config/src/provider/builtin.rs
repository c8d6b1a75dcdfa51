//! The files of the catalogue, part of the program.

use std::{path::Path, sync::LazyLock};

use super::{Catalogue, overlay};
use crate::{Options, problem::Problem, read::Surroundings};

/// Each provider's name with its file, in the order of the alphabet.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/providers.rs"));

static BUILTIN: LazyLock<(Catalogue, Vec<Problem>)> = LazyLock::new(|| read(FILES));

pub(super) fn catalogue() -> Catalogue {
    BUILTIN.0.clone()
}

fn read(files: &[(&str, &str)]) -> (Catalogue, Vec<Problem>) {
    let mut catalogue = Catalogue::default();
    let mut problems = Vec::new();
    for (name, text) in files {
        let around = Surroundings::alone(Path::new(""), &|_| None, Options::default());
        let Ok(id) = name.parse() else { continue };
        let (provider, wrong) = overlay::read(&format!("providers/{name}.toml"), id, text, around);
        problems.extend(wrong);
        if let Some(provider) = provider {
            catalogue.0.insert(provider.name.clone(), provider.into());
        }
    }
    (catalogue, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Problems, Provider};

    #[test]
    fn every_file_of_the_catalogue_is_part_of_the_program_and_has_no_problem() {
        let problems = Problems::new(BUILTIN.1.clone());
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(Catalogue::builtin().0.len(), FILES.len());
        assert!(FILES.iter().any(|(name, _)| *name == "github"), "the folder was not listed");
    }

    #[test]
    fn every_provider_that_comes_with_gatepost_is_proven_and_says_how_well_it_is_known() {
        let providers = Catalogue::builtin().0;
        let without = |lacks: fn(&Provider) -> bool| {
            providers.values().filter(|p| lacks(p)).map(|p| p.name.to_string()).collect::<Vec<_>>()
        };
        let none = Vec::<String>::new();
        assert_eq!(without(|p| p.vectors.is_empty()), none, "these lack a [[vector]]");
        assert_eq!(without(|p| p.confidence.is_none()), none, "these lack confidence");
        assert_eq!(without(|p| p.category.is_none()), none, "these lack a category");
    }

    #[test]
    fn every_provider_of_batches_has_a_vector_of_two_items() {
        let two = |p: &Provider| p.vectors.iter().filter_map(|v| v.expect.as_ref()).any(|events| events.len() > 1);
        let providers = Catalogue::builtin().0;
        let lacking: Vec<_> = providers.values().filter(|p| p.batch.is_some() && !two(p)).map(|p| &p.name).collect();
        assert_eq!(lacking, Vec::<&crate::ProviderName>::new(), "these lack a [[vector]] that expects two events");
    }
}
