//! Reading and changing the configuration: what `config`, `remote` and `cache dir` do.
//!
//! A change is checked together with the weaker levels before the file is touched; an error leaves it as it was.

use std::path::{Path, PathBuf};

use crate::config::ini::{Document, Entry, Section, named, split_named};
use crate::config::level::{Files, Level, merge};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::find_root;

/// The configuration as seen from a directory, which may lie outside any repository.
#[derive(Clone, Debug)]
pub struct Settings {
    files: Files,
}

/// The name of an option: `section.option`, `remote.NAME.option` or `db.NAME.option`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionName {
    header: String,
    option: String,
}

impl OptionName {
    /// Reads a name; `None` when it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let parts: Vec<&str> = text.split('.').collect();
        let (header, option) = match parts[..] {
            [section, option] => (section.to_owned(), option),
            [kind @ ("remote" | "db"), name, option] => (named(kind, name), option),
            _ => return None,
        };
        Some(Self { header, option: option.to_owned() })
    }
}

/// A remote as `remote list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RemoteEntry {
    /// Its name.
    pub name: String,
    /// Its URL, or absolute path.
    pub url: String,
    /// Whether it is the default one.
    pub default: bool,
}

impl Settings {
    /// The configuration that holds in `start`.
    pub fn open(start: &Path, environment: &Environment) -> Result<Self> {
        let cwd = std::path::absolute(start).map_err(Error::io("look at", start))?;
        let cwd = fsx::normalize(&cwd, Path::new(""));
        let dvc_dir = find_root(&cwd).map(|root| root.join(".dvc"));
        Ok(Self { files: Files { dvc_dir, cwd, environment: environment.clone() } })
    }

    /// The file of a level, relative to the repository's root where it lies inside.
    pub fn origin(&self, level: Level) -> Option<String> {
        let path = self.files.path(level)?;
        Some(match self.files.dvc_dir.as_ref().and_then(|dir| dir.parent()) {
            Some(root) if path.starts_with(root) => fsx::relative(&path, root),
            _ => path.display().to_string(),
        })
    }

    fn levels(&self, level: Option<Level>) -> Result<Vec<Level>> {
        match level {
            Some(level) if self.files.path(level).is_none() => Err(Error::no_level()),
            Some(level) => Ok(vec![level]),
            None => Ok(Level::ALL.into_iter().filter(|level| self.files.path(*level).is_some()).collect()),
        }
    }

    /// Every option and its value at one level, or at each of them, the weakest first.
    pub fn list(&self, level: Option<Level>) -> Result<Vec<(Level, String, String)>> {
        let mut out = Vec::new();
        for level in self.levels(level)? {
            let document = self.files.load(level)?;
            let (own, plain): (Vec<_>, Vec<_>) =
                document.sections.iter().partition(|(header, _)| split_named(header).is_some());
            for (header, section) in own.into_iter().chain(plain) {
                let prefix = match split_named(header) {
                    Some((kind, name)) => format!("{kind}.{name}"),
                    None => header.clone(),
                };
                out.extend(
                    section
                        .entries
                        .iter()
                        .map(|(option, entry)| (level, format!("{prefix}.{option}"), entry.value.show())),
                );
            }
        }
        Ok(out)
    }

    /// The value of an option and the strongest level that sets it. At a given level it must be set.
    pub fn get(&self, level: Option<Level>, name: &OptionName) -> Result<Option<(Level, String)>> {
        for at in self.levels(level)?.into_iter().rev() {
            match option_of(&self.files.load(at)?, name) {
                Ok(entry) => return Ok(Some((at, entry.value.show()))),
                Err(error) if level.is_some() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Sets an option, in `.dvc/config` unless another level is given.
    pub fn set(&self, level: Option<Level>, name: &OptionName, value: &str) -> Result<()> {
        self.files.edit(level.unwrap_or(Level::Repo), |document| {
            document.sections.entry(name.header.clone()).or_default().set(&name.option, value);
            Ok(())
        })
    }

    /// Takes an option out, or `remote.NAME` and `db.NAME` as a whole; it must be there.
    pub fn unset(&self, level: Option<Level>, name: &OptionName) -> Result<()> {
        self.files.edit(level.unwrap_or(Level::Repo), |document| {
            if matches!(name.header.as_str(), "remote" | "db") {
                let header = named(&name.header, &name.option);
                let missing = || Error::config(format!("there is no section '{header}'"));
                return document.sections.shift_remove(&header).map(drop).ok_or_else(missing);
            }
            option_of(document, name)?;
            if let Some(section) = document.sections.get_mut(&name.header) {
                section.entries.shift_remove(&name.option);
            }
            Ok(())
        })
    }

    /// Where cache objects lie: as configured, else in the repository.
    pub fn cache_dir(&self, level: Option<Level>) -> Result<PathBuf> {
        let name = OptionName { header: "cache".into(), option: "dir".into() };
        match (self.get(level, &name)?, &self.files.dvc_dir) {
            (Some((_, dir)), _) => Ok(dir.into()),
            (None, Some(dvc_dir)) => Ok(dvc_dir.join("cache")),
            (None, None) => option_of(&Document::default(), &name).map(|_| PathBuf::new()),
        }
    }

    /// Adds a remote, the default one if asked for; one of that name is replaced only with `force`.
    pub fn add_remote(
        &self,
        level: Option<Level>,
        name: &str,
        url: &str,
        default: bool,
        force: bool,
    ) -> Result<()> {
        let name = name.to_lowercase();
        self.files.edit(level.unwrap_or(Level::Repo), |document| {
            let header = named("remote", &name);
            if document.sections.contains_key(&header) && !force {
                return Err(Error::config_hinted(
                    format!("the remote '{name}' already exists"),
                    "replace it with `--force`, or choose another name",
                ));
            }
            let mut section = Section::default();
            section.set("url", url);
            document.sections.insert(header, section);
            if default {
                document.sections.entry("core".into()).or_default().set("remote", &name);
            }
            Ok(())
        })
    }

    /// Sets an option of a remote, or takes it out.
    pub fn modify_remote(
        &self,
        level: Option<Level>,
        name: &str,
        option: &str,
        value: Option<&str>,
    ) -> Result<()> {
        let (name, option) = (name.to_lowercase(), option.to_lowercase());
        let header = named("remote", &name);
        let level = level.unwrap_or(Level::Repo);
        let weaker = self.files.merged(Some(level))?;
        self.files.edit(level, |document| {
            if !document.sections.contains_key(&header) && !weaker.sections.contains_key(&header) {
                return Err(no_remote(&name));
            }
            let section = document.sections.entry(header.clone()).or_default();
            match value {
                Some(value) => section.set(&option, value),
                None => {
                    section.entries.shift_remove(&option);
                }
            }
            Ok(())
        })
    }

    /// Takes a remote out, and forgets it as the default one.
    pub fn remove_remote(&self, level: Option<Level>, name: &str) -> Result<()> {
        let name = name.to_lowercase();
        let level = level.unwrap_or(Level::Repo);
        let gone = named("remote", &name);
        self.files.edit(level, |document| {
            document.sections.shift_remove(&gone).map(drop).ok_or_else(|| no_remote(&name))
        })?;
        for at in self.shadowing(level, true) {
            self.follow_default(at, &name, None)?;
        }
        Ok(())
    }

    /// Gives a remote another name, also where it is the default one.
    pub fn rename_remote(&self, level: Option<Level>, name: &str, new: &str) -> Result<()> {
        let (name, new) = (name.to_lowercase(), new.to_lowercase());
        let level = level.unwrap_or(Level::Repo);
        if self.files.merged(None)?.sections.contains_key(&named("remote", &new)) {
            return Err(Error::config(format!("the remote '{new}' already exists")));
        }
        self.files.edit(level, |document| {
            let section = document.sections.shift_remove(&named("remote", &name));
            document.sections.insert(named("remote", &new), section.ok_or_else(|| no_remote(&name))?);
            if let Some(core) = document.sections.get_mut("core").filter(|core| is_default(core, &name)) {
                core.set("remote", &new);
            }
            Ok(())
        })?;
        for at in self.shadowing(level, false) {
            self.follow_default(at, &name, Some(&new))?;
        }
        Ok(())
    }

    /// The default remote's name.
    pub fn default_remote(&self, level: Option<Level>) -> Result<Option<String>> {
        let document = self.document(level)?;
        Ok(document.sections.get("core").and_then(|core| core.text("remote")).map(str::to_owned))
    }

    /// Makes a remote the default one; `None` means that there is none.
    pub fn set_default_remote(&self, level: Option<Level>, name: Option<&str>) -> Result<()> {
        let level = level.unwrap_or(Level::Repo);
        // a remote of a stronger level is one that the repository has
        let all = self.files.merged(None)?;
        self.files.edit(level, |document| {
            let Some(name) = name.map(str::to_lowercase) else {
                if let Some(core) = document.sections.get_mut("core") {
                    core.entries.shift_remove("remote");
                }
                return Ok(());
            };
            let header = named("remote", &name);
            if !all.sections.contains_key(&header) {
                return Err(no_remote(&name));
            }
            document.sections.entry("core".into()).or_default().set("remote", &name);
            Ok(())
        })
    }

    /// All remotes in the order in which they were added.
    pub fn remotes(&self, level: Option<Level>) -> Result<Vec<RemoteEntry>> {
        let document = self.document(level)?;
        let default =
            document.sections.get("core").and_then(|core| core.text("remote")).map(str::to_lowercase);
        let mut out = Vec::new();
        for (header, section) in &document.sections {
            let Some(("remote", name)) = split_named(header) else { continue };
            let url = section.text("url").unwrap_or_default().to_owned();
            out.push(RemoteEntry { name: name.to_owned(), url, default: default.as_deref() == Some(name) });
        }
        Ok(out)
    }

    fn document(&self, level: Option<Level>) -> Result<Document> {
        match level {
            None => self.files.merged(None),
            Some(level) => {
                let mut document = Document::default();
                self.levels(Some(level))?;
                merge(&mut document, &self.files.load(level)?);
                Ok(document)
            }
        }
    }

    /// The levels that shadow `level`, the strongest first, with itself at the end if `inclusive`.
    fn shadowing(&self, level: Level, inclusive: bool) -> Vec<Level> {
        let stronger = Level::ALL.into_iter().rev().take_while(|at| *at != level);
        stronger.chain(inclusive.then_some(level)).filter(|at| self.files.path(*at).is_some()).collect()
    }

    fn follow_default(&self, level: Level, old: &str, new: Option<&str>) -> Result<()> {
        let document = self.files.load(level)?;
        let affected = document.sections.get("core").is_some_and(|core| is_default(core, old));
        if !affected && self.files.exists(level) {
            return Ok(());
        }
        // DVC makes the files of these levels, too.
        self.files.edit(level, |document| {
            if !affected {
                return Ok(());
            }
            if let Some(core) = document.sections.get_mut("core") {
                match new {
                    Some(new) => core.set("remote", new),
                    None => {
                        core.entries.shift_remove("remote");
                    }
                }
            }
            Ok(())
        })
    }
}

fn is_default(core: &Section, name: &str) -> bool {
    core.text("remote") == Some(name)
}

fn no_remote(name: &str) -> Error {
    Error::config_hinted(
        format!("there is no remote '{name}'"),
        format!("add it with `lemnis remote add {name} URL`, or see `lemnis remote list`"),
    )
}

fn option_of<'d>(document: &'d Document, name: &OptionName) -> Result<&'d Entry> {
    let OptionName { header, option } = name;
    let missing = || Error::config(format!("the option '{option}' is not set in the section '{header}'"));
    document.sections.get(header).and_then(|section| section.entries.get(option)).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo() -> (tempfile::TempDir, Settings) {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir_all(dir.path().join(".dvc")).expect("creates");
        std::fs::create_dir_all(dir.path().join("sub")).expect("creates");
        let settings = Settings::open(&dir.path().join("sub"), &Environment::default()).expect("opens");
        (dir, settings)
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        std::fs::read_to_string(dir.path().join(".dvc").join(name)).unwrap_or_default()
    }

    fn option(name: &str) -> OptionName {
        OptionName::parse(name).expect("a name")
    }

    #[test]
    fn paths_are_stored_relative_to_the_file() {
        let (dir, settings) = repo();
        settings.set(None, &option("cache.dir"), "../../store").expect("sets");
        assert_eq!(text(&dir, "config"), "[cache]\n    dir = ../../store\n");
        settings.add_remote(None, "R", "~/r", false, false).expect("adds");
        settings.add_remote(None, "abs", "/r", false, false).expect("adds");
        assert!(
            text(&dir, "config")
                .ends_with("['remote \"r\"']\n    url = ~/r\n['remote \"abs\"']\n    url = /r\n")
        );
        let shown = settings.cache_dir(None).expect("reads");
        assert_eq!(shown, dir.path().parent().expect("parent").join("store"));
    }

    #[test]
    fn a_refused_change_leaves_the_file_alone() {
        let (dir, settings) = repo();
        settings.set(None, &option("core.autostage"), "true").expect("sets");
        let before = text(&dir, "config");
        for (name, value) in [("core.nosuch", "1"), ("core.autostage", "maybe"), ("no.such", "1")] {
            settings.set(None, &option(name), value).expect_err(name);
        }
        settings.modify_remote(None, "nope", "jobs", Some("3")).expect_err("no such remote");
        assert_eq!(text(&dir, "config"), before);
    }

    #[test]
    fn the_default_follows_a_rename_and_goes_with_its_remote() {
        let (dir, settings) = repo();
        settings.add_remote(None, "one", "s3://b", true, false).expect("adds");
        settings.modify_remote(Some(Level::Local), "one", "profile", Some("p")).expect("modifies");
        settings.unset(Some(Level::Local), &option("remote.one.profile")).expect("unsets");
        std::fs::write(dir.path().join(".dvc/config.local"), "").expect("writes");
        settings.set(Some(Level::Local), &option("core.remote"), "one").expect("sets");
        settings.rename_remote(None, "one", "uno").expect("renames");
        assert_eq!(
            settings.get(Some(Level::Local), &option("core.remote")).expect("reads").expect("set").1,
            "uno"
        );
        settings.remove_remote(None, "uno").expect("removes");
        assert_eq!((text(&dir, "config").as_str(), text(&dir, "config.local").as_str()), ("\n", "\n"));
    }

    #[test]
    fn a_remote_is_taken_out_as_a_whole_and_may_be_the_default_from_any_level() {
        let (dir, settings) = repo();
        settings.add_remote(None, "r", "/r", false, false).expect("adds");
        settings.unset(None, &option("remote.r")).expect("unsets");
        assert_eq!(text(&dir, "config"), "\n");
        settings.unset(None, &option("remote.r")).expect_err("it is gone");
        settings.add_remote(Some(Level::Local), "l", "/l", false, false).expect("adds");
        settings.set_default_remote(None, Some("l")).expect("chooses");
        assert_eq!(text(&dir, "config"), "[core]\n    remote = l\n");
    }

    #[test]
    fn outside_a_repository_its_levels_do_not_exist() {
        let dir = tempfile::tempdir().expect("temp dir");
        let settings = Settings::open(dir.path(), &Environment::default()).expect("opens");
        settings.set(None, &option("core.remote"), "x").expect_err("no repository");
        assert_eq!(settings.list(None).expect("lists"), []);
    }

    #[test]
    fn names_have_two_parts_or_three() {
        assert!(OptionName::parse("core").is_none());
        assert!(OptionName::parse("a.b.c").is_none());
        assert_eq!(
            option("remote.R.url"),
            OptionName { header: "remote \"r\"".into(), option: "url".into() }
        );
    }
}
