//! Puts files and directories under version control: hash, cache, `.dvc` file, `.gitignore`.
//!
//! All targets are checked before the first is stored, and the `.dvc` file of a target is written after its
//! objects are safe in the cache. A failure takes back the lines of `.gitignore`.

mod plan;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::Serialize;

pub(crate) use self::plan::{Planned, Planner, beside, check_new, name_of};
use crate::error::{Error, Result};
use crate::git::{self, Added as IgnoreLines};
use crate::hash::{HashName, Recorded};
use crate::index::Index;
use crate::output::Output;
use crate::repo::Repo;
use crate::stage::{Out, Stage};
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

/// Adds `targets`, given relative to where the repository was opened or absolute. A path inside a tracked
/// directory updates that directory's record for this path alone, also when the path is gone.
pub fn add(repo: &Repo, targets: &[PathBuf], options: &AddOptions) -> Result<Vec<Added>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let targets = if options.glob { expand(repo, targets)? } else { targets.to_vec() };
    let mut plan: Vec<Planned> = Vec::new();
    let mut seen = HashSet::new();
    let mut planner = Planner::new(repo, &mut index, options);
    for target in &targets {
        let path = fsx::normalize(repo.cwd(), options.out.as_deref().unwrap_or(target));
        let path = match target.file_name().filter(|_| options.out.is_some() && path.is_dir()) {
            Some(name) => path.join(name),
            None => path,
        };
        if seen.insert(path.clone()) {
            plan.push(planner.plan(path)?);
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

fn store_all(
    workspace: &mut Workspace<'_>,
    index: &Index,
    plan: &[Planned],
    options: &AddOptions,
    lines: &mut IgnoreLines,
) -> Result<Vec<Added>> {
    let repo = workspace.repo;
    let ignored = Ignored::ask(repo, plan)?;
    let stages: HashMap<&Path, &Stage> =
        index.stages.iter().map(|stage| (stage.file.as_path(), stage)).collect();
    let mut added: Vec<Option<Added>> = vec![None; plan.len()];
    // whole outputs share their syncs; what cannot be stored ends them, as it would one after the other
    let mut whole = Vec::new();
    let mut failure = None;
    for (at, planned) in plan.iter().enumerate() {
        let old = old_of(&stages, planned);
        let kept = old.is_none_or(|out| out.cache) && !options.no_commit;
        let legacy = old.and_then(|out| out.recorded.as_ref()).is_some_and(|old| old.name != HashName::Md5);
        // outputs that share a file are written one after the other
        let shared = stages.get(planned.dvc_file.as_path()).is_some_and(|stage| stage.outs.len() > 1);
        if planned.path != planned.out || !kept || legacy || shared {
            continue;
        }
        let ready = ignored.check(repo, planned).and_then(|()| match fsx::metadata(&planned.out)? {
            Some(_) => Ok(()),
            None => Err(missing(repo, planned)),
        });
        if let Err(error) = ready {
            failure = Some((at, error));
            break;
        }
        whole.push((at, planned, old));
    }
    store_whole(workspace, &whole, options, &ignored, lines, &mut added)?;
    for (at, planned) in plan.iter().enumerate() {
        match failure.take_if(|(failed, _)| *failed == at) {
            Some((_, error)) => return Err(error),
            None if added[at].is_some() => continue,
            None => {}
        }
        // an earlier target may have changed the same directory
        let fresh = match stages.get(planned.dvc_file.as_path()) {
            Some(_) if planned.dvc_file.is_file() => Some(dvcfile::load(repo, &planned.dvc_file)?),
            _ => None,
        };
        let old = fresh
            .as_ref()
            .and_then(|stage| stage.outs.iter().find(|out| out.path == planned.out))
            .or_else(|| old_of(&stages, planned));
        added[at] = Some(store_one(workspace, planned, old, options, &ignored, lines)?);
    }
    Ok(added.into_iter().flatten().collect())
}

fn old_of<'i>(stages: &HashMap<&Path, &'i Stage>, planned: &Planned) -> Option<&'i Out> {
    let stage = stages.get(planned.dvc_file.as_path())?;
    stage.outs.iter().find(|out| out.path == planned.out)
}

fn missing(repo: &Repo, planned: &Planned) -> Error {
    Error::Missing { what: "output", path: repo.in_repo(&planned.path) }
}

/// Stores whole outputs: all objects, then the lines of `.gitignore`, then the `.dvc` files, so that none of these
/// names an object that is not on the disk.
fn store_whole(
    workspace: &mut Workspace<'_>,
    whole: &[(usize, &Planned, Option<&Out>)],
    options: &AddOptions,
    ignored: &Ignored,
    lines: &mut IgnoreLines,
    added: &mut [Option<Added>],
) -> Result<()> {
    let repo = workspace.repo;
    let outputs: Vec<Output<'_>> = whole
        .iter()
        .map(|(_, planned, old)| Output {
            path: &planned.out,
            before: old.and_then(|out| out.recorded.as_ref()),
        })
        .collect();
    let stored = workspace.store_all(&outputs, !options.no_relink)?;
    ignored.add_lines(whole.iter().map(|(_, planned, _)| planned.out.as_path()), lines)?;
    let mut texts = Vec::new();
    for ((at, planned, old), recorded) in whole.iter().zip(stored) {
        let recorded = recorded.ok_or_else(|| missing(repo, planned))?;
        let def_path = old.map_or_else(|| name_of(&planned.out), |out| out.def_path.clone());
        if let Some(text) = dvcfile::render(&planned.dvc_file, &def_path, &recorded)? {
            texts.push((planned.dvc_file.clone(), text));
        }
        let before = old.and_then(|out| out.recorded.as_ref());
        added[*at] = Some(done(repo, planned, before, &recorded));
    }
    fsx::write_texts(&texts)
}

fn done(repo: &Repo, planned: &Planned, before: Option<&Recorded>, recorded: &Recorded) -> Added {
    Added {
        path: repo.in_repo(&planned.path),
        dvc_file: repo.in_repo(&planned.dvc_file),
        digest: Digest::md5(&recorded.md5),
        size_bytes: recorded.size.unwrap_or(0),
        nfiles: recorded.nfiles,
        changed: before.is_none_or(|before| before.md5 != recorded.md5),
    }
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
    let cached = old.is_none_or(|out| out.cache);
    let before = old.and_then(|out| out.recorded.as_ref());
    ignored.check(repo, planned)?;
    let store = cached && !options.no_commit;
    let inside = out != path && before.is_none_or(|before| before.name == HashName::Md5);
    let recorded = if inside {
        granular::update(workspace, out, path, before, store, !options.no_relink)?
    } else {
        let whole = workspace.take_in(out, before, store, !options.no_relink)?;
        whole.ok_or_else(|| missing(repo, planned))?
    };
    if cached {
        ignored.add_lines([out.as_path()], lines)?;
    }
    let def_path = old.map_or_else(|| name_of(out), |out| out.def_path.clone());
    dvcfile::save(dvc_file, &def_path, &recorded)?;
    Ok(done(repo, planned, before, &recorded))
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
    ignored.add_lines([planned.out.as_path()], lines)?;
    dvcfile::save(&planned.dvc_file, &name_of(&planned.out), &recorded)?;
    Ok(vec![done(repo, planned, None, &recorded)])
}

/// What Git ignores among outputs and `.dvc` files; `None` without Git.
pub(crate) struct Ignored(Option<HashSet<PathBuf>>);

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

    fn add_lines<'p>(&self, outs: impl IntoIterator<Item = &'p Path>, lines: &mut IgnoreLines) -> Result<()> {
        let Some(ignored) = &self.0 else { return Ok(()) };
        let new: Vec<&Path> = outs.into_iter().filter(|out| !ignored.contains(*out)).collect();
        git::add_lines(&new, lines)
    }
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
