//! What a path or URL outside of any repository holds, and how it comes here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Outside;
use super::place::{put, same_file};
use super::spec::content_of;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::remote::{Remote, StoredFile, local_path};
use crate::repo::Repo;
use crate::workspace::Workspace;
use crate::yaml::{Key, Map, Value};

/// Something to download.
pub(crate) enum Thing {
    /// A file or directory of this machine.
    Local(PathBuf),
    /// Files of a store: what each is called below the destination (empty for a single file).
    Stored { remote: Box<Remote>, files: Vec<StoredFile>, scheme: String },
}

impl Thing {
    /// Looks at `url`. Relative paths start at `base`; `remote://name/path` takes the options of that remote.
    pub(crate) fn find(repo: Option<&Repo>, base: &Path, url: &str, outside: &Outside<'_>) -> Result<Self> {
        let mut options = BTreeMap::new();
        let mut full = url.to_owned();
        if let Some((name, rest)) =
            url.strip_prefix("remote://").map(|r| r.split_once('/').unwrap_or((r, "")))
        {
            let remotes = repo.map(|repo| &repo.config().remotes);
            let Some(found) = remotes.and_then(|remotes| remotes.get(&name.to_lowercase())) else {
                return Err(Error::hinted(
                    format!("the remote '{name}' does not exist"),
                    "see which there are: lemnis remote list",
                ));
            };
            options.clone_from(found);
            let root = options.remove("url").unwrap_or_default();
            full = format!("{}/{rest}", root.trim_end_matches('/'));
        }
        let nothing = || Error::invalid(format!("nothing is at '{url}'"));
        if !full.contains("://") || full.starts_with("file://") {
            let path = match full.starts_with("file://") {
                true => local_path(&full).unwrap_or_default(),
                false => fsx::normalize(base, Path::new(&full)),
            };
            return if fsx::metadata(&path)?.is_some() { Ok(Self::Local(path)) } else { Err(nothing()) };
        }
        let scheme = full.split("://").next().unwrap_or_default().to_owned();
        // The store is opened where the thing lies, so that the thing is one name in it.
        let (address, query) = full.split_at(full.find('?').unwrap_or(full.len()));
        let (folder, name) = address.trim_end_matches('/').rsplit_once('/').unwrap_or((address, ""));
        if name.is_empty() || folder.ends_with(":/") {
            return Err(Error::invalid(format!("'{url}' names no file or folder")));
        }
        let remote = Remote::at(url, &format!("{folder}{query}"), &options, outside.stores, outside.jobs)?;
        let files = remote.stored(name)?;
        if files.is_empty() {
            return Err(nothing());
        }
        Ok(Self::Stored { remote: Box::new(remote), files, scheme })
    }

    /// What a `.dvc` file records about it as a dependency.
    pub(crate) fn content(&self, workspace: &mut Workspace<'_>) -> Result<Map> {
        match self {
            Self::Local(path) => {
                let snapshot = workspace.snapshot(path, HashName::Md5)?;
                let missing =
                    || Error::Missing { what: "file or directory", path: path.display().to_string() };
                Ok(content_of(&snapshot.ok_or_else(missing)?.recorded))
            }
            Self::Stored { remote, files, scheme } if scheme == "ssh" => {
                Ok(content_of(&hashed(files, remote.md5_of(files)?)))
            }
            Self::Stored { files, scheme, .. } => stored_content(files, scheme),
        }
    }

    /// Writes it to `dest`, in place of what stands there.
    pub(crate) fn write(&self, dest: &Path, outside: &Outside<'_>) -> Result<()> {
        let parent = dest.parent().unwrap_or(Path::new("/"));
        fsx::create_dirs(parent)?;
        let holder = tempfile::Builder::new()
            .prefix(fsx::TEMP_PREFIX)
            .suffix(fsx::TEMP_SUFFIX)
            .tempdir_in(parent)
            .map_err(Error::io("create a directory in", parent))?;
        let made = holder.path().join("made");
        match self {
            Self::Local(path) if same_file(path, dest) => {
                return Err(Error::invalid(format!("'{}' is the source itself", dest.display())));
            }
            Self::Local(path) => copy_all(path, &made)?,
            Self::Stored { remote, files, .. } => {
                remote.receive_all(files, &made, outside.progress)?;
            }
        }
        put(&made, dest)
    }
}

/// Copies a file, or a directory with what its symlinks lead to.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return fsx::reflink(from, to)
            .or_else(|_| fsx::copy_content(from, to))
            .map_err(Error::io("copy", from));
    }
    fsx::create_dirs(to)?;
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let kind = entry.file_type().map_err(Error::io("look at", &entry.path()))?;
        if kind.is_symlink() && entry.path().is_dir() {
            continue;
        }
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// What files of a server that names no contents are, by their MD5.
fn hashed(files: &[StoredFile], md5: Vec<String>) -> Recorded {
    let size = Some(files.iter().map(|file| file.size).sum());
    let mut tree: Vec<TreeFile> = Vec::with_capacity(files.len());
    for (file, md5) in files.iter().zip(md5) {
        if file.relpath.is_empty() {
            return Recorded { name: HashName::Md5, md5, size, nfiles: None, isexec: false };
        }
        tree.push(TreeFile { relpath: file.relpath.clone(), md5 });
    }
    let nfiles = Some(tree.len() as u64);
    let md5 = hash::tree_md5(&hash::tree_bytes(&mut tree));
    Recorded { name: HashName::Md5, md5, size, nfiles, isexec: false }
}

/// Stores name contents by tag: S3, Google and Azure `etag`, HTTP `checksum`.
fn stored_content(files: &[StoredFile], scheme: &str) -> Result<Map> {
    let key = if scheme.starts_with("http") { "checksum" } else { "etag" };
    let tag = |file: &StoredFile| -> Result<String> {
        let tag = file.tag.clone().ok_or_else(|| {
            Error::hinted(
                format!(
                    "'{}' has neither an ETag nor a Content-MD5, so that a change cannot be seen",
                    file.place
                ),
                "download it with get-url, then add it",
            )
        })?;
        Ok(if scheme == "s3" { tag.trim_matches('"').to_owned() } else { tag })
    };
    let mut map = Map::new();
    match files {
        [file] if file.relpath.is_empty() => {
            map.insert(Key::from(key), Value::from(tag(file)?));
            map.insert("size".into(), Value::from(file.size));
        }
        files => {
            let mut lines: Vec<(&str, String)> =
                files.iter().map(|file| Ok((file.relpath.as_str(), tag(file)?))).collect::<Result<_>>()?;
            lines.sort();
            let member = |name: &str, value: &str| (Key::from(name), Value::from(value));
            let tree = lines.iter().map(|(relpath, tag)| {
                Value::Map([member(key, tag), member("relpath", relpath)].into_iter().collect())
            });
            let text = crate::pyjson::dumps(&Value::Seq(tree.collect()));
            let digest = format!("{}.dir", hash::md5_bytes(text.as_bytes()));
            map.insert(Key::from("md5"), Value::from(digest));
            map.insert("size".into(), Value::from(files.iter().map(|file| file.size).sum::<u64>()));
            map.insert("nfiles".into(), Value::from(files.len() as u64));
        }
    }
    map.insert("hash".into(), Value::from("md5"));
    Ok(map)
}
