//! Which outputs the targets of a command mean: whole stages, single outputs, or a path inside one.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{Out, Stage};

/// How targets are understood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// What the targets depend on as well.
    pub(crate) with_deps: bool,
    /// A directory means every stage that is defined below it.
    pub(crate) recursive: bool,
}

/// A stage that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// Its place in the index.
    pub(crate) at: usize,
    /// The output, or the path inside one, when less than the stage was asked for.
    pub(crate) path: Option<PathBuf>,
}

impl Selected {
    /// The outputs of `stage` that are meant, each with the path inside it when not all of it is.
    pub(crate) fn outs<'s>(&'s self, stage: &'s Stage) -> impl Iterator<Item = (&'s Out, Option<&'s Path>)> {
        stage.outs.iter().filter_map(|out| match self.path.as_deref() {
            None => Some((out, None)),
            Some(path) if path == out.path => Some((out, None)),
            Some(path) => path.starts_with(&out.path).then_some((out, Some(path))),
        })
    }
}

impl Index {
    /// What `targets` mean, in their order; all stages without targets. With `with_deps` the graph must have
    /// been checked.
    pub(crate) fn select(&self, repo: &Repo, targets: &[String], reach: Reach) -> Result<Vec<Selected>> {
        let whole = |at| Selected { at, path: None };
        if targets.is_empty() {
            return Ok((0..self.stages.len()).map(whole).collect());
        }
        let mut selected: Vec<Selected> = Vec::new();
        for target in targets {
            let path = fsx::normalize(repo.cwd(), Path::new(target));
            let is_out =
                self.stages.iter().any(|stage| stage.outs.iter().any(|out| path.starts_with(&out.path)));
            if reach.recursive && !is_out && path.is_dir() {
                let below = |(_, stage): &(usize, &Stage)| stage.file.starts_with(&path);
                selected.extend(self.stages.iter().enumerate().filter(below).map(|(at, _)| whole(at)));
                continue;
            }
            let found = self.find(repo, target)?;
            let named = found.iter().any(|at| {
                let stage = &self.stages[*at];
                stage.file == path
                    || !stage.outs.iter().any(|out| path.starts_with(&out.path))
                    || stage.name.as_deref() == Some(target)
            });
            // as in DVC an output stands alone, without what its stage depends on
            if reach.with_deps && named {
                let order = self.order(&found, false, repo)?;
                selected.extend(order.into_iter().filter(|at| !found.contains(at)).map(whole));
            }
            selected
                .extend(found.into_iter().map(|at| Selected { at, path: (!named).then(|| path.clone()) }));
        }
        let mut seen = std::collections::HashSet::new();
        selected.retain(|one| seen.insert((one.at, one.path.clone())));
        Ok(selected)
    }
}
