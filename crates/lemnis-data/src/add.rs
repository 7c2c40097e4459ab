//! Puts files and directories under version control: hash, cache, `.dvc` file, `.gitignore`.
//!
//! All targets are checked before the first is stored, and the `.dvc` file of a target is written after its
//! objects are safe in the cache. A failure takes back the lines of `.gitignore`.

use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::git::{self, Added as IgnoreLines};
use crate::hash::{HashName, Recorded};
use crate::ignore::Ignore;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{Out, OutKind, Stage};
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, granular};

/// How to add.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Leave the workspace files as they are instead of linking them to the cache as configured.
    pub no_relink: bool,
    /// Record the hashes and put nothing into the cache.
    pub no_commit: bool,
    /// The targets are shell patterns.
    pub glob: bool,
    /// Replace a `.dvc` file of another output, or what stands at `out`.
    pub force: bool,
    /// Bring the only target, a file or directory anywhere, to this place inside the repository.
    pub out: Option<PathBuf>,
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Added {
    /// The file or directory, relative to the repository's root.
    pub path: String,
    /// Its `.dvc` file, relative to the repository's root.
    pub dvc_file: String,
    /// Its content.
    pub digest: Digest,
    /// Bytes of all its files; 0 when a part of a directory was added and they are not known.
    pub size_bytes: u64,
    /// Number of files, for a directory.
    pub nfiles: Option<u64>,
    /// Whether the content differs from what was recorded before.
    pub changed: bool,
}

/// A target and where it is recorded.
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    /// The output: `path` itself or a directory that holds it.
    pub(crate) out: PathBuf,
    pub(crate) dvc_file: PathBuf,
}

/// Adds `targets`, given relative to where the repository was opened or absolute. A path inside a tracked
/// directory updates that directory's record for this path alone, also when the path is gone.
pub fn add(repo: &Repo, targets: &[PathBuf], options: &AddOptions) -> Result<Vec<Added>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let targets = if options.glob { expand(repo, targets)? } else { targets.to_vec() };
    let mut plan: Vec<Planned> = Vec::new();
    for target in &targets {
        let path = fsx::normalize(repo.cwd(), options.out.as_deref().unwrap_or(target));
        let path = match target.file_name().filter(|_| options.out.is_some() && path.is_dir()) {
            Some(name) => path.join(name),
            None => path,
        };
        if !plan.iter().any(|known| known.path == path) {
            plan.push(plan_target(repo, &mut index, path, options)?);
        }
    }
    index.check(repo)?;
    if let Some(git_root) = repo.git_root() {
        let outs: Vec<PathBuf> = plan.iter().map(|planned| planned.out.clone()).collect();
        if let Some(path) = git::first_tracked(git_root, &outs)? {
            return Err(Error::TrackedByGit { path: repo.in_repo(path) });
        }
    }
    let mut lines = IgnoreLines::default();
    let added = match (&options.out, targets.as_slice(), plan.as_slice()) {
        (None, ..) => store_all(&mut workspace, &index, &plan, options, &mut lines),
        (Some(_), [source], [planned]) => {
            bring(&mut workspace, &fsx::normalize(repo.cwd(), source), planned, options, &mut lines)
        }
        _ => Err(Error::invalid("only one target can be brought to another place")),
    };
    if added.is_err() {
        git::roll_back(std::mem::take(&mut lines));
        workspace.close()?;
        return added;
    }
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        let mut staged: Vec<PathBuf> = plan.iter().map(|planned| planned.dvc_file.clone()).collect();
        staged.extend(lines.files());
        git::add(git_root, &staged)?;
    }
    workspace.close()?;
    added
}

/// Where `path` is to be recorded; a new output becomes a stage of the index.
pub(crate) fn plan_target(
    repo: &Repo,
    index: &mut Index,
    path: PathBuf,
    options: &AddOptions,
) -> Result<Planned> {
    let shown = repo.show(&path);
    let holder = index
        .stages
        .iter()
        .find_map(|stage| stage.outs.iter().find(|out| path.starts_with(&out.path)).map(|out| (stage, out)));
    if let Some((stage, out)) = holder {
        let (outer, owner) = (repo.show(&out.path), stage.address(repo));
        if stage.cmd.is_some() {
            return Err(Error::hinted(
                format!("{shown} belongs to '{outer}', which the stage '{owner}' makes"),
                format!("run the pipeline, or record it as it is: lemnis commit {owner}"),
            ));
        }
        if stage.import {
            return Err(Error::hinted(
                format!("{shown} belongs to '{outer}', which '{owner}' imports"),
                format!("bring it up to date from its source: lemnis update {owner}"),
            ));
        }
        if out.path != path && out.recorded.as_ref().is_some_and(|recorded| !recorded.is_dir()) {
            return Err(Error::invalid(format!("{shown} lies inside '{outer}', which is tracked as a file")));
        }
        let (out, dvc_file) = (out.path.clone(), stage.file.clone());
        exists_or_force(repo, &path, options)?;
        return Ok(Planned { path, out, dvc_file });
    }
    check_new(repo, &path)?;
    exists_or_force(repo, &path, options)?;
    let dvc_file = beside(&path);
    if let Some(at) = index.stages.iter().position(|stage| stage.file == dvc_file) {
        if !options.force {
            return Err(Error::hinted(
                format!("'{}' already exists and tracks something else", repo.show(&dvc_file)),
                "remove it first, or replace it with --force",
            ));
        }
        index.stages.remove(at);
    }
    index.stages.push(new_stage(&path, &dvc_file));
    Ok(Planned { out: path.clone(), path, dvc_file })
}

fn exists_or_force(repo: &Repo, path: &Path, options: &AddOptions) -> Result<()> {
    if options.out.is_some() && !options.force && path.symlink_metadata().is_ok() {
        return Err(Error::hinted(
            format!("'{}' already exists", repo.show(path)),
            "choose another place, or replace it with --force",
        ));
    }
    Ok(())
}

fn store_all(
    workspace: &mut Workspace<'_>,
    index: &Index,
    plan: &[Planned],
    options: &AddOptions,
    lines: &mut IgnoreLines,
) -> Result<Vec<Added>> {
    let ignored = Ignored::ask(workspace.repo, plan)?;
    let mut added = Vec::with_capacity(plan.len());
    for planned in plan {
        let stage = index.stages.iter().find(|stage| stage.file == planned.dvc_file);
        // an earlier target may have changed the same directory
        let fresh = match stage {
            Some(_) if planned.dvc_file.is_file() => Some(dvcfile::load(workspace.repo, &planned.dvc_file)?),
            _ => None,
        };
        let old = fresh
            .as_ref()
            .and_then(|stage| stage.outs.iter().find(|out| out.path == planned.out))
            .or_else(|| stage.and_then(|stage| stage.outs.iter().find(|out| out.path == planned.out)));
        added.push(store_one(workspace, planned, old, options, &ignored, lines)?);
    }
    Ok(added)
}

fn store_one(
    workspace: &mut Workspace<'_>,
    planned: &Planned,
    old: Option<&Out>,
    options: &AddOptions,
    ignored: &Ignored,
    lines: &mut IgnoreLines,
) -> Result<Added> {
    let repo = workspace.repo;
    let Planned { path, out, dvc_file } = planned;
    let missing = || Error::Missing { what: "output", path: repo.in_repo(path) };
    let cached = old.is_none_or(|out| out.cache);
    let before = old.and_then(|out| out.recorded.as_ref());
    ignored.check(repo, planned)?;
    let store = cached && !options.no_commit;
    let inside = out != path && before.is_none_or(|before| before.name == HashName::Md5);
    let recorded = if inside {
        granular::update(workspace, out, path, before, store, !options.no_relink)?
    } else {
        let whole = match (unchanged_legacy(workspace, out, before)?, store) {
            (Some(legacy), _) => Some(legacy),
            (None, true) => workspace.store(out, !options.no_relink)?,
            (None, false) => workspace.snapshot(out, HashName::Md5)?.map(|snapshot| snapshot.recorded),
        };
        whole.ok_or_else(missing)?
    };
    if cached {
        ignored.add_line(out, lines)?;
    }
    let def_path = old.map_or_else(|| name_of(out), |out| out.def_path.clone());
    dvcfile::save(dvc_file, &def_path, &recorded)?;
    Ok(Added {
        path: repo.in_repo(path),
        dvc_file: repo.in_repo(dvc_file),
        digest: Digest::md5(&recorded.md5),
        size_bytes: recorded.size.unwrap_or(0),
        nfiles: recorded.nfiles,
        changed: before.is_none_or(|before| before.md5 != recorded.md5),
    })
}

/// Copies `source` into the cache and makes the output from there.
fn bring(
    workspace: &mut Workspace<'_>,
    source: &Path,
    planned: &Planned,
    options: &AddOptions,
    lines: &mut IgnoreLines,
) -> Result<Vec<Added>> {
    let repo = workspace.repo;
    let ignored = Ignored::ask(repo, std::slice::from_ref(planned))?;
    ignored.check(repo, planned)?;
    let missing = || Error::Missing { what: "file or directory", path: repo.show(source) };
    // As in DVC an executable from elsewhere becomes a plain file.
    let stored = workspace.store(source, false)?.ok_or_else(missing)?;
    let recorded = Recorded { isexec: false, ..stored };
    let cache = crate::cache::Cache::new(repo.config(), repo.scratch_dir());
    workspace.restore(&planned.out, &recorded, options.force, &cache)?;
    ignored.add_line(&planned.out, lines)?;
    dvcfile::save(&planned.dvc_file, &name_of(&planned.out), &recorded)?;
    Ok(vec![Added {
        path: repo.in_repo(&planned.out),
        dvc_file: repo.in_repo(&planned.dvc_file),
        digest: Digest::md5(&recorded.md5),
        size_bytes: recorded.size.unwrap_or(0),
        nfiles: recorded.nfiles,
        changed: true,
    }])
}

/// What Git ignores among outputs and `.dvc` files; `None` without Git.
pub(crate) struct Ignored(Option<std::collections::HashSet<PathBuf>>);

impl Ignored {
    pub(crate) fn ask(repo: &Repo, plan: &[Planned]) -> Result<Self> {
        let Some(git_root) = repo.git_root() else { return Ok(Self(None)) };
        let paths: Vec<PathBuf> =
            plan.iter().flat_map(|planned| [planned.out.clone(), planned.dvc_file.clone()]).collect();
        git::ignored(git_root, &paths).map(|paths| Self(Some(paths)))
    }

    pub(crate) fn check(&self, repo: &Repo, planned: &Planned) -> Result<()> {
        if !self.0.as_ref().is_some_and(|ignored| ignored.contains(&planned.dvc_file)) {
            return Ok(());
        }
        Err(Error::hinted(
            format!("Git ignores '{}', so that what it records would be lost", repo.show(&planned.dvc_file)),
            "take its pattern out of .gitignore",
        ))
    }

    fn add_line(&self, out: &Path, lines: &mut IgnoreLines) -> Result<()> {
        match &self.0 {
            Some(ignored) if !ignored.contains(out) => git::add_line(out, lines),
            _ => Ok(()),
        }
    }
}

/// What is recorded for an output of DVC 2.x that did not change: it stays as it is, also in the cache.
fn unchanged_legacy(
    workspace: &mut Workspace<'_>,
    path: &Path,
    before: Option<&Recorded>,
) -> Result<Option<Recorded>> {
    let Some(old) = before.filter(|old| old.name == HashName::Dos2Unix) else { return Ok(None) };
    let now = workspace.snapshot(path, HashName::Dos2Unix)?.map(|now| now.recorded);
    let Some(now) = now.filter(|now| now.md5 == old.md5) else { return Ok(None) };
    Ok((workspace.cache.missing(old)? == 0).then_some(now))
}

/// The paths that shell patterns match, as Python's `glob` does: `*` passes over dot files, `**` descends.
fn expand(repo: &Repo, patterns: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let mut found = Vec::new();
    for pattern in patterns {
        let text = pattern.strip_prefix(repo.cwd()).unwrap_or(pattern).to_string_lossy();
        let base = glob::Pattern::escape(&repo.cwd().to_string_lossy());
        let whole = if text.starts_with('/') { text.into_owned() } else { format!("{base}/{text}") };
        let paths = glob::glob_with(&whole, options)
            .map_err(|error| Error::invalid(format!("'{}' is not a pattern: {error}", pattern.display())))?;
        found.extend(paths.filter_map(std::result::Result::ok));
    }
    if found.is_empty() {
        let shown: Vec<String> = patterns.iter().map(|pattern| pattern.display().to_string()).collect();
        return Err(Error::invalid(format!("nothing matches {}", shown.join(" "))));
    }
    Ok(found)
}

/// Whether a path that is not tracked yet may become an output.
pub(crate) fn check_new(repo: &Repo, path: &Path) -> Result<()> {
    let shown = path.display();
    let inside = path.strip_prefix(repo.root()).ok().filter(|relative| !relative.as_os_str().is_empty());
    let Some(inside) = inside else {
        return Err(Error::invalid(format!("{shown} lies outside the repository {}", repo.root().display())));
    };
    let text = inside
        .to_str()
        .ok_or_else(|| Error::hinted(format!("the name of {shown} is not valid UTF-8"), "rename it"))?;
    let first = text.split('/').next().unwrap_or_default();
    let name = text.rsplit('/').next().unwrap_or_default();
    if matches!(first, ".dvc" | ".git") {
        return Err(Error::invalid(format!("{shown} belongs to the repository itself")));
    }
    if name.ends_with(".dvc") || matches!(name, "dvc.yaml" | "dvc.lock" | ".dvcignore") {
        return Err(Error::invalid(format!("{shown} is a DVC file and cannot be data")));
    }
    let is_dir = path.is_dir();
    let mut above = path.parent().into_iter().flat_map(Path::ancestors).take_while(|dir| *dir != repo.root());
    if above.any(Path::is_symlink) || (is_dir && path.is_symlink()) {
        return Err(Error::hinted(
            format!("{shown} lies behind a symlinked directory"),
            "add the directory that the link leads to, when it is inside the repository",
        ));
    }
    let ignore = Ignore::default().with(repo.root(), ".git\n.hg/\n.dvc/\n");
    if Ignore::covers(ignore, repo.root(), path, ".dvcignore", is_dir)? {
        return Err(Error::hinted(
            format!("{shown} is ignored by .dvcignore"),
            "take its pattern out of .dvcignore",
        ));
    }
    Ok(())
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The `.dvc` file of an output.
pub(crate) fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.dvc", name_of(path)))
}

fn new_stage(path: &Path, dvc_file: &Path) -> Stage {
    let out = Out {
        def_path: name_of(path),
        path: path.to_path_buf(),
        kind: OutKind::Out,
        cache: true,
        persist: false,
        remote: None,
        push: true,
        recorded: None,
        versions: None,
    };
    Stage {
        name: None,
        file: dvc_file.to_path_buf(),
        wdir: dvc_file.parent().unwrap_or(Path::new("/")).to_path_buf(),
        cmd: None,
        deps: Vec::new(),
        params: Vec::new(),
        outs: vec![out],
        frozen: false,
        always_changed: false,
        desc: None,
        cmd_changed: false,
        import: false,
    }
}
