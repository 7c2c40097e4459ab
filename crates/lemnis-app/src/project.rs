//! Where a project's files lie. Everything that Lemnis keeps itself is under `.lemnis/`; the rest is the user's.

use std::path::{Path, PathBuf};

use crate::{Error, Settings};

/// A directory with a `lemnis.yaml`, or one that is served without.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project whose files lie in `root`, an absolute path.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The nearest directory at or above `start` that holds a `lemnis.yaml` or a `.lemnis` folder.
    pub fn discover(start: &Path) -> Option<Self> {
        start
            .ancestors()
            .find(|dir| dir.join(crate::settings::FILE).is_file() || dir.join(".lemnis").is_dir())
            .map(Self::at)
    }

    /// The project's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `lemnis.yaml`, read afresh: edits count from the next act on.
    pub fn settings(&self) -> Result<Settings, Error> {
        Settings::read(&self.root)
    }

    /// `lemnis.yaml`, or nothing where the project has none.
    pub fn settings_if_any(&self) -> Result<Option<Settings>, Error> {
        if self.root.join(crate::settings::FILE).is_file() { self.settings().map(Some) } else { Ok(None) }
    }

    /// Lemnis's own folder.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(".lemnis")
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.state_dir().join("lemnis.db")
    }

    /// The key that secrets are encrypted with, unless one is given.
    pub fn secret_key_file(&self) -> PathBuf {
        self.state_dir().join("secrets.key")
    }

    /// Where artifacts lie.
    pub fn artifacts_dir(&self) -> PathBuf {
        self.state_dir().join("artifacts")
    }

    /// Where prediction logs lie.
    pub fn predictions_dir(&self) -> PathBuf {
        self.state_dir().join("predictions")
    }

    /// Where flow runs log.
    pub fn logs_dir(&self) -> PathBuf {
        self.state_dir().join("logs")
    }

    /// Says which process serves the project, and where.
    pub fn server_file(&self) -> PathBuf {
        self.state_dir().join("server.json")
    }
}
