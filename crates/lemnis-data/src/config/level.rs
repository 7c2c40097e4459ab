//! The levels of configuration, from the machine's to the one beside a repository's own, and their files.
//!
//! A path is kept relative to the file that names it, so that a repository can move; `~` stays as written.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::ini::{Document, Entry, Spelling, Value, split_named};
use super::schema;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;

/// Where an option is kept; each level shadows those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For all users of the machine.
    System,
    /// For all repositories of the user.
    Global,
    /// `.dvc/config`, which Git shares.
    Repo,
    /// `.dvc/config.local`, which stays on this machine.
    Local,
}

impl Level {
    /// All levels, the weakest first.
    pub const ALL: [Self; 4] = [Self::System, Self::Global, Self::Repo, Self::Local];
}

/// The files of all levels.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// `.dvc` of the repository, outside of which only the first two levels exist.
    pub(crate) dvc_dir: Option<PathBuf>,
    /// Where relative paths on the command line start.
    pub(crate) cwd: PathBuf,
    pub(crate) environment: Environment,
}

impl Files {
    /// Where a level is kept; `None` where it does not exist.
    pub(crate) fn path(&self, level: Level) -> Option<PathBuf> {
        match level {
            Level::System => self.environment.system_config_dir().map(|dir| dir.join("config")),
            Level::Global => self.environment.global_config_dir().map(|dir| dir.join("config")),
            Level::Repo => self.dvc_dir.as_ref().map(|dir| dir.join("config")),
            Level::Local => self.dvc_dir.as_ref().map(|dir| dir.join("config.local")),
        }
    }

    /// Whether a level has a file.
    pub(crate) fn exists(&self, level: Level) -> bool {
        self.path(level).is_some_and(|path| path.exists())
    }

    /// What a level says, its paths absolute.
    pub(crate) fn load(&self, level: Level) -> Result<Document> {
        let Some(path) = self.path(level) else { return Ok(Document::default()) };
        let Some(text) = fsx::read_text(&path)? else { return Ok(Document::default()) };
        let mut document = Document::parse(&text, &self.shown(&path))?;
        let dir = fsx::normalize(&self.cwd, path.parent().unwrap_or(Path::new("/")));
        let home = self.environment.home().map(Path::to_path_buf);
        for_paths(&mut document, |entry| resolve(entry, &dir, home.as_deref()));
        Ok(document)
    }

    /// What all levels below `level`, or all, say together.
    pub(crate) fn merged(&self, below: Option<Level>) -> Result<Document> {
        let mut merged = Document::default();
        for level in Level::ALL.into_iter().take_while(|level| Some(*level) != below) {
            merge(&mut merged, &self.load(level)?);
        }
        Ok(merged)
    }

    /// Changes a level through `edit`. The result is checked before the file is touched.
    pub(crate) fn edit(&self, level: Level, edit: impl FnOnce(&mut Document) -> Result<()>) -> Result<()> {
        let path = self.path(level).ok_or_else(Error::no_level)?;
        let mut document = self.load(level)?;
        edit(&mut document)?;
        let dir = fsx::normalize(&self.cwd, path.parent().unwrap_or(Path::new("/")));
        let mut merged = self.merged(Some(level))?;
        for_paths(&mut document, |entry| store(entry, &dir, &self.cwd));
        merge(&mut merged, &document);
        schema::validate(&merged)?;
        let text = document.render()?;
        fsx::create_dirs(&dir)?;
        fsx::write_text(&path, &text)
    }

    fn shown(&self, path: &Path) -> String {
        match self.dvc_dir.as_ref().and_then(|dir| dir.parent()) {
            Some(root) if path.starts_with(root) => fsx::relative(path, root),
            _ => path.display().to_string(),
        }
    }
}

/// Lays `update` over `into`.
pub(crate) fn merge(into: &mut Document, update: &Document) {
    for (header, section) in &update.sections {
        let target = into.sections.entry(header.clone()).or_default();
        for (option, entry) in &section.entries {
            target.entries.insert(option.clone(), entry.clone());
        }
    }
}

/// Whether an option holds a path.
fn is_path(header: &str, option: &str) -> bool {
    match split_named(header) {
        Some(("remote", _)) => matches!(
            option,
            "url"
                | "gdrive_user_credentials_file"
                | "gdrive_service_account_json_file_path"
                | "credentialpath"
                | "configpath"
                | "keyfile"
                | "cert_path"
                | "key_path"
        ),
        Some(("machine", _)) => matches!(option, "startup_script" | "setup_script"),
        Some(_) => false,
        None => header == "cache" && option == "dir",
    }
}

fn for_paths(document: &mut Document, act: impl Fn(&mut Entry)) {
    for (header, section) in &mut document.sections {
        let entries: &mut IndexMap<String, Entry> = &mut section.entries;
        for (option, entry) in entries {
            if is_path(header, option) {
                act(entry);
            }
        }
    }
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|ch| ch.is_alphanumeric() || ch == '_')
    })
}

fn resolve(entry: &mut Entry, dir: &Path, home: Option<&Path>) {
    let Some(text) = entry.value.text().map(str::to_owned) else { return };
    if is_url(&text) || text.starts_with('/') {
        return;
    }
    let in_home = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let (path, spelling) = match in_home.zip(home) {
        Some((rest, home)) => {
            (format!("{}{rest}", home.display().to_string().trim_end_matches('/')), Spelling::Home(text))
        }
        None => (fsx::normalize(dir, Path::new(&text)).display().to_string(), Spelling::Relative),
    };
    entry.value = Value::One(path);
    entry.spelling = spelling;
}

/// The reverse of [`resolve`]; what was just typed starts at `cwd`.
fn store(entry: &mut Entry, dir: &Path, cwd: &Path) {
    let Some(text) = entry.value.text().map(str::to_owned) else { return };
    let stored = match std::mem::take(&mut entry.spelling) {
        Spelling::Home(text) => text,
        Spelling::Relative => fsx::relative(Path::new(&text), dir),
        Spelling::Plain if is_url(&text) || text.starts_with(['/', '~']) => text,
        Spelling::Plain => fsx::relative(&fsx::normalize(cwd, Path::new(&text)), dir),
    };
    entry.value = Value::One(stored);
}
