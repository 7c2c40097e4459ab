//! Hydra: with `hydra.enabled` an experiment's `params.yaml` is composed from a folder of configurations.
//!
//! Hydra itself composes, in the Python of whoever runs the experiment: its defaults lists, interpolations and plugins
//! are Python's, and a pipeline that uses it has it installed.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::config::truth;
use crate::error::{Error, Result};
use crate::repo::Repo;

const SCRIPT: &str = include_str!("hydra.py");
/// What the script exits with where Python has no Hydra.
const NO_HYDRA: i32 = 3;

/// Whether the configuration asks for a composed `params.yaml`.
pub(super) fn is_enabled(repo: &Repo) -> bool {
    repo.config().get("hydra.enabled").and_then(truth) == Some(true)
}

/// The text of `params.yaml`. `overrides` are in Hydra's grammar.
pub(super) fn compose(repo: &Repo, overrides: &[&str]) -> Result<String> {
    let setting = |key: &str| repo.config().get(key);
    let config_name = setting("hydra.config_name").unwrap_or("config");
    let below_root = |name: &str| {
        let path = repo.root().join(name);
        let shown = path.display().to_string();
        let text = path.into_os_string().into_string();
        text.map_err(|_| Error::invalid(format!("Hydra takes no path that is not UTF-8: {shown}")))
    };
    let config_dir = below_root(setting("hydra.config_dir").unwrap_or("conf"))?;
    let plugins_path = below_root(setting("hydra.plugins_path").unwrap_or_default())?;
    let wanted = json!({
        "config_dir": config_dir,
        "config_module": setting("hydra.config_module"),
        "config_name": config_name,
        "plugins_path": plugins_path,
        "overrides": overrides,
    });
    let output = ["python3", "python"]
        .iter()
        .map(|python| run(repo, python, &wanted.to_string()))
        .find(|output| !output.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    let no_hydra = |said: &str| {
        Error::config_hinted(
            format!("hydra.enabled is set, but the Python on the PATH cannot compose: {said}"),
            "install it there: pip install hydra-core; or run with the params.yaml that is there: exp run --no-hydra",
        )
    };
    let output = output.ok_or_else(|| no_hydra("neither python3 nor python is there"))?;
    let output = output.map_err(Error::io("run Python in", repo.root()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => {
            // warnings, and what plugins print
            let _ = io::stderr().write_all(&output.stderr);
            String::from_utf8(output.stdout)
                .map_err(|_| Error::invalid(format!("Hydra's '{config_name}' is not UTF-8")))
        }
        Some(NO_HYDRA) => Err(no_hydra(&said)),
        _ => Err(Error::invalid(format!("Hydra cannot compose '{config_name}': {said}"))),
    }
}

fn run(repo: &Repo, python: &str, wanted: &str) -> io::Result<Output> {
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .current_dir(repo.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // one that ends without reading says why itself
        let _ = stdin.write_all(wanted.as_bytes());
    }
    child.wait_with_output()
}
