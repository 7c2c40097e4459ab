//! Brings an experiment into the workspace, onto a branch, or under another name.

use crate::error::{Error, Result};
use crate::experiments::share::on_remote;
use crate::experiments::{Experiment, NAMESPACE, experiment_name, experiments, find, named, reference};
use crate::repo::Repo;
use crate::revision::{git, no_git};

/// Makes the files that Git tracks equal to those of the experiment. Changes that were not committed are kept
/// in a stash whose commit `refs/exps/apply/stash` names. Tracked data is left for a checkout.
pub fn apply_experiment(repo: &Repo, name: &str) -> Result<Experiment> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let experiment = match find(repo, name) {
        Ok(experiment) => experiment,
        Err(error) => {
            let commit = repo.resolve(name).map_err(|_| error)?;
            Experiment { name: name.to_owned(), baseline: repo.resolve("HEAD")?, commit }
        }
    };
    let _lock = repo.lock()?;
    // a stash of nothing fails where Git's index does not know yet that files are unchanged, as in a copied repository;
    // that this ends with 1 says only that some are changed
    let _ = git(git_root, &["update-index", "-q", "--refresh"]);
    let stash = git(git_root, &["stash", "create", "before applying an experiment"])?;
    if !stash.trim().is_empty() {
        git(git_root, &["update-ref", &format!("{NAMESPACE}/apply/stash"), stash.trim()])?;
    }
    refuse_untracked(repo, &experiment)?;
    git(git_root, &["checkout", "--quiet", "--no-overlay", &experiment.commit, "--", ":/"])?;
    git(git_root, &["reset", "--quiet"])?;
    git(git_root, &["update-ref", &format!("{NAMESPACE}/exec/EXEC_APPLY"), &experiment.commit])?;
    Ok(experiment)
}

/// Git would overwrite files that it does not know: those must hold what the experiment holds.
fn refuse_untracked(repo: &Repo, experiment: &Experiment) -> Result<()> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let listed = git(git_root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    if listed.is_empty() {
        return Ok(());
    }
    let Some(then) = repo.at_commit(&experiment.commit)? else { return Ok(()) };
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let path = git_root.join(path);
        let Some(tree) = then.revision() else { continue };
        if let Some(bytes) = tree.read(&path)?
            && std::fs::read(&path).ok().as_ref() != Some(&bytes)
        {
            return Err(Error::hinted(
                format!("'{}' is not in Git and would be overwritten", repo.show(&path)),
                "move it away, or add it to Git first",
            ));
        }
    }
    Ok(())
}

/// Makes a branch of the experiment.
pub fn branch_experiment(repo: &Repo, name: &str, branch: &str) -> Result<Experiment> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let experiment = find(repo, name)?;
    git(git_root, &["branch", "--", branch, &experiment.commit])?;
    Ok(experiment)
}

/// Gives the experiment another name. With a Git remote, the experiment that is meant is looked for there; it is renamed
/// here in any case.
pub fn rename_experiment(
    repo: &Repo,
    name: &str,
    new: &str,
    force: bool,
    remote: Option<&str>,
) -> Result<Experiment> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let experiment = match remote {
        None => find(repo, name)?,
        Some(remote) => {
            let theirs = named(repo, &on_remote(repo, remote)?, name)?;
            let baseline = theirs.map(|one| one.baseline).unwrap_or_default();
            let own = experiments(repo)?.into_iter().find(|one| one.name == name && one.baseline == baseline);
            own.ok_or_else(|| {
                Error::hinted(
                    format!("'{remote}' and this repository have no experiment '{name}' in common"),
                    format!("list theirs with `lemnis exp list {remote} -A`"),
                )
            })?
        }
    };
    if new == experiment.name {
        return Ok(experiment);
    }
    experiment_name(repo, Some(new), true, 0)?;
    let taken =
        experiments(repo)?.into_iter().any(|one| one.name == new && one.baseline == experiment.baseline);
    if taken && !force {
        return Err(Error::hinted(
            format!("there is an experiment '{new}' of this commit already"),
            "choose another name, or replace it with --force",
        ));
    }
    git(git_root, &["update-ref", &reference(&experiment.baseline, new), &experiment.commit])?;
    git(git_root, &["update-ref", "-d", &experiment.reference(), &experiment.commit])?;
    Ok(Experiment { name: new.to_owned(), ..experiment })
}
