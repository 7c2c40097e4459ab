//! `update`: brings imports to the newest version of where they come from; and whether there is a newer one.

use std::path::Path;

use super::Outside;
use super::import::store;
use super::link::Link;
use super::place::Listing;
use super::source::Source;
use super::spec::{Document, Origin, RepoRef};
use super::to_remote::send;
use super::url::Thing;
use crate::collect::{Wanted, want};
use crate::error::{Error, Result};
use crate::hash::{HashName, Recorded};
use crate::index::Index;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::stage::{Out, Stage};
use crate::workspace::Workspace;
use crate::{fsx, git, versioned};

/// How to update.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Imports: `.dvc` files or their outputs.
    pub targets: Vec<String>,
    /// To this commit, branch or tag instead of the newest one.
    pub rev: Option<String>,
    /// Record the new version without bringing its data.
    pub no_download: bool,
    /// Targets that are directories mean every import below them.
    pub recursive: bool,
    /// Send the new data straight to a remote, without a copy here.
    pub to_remote: bool,
    /// The remote to send it to instead of the default one.
    pub remote: Option<String>,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Updated {
    /// The files of the stages that are up to date now, relative to the repository's root.
    pub files: Vec<String>,
    /// Outputs without a place to be updated from: no imports, and never pushed. As users see them.
    pub never_pushed: Vec<String>,
}

/// Updates the imports that the targets name, and outputs that were pushed to a worktree remote.
pub fn update(repo: &Repo, options: &UpdateOptions, outside: &Outside<'_>) -> Result<Updated> {
    let mut workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let mut chosen: Vec<usize> = Vec::new();
    for target in &options.targets {
        let path = fsx::normalize(repo.cwd(), Path::new(target));
        let found = match options.recursive && path.is_dir() {
            true => (0..index.stages.len())
                .filter(|at| index.stages[*at].import && index.stages[*at].file.starts_with(&path))
                .collect(),
            false => index.find(repo, target)?,
        };
        chosen.extend(found);
    }
    chosen.sort_unstable();
    chosen.dedup();
    // Nothing is touched when one of the targets cannot be updated.
    let mut updated = Updated::default();
    let mut plan = Vec::new();
    for at in chosen {
        let stage = &index.stages[at];
        if stage.import {
            if options.to_remote {
                refuse_repository(repo, stage)?;
            }
            plan.push((stage, Vec::new()));
            continue;
        }
        let pushed = pushed_of(repo, stage, options, &mut updated.never_pushed)?;
        if !pushed.is_empty() {
            plan.push((stage, pushed));
        }
    }
    for (stage, pushed) in plan {
        match stage.import {
            true => update_one(&mut workspace, stage, options, Manner::default(), outside)?,
            false => follow_worktree(&mut workspace, stage, &pushed, outside)?,
        }
        updated.files.push(repo.in_repo(&stage.file));
    }
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        let files: Vec<_> = updated.files.iter().map(|file| repo.root().join(file)).collect();
        git::add(git_root, &files)?;
    }
    workspace.close()?;
    Ok(updated)
}

/// An error for an import from another repository, whose data does not go straight to a remote.
fn refuse_repository(repo: &Repo, stage: &Stage) -> Result<()> {
    let origin = Document::load(&stage.file)?.and_then(|document| document.origin());
    if matches!(origin, Some(Origin::Repo { .. })) {
        return Err(Error::hinted(
            format!("'{}' comes from another repository, which has remotes of its own", stage.address(repo)),
            "only imports of URLs go straight to a remote",
        ));
    }
    Ok(())
}

/// The remote that each output of the stage was pushed to, an error when that is no worktree; outputs that were never
/// pushed join `never_pushed`.
fn pushed_of(
    repo: &Repo,
    stage: &Stage,
    options: &UpdateOptions,
    never_pushed: &mut Vec<String>,
) -> Result<Vec<(Wanted, String)>> {
    if options.rev.is_some() || options.no_download || options.to_remote {
        return Err(Error::hinted(
            format!("'{}' is no import: it can only follow a worktree remote", stage.address(repo)),
            "leave out --rev, --no-download and --to-remote",
        ));
    }
    let mut found = Vec::new();
    for out in stage.outs.iter().filter(|out| out.cache && out.push) {
        let wanted = want(repo, stage, out, None);
        let versions = wanted.iter().flat_map(|wanted| &wanted.versions);
        let mut files = versions.flat_map(|versions| &versions.files);
        let pushed = files.find_map(|file| file.version.as_ref()).map(|version| version.remote.clone());
        let (Some(wanted), Some(name)) = (&wanted, out.remote.clone().or(pushed)) else {
            never_pushed.push(repo.show(&out.path));
            continue;
        };
        let set = repo.config().remotes.get(&name.to_lowercase()).and_then(|options| options.get("worktree"));
        if set.and_then(|value| crate::config::truth(value)) != Some(true) {
            return Err(Error::invalid(format!(
                "'{}' is no import, and its remote '{name}' no worktree to follow",
                stage.address(repo)
            )));
        }
        found.push((wanted.clone(), name));
    }
    Ok(found)
}

fn follow_worktree(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    pushed: &[(Wanted, String)],
    outside: &Outside<'_>,
) -> Result<()> {
    let repo = workspace.repo;
    for (wanted, name) in pushed {
        if let Some(out) = stage.outs.iter().find(|out| out.path == wanted.path) {
            refuse_unsaved(workspace, out)?;
        }
        let remote = Remote::open_any(repo.config(), Some(name), outside.stores, outside.jobs)?;
        versioned::update(workspace, &remote, wanted, outside.progress)?;
    }
    Ok(())
}

/// How an import is brought again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// In the version of the other repository that is recorded.
    pub(super) pinned: bool,
    /// Without putting it into the cache.
    pub(super) no_commit: bool,
}

pub(super) fn update_one(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    options: &UpdateOptions,
    manner: Manner,
    outside: &Outside<'_>,
) -> Result<()> {
    let repo = workspace.repo;
    let (document, out) = (Document::load(&stage.file)?, stage.outs.first());
    let (Some(document), Some(out)) = (document, out) else {
        return Err(Error::invalid(format!("'{}' is no import", stage.address(repo))));
    };
    match document.origin() {
        Some(Origin::Repo { path, repo: from }) => {
            update_repo(workspace, stage, out, document, (path, *from), options, manner, outside)
        }
        Some(Origin::Url(link)) => {
            update_url(workspace, stage, out, document, &link, options, manner, outside)
        }
        None => Ok(()),
    }
}

#[allow(clippy::too_many_arguments)]
fn update_repo(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    out: &Out,
    mut document: Document,
    (path, mut from): (String, RepoRef),
    options: &UpdateOptions,
    manner: Manner,
    outside: &Outside<'_>,
) -> Result<()> {
    let repo = workspace.repo;
    let old = from.rev_lock.clone();
    if options.rev.is_some() {
        from.rev.clone_from(&options.rev);
    }
    let rev = old.as_deref().filter(|_| manner.pinned).or(from.rev.as_deref());
    let source = Source::open(repo.cwd(), &from.url, rev, repo.environment())?;
    from.rev_lock.clone_from(&source.commit);
    let same = old == from.rev_lock;
    document.set_origin(&Origin::Repo { path: path.clone(), repo: Box::new(from.clone()) });
    if options.no_download {
        if !same {
            give_up(workspace, out)?;
            document.forget_out();
        }
        return document.save(&stage.file, true, true);
    }
    if !(same && as_recorded(workspace, out)?) {
        let listing = Listing::of(&source, &path, &from.url)?;
        refuse_unsaved(workspace, out)?;
        listing.bring(&source, Some(&from), &workspace.cache, outside)?;
        listing.write(&workspace.cache, &out.path)?;
        document.set_out(Some(&taken_in(workspace, out, manner)?));
    }
    document.save(&stage.file, true, true)
}

/// The record of what was brought.
fn taken_in(workspace: &mut Workspace<'_>, out: &Out, manner: Manner) -> Result<Recorded> {
    if out.cache && !manner.no_commit {
        return store(workspace, &out.path);
    }
    let missing = Error::Missing { what: "output", path: workspace.repo.show(&out.path) };
    Ok(workspace.snapshot(&out.path, HashName::Md5)?.ok_or(missing)?.recorded)
}

#[allow(clippy::too_many_arguments)]
fn update_url(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    out: &Out,
    mut document: Document,
    link: &Link,
    options: &UpdateOptions,
    manner: Manner,
    outside: &Outside<'_>,
) -> Result<()> {
    let repo = workspace.repo;
    // as in DVC a revision means nothing where the source has no versions
    let rev = if link.is_versioned(repo)? { options.rev.as_deref() } else { None };
    let thing = Thing::find(Some(repo), &stage.wdir, link, rev, outside)?;
    let content = thing.content(workspace)?;
    let same = content == document.dep_content();
    document.set_dep_content(content);
    document.set_dep_path(&link.url);
    if options.no_download {
        if !same {
            give_up(workspace, out)?;
            document.forget_out();
        }
        return document.save(&stage.file, true, true);
    }
    if options.to_remote {
        document.set_out(Some(&send(workspace, &thing, options.remote.as_deref(), outside)?));
    } else if !(same && as_recorded(workspace, out)?) {
        refuse_unsaved(workspace, out)?;
        thing.write(&out.path, outside)?;
        document.set_out(Some(&taken_in(workspace, out, manner)?));
    }
    document.save(&stage.file, true, true)
}

fn as_recorded(workspace: &mut Workspace<'_>, out: &Out) -> Result<bool> {
    let Some(recorded) = &out.recorded else { return Ok(false) };
    let now = workspace.snapshot(&out.path, recorded.name)?;
    Ok(now.is_some_and(|now| now.recorded.md5 == recorded.md5))
}

/// Removes what is no more what the `.dvc` file records, unless it is the only copy.
fn give_up(workspace: &mut Workspace<'_>, out: &Out) -> Result<()> {
    refuse_unsaved(workspace, out)?;
    fsx::remove(&out.path)
}

/// What somebody changed in the workspace and no cache holds is not overwritten.
pub(super) fn refuse_unsaved(workspace: &mut Workspace<'_>, out: &Out) -> Result<()> {
    let name = out.recorded.as_ref().map_or(HashName::Md5, |recorded| recorded.name);
    let Some(now) = workspace.snapshot(&out.path, name)? else { return Ok(()) };
    let recorded = out.recorded.as_ref().is_some_and(|recorded| recorded.md5 == now.recorded.md5);
    if recorded || workspace.cache.missing(&now.recorded)? == 0 {
        return Ok(());
    }
    Err(Error::Unsaved { paths: vec![workspace.repo.show(&out.path)] })
}

/// What became of an import that was noted with `--no-download`.
pub(crate) enum Download {
    /// It is in the workspace now.
    Made,
    /// Something stood there and was left alone.
    Kept,
}

/// Downloads the data of an import whose `.dvc` file records only its source, in the version that it names; `None`
/// for a stage that is no import. The `.dvc` file is left as it is.
pub(crate) fn download(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    outside: &Outside<'_>,
) -> Result<Option<Download>> {
    let Some(out) = stage.outs.first().filter(|_| stage.import) else { return Ok(None) };
    let Some(document) = Document::load(&stage.file)? else { return Ok(None) };
    let Some(origin) = document.origin() else { return Ok(None) };
    if out.path.symlink_metadata().is_ok() {
        return Ok(Some(Download::Kept));
    }
    match origin {
        Origin::Repo { path, repo: from } => {
            let rev = from.rev_lock.as_deref().or(from.rev.as_deref());
            let source = Source::open(workspace.repo.cwd(), &from.url, rev, workspace.repo.environment())?;
            let listing = Listing::of(&source, &path, &from.url)?;
            listing.bring(&source, Some(&from), &workspace.cache, outside)?;
            listing.write(&workspace.cache, &out.path)?;
        }
        Origin::Url(link) => {
            let (repo, content) = (workspace.repo, document.dep_content());
            if let Some(thing) = Thing::recorded(repo, &stage.wdir, &link, &content, outside)? {
                thing.write(&out.path, outside)?;
            } else {
                let thing = Thing::find(Some(repo), &stage.wdir, &link, None, outside)?;
                if thing.content(workspace)? != content {
                    let file = repo.show(&stage.file);
                    return Err(Error::hinted(
                        format!("'{}' has changed since '{file}' noted it", link.url),
                        format!("take it as it is now: lemnis update {file}"),
                    ));
                }
                thing.write(&out.path, outside)?;
            }
        }
    }
    // so that an update may replace it
    store(workspace, &out.path)?;
    Ok(Some(Download::Made))
}
