//! What becomes of imports in commands that are not about imports: whether the source changed, what a reproduction and
//! a commit do with them.

use super::Outside;
use super::link::Link;
use super::source::Source;
use super::spec::{Document, Origin};
use super::update::{Manner, UpdateOptions, refuse_unsaved, update_one};
use super::url::Thing;
use crate::cache::Cache;
use crate::dvcfile;
use crate::error::Result;
use crate::remote::{NoStores, OpenStore, Silent};
use crate::repo::Repo;
use crate::stage::Stage;
use crate::status::compare;
use crate::workspace::Workspace;
use crate::yaml::{Map, Value};

/// How a reproduction takes an import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bring {
    /// Bring it again even when it is as recorded.
    pub(crate) force: bool,
    /// Leave it out of the cache.
    pub(crate) no_commit: bool,
}

/// Brings an import that is not frozen, or of which nothing is recorded yet, from its source, or from the cache while
/// the source is as it was; `true` when it came from the source.
pub(crate) fn sync(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    how: Bring,
    stores: Option<&dyn OpenStore>,
) -> Result<bool> {
    let repo = workspace.repo;
    let outside = Outside {
        stores: stores.unwrap_or(&NoStores),
        progress: &Silent,
        jobs: None,
        environment: repo.environment(),
    };
    let Some(out) = stage.outs.first() else { return Ok(false) };
    let cached = match &out.recorded {
        Some(recorded) if out.cache => workspace.cache.missing(recorded)? == 0,
        _ => false,
    };
    let as_it_was =
        cached && !how.force && !stage.cmd_changed && changed_source(workspace, stage, stores)?.is_none();
    if let Some(recorded) = out.recorded.as_ref().filter(|_| as_it_was) {
        refuse_unsaved(workspace, out)?;
        let cache = Cache::new(repo.config(), repo.scratch_dir());
        workspace.restore(&out.path, recorded, false, &cache)?;
        return Ok(false);
    }
    let manner = Manner { pinned: true, no_commit: how.no_commit };
    update_one(workspace, stage, &UpdateOptions::default(), manner, &outside)?;
    *stage = dvcfile::load(repo, &stage.file)?;
    Ok(true)
}

/// Writes what the workspace holds of an import into its `.dvc` file, and what its source is now, one in a store only
/// with `stores`; the outputs of `stage` are recorded already.
pub(crate) fn record(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    stores: Option<&dyn OpenStore>,
) -> Result<()> {
    let repo = workspace.repo;
    let Some(mut document) = Document::load(&stage.file)? else { return Ok(()) };
    match document.origin() {
        Some(Origin::Repo { path, repo: mut from }) if from.rev_lock.is_none() => {
            from.rev_lock = Source::commit_of(repo.cwd(), &from.url, from.rev.as_deref())?;
            document.set_origin(&Origin::Repo { path, repo: from });
        }
        Some(Origin::Url(link)) => {
            let thing = match (link.local(repo, &stage.wdir)?, stores) {
                (Some(path), _) => Some(Thing::Local(path)),
                (None, Some(stores)) if !link.recorded => {
                    let outside = outside(repo, stores);
                    Some(Thing::find(Some(repo), &stage.wdir, &link, None, &outside)?)
                }
                _ => None,
            };
            if let Some(thing) = thing {
                let content = thing.content(workspace);
                document.set_dep_content(content.map_err(|error| error.of(&stage.address(repo)))?);
            }
        }
        _ => {}
    }
    if let Some(recorded) = stage.outs.first().and_then(|out| out.recorded.as_ref()) {
        document.set_out(Some(recorded));
    }
    document.save(&stage.file, true, true)?;
    *stage = dvcfile::load(repo, &stage.file)?;
    Ok(())
}

/// How the source of an import is called and what became of it, when it is not any more what was imported. Stores are
/// asked only with `stores`.
pub(crate) fn changed_source(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    stores: Option<&dyn OpenStore>,
) -> Result<Option<(String, &'static str)>> {
    let repo = workspace.repo;
    let Some(document) = Document::load(&stage.file)? else { return Ok(None) };
    match document.origin() {
        Some(Origin::Repo { path, repo: from }) => {
            if from.rev_lock.is_none() {
                return Ok(None);
            }
            let newest = Source::commit_of(repo.cwd(), &from.url, from.rev.as_deref())?;
            Ok((newest != from.rev_lock).then(|| (format!("{path} ({})", from.url), "update available")))
        }
        Some(Origin::Url(link)) if link.recorded && link.is_versioned(repo)? => {
            let Some(stores) = stores else { return Ok(None) };
            let state = version_state(repo, stage, &link, &document.dep_content(), &outside(repo, stores))?;
            Ok(state.map(|state| (link.url, state)))
        }
        Some(Origin::Url(link)) => {
            if let Some(path) = link.local(repo, &stage.wdir)? {
                let recorded = stage.deps.first().and_then(|dep| dep.recorded.as_ref());
                let inside = path.starts_with(repo.root());
                let shown = match link.url.starts_with('/') || link.url.starts_with("remote://") {
                    true => link.url.clone(),
                    false if inside => repo.show(&path),
                    false => path.display().to_string(),
                };
                return Ok(compare(workspace, &path, recorded)?.map(|state| (shown, state)));
            }
            let Some(stores) = stores else { return Ok(None) };
            let found = Thing::find_any(Some(repo), &stage.wdir, &link, None, &outside(repo, stores))?;
            let Some(thing) = found else { return Ok(Some((link.url, "deleted"))) };
            let same = named(&thing.content(workspace)?) == named(&document.dep_content());
            Ok((!same).then_some((link.url, "modified")))
        }
        None => Ok(None),
    }
}

/// Nobody is told how far what is asked of a store has come.
pub(super) fn outside<'a>(repo: &'a Repo, stores: &'a dyn OpenStore) -> Outside<'a> {
    Outside { stores, progress: &Silent, jobs: None, environment: repo.environment() }
}

/// What a store or a hash calls the content.
pub(super) fn named(content: &Map) -> [Option<&Value>; 3] {
    ["md5", "etag", "checksum"].map(|key| content.get(key))
}

/// What became of a versioned source, in DVC's words.
fn version_state(
    repo: &Repo,
    stage: &Stage,
    link: &Link,
    recorded: &Map,
    outside: &Outside<'_>,
) -> Result<Option<&'static str>> {
    let Some(thing) = Thing::find_any(Some(repo), &stage.wdir, link, None, outside)? else {
        return Ok(Some("deleted"));
    };
    let newest = thing.stored_content()?;
    let (old, new) = (recorded.get("version_id"), newest.get("version_id"));
    if old.is_some() {
        return Ok((old != new).then_some("update available"));
    }
    // a folder, whose files count by what they hold
    let held = |content: &Map| -> Vec<(Option<Value>, Option<Value>)> {
        let files = content.get("files").and_then(Value::as_seq).unwrap_or_default();
        files.iter().map(|file| (file.get("relpath").cloned(), file.get("etag").cloned())).collect()
    };
    Ok((held(recorded) != held(&newest)).then_some("modified"))
}
