//! Turns the workspace into an experiment: a commit on top of the present one that no branch holds.
//!
//! The commit is made with an index of its own, so neither the user's index nor the working tree changes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::declared;
use crate::error::{Error, Result};
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

/// Keeps what the workspace holds as the experiment `name`, which [`experiment_name`] has checked.
pub fn save_experiment(repo: &Repo, name: &str, options: &SaveExperiment) -> Result<Experiment> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let baseline = repo.resolve("HEAD")?;
    let scratch = repo.scratch_dir();
    fsx::create_dirs(&scratch)?;
    let holder = tempfile::Builder::new()
        .prefix("objects-")
        .tempdir_in(&scratch)
        .map_err(Error::io("create", &scratch))?;
    let own = holder.path().join("index");
    let theirs = git(git_root, &["rev-parse", "--git-path", "index"])?;
    let theirs = fsx::normalize(git_root, Path::new(theirs.trim()));
    if theirs.is_file() {
        std::fs::copy(&theirs, &own).map_err(Error::io("copy", &theirs))?;
    }
    let with_index = |args: &[&str]| run(git_root, &own, args);
    with_index(&["add", "--update", "--", ":/"])?;
    let mut files = definitions(repo, &index)?;
    files.retain(|file| file.starts_with(git_root) && file.exists());
    let relative: Vec<String> = files.iter().map(|file| fsx::relative(file, git_root)).collect();
    let mut args = vec!["--literal-pathspecs", "ls-files", "--others", "--exclude-standard", "-z", "--"];
    args.extend(relative.iter().map(String::as_str));
    let listed = if relative.is_empty() { String::new() } else { with_index(&args)? };
    let mut more: Vec<String> =
        listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    more.extend(
        options.include.iter().map(|path| fsx::relative(&fsx::normalize(repo.cwd(), path), git_root)),
    );
    if !more.is_empty() {
        let mut args = vec!["--literal-pathspecs", "add", "--"];
        args.extend(more.iter().map(String::as_str));
        with_index(&args)?;
    }
    let tree = with_index(&["write-tree"])?;
    let message = match &options.message {
        Some(message) => message.clone(),
        None => format!("dvc: commit experiment {}", fingerprint(&index)),
    };
    let commit = git(git_root, &["commit-tree", tree.trim(), "-p", &baseline, "-m", &message])?;
    let commit = commit.trim().to_owned();
    let experiment = Experiment { name: name.to_owned(), baseline, commit };
    git(git_root, &["update-ref", &experiment.reference(), &experiment.commit])?;
    workspace.close()?;
    Ok(experiment)
}

/// Files that belong to an experiment even when Git does not know them yet.
fn definitions(repo: &Repo, index: &Index) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut beside = |path: &Path| {
        let ignore = path.parent().map(|dir| dir.join(".gitignore"));
        files.extend(ignore);
    };
    for stage in &index.stages {
        stage.outs.iter().filter(|out| out.cache).for_each(|out| beside(&out.path));
    }
    for stage in &index.stages {
        files.push(stage.file.clone());
        if stage.name.is_some() {
            files.push(stage.lock_path());
        }
        files.extend(stage.params.iter().map(|dep| dep.path.clone()));
        files.extend(stage.outs.iter().filter(|out| !out.cache).map(|out| out.path.clone()));
    }
    for file in &index.pipelines {
        let declared = declared::read(repo, file)?;
        files.push(file.clone());
        files.extend(declared.metrics);
        files.extend(declared.params);
        let dir = file.parent().unwrap_or(Path::new("/"));
        files.extend(declared.plots.iter().map(|(id, _)| fsx::normalize(dir, Path::new(id))));
    }
    files.push(repo.root().join("params.yaml"));
    files.sort();
    files.dedup();
    Ok(files)
}

/// Names what the stages made, as the commit's message carries it.
fn fingerprint(index: &Index) -> String {
    let stages =
        index.stages.iter().filter_map(|stage| Some((stage.name.as_deref()?.into(), lockfile::body(stage))));
    sha256_bytes(pyjson::dumps(&Value::Map(stages.collect())).as_bytes())
}

fn run(git_root: &Path, index: &Path, args: &[&str]) -> Result<String> {
    let command = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    let output = Command::new("git")
        .arg("-C")
        .arg(git_root)
        .args(args)
        .env("GIT_INDEX_FILE", index)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Git { command: command.into(), message: error.to_string() })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(Error::Git { command: command.into(), message })
}
