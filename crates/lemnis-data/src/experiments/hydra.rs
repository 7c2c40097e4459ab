//! Hydra: with `hydra.enabled` DVC composes `params.yaml` from a folder of configurations before an experiment runs.
//!
//! Lemnis does not compose. It refuses such an experiment, since what it would run has other parameters than are meant.

use crate::config::truth;
use crate::error::{Error, Result};
use crate::repo::Repo;

/// An error when the configuration asks for a composition.
pub fn refuse_composition(repo: &Repo) -> Result<()> {
    if repo.config().get("hydra.enabled").and_then(truth) != Some(true) {
        return Ok(());
    }
    Err(Error::config_hinted(
        "hydra.enabled is set, but Lemnis does not compose Hydra's configurations",
        "run with the params.yaml that is there: exp run --no-hydra; or for good: lemnis config hydra.enabled false",
    ))
}
