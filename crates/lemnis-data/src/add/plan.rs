//! Where a target of `add` is recorded: in the `.dvc` file beside it, or in that of a directory that holds it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::AddOptions;
use crate::check_ignore::check_output;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{Out, OutKind, Stage};

/// A target and where it is recorded.
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    /// The output: `path` itself or a directory that holds it.
    pub(crate) out: PathBuf,
    pub(crate) dvc_file: PathBuf,
}

/// Plans targets, each against the index and the targets before it.
pub(crate) struct Planner<'a> {
    repo: &'a Repo,
    index: &'a mut Index,
    options: &'a AddOptions,
    /// The stage of each output and its place among the stage's outputs.
    outs: HashMap<PathBuf, (usize, usize)>,
    /// The first stage of each file.
    files: HashMap<PathBuf, usize>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(repo: &'a Repo, index: &'a mut Index, options: &'a AddOptions) -> Self {
        let mut planner = Self { repo, index, options, outs: HashMap::new(), files: HashMap::new() };
        planner.learn();
        planner
    }

    fn learn(&mut self) {
        self.outs.clear();
        self.files.clear();
        for at in 0..self.index.stages.len() {
            self.note(at);
        }
    }

    fn note(&mut self, at: usize) {
        let stage = &self.index.stages[at];
        self.files.entry(stage.file.clone()).or_insert(at);
        for (place, out) in stage.outs.iter().enumerate() {
            self.outs.entry(out.path.clone()).or_insert((at, place));
        }
    }

    /// Where `path` is to be recorded; a new output becomes a stage of the index.
    pub(crate) fn plan(&mut self, path: PathBuf) -> Result<Planned> {
        let repo = self.repo;
        let shown = repo.show(&path);
        let holder = path.ancestors().find_map(|dir| self.outs.get(dir));
        if let Some((at, place)) = holder {
            let stage = &self.index.stages[*at];
            let out = &stage.outs[*place];
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
                return Err(Error::invalid(format!(
                    "{shown} lies inside '{outer}', which is tracked as a file"
                )));
            }
            let (out, dvc_file) = (out.path.clone(), stage.file.clone());
            exists_or_force(repo, &path, self.options)?;
            return Ok(Planned { path, out, dvc_file });
        }
        check_new(repo, &path)?;
        exists_or_force(repo, &path, self.options)?;
        let dvc_file = beside(&path);
        if let Some(at) = self.files.get(&dvc_file) {
            if !self.options.force {
                return Err(Error::hinted(
                    format!("'{}' already exists and tracks something else", repo.show(&dvc_file)),
                    "remove it first, or replace it with --force",
                ));
            }
            self.index.stages.remove(*at);
            self.learn();
        }
        self.index.stages.push(new_stage(&path, &dvc_file));
        self.note(self.index.stages.len() - 1);
        Ok(Planned { out: path.clone(), path, dvc_file })
    }
}

fn exists_or_force(repo: &Repo, path: &Path, options: &AddOptions) -> Result<()> {
    let dir = path.parent().unwrap_or(repo.root());
    if options.out.is_some() && !dir.is_dir() {
        return Err(Error::Missing { what: "directory", path: repo.show(dir) });
    }
    if options.out.is_some() && !options.force && path.symlink_metadata().is_ok() {
        return Err(Error::hinted(
            format!("'{}' already exists", repo.show(path)),
            "choose another place, or replace it with --force",
        ));
    }
    Ok(())
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
    check_output(repo, path)
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
        drawing: Default::default(),
        recorded: None,
        versions: None,
    };
    Stage {
        name: None,
        file: dvc_file.to_path_buf(),
        wdir: dvc_file.parent().unwrap_or(Path::new("/")).to_path_buf(),
        cmd: None,
        external: Vec::new(),
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
