//! What a repository holds: Git's files and tracked data in one listing, of a directory, a revision, a URL.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;

use crate::cache::Cache;
use crate::config;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;
use crate::ignore::Ignore;
use crate::index::Index;
use crate::members::Members;
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::revision::{self, BlobKind};
use crate::stage::Out;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// A path in the repository, relative to where the user is in it; its root without one.
    pub path: Option<String>,
    /// A revision; the working tree without one.
    pub rev: Option<String>,
    /// Files of sub-directories as well.
    pub recursive: bool,
    /// Only tracked data.
    pub dvc_only: bool,
    /// How deep to go.
    pub max_depth: Option<usize>,
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Tracked data.
    pub isout: bool,
    /// A directory.
    pub isdir: bool,
    /// Executable.
    pub isexec: bool,
    /// Bytes, where known.
    pub size: Option<u64>,
    /// The recorded hash.
    pub md5: Option<String>,
    /// Relative to what was listed.
    pub path: String,
    /// Neither the disk nor Git has it.
    #[serde(skip)]
    pub recorded_only: bool,
    /// What a directory holds, for a listing as a tree.
    #[serde(skip)]
    pub contents: Vec<Listed>,
}

/// A repository that was opened by path or URL; a clone goes with it.
#[derive(Debug)]
pub struct Source {
    pub(crate) repo: Repo,
    /// Paths are relative to it: where the user is, when that lies in the repository.
    base: PathBuf,
    /// How many imports led here.
    pub(crate) depth: usize,
    _clone: Option<TempDir>,
}

/// Opens the repository at `url`, a directory or anything that Git can clone. `scratch` is where a clone is
/// made; it is removed when the source is dropped.
pub fn open_source(
    cwd: &Path,
    url: &str,
    rev: Option<&str>,
    scratch: &Path,
    environment: &Environment,
) -> Result<Source> {
    let path = fsx::normalize(cwd, Path::new(url.strip_prefix("file://").unwrap_or(url)));
    let bare = path.join("HEAD").is_file() && path.join("objects").is_dir();
    if path.is_dir() && !bare {
        let repo = Repo::discover_any(&path, environment)?;
        let Some(rev) = rev else {
            let base = if cwd.starts_with(repo.root()) { cwd } else { repo.root() }.to_path_buf();
            return Ok(Source { repo, base, depth: 0, _clone: None });
        };
        let repo = at(&repo, rev, url)?;
        return Ok(Source { base: repo.cwd().to_path_buf(), repo, depth: 0, _clone: None });
    }
    if url.starts_with('-') || (!bare && !url.contains("://") && !url.contains('@')) {
        return Err(Error::Missing { what: "repository", path: url.to_owned() });
    }
    let holder = tempfile::Builder::new()
        .prefix("lemnis-clone-")
        .tempdir_in(scratch)
        .map_err(Error::io("create", scratch))?;
    let target = holder.path().join("git");
    let source = if bare { path.to_string_lossy().into_owned() } else { url.to_owned() };
    revision::git(cwd, &["clone", "--quiet", "--bare", "--", &source, &target.to_string_lossy()])?;
    let repo = at(&Repo::bare(&target, environment)?, rev.unwrap_or("HEAD"), url)?.with_committed_config()?;
    Ok(Source { base: repo.cwd().to_path_buf(), repo, depth: 0, _clone: Some(holder) })
}

impl Source {
    /// With the settings of a file above the repository's own, another default remote, and options of that.
    pub fn configured(
        mut self,
        config: Option<&Path>,
        remote: Option<&str>,
        options: Vec<(String, String)>,
    ) -> Result<Self> {
        let mut settings = config.map(config::read_file).transpose()?.unwrap_or_default();
        settings.extend(remote.map(|name| ("core.remote".to_owned(), name.to_owned())));
        self.repo.lay_over(settings);
        let name = self.repo.default_remote().unwrap_or("remote").to_owned();
        let of_remote = |(key, value)| (format!("remote \"{name}\".{key}"), value);
        let mut settings: Vec<(String, String)> = options.into_iter().map(of_remote).collect();
        if !settings.is_empty() {
            settings.push(("core.remote".to_owned(), name));
        }
        self.repo.lay_over(settings);
        Ok(self)
    }
}

fn at(repo: &Repo, rev: &str, url: &str) -> Result<Repo> {
    let commit = repo.resolve(rev)?;
    let found = repo.at_commit(&commit)?;
    found.ok_or_else(|| Error::invalid(format!("'{url}' does not exist at the revision '{rev}'")))
}

/// Lists a directory or file of the source. With `tree` the one entry that is returned holds the rest.
pub fn list(
    source: &Source,
    options: &ListOptions,
    tree: bool,
    stores: &dyn OpenStore,
) -> Result<Vec<Listed>> {
    let repo = &source.repo;
    let base = match &options.path {
        Some(path) => fsx::normalize(&source.base, Path::new(path)),
        None => repo.root().to_path_buf(),
    };
    let nested = repository_at(repo, &base)?;
    let repo = nested.as_ref().unwrap_or(repo);
    let index = Index::load(repo)?;
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let members = Members::new(repo, &cache, stores).behind(source.depth);
    let mut lister = Lister { repo, index: &index, members, dvc_only: options.dvc_only };
    if tree || options.recursive {
        lister.learn(&base)?;
    }
    if !base.starts_with(repo.root()) {
        return Err(Error::invalid(format!("'{}' lies outside the repository", base.display())));
    }
    let missing = || Error::Missing { what: "path", path: options.path.clone().unwrap_or_default() };
    let info = lister.info(&base)?.ok_or_else(missing)?;
    let name = options.path.clone().unwrap_or_else(|| ".".to_owned());
    if tree {
        let mut top = Listed { path: name, ..info };
        if top.isdir && options.max_depth != Some(0) {
            top.contents = lister.below(&base, options.max_depth, 1)?;
        }
        return Ok(vec![top]);
    }
    if !info.isdir {
        let name = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok(vec![Listed { path: name.unwrap_or_default(), ..info }]);
    }
    let depth = if options.recursive { options.max_depth } else { Some(1) };
    let mut flat = Vec::new();
    let entries = lister.below(&base, depth, 1)?;
    flatten(entries, "", depth, 1, &mut flat);
    if options.path.is_none() {
        // As in DVC the way to a directory goes through the root, also where the user is in it.
        let up = fsx::relative(repo.root(), &source.base);
        for entry in &mut flat {
            entry.path = match (options.recursive, up.as_str()) {
                (_, ".") => continue,
                (false, up) => format!("{up}/{}", entry.path),
                (true, _) => fsx::relative(&repo.root().join(&entry.path), &source.base),
            };
        }
    }
    flat.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(flat)
}

/// Directories stand for themselves only where the listing does not go into them.
fn flatten(entries: Vec<Listed>, prefix: &str, depth: Option<usize>, level: usize, out: &mut Vec<Listed>) {
    for mut entry in entries {
        let path = format!("{prefix}{}", entry.path);
        let inside = std::mem::take(&mut entry.contents);
        if entry.isdir && depth.is_none_or(|depth| level < depth) {
            flatten(inside, &format!("{path}/"), depth, level + 1, out);
        } else {
            out.push(Listed { path, ..entry });
        }
    }
}

/// The repository inside `repo` that holds `path`; `None` when that is `repo` itself.
fn repository_at(repo: &Repo, path: &Path) -> Result<Option<Repo>> {
    for dir in path.ancestors().take_while(|dir| *dir != repo.root() && dir.starts_with(repo.root())) {
        if is_repository(repo, dir)? {
            return Ok(Some(repo.nested(dir)?.with_committed_config()?));
        }
    }
    Ok(None)
}

/// Whether `dir` is a data repository of its own, also as a submodule of Git.
fn is_repository(repo: &Repo, dir: &Path) -> Result<bool> {
    match repo.revision() {
        Some(tree) => Ok(tree.below(&dir.join(".dvc")).next().is_some()),
        None => Ok(dir.join(".dvc").is_dir()),
    }
}

struct Lister<'a> {
    repo: &'a Repo,
    index: &'a Index,
    members: Members<'a>,
    /// Tracked data alone; what is named itself is told as the disk has it all the same.
    dvc_only: bool,
}

impl Lister<'_> {
    /// Looks at the directories at and below `base` together.
    fn learn(&self, base: &Path) -> Result<()> {
        let near = |out: &Out| out.cache && (out.path.starts_with(base) || base.starts_with(&out.path));
        self.members.learn(self.index.outs().filter(|(_, out)| near(out)))
    }

    fn below(&mut self, dir: &Path, depth: Option<usize>, level: usize) -> Result<Vec<Listed>> {
        let mut entries: Vec<Listed> = self.children(dir, self.dvc_only)?.into_values().collect();
        if depth.is_none_or(|depth| level < depth) {
            for entry in entries.iter_mut().filter(|entry| entry.isdir) {
                entry.contents = self.below(&dir.join(&entry.path), depth, level + 1)?;
            }
        }
        Ok(entries)
    }

    /// What stands at `path`, by looking into its parent.
    fn info(&mut self, path: &Path) -> Result<Option<Listed>> {
        if path == self.repo.root() {
            return Ok(Some(node(true, false, size_on_disk(path))));
        }
        let Some((parent, name)) = path.parent().zip(path.file_name()) else { return Ok(None) };
        Ok(self.children(parent, false)?.remove(&*name.to_string_lossy()))
    }

    fn children(&mut self, dir: &Path, dvc_only: bool) -> Result<BTreeMap<String, Listed>> {
        let mut found = if dvc_only { BTreeMap::new() } else { self.plain(dir)? };
        for (name, tracked) in self.tracked(dir)? {
            match found.get_mut(&name) {
                Some(plain) => {
                    plain.isout = tracked.isout;
                    plain.md5 = tracked.md5;
                    if self.repo.revision().is_some() && tracked.isout {
                        plain.size = tracked.size;
                    }
                }
                None => {
                    found.insert(name, Listed { recorded_only: true, ..tracked });
                }
            }
        }
        for (name, entry) in &mut found {
            entry.path.clone_from(name);
        }
        Ok(found)
    }

    /// What the disk or Git has.
    fn plain(&self, dir: &Path) -> Result<BTreeMap<String, Listed>> {
        let repo = self.repo;
        let mut found = BTreeMap::new();
        let mut ignore = Ignore::dvc(repo.root());
        for at in dir.ancestors().collect::<Vec<_>>().into_iter().rev() {
            let file = at.join(".dvcignore");
            if at.starts_with(repo.root())
                && !ignore.matches(&file, false)
                && let Some(text) = repo.read_text(&file)?
            {
                ignore = ignore.with(at, &text);
            }
        }
        if let Some(tree) = repo.revision() {
            for (name, blob) in tree.children(dir) {
                let path = dir.join(&name);
                if ignore.matches(&path, blob.is_none()) || (blob.is_none() && is_repository(repo, &path)?) {
                    continue;
                }
                let exec = blob.is_some_and(|blob| blob.kind == BlobKind::Executable);
                let size = match blob {
                    Some(blob) => Some(blob.size),
                    None => tree.dir_size(&path)?,
                };
                found.insert(name, node(blob.is_none(), exec, size));
            }
            return Ok(found);
        }
        if !dir.is_dir() {
            return Ok(found);
        }
        for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
            let path = entry.map_err(Error::io("list", dir))?.path();
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            if meta.is_dir() && is_repository(repo, &path)? {
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if let Some(name) = name.filter(|_| !ignore.matches(&path, meta.is_dir())) {
                let exec = meta.is_file() && meta.permissions().mode() & fsx::EXEC != 0;
                found.insert(name, node(meta.is_dir(), exec, Some(meta.len())));
            }
        }
        Ok(found)
    }

    /// What outputs put into `dir`.
    fn tracked(&mut self, dir: &Path) -> Result<BTreeMap<String, Listed>> {
        let mut found = BTreeMap::new();
        let mut inside = None;
        for (stage, out) in self.index.outs().filter(|(_, out)| out.cache) {
            if let Ok(rest) = out.path.strip_prefix(dir) {
                let mut parts = rest.components();
                let Some(first) = parts.next() else {
                    inside = Some((stage, out));
                    continue;
                };
                let name = first.as_os_str().to_string_lossy().into_owned();
                if parts.next().is_some() {
                    found.entry(name).or_insert_with(|| node(true, false, None));
                    continue;
                }
                let content = stage.content(out);
                let recorded = content.as_ref();
                // DVC tells a file executable by the disk or Git alone, whatever is recorded, and one that never was
                // recorded has no bytes, unless it is an import from a URL.
                let unrecorded = if stage.import && !stage.is_repo_import() { None } else { Some(0) };
                let mut entry = node(
                    recorded.is_some_and(|recorded| recorded.is_dir()),
                    false,
                    recorded.map_or(unrecorded, |recorded| recorded.size),
                );
                entry.isout = true;
                entry.md5 = recorded.map(|recorded| recorded.md5.clone());
                found.insert(name, entry);
            } else if dir.starts_with(&out.path) {
                inside = Some((stage, out));
            }
        }
        let Some((stage, out)) = inside else { return Ok(found) };
        if !out.recorded.as_ref().is_some_and(|recorded| recorded.is_dir()) {
            return Ok(found);
        }
        let files = self.members.of(stage, out)?;
        if files.is_none() && !out.path.is_dir() {
            let missing = || Error::NotInCache { path: self.repo.show(&out.path), missing: 1 };
            return Err(self.members.take_failure().unwrap_or_else(missing));
        }
        let inner = match fsx::relative(dir, &out.path).as_str() {
            "." => String::new(),
            inner => format!("{inner}/"),
        };
        for file in files.iter().flat_map(|files| files.iter()) {
            let Some(rest) = file.relpath.strip_prefix(&inner) else { continue };
            let (name, is_dir) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            let mut entry = node(is_dir, false, None);
            entry.isout = true;
            entry.md5 = file.md5.clone().filter(|_| !is_dir);
            found.insert(name.to_owned(), entry);
        }
        Ok(found)
    }
}

fn node(isdir: bool, isexec: bool, size: Option<u64>) -> Listed {
    Listed {
        isout: false,
        isdir,
        isexec,
        size,
        md5: None,
        path: String::new(),
        recorded_only: false,
        contents: Vec::new(),
    }
}

fn size_on_disk(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.len())
}
