//! What DVC takes from the process it runs in: environment variables and how it was called.
//!
//! The binary reads it once and hands it to [`Repo::discover`](crate::Repo::discover); nothing below asks the
//! process again, so that tests and servers decide themselves what a repository sees. Values may be secrets:
//! only the names of variables are ever shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The process's side of an operation. The default one is empty: no variables, no configuration outside the
/// repository.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
    command: Arc<str>,
    wait_for_lock: bool,
}

impl Environment {
    /// These variables, and nothing else.
    pub fn from_vars(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: Arc::new(variables.into_iter().collect()), ..Self::default() }
    }

    /// Names the command line that others see when they find a path in use.
    #[must_use]
    pub fn with_command(mut self, command: &str) -> Self {
        self.command = Arc::from(command);
        self
    }

    /// Waits for the repository's lock for ever instead of three seconds.
    #[must_use]
    pub fn with_wait_for_lock(mut self, wait: bool) -> Self {
        self.wait_for_lock = wait;
        self
    }

    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<&Path> {
        self.get("HOME").map(Path::new)
    }

    /// The shell that runs commands.
    pub fn shell(&self) -> &str {
        self.get("SHELL").unwrap_or("/bin/sh")
    }

    /// The user's name.
    pub fn user(&self) -> Option<&str> {
        ["LOGNAME", "USER", "LNAME", "USERNAME"].into_iter().find_map(|name| self.get(name))
    }

    /// Where the user's `config` lies, for all repositories.
    pub fn global_config_dir(&self) -> Option<PathBuf> {
        if let Some(dir) = self.get("DVC_GLOBAL_CONFIG_DIR") {
            return Some(dir.into());
        }
        if let Some(dir) = self.get("XDG_CONFIG_HOME") {
            return Some(Path::new(dir).join("dvc"));
        }
        let below = if cfg!(target_os = "macos") { "Library/Application Support/dvc" } else { ".config/dvc" };
        Some(self.home()?.join(below))
    }

    /// Where the machine's `config` lies, for all users; an empty environment has none.
    pub fn system_config_dir(&self) -> Option<PathBuf> {
        if let Some(dir) = self.get("DVC_SYSTEM_CONFIG_DIR") {
            return Some(dir.into());
        }
        if let Some(first) = self.get("XDG_CONFIG_DIRS").and_then(|dirs| dirs.split(':').next()) {
            return Some(Path::new(first).join("dvc"));
        }
        let dir = if cfg!(target_os = "macos") { "/Library/Application Support/dvc" } else { "/etc/xdg/dvc" };
        (!self.variables.is_empty()).then(|| dir.into())
    }

    /// Where state that users share lies, when the environment says so.
    pub fn site_cache_dir(&self) -> Option<&Path> {
        self.get("DVC_SITE_CACHE_DIR").map(Path::new)
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    pub(crate) fn waits_for_lock(&self) -> bool {
        self.wait_for_lock
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("command", &self.command)
            .field("wait_for_lock", &self.wait_for_lock)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Environment {
        Environment::from_vars(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn an_empty_environment_knows_no_configuration() {
        let none = Environment::default();
        assert_eq!((none.global_config_dir(), none.system_config_dir()), (None, None));
        assert_eq!(none.shell(), "/bin/sh");
    }

    #[test]
    fn variables_of_dvc_come_before_those_of_the_desktop() {
        let both = with(&[("DVC_GLOBAL_CONFIG_DIR", "/g"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(both.global_config_dir(), Some("/g".into()));
        let desktop = with(&[("DVC_GLOBAL_CONFIG_DIR", ""), ("XDG_CONFIG_HOME", "/x")]);
        assert_eq!(desktop.global_config_dir(), Some("/x/dvc".into()));
    }

    #[test]
    fn values_are_never_shown() {
        let shown = format!("{:?}", with(&[("AWS_SECRET_ACCESS_KEY", "hush")]));
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hush"), "{shown}");
    }
}
