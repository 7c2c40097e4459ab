//! The configuration as the rest of the crate sees it: all levels merged, checked against DVC's schema.

pub(crate) mod ini;
pub(crate) mod level;
pub(crate) mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::ini::{Document, Value};
use self::level::Files;
pub(crate) use self::schema::truth;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;
use crate::template::Parsing;

/// How a workspace file is made from a cache object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkType {
    Reflink,
    Hardlink,
    Symlink,
    Copy,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) no_scm: bool,
    pub(crate) autostage: bool,
    pub(crate) hardlink_lock: bool,
    pub(crate) cache_dir: PathBuf,
    pub(crate) shared: bool,
    pub(crate) link_types: Vec<LinkType>,
    pub(crate) remote: Option<String>,
    /// The options of each remote by its name; `url` is a URL or an absolute path.
    pub(crate) remotes: BTreeMap<String, BTreeMap<String, String>>,
    /// Every other option by `section.option`.
    values: BTreeMap<String, String>,
    pub(crate) parsing: Parsing,
}

impl Config {
    /// Merges all levels for the repository whose `.dvc` is given.
    pub(crate) fn load(dvc_dir: &Path, environment: &Environment) -> Result<Self> {
        let files = Files {
            dvc_dir: Some(dvc_dir.to_path_buf()),
            cwd: dvc_dir.to_path_buf(),
            environment: environment.clone(),
        };
        let merged = files.merged(None)?;
        schema::validate(&merged)?;
        Ok(Self::from_document(&merged, dvc_dir))
    }

    fn from_document(merged: &Document, dvc_dir: &Path) -> Self {
        let mut values = BTreeMap::new();
        let mut remotes: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (header, section) in &merged.sections {
            let texts = section.entries.iter().map(|(option, entry)| {
                let text = match &entry.value {
                    Value::One(text) => text.clone(),
                    Value::Many(items) => items.join(","),
                };
                (option.clone(), text)
            });
            match ini::split_named(header) {
                Some(("remote", name)) => {
                    remotes.insert(name.to_owned(), texts.collect());
                }
                Some(_) => {}
                None => values.extend(texts.map(|(option, text)| (format!("{header}.{option}"), text))),
            }
        }
        let get = |key: &str| values.get(key).map(String::as_str);
        let flag = |key: &str| get(key).and_then(truth).unwrap_or(false);
        let remote = get("core.remote").map(str::to_lowercase);
        let parsing = Parsing {
            bool_optional: get("parsing.bool") == Some("boolean_optional"),
            list_append: get("parsing.list") == Some("append"),
        };
        Self {
            parsing,
            no_scm: flag("core.no_scm"),
            autostage: flag("core.autostage"),
            hardlink_lock: flag("core.hardlink_lock"),
            cache_dir: get("cache.dir").map_or_else(|| dvc_dir.join("cache"), PathBuf::from),
            shared: get("cache.shared").is_some(),
            link_types: get("cache.type").map_or_else(|| vec![LinkType::Reflink, LinkType::Copy], link_types),
            remote,
            remotes,
            values,
        }
    }

    /// An option such as `core.checksum_jobs`, where it is set.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Puts settings of remotes above those that are there.
    pub(crate) fn lay_over(&mut self, settings: Vec<(String, String)>) {
        for (key, value) in settings {
            if key == "core.remote" {
                self.remote = Some(value);
            } else if let Some((name, option)) = remote_option(&key) {
                self.remotes.entry(name.to_owned()).or_default().insert(option.to_owned(), value);
            }
        }
    }
}

fn remote_option(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("remote \"").and_then(|rest| rest.rsplit_once("\"."))
}

/// All settings of one file as `section.key`; those of a remote as `remote "name".key`.
pub(crate) fn read_file(path: &Path) -> Result<Vec<(String, String)>> {
    let file = path.display().to_string();
    let text = fsx::read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    parse(&text, &file)
}

/// The settings that `text`, the content of `file`, holds.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<(String, String)>> {
    let mut out = Vec::new();
    for (header, section) in &Document::parse(text, file)?.sections {
        let prefix = match ini::split_named(header) {
            Some((kind, name)) => format!("{kind} \"{name}\""),
            None => header.clone(),
        };
        for (option, entry) in &section.entries {
            out.push((format!("{prefix}.{option}"), entry.value.text().unwrap_or_default().to_owned()));
        }
    }
    Ok(out)
}

fn link_types(text: &str) -> Vec<LinkType> {
    let one = |name: &str| match name.trim() {
        "reflink" => Some(LinkType::Reflink),
        "hardlink" => Some(LinkType::Hardlink),
        "symlink" => Some(LinkType::Symlink),
        "copy" => Some(LinkType::Copy),
        _ => None,
    };
    text.split(',').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("config"), text).expect("writes");
        Config::load(dir.path(), &Environment::default())
    }

    #[test]
    fn an_empty_configuration_means_reflink_then_copy() {
        let config = load("").expect("loads");
        assert_eq!(config.link_types, [LinkType::Reflink, LinkType::Copy]);
        assert!(config.cache_dir.ends_with("cache"));
    }

    #[test]
    fn quotes_lists_and_remotes_are_understood() {
        let config = load(
            "[core]\n    remote = S\n    no_scm = True\n    checksum_jobs = 4\n['remote \"s\"']\n    url = x\n[cache]\n    type = hardlink, copy\n    dir = ../store\n",
        )
        .expect("loads");
        assert!(config.no_scm);
        assert_eq!(config.remote.as_deref(), Some("s"));
        assert_eq!(config.link_types, [LinkType::Hardlink, LinkType::Copy]);
        assert!(config.cache_dir.ends_with("store"));
        assert!(config.remotes["s"]["url"].ends_with("/x"));
        assert_eq!(config.get("core.checksum_jobs"), Some("4"));
    }

    #[test]
    fn each_level_shadows_those_before_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("creates");
            std::fs::write(path, text).expect("writes");
        };
        write("system/config", "[core]\nremote = s\nautostage = true\n[cache]\ndir = ~/c\n");
        write("global/config", "[core]\nremote = g\n");
        write(".dvc/config", "[core]\nremote = r\n['remote \"r\"']\nurl = s3://b\n");
        write(".dvc/config.local", "['remote \"r\"']\nprofile = p\n");
        let at = |path: &str| dir.path().join(path).display().to_string();
        let environment = Environment::from_vars([
            ("DVC_SYSTEM_CONFIG_DIR".to_owned(), at("system")),
            ("DVC_GLOBAL_CONFIG_DIR".to_owned(), at("global")),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        let config = Config::load(&dir.path().join(".dvc"), &environment).expect("loads");
        assert!(config.autostage);
        assert_eq!(config.remote.as_deref(), Some("r"));
        assert_eq!(config.cache_dir, Path::new("/home/me/c"));
        assert_eq!(config.remotes["r"].len(), 2);
    }

    #[test]
    fn a_bad_value_is_named() {
        let error = load("[cache]\n    type = teleport\n").expect_err("fails").to_string();
        assert!(error.contains("cache.type") && error.contains("teleport"), "{error}");
        let error = load("[cache\n").expect_err("fails").to_string();
        assert!(error.contains("config:1:"), "{error}");
    }
}
