//! What a path or URL outside of any repository holds, and how it comes here.

use std::fs;
use std::path::{Path, PathBuf};

use super::Outside;
use super::link::{Link, Opened};
use super::place::{put, same_file};
use super::spec::content_of;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::remote::{Remote, StoredFile};
use crate::repo::Repo;
use crate::workspace::Workspace;
use crate::yaml::{Key, Map, Value};

/// Something to download.
pub(crate) enum Thing {
    /// A file or directory of this machine.
    Local(PathBuf),
    /// Files of a store: what each is called below the destination (empty for a single file). Those of a versioned
    /// store are meant in one version each.
    Stored { remote: Box<Remote>, files: Vec<StoredFile>, scheme: String },
}

impl Thing {
    /// Looks at what `link` leads to: as it is now, or a file in the version `rev`.
    pub(crate) fn find(
        repo: Option<&Repo>,
        base: &Path,
        link: &Link,
        rev: Option<&str>,
        outside: &Outside<'_>,
    ) -> Result<Self> {
        let found = Self::find_any(repo, base, link, rev, outside)?;
        found.ok_or_else(|| Error::invalid(format!("nothing is at '{}'", link.url)))
    }

    /// The same; `None` when nothing is there.
    pub(crate) fn find_any(
        repo: Option<&Repo>,
        base: &Path,
        link: &Link,
        rev: Option<&str>,
        outside: &Outside<'_>,
    ) -> Result<Option<Self>> {
        let (remote, name, scheme) = match link.open(repo, base, outside)? {
            Opened::Local(path) => return Ok(fsx::metadata(&path)?.map(|_| Self::Local(path))),
            Opened::Store { remote, name, scheme } => (remote, name, scheme),
        };
        let files = match rev {
            Some(rev) => {
                let found = remote.stored_version(&name, String::new(), rev)?.ok_or_else(|| {
                    Error::hinted(
                        format!("'{}' has no version '{rev}'", link.url),
                        "only files have versions, not folders",
                    )
                })?;
                vec![found]
            }
            None => {
                let mut files = remote.stored(&name)?;
                if remote.versioned {
                    remote.name_versions(&mut files)?;
                }
                files
            }
        };
        if files.is_empty() {
            return Ok(None);
        }
        if remote.versioned && files.iter().any(|file| file.version.is_none()) {
            return Err(Error::hinted(
                format!("the bucket of '{}' keeps no versions", link.url),
                "switch its versioning on, or import without --version-aware",
            ));
        }
        Ok(Some(Self::Stored { remote, files, scheme }))
    }

    /// The versions that a `.dvc` file recorded as `content`; `None` when it records none.
    pub(crate) fn recorded(
        repo: &Repo,
        base: &Path,
        link: &Link,
        content: &Map,
        outside: &Outside<'_>,
    ) -> Result<Option<Self>> {
        let Some(versions) = recorded_versions(content, link)? else { return Ok(None) };
        let Opened::Store { remote, name, scheme } = link.open(Some(repo), base, outside)? else {
            return Ok(None);
        };
        if !remote.versioned {
            return Ok(None);
        }
        let mut files = Vec::with_capacity(versions.len());
        for (relpath, size, id) in versions {
            let below = if relpath.is_empty() { name.clone() } else { format!("{name}/{relpath}") };
            files.push(match size {
                Some(size) => remote.stored_as(&below, relpath, size, id),
                None => {
                    let gone = || Error::invalid(format!("'{}' has no version '{id}' any more", link.url));
                    remote.stored_version(&below, relpath, &id)?.ok_or_else(gone)?
                }
            });
        }
        Ok(Some(Self::Stored { remote, files, scheme }))
    }

    /// Whether single versions are meant, which can be had again.
    pub(crate) fn is_versioned(&self) -> bool {
        matches!(self, Self::Stored { remote, .. } if remote.versioned)
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
            Self::Stored { .. } => self.stored_content(),
        }
    }

    /// The same of what lies in a store that names contents itself.
    pub(super) fn stored_content(&self) -> Result<Map> {
        match self {
            Self::Stored { remote, files, scheme } => stored_content(files, scheme, remote.versioned),
            Self::Local(_) => Ok(Map::new()),
        }
    }

    /// An error where it would be imported from `dest` itself.
    pub(crate) fn refuse_itself(&self, dest: &Path) -> Result<()> {
        match self {
            Self::Local(path) if same_file(path, dest) => {
                Err(Error::invalid(format!("'{}' is the source itself", dest.display())))
            }
            _ => Ok(()),
        }
    }

    /// Writes it to `dest`, in place of what stands there.
    pub(crate) fn write(&self, dest: &Path, outside: &Outside<'_>) -> Result<()> {
        self.refuse_itself(dest)?;
        let parent = dest.parent().unwrap_or(Path::new("/"));
        fsx::create_dirs(parent)?;
        let holder = tempfile::Builder::new()
            .prefix(fsx::TEMP_PREFIX)
            .suffix(fsx::TEMP_SUFFIX)
            .tempdir_in(parent)
            .map_err(Error::io("create a directory in", parent))?;
        let made = holder.path().join("made");
        match self {
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

/// Stores name contents by tag: S3, Google and Azure `etag`, HTTP `checksum`. A file of S3 is recorded with its version
/// wherever there is one, as in DVC; the files of a folder only when versions are meant.
fn stored_content(files: &[StoredFile], scheme: &str, versioned: bool) -> Result<Map> {
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
    let entry = |file: &StoredFile, map: &mut Map| -> Result<()> {
        map.insert(Key::from(key), Value::from(tag(file)?));
        map.insert("size".into(), Value::from(file.size));
        if let Some(version) = file.version.as_deref().filter(|_| scheme == "s3") {
            map.insert("version_id".into(), Value::from(version));
        }
        Ok(())
    };
    let mut map = Map::new();
    match files {
        [file] if file.relpath.is_empty() => entry(file, &mut map)?,
        files if versioned => {
            let mut files: Vec<&StoredFile> = files.iter().collect();
            files.sort_by(|a, b| a.relpath.cmp(&b.relpath));
            let mut list = Vec::with_capacity(files.len());
            for file in files {
                let mut map = Map::new();
                map.insert("relpath".into(), Value::from(file.relpath.as_str()));
                entry(file, &mut map)?;
                list.push(Value::Map(map));
            }
            map.insert("files".into(), Value::Seq(list));
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

/// Path below the folder (empty for a file), size and version of everything that `content` records.
type FileVersion = (String, Option<u64>, String);

fn recorded_versions(content: &Map, link: &Link) -> Result<Option<Vec<FileVersion>>> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let Some(files) = content.get("files").and_then(Value::as_seq) else {
        let id = text(content.get("version_id")).or_else(|| link.version.clone());
        let size = content.get("size").and_then(Value::as_u64);
        return Ok(id.map(|id| vec![(String::new(), size, id)]));
    };
    let mut found = Vec::with_capacity(files.len());
    for file in files {
        let (Some(relpath), Some(id)) = (text(file.get("relpath")), text(file.get("version_id"))) else {
            return Ok(None);
        };
        if relpath.split('/').any(|part| matches!(part, "" | "." | "..")) || relpath.contains('\0') {
            return Err(Error::invalid(format!("'{relpath}' is no path below a folder")));
        }
        found.push((relpath, file.get("size").and_then(Value::as_u64), id));
    }
    Ok(Some(found))
}
