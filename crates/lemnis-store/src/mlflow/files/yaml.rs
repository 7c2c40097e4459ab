//! Reading the folder: its YAML files, and files that hold one text each.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lemnis_tracking::{Error, Result, Tag};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

/// The file that says what a folder is.
pub(super) const META: &str = "meta.yaml";
/// The largest file of this kind that is read; metrics grow beyond it.
const MOST_BYTES: u64 = 64 << 20;

fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{} cannot be read: {error}", path.display()))
}

/// The folders in `parent`, by name; none where it is not there.
pub(super) fn folders(parent: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(parent, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(parent, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| !name.starts_with('.'))
            && path.is_dir()
        {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// What the YAML file `name` in `folder` says.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    serde_saphyr::from_str(&text(&path)?).map_err(|error| failed(&path, error))
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path).map_err(|error| failed(path, error))?.len();
    if size > MOST_BYTES {
        return Err(failed(path, format!("it has {size} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(path, error))
}

/// The files below `folder` by their path in it, which is a key.
pub(super) fn keys(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(&folder, error))?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| failed(&entry.path(), "its name is no UTF-8"))?;
            let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            if entry.file_type().map_err(|error| failed(&folder, error))?.is_dir() {
                waiting.push((key, entry.path()));
            } else {
                found.push((key, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The files below `folder` as keys with their texts.
pub(super) fn texts(folder: &Path) -> Result<Vec<Tag>> {
    keys(folder)?.into_iter().map(|(key, path)| Ok(Tag::new(key, text(&path)?))).collect()
}

/// A whole number that may be written as a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Whole).map_err(|_| serde::de::Error::custom(format!("{text:?} is no whole number")))
    }
}
