//! A file being read, and what its references resolve against.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Catalogue, Options, ProviderName,
    problem::{Place, Problem, Severity},
    reload::{Fingerprint, hash},
};

/// What is behind the name of a secret.
pub(crate) type SealedSecrets<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// What references in a file resolve against.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The environment.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// The folder that relative `{ file = ... }` start at.
    pub(crate) folder: &'a Path,
    /// How to read.
    pub(crate) options: Options,
    /// The catalogue in use, when there is one already: what it holds goes on when its file goes bad.
    pub(crate) served: Option<&'a Catalogue>,
    /// What stands for secrets where the text is no file of the operator's: they are named in it, and nothing else of this
    /// machine may be.
    pub(crate) sealed: Option<&'a SealedSecrets<'a>>,
}

impl<'a> Surroundings<'a> {
    /// Those of a file that is read for the first time.
    pub(crate) fn alone(folder: &'a Path, env: &'a dyn Fn(&str) -> Option<String>, options: Options) -> Self {
        Self { env, folder, options, served: None, sealed: None }
    }
}

/// A text being read, with the problems found so far.
pub(crate) struct Sheet<'a> {
    name: Arc<str>,
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
    pub(super) around: Surroundings<'a>,
    /// What an integration may name; set once the file's own providers are read.
    pub(crate) catalogue: OnceCell<Catalogue>,
    /// Whether every provider of the file could be read. If not, an unknown one may still be right.
    pub(crate) catalogue_is_complete: Cell<bool>,
    /// Providers of the folder that can't be used.
    pub(crate) refused: OnceCell<Vec<ProviderName>>,
    problems: RefCell<Vec<Problem>>,
    files: RefCell<BTreeMap<PathBuf, Option<[u8; 32]>>>,
    folders: RefCell<BTreeMap<PathBuf, Option<Vec<PathBuf>>>>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(name: &str, text: &'a str, around: Surroundings<'a>) -> Self {
        Self {
            name: name.into(),
            text,
            lines: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            around,
            catalogue: OnceCell::new(),
            catalogue_is_complete: Cell::new(true),
            refused: OnceCell::new(),
            problems: RefCell::default(),
            files: RefCell::default(),
            folders: RefCell::default(),
        }
    }

    /// Notes a problem at a span of bytes.
    pub(crate) fn note(&self, severity: Severity, span: &Range<usize>, key: &str, message: String, remedy: String) {
        let place = self.place(span.start);
        self.problems.borrow_mut().push(Problem { place, key: key.to_owned(), message, remedy, severity });
    }

    /// Notes what keeps the text from being TOML.
    pub(crate) fn note_syntax(&self, errors: Vec<toml::de::Error>) {
        let is_repeat = |error: &toml::de::Error| error.message() == "duplicate key";
        // What the parser makes of a broken line often repeats a key that the file has once.
        let only_repeats = errors.iter().all(is_repeat);
        for error in errors.into_iter().filter(|error| only_repeats || !is_repeat(error)) {
            let span = error.span().unwrap_or(0..0);
            let message = format!("is no TOML here ({})", error.message());
            self.note(Severity::Error, &span, "", message, "see https://toml.io for how it is written".to_owned());
        }
    }

    /// A path that the file names: a relative one starts at the file's folder.
    pub(crate) fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.around.folder.join(written)
    }

    /// Notes the content of a file that a reference names, or that it couldn't be read.
    pub(crate) fn note_file(&self, path: PathBuf, content: Option<&[u8]>) {
        self.files.borrow_mut().insert(path, content.map(hash));
    }

    /// What is wrong with an expression over a variable, if something is.
    pub(crate) fn refuses_expression(&self, expression: &str, variable: &str) -> Option<String> {
        self.around.options.check_filter.and_then(|check| check(expression, variable).err())
    }

    /// How a public key is checked.
    pub(crate) fn check_public_key(&self) -> Option<crate::PublicKeyCheck> {
        self.around.options.check_public_key
    }

    /// Notes which files a folder has, or that it couldn't be read.
    pub(crate) fn note_folder(&self, path: PathBuf, files: Option<&Vec<PathBuf>>) {
        self.folders.borrow_mut().insert(path, files.cloned());
    }

    /// What references resolve against.
    pub(crate) fn around(&self) -> Surroundings<'a> {
        self.around
    }

    /// The catalogue in use.
    pub(crate) fn served(&self) -> Option<&'a Catalogue> {
        self.around.served
    }

    /// Whether what stands for secrets is not their bytes.
    pub(crate) fn is_without_secrets(&self) -> bool {
        self.around.options.without_secrets
    }

    /// Adds the problems of another sheet.
    pub(crate) fn adopt(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// The problems found, and what the text and the files that references named were.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Fingerprint) {
        (self.problems.into_inner(), Fingerprint::new(self.text, self.files.into_inner(), self.folders.into_inner()))
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(start..offset).unwrap_or_default().chars().count() + 1;
        Place { file: Arc::clone(&self.name), line, column }
    }
}
