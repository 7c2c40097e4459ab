//! `exp clean`: removes what ended tasks and killed processes left behind.

use std::path::Path;

use super::{claim_path, give_back_lost, is_lost, queue_tasks};
use crate::error::Result;
use crate::experiments::temporary;
use crate::fsx;
use crate::repo::Repo;

/// Removes what ended tasks and killed processes left behind; the queue and the experiments stay.
pub fn clean_experiments(repo: &Repo) -> Result<()> {
    give_back_lost(repo)?;
    let runs = repo.tmp_dir().join("exps/run");
    let known: Vec<String> = queue_tasks(repo)?.into_iter().map(|task| task.rev).collect();
    if let Ok(entries) = std::fs::read_dir(&runs) {
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = claim_path(repo, &name).exists();
            if ours && !known.contains(&name) && is_lost(repo, &name)? {
                temporary::sweep(repo, &name)?;
                fsx::remove(&entry.path())?;
            }
        }
    }
    for dir in ["exps/celery/broker/in", "exps/celery/broker/processed"] {
        remove_control_messages(&repo.tmp_dir().join(dir))?;
    }
    temporary::prune(repo)
}

/// What DVC's workers once told one another.
fn remove_control_messages(dir: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().ends_with(".pidbox.msg") {
            fsx::remove(&entry.path())?;
        }
    }
    Ok(())
}
