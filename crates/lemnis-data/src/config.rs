//! The part of DVC's configuration that decides where objects live and how they are linked.
//!
//! `.dvc/config.local` overrides `.dvc/config`. Values that would change behaviour in a way that is not
//! supported are errors; sections of other concerns (remotes, plots…) are left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    pub(crate) cache_dir: PathBuf,
    pub(crate) shared: bool,
    pub(crate) link_types: Vec<LinkType>,
    pub(crate) remote: Option<String>,
    pub(crate) parsing: Parsing,
    /// Where the default remote lies, when it is a local directory.
    pub(crate) remote_dir: Option<PathBuf>,
}

impl Config {
    pub(crate) fn load(dvc_dir: &Path) -> Result<Self> {
        let mut values = BTreeMap::new();
        for name in ["config", "config.local"] {
            let path = dvc_dir.join(name);
            if let Some(text) = fsx::read_text(&path)? {
                parse(&text, &format!(".dvc/{name}"), &mut values)?;
            }
        }
        let get = |key: &str| values.get(key).map(|entry: &Entry| entry.value.as_str());
        let flag = |key: &str| -> Result<bool> {
            match values.get(key) {
                None => Ok(false),
                Some(entry) => truth(&entry.value).ok_or_else(|| entry.error("must be true or false")),
            }
        };
        let mut link_types = vec![LinkType::Reflink, LinkType::Copy];
        if let Some(entry) = values.get("cache.type") {
            link_types = entry
                .value
                .split(',')
                .map(str::trim)
                .map(|name| link_type(name, entry))
                .collect::<Result<_>>()?;
        }
        if flag("core.hardlink_lock")? {
            return Err(values["core.hardlink_lock"].error("core.hardlink_lock is not supported"));
        }
        let shared = match values.get("cache.shared") {
            None => false,
            Some(entry) if entry.value == "group" => true,
            Some(entry) => return Err(entry.error("cache.shared can only be 'group'")),
        };
        Ok(Self {
            no_scm: flag("core.no_scm")?,
            autostage: flag("core.autostage")?,
            cache_dir: fsx::normalize(dvc_dir, Path::new(get("cache.dir").unwrap_or("cache"))),
            shared,
            link_types,
            remote: get("core.remote").map(str::to_owned),
            remote_dir: get("core.remote")
                .and_then(|name| get(&format!("remote \"{}\".url", name.to_ascii_lowercase())))
                .filter(|url| !url.contains("://"))
                .map(|url| fsx::normalize(dvc_dir, Path::new(url))),
            parsing: Parsing {
                bool_optional: get("parsing.bool") == Some("boolean_optional"),
                list_append: get("parsing.list") == Some("append"),
            },
        })
    }
}

struct Entry {
    value: String,
    file: String,
    line: usize,
}

impl Entry {
    fn error(&self, message: &str) -> Error {
        Error::Malformed { file: self.file.clone(), line: self.line, message: message.to_owned() }
    }
}

fn link_type(name: &str, entry: &Entry) -> Result<LinkType> {
    match name {
        "reflink" => Ok(LinkType::Reflink),
        "hardlink" => Ok(LinkType::Hardlink),
        "symlink" => Ok(LinkType::Symlink),
        "copy" => Ok(LinkType::Copy),
        _ => Err(entry.error("cache.type can hold reflink, hardlink, symlink and copy")),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn parse(text: &str, file: &str, values: &mut BTreeMap<String, Entry>) -> Result<()> {
    let mut section = String::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let error =
            |message: &str| Error::Malformed { file: file.to_owned(), line, message: message.to_owned() };
        let content = raw.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(name) = content.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| error("the section's ']' is missing"))?;
            section = unquote(name.trim()).to_ascii_lowercase();
            continue;
        }
        let (key, value) = content.split_once('=').ok_or_else(|| error("expected 'key = value'"))?;
        let value = unquote(value.trim()).to_owned();
        let key = format!("{section}.{}", key.trim().to_ascii_lowercase());
        values.insert(key, Entry { value, file: file.to_owned(), line });
    }
    Ok(())
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("config"), text).expect("writes");
        Config::load(dir.path())
    }

    #[test]
    fn an_empty_configuration_means_reflink_then_copy() {
        let config = load("").expect("loads");
        assert_eq!(config.link_types, [LinkType::Reflink, LinkType::Copy]);
        assert!(config.cache_dir.ends_with("cache"));
    }

    #[test]
    fn the_local_level_and_quotes_are_understood() {
        let config =
            load("[core]\n    remote = s\n    no_scm = True\n['remote \"s\"']\n    url = x\n[cache]\n    type = \"hardlink,copy\"\n    dir = ../store\n")
                .expect("loads");
        assert!(config.no_scm);
        assert_eq!(config.remote.as_deref(), Some("s"));
        assert_eq!(config.link_types, [LinkType::Hardlink, LinkType::Copy]);
        assert!(config.cache_dir.ends_with("store"));
    }

    #[test]
    fn a_bad_value_names_its_line() {
        let error = load("[cache]\n    type = teleport\n").expect_err("fails").to_string();
        assert!(error.starts_with(".dvc/config:2:"), "{error}");
    }
}
