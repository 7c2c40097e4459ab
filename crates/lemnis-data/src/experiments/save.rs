//! Turns the workspace into an experiment: a commit on top of the present one that no branch holds.
//!
//! The commit is made with an index of its own, so neither the user's index nor the working tree changes.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::experiments::scratch_index::ScratchIndex;
use crate::experiments::{Experiment, experiments, reference};
use crate::fsx;
use crate::hash::sha256_bytes;
use crate::index::Index;
use crate::lockfile;
use crate::pyjson;
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::workspace::Workspace;
use crate::yaml::Value;

const FIRST: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "coral", "crisp", "dusky", "early", "fair", "fleet", "fresh",
    "gentle", "golden", "grand", "green", "hazel", "ivory", "keen", "late", "light", "lunar", "mellow",
    "noble", "plain", "quiet", "rapid", "rosy", "sharp", "solar", "steady", "swift", "warm",
];
const SECOND: [&str; 32] = [
    "alder", "badger", "birch", "brook", "cedar", "cliff", "crane", "delta", "dune", "falcon", "fern",
    "fjord", "glade", "harbor", "heron", "island", "lark", "linden", "maple", "meadow", "otter", "pebble",
    "pine", "quail", "reef", "river", "robin", "spruce", "stone", "thrush", "valley", "willow",
];

/// How to save.
#[derive(Clone, Debug, Default)]
pub struct SaveExperiment {
    /// Its name; one is made up without.
    pub name: Option<String>,
    /// Replace an experiment of the same name.
    pub force: bool,
    /// Untracked files that belong to it.
    pub include: Vec<PathBuf>,
    /// The commit's message.
    pub message: Option<String>,
}

/// The name that `wanted` asks for, or a free one. `seed` makes names differ between calls.
pub fn experiment_name(repo: &Repo, wanted: Option<&str>, force: bool, seed: u64) -> Result<String> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let baseline = repo.resolve("HEAD")?;
    let taken: Vec<String> =
        experiments(repo)?.into_iter().filter(|one| one.baseline == baseline).map(|one| one.name).collect();
    if let Some(name) = wanted {
        if name.contains('/') || git(git_root, &["check-ref-format", &reference(&baseline, name)]).is_err() {
            return Err(Error::invalid(format!("'{name}' cannot be the name of an experiment")));
        }
        if taken.iter().any(|known| known == name) && !force {
            return Err(Error::hinted(
                format!("there is an experiment '{name}' of this commit already"),
                "choose another name, or replace it with --force",
            ));
        }
        return Ok(name.to_owned());
    }
    for attempt in 0_u64.. {
        let digest = sha256_bytes(format!("{baseline} {seed} {attempt}").as_bytes());
        let byte = |at: usize| usize::from_str_radix(&digest[at..at + 2], 16).unwrap_or_default() % 32;
        let mut name = format!("{}-{}", FIRST[byte(0)], SECOND[byte(2)]);
        if attempt > 64 {
            name = format!("{name}-{}", &digest[4..8]);
        }
        if !taken.contains(&name) {
            return Ok(name);
        }
    }
    Err(Error::invalid("no name is free"))
}

/// What DVC tells the commands of an experiment about it.
pub fn experiment_environment(repo: &Repo, name: &str) -> Result<Vec<(String, String)>> {
    let baseline = repo.resolve("HEAD")?;
    Ok(vec![("DVC_EXP_NAME".to_owned(), name.to_owned()), ("DVC_EXP_BASELINE_REV".to_owned(), baseline)])
}

/// Keeps what the workspace holds as the experiment `name`, which [`experiment_name`] has checked.
pub fn save_experiment(repo: &Repo, name: &str, options: &SaveExperiment) -> Result<Experiment> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let baseline = repo.resolve("HEAD")?;
    let own = ScratchIndex::of_workspace(repo, &index)?;
    let more: Vec<String> = options
        .include
        .iter()
        .map(|path| fsx::relative(&fsx::normalize(repo.cwd(), path), git_root))
        .collect();
    own.add(&more.iter().map(String::as_str).collect::<Vec<_>>())?;
    let tree = own.write_tree()?;
    let message = match &options.message {
        Some(message) => message.clone(),
        None => format!("dvc: commit experiment {}", fingerprint(&index)),
    };
    let commit = git(git_root, &["commit-tree", &tree, "-p", &baseline, "-m", &message])?;
    let commit = commit.trim().to_owned();
    let experiment = Experiment { name: name.to_owned(), baseline, commit };
    git(git_root, &["update-ref", &experiment.reference(), &experiment.commit])?;
    workspace.close()?;
    Ok(experiment)
}

/// Names what the stages made, as the commit's message carries it.
fn fingerprint(index: &Index) -> String {
    let stages =
        index.stages.iter().filter_map(|stage| Some((stage.name.as_deref()?.into(), lockfile::body(stage))));
    sha256_bytes(pyjson::dumps(&Value::Map(stages.collect())).as_bytes())
}
