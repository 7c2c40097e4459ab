//! Where tracked data stands between the last commit, the `.dvc` files and `dvc.lock`, and the workspace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cache::Cache;
use crate::datatree::{self, Change, DataTree, Kind, Scope};
use crate::diff::Revised;
use crate::error::Result;
use crate::fsx;
use crate::index::Index;
use crate::members::Members;
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::revision;
use crate::unpushed::{AskRemote, unpushed};
use crate::workspace::Workspace;

/// What to report.
#[derive(Clone, Debug, Default)]
pub struct DataStatusOptions {
    /// Only these paths; none means everything.
    pub targets: Vec<String>,
    /// Single files of directories as well.
    pub granular: bool,
    /// Ask Git for untracked files.
    pub untracked: Untracked,
    /// Say what this remote lacks.
    pub not_in_remote: Option<AskRemote>,
}

/// Which files that nothing tracks are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untracked {
    /// None.
    #[default]
    No,
    /// All.
    All,
}

/// Paths by state, relative to the repository's root; directories end in `/`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DataStatus {
    /// Recorded and not in the cache.
    pub not_in_cache: Vec<String>,
    /// Recorded and not on the remote, when that was asked.
    pub not_in_remote: Vec<String>,
    /// Between the last commit and what `.dvc` files and `dvc.lock` record now.
    pub committed: DataChanges,
    /// Between what they record and the workspace.
    pub uncommitted: DataChanges,
    /// Neither in Git nor tracked, relative to where the repository was opened.
    pub untracked: Vec<String>,
    /// The same everywhere.
    pub unchanged: Vec<String>,
    /// Git has changes of its own.
    #[serde(skip)]
    pub git_dirty: bool,
    /// Git has no commit yet.
    #[serde(skip)]
    pub no_commits: bool,
}

/// What changed, by kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DataChanges {
    /// Other content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modified: Vec<String>,
    /// New.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// The same content at another path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Revised>,
    /// Inside a directory whose recorded content is not in the cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl DataChanges {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the last commit, the recorded state and the workspace, and asks the remote where that is wanted.
pub fn data_status(repo: &Repo, options: &DataStatusOptions, stores: &dyn OpenStore) -> Result<DataStatus> {
    let mut workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let within: Vec<PathBuf> = options
        .targets
        .iter()
        .map(|target| fsx::normalize(repo.cwd(), Path::new(target.trim_end_matches('/'))))
        .collect();
    let within = (!within.is_empty()).then_some(within);
    let scope = Scope { within, granular: options.granular };
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let members = Members::new(repo, &cache, stores);
    let recorded = DataTree::recorded(repo, &index, &members, &scope)?;
    let present = DataTree::present(&mut workspace, &index, &scope)?;
    let mut status = DataStatus::default();
    let changes = datatree::compare(repo, &recorded, &present, &scope, true);
    // As in DVC what was imported without its data is in no cache, whatever else holds the same.
    let noted: BTreeSet<String> = index
        .stages
        .iter()
        .filter(|stage| stage.import)
        .flat_map(|stage| stage.outs.iter().filter(|out| out.recorded.is_none()))
        .map(|out| repo.in_repo(&out.path))
        .collect();
    for change in &changes {
        if let Some((path, entry)) = &change.old
            && let Some((name, md5)) = &entry.hash
            && (noted.contains(path) || !cache.object_path(*name, md5).exists())
        {
            status.not_in_cache.push(entry.show(path));
        }
    }
    let mut unchanged = BTreeSet::new();
    status.uncommitted = sort(changes, &mut unchanged);
    if let Some(ask) = &options.not_in_remote {
        status.not_in_remote = unpushed(repo, &index, &members, &scope, ask, stores)?;
    }
    if repo.git_root().is_some() {
        status.no_commits = repo.has_no_commits()?;
        let head = match status.no_commits {
            true => None,
            false => repo.at_commit(&repo.resolve("HEAD")?)?,
        };
        let head = match &head {
            Some(head) => DataTree::recorded(head, &Index::load(head)?, &members, &scope)?,
            None => DataTree::default(),
        };
        let mut same = BTreeSet::new();
        let changes = datatree::compare(repo, &head, &recorded, &scope, true);
        status.committed = sort(changes, &mut same);
        unchanged.retain(|path| same.contains(path));
        ask_git(repo, options, &scope, &mut status)?;
    }
    status.unchanged = unchanged.into_iter().collect();
    workspace.close()?;
    Ok(status)
}

fn sort(changes: Vec<Change>, unchanged: &mut BTreeSet<String>) -> DataChanges {
    let mut out = DataChanges::default();
    for Change { kind, old, new } in changes {
        let hash = |side: &Option<(String, datatree::Entry)>| {
            side.as_ref().is_some_and(|(_, entry)| entry.hash.is_some())
        };
        let (known, in_new) = (hash(&old) || hash(&new), new.is_some());
        let is_dir = new.as_ref().or(old.as_ref()).is_some_and(|(_, entry)| entry.is_dir);
        if kind == Kind::Renamed {
            let side = |side: &Option<(String, datatree::Entry)>| {
                side.as_ref().map(|(path, entry)| entry.show(path))
            };
            out.renamed.push(Revised::Both { old: side(&old), new: side(&new) });
            continue;
        }
        let Some((path, _)) = new.or(old) else { continue };
        let path = if is_dir { format!("{path}/") } else { path };
        match kind {
            Kind::Added => out.added.push(path),
            Kind::Deleted => out.deleted.push(path),
            Kind::Modified => out.modified.push(path),
            Kind::Unknown if in_new => out.unknown.push(path),
            Kind::Unchanged if known => drop(unchanged.insert(path)),
            Kind::Unknown | Kind::Unchanged | Kind::Renamed => {}
        }
    }
    out
}

fn ask_git(repo: &Repo, options: &DataStatusOptions, scope: &Scope, status: &mut DataStatus) -> Result<()> {
    let Some(git_root) = repo.git_root() else { return Ok(()) };
    let files = match options.untracked {
        Untracked::No => "--untracked-files=no",
        Untracked::All => "--untracked-files=all",
    };
    let listed = revision::git(git_root, &["status", "--porcelain", "-z", "--no-renames", files])?;
    status.git_dirty = !listed.is_empty();
    for path in listed.split('\0').filter_map(|entry| entry.strip_prefix("?? ")) {
        let path = git_root.join(path.trim_end_matches('/'));
        let wanted = scope.within.as_ref().is_none_or(|within| within.iter().any(|at| path.starts_with(at)));
        if wanted && path.starts_with(repo.root()) {
            status.untracked.push(fsx::relative(&path, repo.cwd()));
        }
    }
    Ok(())
}
