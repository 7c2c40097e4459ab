//! What `cargo metadata` says of this workspace: where it is, its packages and the edges between them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// The checkout and its packages.
pub struct Workspace {
    /// The checkout's directory.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// Every package of the workspace.
    pub packages: Vec<Package>,
    cargo: PathBuf,
}

/// One package of the workspace.
pub struct Package {
    /// Its name.
    pub name: String,
    /// What its manifest depends on, directly.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
pub struct Dependency {
    /// The package depended on.
    pub name: String,
    /// Whether only tests, examples and benches see it.
    pub dev: bool,
    /// The features that the line switches on.
    pub features: Vec<String>,
}

impl Workspace {
    /// Asks cargo about the workspace that this task belongs to.
    pub fn load() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("the task's package has no parent directory")?;
        // Set by cargo for everything that it runs: the same cargo goes on.
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(root)
            .output()
            .context("running cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata = serde_json::from_slice(&output.stdout).context("reading what cargo metadata said")?;
        Self::parse(&metadata, cargo)
    }

    fn parse(metadata: &Value, cargo: PathBuf) -> anyhow::Result<Self> {
        let path = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).with_context(|| format!("cargo metadata says no {key}"))
        };
        let packages = metadata["packages"].as_array().context("cargo metadata says no packages")?;
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            packages: packages.iter().map(package).collect(),
            cargo,
        })
    }

    /// Cargo, started in the present directory.
    #[cfg(not(feature = "goldens"))]
    pub fn cargo_here(&self) -> Command {
        Command::new(&self.cargo)
    }

    /// Cargo, started in the checkout.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        command
    }
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |line: &Value| Dependency {
        name: text(&line["name"]),
        dev: line["kind"] == "dev",
        features: line["features"]
            .as_array()
            .map(|names| names.iter().map(text).collect())
            .unwrap_or_default(),
    };
    Package {
        name: text(&package["name"]),
        dependencies: package["dependencies"]
            .as_array()
            .map(|d| d.iter().map(dependency).collect())
            .unwrap_or_default(),
    }
}
