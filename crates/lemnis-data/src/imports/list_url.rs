//! `list-url`: what lies behind a path or URL.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Outside;
use super::get::repo_for;
use super::link::Link;
use super::url::Thing;
use crate::error::{Error, Result};
use crate::fsx;

/// How to list.
#[derive(Clone, Debug, Default)]
pub struct ListUrl {
    /// A path, or a URL of a store.
    pub url: String,
    /// Options of the store.
    pub options: Vec<(String, String)>,
    /// The files of all folders instead of the folders.
    pub recursive: bool,
    /// How deep to go.
    pub max_depth: Option<usize>,
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedUrl {
    /// Below what was listed; of a file that was named itself, where it is.
    pub path: String,
    /// Whether it is a folder.
    pub isdir: bool,
    /// Bytes, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Lists what is behind the URL, sorted by path.
pub fn list_url(cwd: &Path, request: &ListUrl, outside: &Outside<'_>) -> Result<Vec<ListedUrl>> {
    let repo = repo_for(cwd, &request.url, outside)?;
    let link = Link::new(&request.url).with_options(repo.as_ref(), &request.options, false)?;
    let mut found = BTreeMap::new();
    let itself = |path: String, isdir| vec![ListedUrl { path, isdir, size: None }];
    match Thing::find(repo.as_ref(), cwd, &link, link.version.as_deref(), outside)? {
        Thing::Local(path) => {
            if !path.is_dir() || request.max_depth == Some(0) {
                return Ok(itself(path.display().to_string(), false));
            }
            walk(&path, "", 1, request, &mut found)?;
        }
        Thing::Stored { files, .. } => {
            let is_file = files.first().is_some_and(|file| file.relpath.is_empty());
            if is_file || request.max_depth == Some(0) {
                return Ok(itself(link.url, false));
            }
            for file in files {
                let parts: Vec<&str> = file.relpath.split('/').collect();
                let (level, size) = (depth(request), Some(file.size));
                let entry = match level {
                    Some(level) if parts.len() > level => (parts[..level].join("/"), true, None),
                    _ => (file.relpath.clone(), false, size),
                };
                found.insert(entry.0, (entry.1, entry.2));
            }
        }
    }
    let entry = |(path, (isdir, size))| ListedUrl { path, isdir, size };
    Ok(found.into_iter().map(entry).collect())
}

/// How many levels are listed; `None` for all.
fn depth(request: &ListUrl) -> Option<usize> {
    if request.recursive { request.max_depth } else { Some(1) }
}

fn walk(
    dir: &Path,
    prefix: &str,
    level: usize,
    request: &ListUrl,
    found: &mut BTreeMap<String, (bool, Option<u64>)>,
) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        let Some(meta) = fsx::metadata(&path)? else { continue };
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if meta.is_dir() && !is_link && depth(request).is_none_or(|depth| level < depth) {
            walk(&path, &format!("{name}/"), level + 1, request, found)?;
        } else {
            found.insert(name, (meta.is_dir(), Some(meta.len())));
        }
    }
    Ok(())
}
