//! All stages of a repository and the graph between them, checked before anything runs.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::check_ignore::check_output;
use crate::error::{Error, Result};
use crate::fsx::{TEMP_PREFIX, TEMP_SUFFIX};
use crate::ignore::Ignore;
use crate::repo::Repo;
use crate::stage::{Out, Stage};
use crate::workspace::Workspace;
use crate::{dvcfile, dvcyaml, fsx, git, lockfile, revision};

/// The stages in the order in which their files are found.
pub(crate) struct Index {
    pub(crate) stages: Vec<Stage>,
    /// Every `dvc.yaml`, those without stages too.
    pub(crate) pipelines: Vec<PathBuf>,
    /// For each stage the stages whose outputs it reads.
    upstream: Vec<Vec<usize>>,
    tidy: bool,
}

impl Index {
    /// Reads every `.dvc` file and `dvc.yaml` that neither Git nor `.dvcignore` ignores.
    /// Every output with the stage that has it.
    pub(crate) fn outs(&self) -> impl Iterator<Item = (&Stage, &Out)> {
        self.stages.iter().flat_map(|stage| stage.outs.iter().map(move |out| (stage, out)))
    }

    pub(crate) fn load(repo: &Repo) -> Result<Self> {
        Self::read(repo, false)
    }

    /// The same under the repository's lock: files that a killed process left half-written are removed.
    pub(crate) fn load_locked(workspace: &Workspace<'_>) -> Result<Self> {
        Self::read(workspace.repo, true)
    }

    fn read(repo: &Repo, tidy: bool) -> Result<Self> {
        let mut index = Self { stages: Vec::new(), pipelines: Vec::new(), upstream: Vec::new(), tidy };
        let root = repo.root();
        if let Some(tree) = repo.revision() {
            for path in revision::definitions(repo, tree)? {
                let owners = index.stages.iter().flat_map(|stage| &stage.outs);
                if !owners.map(|out| &out.path).any(|out| path.starts_with(out)) {
                    index.add_file(repo, &path)?;
                }
            }
            return Ok(index);
        }
        let dvcignore = Ignore::dvc(root);
        let gitignore = match repo.git_root() {
            Some(git_root) => {
                let mut ignore = git::excludes(git_root)?;
                for dir in root.ancestors().collect::<Vec<_>>().into_iter().rev() {
                    if dir.starts_with(git_root) && dir != root {
                        ignore = ignore.enter(dir, ".gitignore")?;
                    }
                }
                Some(ignore)
            }
            None => None,
        };
        index.collect(repo, root, &dvcignore, gitignore.as_ref())?;
        Ok(index)
    }

    fn collect(
        &mut self,
        repo: &Repo,
        dir: &Path,
        dvcignore: &Ignore,
        gitignore: Option<&Ignore>,
    ) -> Result<()> {
        let mut files = Vec::new();
        let mut dirs = Vec::new();
        let (mut has_dvcignore, mut has_gitignore) = (false, false);
        for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
            let entry = entry.map_err(Error::io("list", dir))?;
            let kind = entry.file_type().map_err(Error::io("look at", &entry.path()))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if self.tidy && kind.is_file() && name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX) {
                fsx::remove(&entry.path())?;
                continue;
            }
            has_dvcignore |= name == ".dvcignore";
            has_gitignore |= name == ".gitignore";
            if kind.is_dir() {
                dirs.push(name);
            } else if name == "dvc.yaml" || (name.ends_with(".dvc") && name.len() > 4) {
                files.push(name);
            }
        }
        let dvcignore = if has_dvcignore { dvcignore.enter(dir, ".dvcignore")? } else { dvcignore.clone() };
        let gitignore = match gitignore {
            Some(ignore) if has_gitignore => Some(ignore.enter(dir, ".gitignore")?),
            other => other.cloned(),
        };
        let ignored = |path: &Path, is_dir: bool| {
            dvcignore.matches(path, is_dir)
                || gitignore.as_ref().is_some_and(|rules| rules.matches(path, is_dir))
        };
        files.sort();
        let before = self.stages.len();
        let mut rules = HashMap::from([(dir.to_path_buf(), dvcignore.clone())]);
        for name in files {
            let path = dir.join(&name);
            if ignored(&path, false) || !path.is_file() {
                continue;
            }
            self.add_file(repo, &path)?;
        }
        for out in self.stages[before..].iter().flat_map(|stage| &stage.outs) {
            let near = match out.path.parent().filter(|parent| parent.starts_with(dir)) {
                Some(parent) => Some(rules_in(&mut rules, parent)?),
                None => None,
            };
            if near.is_none_or(|rules| [false, true].iter().any(|is_dir| rules.matches(&out.path, *is_dir))) {
                check_output(repo, &out.path)?;
            }
        }
        dirs.sort();
        for name in dirs {
            let path = dir.join(&name);
            let is_out = self.stages.iter().any(|stage| stage.outs.iter().any(|out| out.path == path));
            if is_out || ignored(&path, true) || path.join(".dvc").is_dir() {
                continue;
            }
            self.collect(repo, &path, &dvcignore, gitignore.as_ref())?;
        }
        Ok(())
    }

    fn add_file(&mut self, repo: &Repo, path: &Path) -> Result<()> {
        if path.file_name().is_some_and(|name| name == "dvc.yaml") {
            self.pipelines.push(path.to_path_buf());
            return self.add_pipeline(repo, path);
        }
        self.stages.push(dvcfile::load(repo, path)?);
        Ok(())
    }

    fn add_pipeline(&mut self, repo: &Repo, path: &Path) -> Result<()> {
        let mut stages = dvcyaml::load(repo, path)?;
        let lock = lockfile::load(repo, &path.with_extension("lock"))?;
        for stage in &mut stages {
            let entry = stage.name.as_deref().and_then(|name| lock.get(name));
            lockfile::fill(stage, entry);
        }
        self.stages.extend(stages);
        Ok(())
    }

    /// Links stages and refuses graphs that cannot be run: shared or nested outputs, cycles.
    pub(crate) fn check(&mut self, repo: &Repo) -> Result<()> {
        let mut outs: BTreeMap<PathBuf, usize> = BTreeMap::new();
        let broken = |stages: &[Stage], at: usize, what: String| {
            Err(Error::Graph { what: format!("{}: {what}", place(repo, &stages[at])) })
        };
        for (at, stage) in self.stages.iter().enumerate() {
            for out in &stage.outs {
                if let Some(other) = outs.insert(out.path.clone(), at) {
                    let (a, b) = (self.stages[other].address(repo), stage.address(repo));
                    let shown = repo.show(&out.path);
                    let what = format!("the output '{shown}' belongs to both '{a}' and '{b}'");
                    return broken(&self.stages, at, what);
                }
            }
        }
        for (path, at) in &outs {
            let parent = path.ancestors().skip(1).find_map(|dir| outs.get(dir).map(|owner| (dir, owner)));
            if let Some((dir, owner)) = parent {
                let (a, b) = (self.stages[*at].address(repo), self.stages[*owner].address(repo));
                let (inner, outer) = (repo.show(path), repo.show(dir));
                let what = format!("the output '{inner}' of '{a}' lies inside the output '{outer}' of '{b}'");
                return broken(&self.stages, *at, what);
            }
        }
        self.upstream.clear();
        for (at, stage) in self.stages.iter().enumerate() {
            if let Some(out) = stage.file.ancestors().find(|dir| outs.contains_key(*dir)) {
                let (file, out) = (repo.show(&stage.file), repo.show(out));
                return broken(&self.stages, at, format!("'{file}' lies inside the output '{out}'"));
            }
            let mut up: Vec<usize> = Vec::new();
            let paths =
                stage.deps.iter().map(|dep| &dep.path).chain(stage.params.iter().map(|dep| &dep.path));
            for path in paths.filter(|_| stage.reads_files()) {
                let above = path.ancestors().filter_map(|dir| outs.get(dir)).copied();
                let below = outs.range::<Path, _>((Bound::Excluded(path.as_path()), Bound::Unbounded));
                let below = below.take_while(|(out, _)| out.starts_with(path)).map(|(_, owner)| *owner);
                for owner in above.chain(below) {
                    if owner == at {
                        let (dep, name) = (repo.show(path), stage.address(repo));
                        let what = format!("'{name}' depends on its own output at '{dep}'");
                        return broken(&self.stages, at, what);
                    }
                    if !up.contains(&owner) {
                        up.push(owner);
                    }
                }
            }
            self.upstream.push(up);
        }
        self.order(&(0..self.stages.len()).collect::<Vec<_>>(), false, repo).map(drop)
    }

    /// The stages that `targets` need and themselves, dependencies first; frozen stages are cut from what
    /// they depend on when `cut_frozen`.
    pub(crate) fn order(&self, targets: &[usize], cut_frozen: bool, repo: &Repo) -> Result<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.stages.len()];
        let mut order = Vec::new();
        for &target in targets {
            let mut stack = vec![(target, 0)];
            while let Some((at, next)) = stack.pop() {
                if next == 0 {
                    if marks[at] != Mark::New {
                        continue;
                    }
                    marks[at] = Mark::Open;
                }
                let cut = cut_frozen && self.stages[at].frozen;
                match self.upstream[at].get(next).filter(|_| !cut) {
                    Some(&up) => {
                        if marks[up] == Mark::Open {
                            let (a, b) = (self.stages[at].address(repo), self.stages[up].address(repo));
                            let place = place(repo, &self.stages[at]);
                            let what = format!("{place}: '{a}' and '{b}' depend on each other");
                            return Err(Error::Graph { what });
                        }
                        stack.push((at, next + 1));
                        stack.push((up, 0));
                    }
                    None => {
                        marks[at] = Mark::Done;
                        order.push(at);
                    }
                }
            }
        }
        Ok(order)
    }

    pub(crate) fn upstream_of(&self, at: usize) -> &[usize] {
        self.upstream.get(at).map_or(&[], Vec::as_slice)
    }

    /// The stages that a target names: a stage, a group of generated ones, a `dvc.yaml`, a `.dvc` file, an
    /// output or a path inside one.
    pub(crate) fn find(&self, repo: &Repo, target: &str) -> Result<Vec<usize>> {
        let (file, name) = match target.rsplit_once(':') {
            Some((file, name)) => (file, Some(name)),
            None => (target, None),
        };
        let path = fsx::normalize(repo.cwd(), Path::new(file));
        let all = || self.stages.iter().enumerate();
        let of = |test: &dyn Fn(&Stage) -> bool| -> Vec<usize> {
            all().filter(|(_, stage)| test(stage)).map(|(at, _)| at).collect()
        };
        let named = |name: &str, file: &Path| {
            let exact = of(&|stage| stage.name.as_deref() == Some(name) && stage.file == file);
            if !exact.is_empty() {
                return exact;
            }
            let in_group = |own: &str| own.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
            of(&|stage| stage.name.as_deref().is_some_and(in_group) && stage.file == file)
        };
        let found = match name {
            Some(name) => {
                let here = repo.cwd().join("dvc.yaml");
                named(name, if file.is_empty() { &here } else { &path })
            }
            None => {
                let here = repo.cwd().join("dvc.yaml");
                let mut found = named(target, &here);
                if found.is_empty() {
                    found = of(&|stage| stage.file == path);
                }
                if found.is_empty() {
                    found = of(&|stage| stage.outs.iter().any(|out| path.starts_with(&out.path)));
                }
                found
            }
        };
        if found.is_empty() { Err(lockfile::no_entry(target)) } else { Ok(found) }
    }
}

/// Where a stage is defined: file and line.
fn place(repo: &Repo, stage: &Stage) -> String {
    let line = stage.name.as_deref().map_or(1, |name| dvcyaml::line_of(&stage.file, name));
    format!("{}:{line}", repo.show(&stage.file))
}

/// The `.dvcignore` rules that hold in `dir`, each directory looked at once; those of a directory above are known.
fn rules_in<'k>(known: &'k mut HashMap<PathBuf, Ignore>, dir: &Path) -> Result<&'k Ignore> {
    if !known.contains_key(dir) {
        let above = rules_in(known, dir.parent().unwrap_or(dir))?.enter(dir, ".dvcignore")?;
        known.insert(dir.to_path_buf(), above);
    }
    Ok(&known[dir])
}
