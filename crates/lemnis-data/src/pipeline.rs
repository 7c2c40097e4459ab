//! Read-only views for pages and evidence: the graph of stages, recorded digests, the lock, parameters.

use std::path::Path;

use lemnis_core::Digest;
use serde::Serialize;

use crate::error::Result;
use crate::hash::{HashName, Recorded};
use crate::imports::external;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{OutKind, Stage};
use crate::yaml::Value;
use crate::{cache, dvcyaml, fsx, lockfile};

/// All stages, dependencies before what needs them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pipeline {
    /// In topological order.
    pub stages: Vec<PipelineStage>,
}

/// A stage as pages show it. Paths are relative to the repository's root.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineStage {
    /// The stage's name, or the path of a `.dvc` file.
    pub name: String,
    /// The file that defines it.
    pub file: String,
    /// Its scripts; empty for tracked data.
    pub cmd: Vec<String>,
    /// What it reads.
    pub deps: Vec<String>,
    /// The parameters it reads.
    pub params: Vec<StageParams>,
    /// What it makes.
    pub outs: Vec<StageOut>,
    /// Names of the stages whose outputs it reads.
    pub upstream: Vec<String>,
    /// Never run because of what it depends on.
    pub frozen: bool,
    /// Run every time.
    pub always_changed: bool,
    /// What its author says about it.
    pub desc: Option<String>,
}

/// Parameters of one file.
#[derive(Clone, Debug, Serialize)]
pub struct StageParams {
    /// The parameter file.
    pub file: String,
    /// Dotted keys; empty for the whole file.
    pub keys: Vec<String>,
}

/// An output.
#[derive(Clone, Debug, Serialize)]
pub struct StageOut {
    /// Where it lies.
    pub path: String,
    /// `out`, `metric` or `plot`.
    pub kind: &'static str,
    /// Kept in the cache rather than in Git.
    pub cached: bool,
    /// Its recorded content.
    pub digest: Option<Digest>,
}

/// A stage's entry in the root's `dvc.lock`.
#[derive(Clone, Debug, Serialize)]
pub struct LockedStage {
    /// The stage's name.
    pub name: String,
    /// The command it last ran.
    pub cmd: serde_json::Value,
    /// What it read.
    pub deps: Vec<LockedPath>,
    /// File → parameter → value.
    pub params: serde_json::Value,
    /// What it made.
    pub outs: Vec<LockedPath>,
}

/// A recorded path, relative to the stage's working directory.
#[derive(Clone, Debug, Serialize)]
pub struct LockedPath {
    /// As recorded.
    pub path: String,
    /// Its content.
    pub digest: Option<Digest>,
    /// Bytes of all its files.
    pub size_bytes: Option<u64>,
    /// Number of files, for a directory.
    pub nfiles: Option<u64>,
}

/// The stages of the repository.
pub fn pipeline(repo: &Repo) -> Result<Pipeline> {
    let mut index = Index::load(repo)?;
    index.check(repo)?;
    let order = index.order(&(0..index.stages.len()).collect::<Vec<_>>(), false, repo)?;
    let name = |stage: &Stage| match (&stage.name, repo.in_repo(&stage.file)) {
        (Some(name), file) if file == "dvc.yaml" => name.clone(),
        (Some(name), file) => format!("{file}:{name}"),
        (None, file) => file,
    };
    let view = |at: usize| {
        let stage = &index.stages[at];
        let outs = stage.outs.iter().map(|out| StageOut {
            path: repo.in_repo(&out.path),
            kind: match out.kind {
                OutKind::Out => "out",
                OutKind::Metric => "metric",
                OutKind::Plot => "plot",
            },
            cached: out.cache,
            digest: out.recorded.as_ref().map(|recorded| Digest::md5(&recorded.md5)),
        });
        let params = stage
            .params
            .iter()
            .map(|dep| StageParams { file: repo.in_repo(&dep.path), keys: dep.keys.clone() });
        PipelineStage {
            name: name(stage),
            file: repo.in_repo(&stage.file),
            cmd: stage
                .cmd
                .as_ref()
                .map_or_else(Vec::new, |cmd| cmd.scripts().into_iter().map(str::to_owned).collect()),
            deps: {
                let files = stage.deps.iter().map(|dep| repo.in_repo(&dep.path));
                files.chain(stage.external.iter().map(|one| one.url.clone())).collect()
            },
            params: params.collect(),
            outs: outs.collect(),
            upstream: index.upstream_of(at).iter().map(|up| name(&index.stages[*up])).collect(),
            frozen: stage.frozen,
            always_changed: stage.always_changed,
            desc: stage.desc.clone(),
        }
    };
    Ok(Pipeline { stages: order.into_iter().map(view).collect() })
}

/// The recorded digest of a tracked path, or of a file inside a tracked directory; `None` when nothing is
/// recorded. `path` is relative to where the repository was opened.
pub fn digest_of(repo: &Repo, path: &Path) -> Result<Option<Digest>> {
    let path = fsx::normalize(repo.cwd(), path);
    let index = Index::load(repo)?;
    let outs = index.stages.iter().flat_map(|stage| &stage.outs);
    let Some(out) = outs.into_iter().find(|out| path.starts_with(&out.path)) else { return Ok(None) };
    let Some(recorded) = &out.recorded else { return Ok(None) };
    if out.path == path {
        return Ok(Some(Digest::md5(&recorded.md5)));
    }
    let inner = fsx::relative(&path, &out.path);
    let tree = cache::Cache::new(repo.config(), repo.scratch_dir()).tree(HashName::Md5, &recorded.md5)?;
    let file = tree.unwrap_or_default().into_iter().find(|file| file.relpath == inner);
    Ok(file.map(|file| Digest::md5(&file.md5)))
}

/// The entries of the root's `dvc.lock`; empty without one.
pub fn lock(repo: &Repo) -> Result<Vec<LockedStage>> {
    let entries = lockfile::load(repo, &repo.root().join("dvc.lock"))?;
    let path = |(path, recorded): (String, Option<Recorded>)| LockedPath {
        path,
        digest: recorded.as_ref().map(|recorded| Digest::md5(&recorded.md5)),
        size_bytes: recorded.as_ref().and_then(|recorded| recorded.size),
        nfiles: recorded.as_ref().and_then(|recorded| recorded.nfiles),
    };
    let stage = |(name, entry): (String, lockfile::LockEntry)| LockedStage {
        name,
        cmd: entry.cmd.to_json(),
        deps: {
            let elsewhere = |path: &String| entry.external.get(path).and_then(external::digest);
            let paths = entry.deps.into_iter().map(path);
            paths.map(|dep| LockedPath { digest: dep.digest.or(elsewhere(&dep.path)), ..dep }).collect()
        },
        params: entry.params.into_iter().map(|(file, values)| (file, Value::Map(values).to_json())).collect(),
        outs: entry.outs.into_iter().map(path).collect(),
    };
    Ok(entries.into_iter().map(stage).collect())
}

impl Repo {
    /// The parameters of the root's `params.yaml`; an empty object without one.
    pub fn params(&self) -> Result<serde_json::Value> {
        Ok(Value::Map(dvcyaml::root_params(self)?).to_json())
    }
}
