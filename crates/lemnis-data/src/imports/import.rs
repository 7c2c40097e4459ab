//! `import` and `import-url`: bring data from elsewhere and record where from.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::link::Link;
use super::place::Listing;
use super::source::Source;
use super::spec::{Document, Origin, RepoRef};
use super::to_remote::send;
use super::url::Thing;
use super::{Outside, destination};
use crate::check_ignore::check_output;
use crate::error::{Error, Result};
use crate::fsx;
use crate::git::{self, Added as IgnoreLines};
use crate::hash::Recorded;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{self, At, Out, OutKind, Stage};
use crate::workspace::Workspace;

/// How much of an import is done at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    #[default]
    Whole,
    /// The version is recorded, the data is not brought.
    NoDownload,
    /// Only the origin is recorded.
    NoExec,
}

/// Data of another repository.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The repository: a path or a URL that Git understands.
    pub url: String,
    /// The file or directory in it.
    pub path: String,
    /// Where to put it.
    pub out: Option<PathBuf>,
    /// A commit, branch or tag.
    pub rev: Option<String>,
    /// How much to do.
    pub extent: Extent,
    /// Overwrite what is there.
    pub force: bool,
    /// The remote of that repository to take data from.
    pub remote: Option<String>,
    /// A configuration file to lay over that repository's own.
    pub config: Option<String>,
    /// Options for the remote, or for the default one.
    pub remote_options: Vec<(String, String)>,
}

/// Data behind a path or URL.
#[derive(Clone, Debug, Default)]
pub struct ImportUrl {
    /// A path, or a URL of a store.
    pub url: String,
    /// Where to put it.
    pub out: Option<PathBuf>,
    /// How much to do.
    pub extent: Extent,
    /// Overwrite what is there.
    pub force: bool,
    /// Record the versions that the store names, so that exactly these can be had again.
    pub version_aware: bool,
    /// Options of the store, by the names that a remote has; they are recorded.
    pub options: Vec<(String, String)>,
    /// Send the data straight to a remote, without a copy here.
    pub to_remote: bool,
    /// The remote to send it to instead of the default one.
    pub remote: Option<String>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    /// The file or directory, relative to the repository's root.
    pub path: String,
    /// Its `.dvc` file, relative to the repository's root.
    pub dvc_file: String,
}

/// Imports from another repository.
pub fn import(repo: &Repo, request: &Import, outside: &Outside<'_>) -> Result<Imported> {
    let out = destination(repo.cwd(), &request.path, request.out.as_deref(), request.force)?;
    let (rev, config) = (request.rev.as_deref(), request.config.as_deref());
    let mut from =
        RepoRef::asked(&request.url, rev, config, request.remote.as_deref(), &request.remote_options)?;
    let origin = Origin::Repo { path: request.path.clone(), repo: Box::new(from.clone()) };
    let mut work = Work::begin(repo, &out)?;
    let mut document = Document::new(&origin, &work.name());
    if request.extent == Extent::NoExec {
        return work.finish(&document, false);
    }
    let source = Source::open(repo.cwd(), &request.url, request.rev.as_deref(), repo.environment())?;
    from.rev_lock.clone_from(&source.commit);
    if from.rev_lock.is_none() {
        return Err(Error::hinted(
            format!("the repository '{}' has no commit", request.url),
            "only versions that Git knows can be imported: commit there first, or use get",
        ));
    }
    let listing = Listing::of(&source, &request.path, &request.url)?;
    if request.remote.is_some()
        && let Some(theirs) = source.repo_of(&source.locate(&request.path)?)?
    {
        // a name that is wrong is told now, also while the cache beside that repository has everything
        source.remotes(&theirs, Some(&from), None, outside)?;
    }
    document.set_origin(&Origin::Repo { path: request.path.clone(), repo: Box::new(from.clone()) });
    if request.extent == Extent::Whole {
        listing.bring(&source, Some(&from), &work.workspace.cache, outside)?;
        listing.write(&work.workspace.cache, &out)?;
        document.set_out(Some(&work.store()?));
    }
    work.finish(&document, true)
}

/// Imports what a path or URL leads to.
pub fn import_url(repo: &Repo, request: &ImportUrl, outside: &Outside<'_>) -> Result<Imported> {
    let out = destination(repo.cwd(), &request.url, request.out.as_deref(), request.force)?;
    let mut work = Work::begin(repo, &out)?;
    let link = Link::new(&request.url).with_options(Some(repo), &request.options, request.version_aware)?;
    let recorded = Link { url: recorded_url(repo, &out, &link.url), ..link.clone() };
    let mut document = Document::new(&Origin::Url(recorded), &work.name());
    if request.extent == Extent::NoExec {
        if let Some(version) = &link.version {
            document.set_dep_version(version);
        }
        return work.finish(&document, false);
    }
    let thing = Thing::find(Some(repo), repo.cwd(), &link, link.version.as_deref(), outside)?;
    document.set_dep_content(thing.content(&mut work.workspace)?);
    if request.to_remote {
        thing.refuse_itself(&out)?;
        document.set_out(Some(&send(&mut work.workspace, &thing, request.remote.as_deref(), outside)?));
        return work.finish(&document, true);
    }
    if thing.is_versioned() {
        document.set_not_pushed();
    }
    if request.extent == Extent::Whole {
        thing.write(&out, outside)?;
        document.set_out(Some(&work.store()?));
    }
    work.finish(&document, true)
}

/// A URL or absolute path as it was given; a path is recorded as seen from where the `.dvc` file lies.
fn recorded_url(repo: &Repo, out: &Path, url: &str) -> String {
    let wdir = out.parent().unwrap_or(repo.root());
    let path = fsx::normalize(repo.cwd(), Path::new(url));
    let relative = !url.contains("://") && !Path::new(url).is_absolute();
    let inside = !url.contains("://") && path.starts_with(repo.root());
    if inside || (relative && wdir != repo.cwd()) { fsx::relative(&path, wdir) } else { url.to_owned() }
}

/// A new import on its way: checked before anything is written, its `.gitignore` line taken back on failure.
struct Work<'r> {
    workspace: Workspace<'r>,
    out: PathBuf,
    dvc_file: PathBuf,
}

impl<'r> Work<'r> {
    fn begin(repo: &'r Repo, out: &Path) -> Result<Self> {
        let dir = out.parent().unwrap_or(repo.root());
        if !dir.is_dir() {
            return Err(Error::Missing { what: "directory", path: repo.show(dir) });
        }
        let workspace = Workspace::open(repo)?;
        let mut index = Index::load_locked(&workspace)?;
        let dvc_file = out.with_file_name(format!("{}.dvc", name_of(out)));
        index.stages.retain(|stage| stage.file != dvc_file);
        index.stages.push(stage_of(repo, out, &dvc_file)?);
        index.check(repo)?;
        if let Some(git_root) = repo.git_root()
            && git::is_tracked(git_root, out)?
        {
            return Err(Error::TrackedByGit { path: repo.in_repo(out) });
        }
        Ok(Self { workspace, out: out.to_path_buf(), dvc_file })
    }

    fn name(&self) -> String {
        name_of(&self.out)
    }

    fn store(&mut self) -> Result<Recorded> {
        store(&mut self.workspace, &self.out)
    }

    fn finish(self, document: &Document, hashed: bool) -> Result<Imported> {
        let repo = self.workspace.repo;
        let mut lines = IgnoreLines::default();
        if let Some(git_root) = repo.git_root() {
            git::ignore(git_root, &self.out, &mut lines)?;
        }
        if let Err(error) = document.save(&self.dvc_file, hashed, false) {
            git::roll_back(lines);
            return Err(error);
        }
        if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
            let mut files = lines.files();
            files.push(self.dvc_file.clone());
            git::add(git_root, &files)?;
        }
        self.workspace.close()?;
        Ok(Imported { path: repo.in_repo(&self.out), dvc_file: repo.in_repo(&self.dvc_file) })
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The stage that the import becomes. Its output must be a place for data: inside the repository, also when
/// symlinks are followed, and not ignored.
fn stage_of(repo: &Repo, out: &Path, dvc_file: &Path) -> Result<Stage> {
    let wdir = out.parent().unwrap_or(repo.root()).to_path_buf();
    let def_path = name_of(out);
    let file = repo.show(dvc_file);
    let path = stage::resolve(repo, &wdir, &def_path, "output", &At { file: &file, line: 1 })?;
    let real = std::fs::canonicalize(&wdir).map_err(Error::io("look at", &wdir))?;
    let root = std::fs::canonicalize(repo.root()).map_err(Error::io("look at", repo.root()))?;
    if !real.starts_with(&root) {
        return Err(Error::invalid(format!(
            "'{}' leads out of the repository through a symlink",
            repo.show(out)
        )));
    }
    check_output(repo, &path)?;
    let kind = OutKind::Out;
    let out = Out {
        def_path,
        path,
        kind,
        cache: true,
        persist: false,
        remote: None,
        push: true,
        drawing: Default::default(),
        recorded: None,
        versions: None,
    };
    Ok(Stage {
        name: None,
        file: dvc_file.to_path_buf(),
        wdir,
        cmd: None,
        external: Vec::new(),
        deps: Vec::new(),
        params: Vec::new(),
        outs: vec![out],
        frozen: true,
        always_changed: false,
        desc: None,
        cmd_changed: false,
        import: true,
    })
}

/// Puts what stands at `out` into the cache and links it as configured.
pub(super) fn store(workspace: &mut Workspace<'_>, out: &Path) -> Result<Recorded> {
    let missing = || Error::Missing { what: "output", path: workspace.repo.in_repo(out) };
    let missing = missing();
    workspace.store(out, true)?.ok_or(missing)
}
