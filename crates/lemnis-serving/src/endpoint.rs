//! An endpoint's durable state: which version answers, and which answered before it.

use lemnis_core::Millis;
use serde::{Deserialize, Serialize};

/// What survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// The endpoint's name.
    pub name: String,
    /// The registered model that it serves.
    pub model: String,
    /// The version that answers.
    pub champion_version: u32,
    /// The version that a rollback returns to.
    pub previous_version: Option<u32>,
    /// When it changed last.
    pub updated_ms: Millis,
}

impl EndpointState {
    /// An endpoint that serves its first version.
    pub fn new(name: &str, model: &str, version: u32, now: Millis) -> Self {
        Self {
            name: name.to_owned(),
            model: model.to_owned(),
            champion_version: version,
            previous_version: None,
            updated_ms: now,
        }
    }

    /// The state after `version` became the champion. The same version changes nothing.
    #[must_use]
    pub fn promoted(&self, version: u32, now: Millis) -> Self {
        if version == self.champion_version {
            return self.clone();
        }
        Self {
            champion_version: version,
            previous_version: Some(self.champion_version),
            updated_ms: now,
            ..self.clone()
        }
    }

    /// The state after the champion made way for the version before it; a second rollback undoes the first. `None`
    /// where there is no version before it.
    #[must_use]
    pub fn rolled_back(&self, now: Millis) -> Option<Self> {
        self.previous_version.map(|version| self.promoted(version, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_returns_to_the_version_before_and_back() {
        let first = EndpointState::new("churn", "churn", 1, 10);
        assert_eq!(first.rolled_back(11), None);
        let second = first.promoted(2, 20);
        assert_eq!(second.promoted(2, 30), second);
        let back = second.rolled_back(40).unwrap();
        assert_eq!((back.champion_version, back.previous_version, back.updated_ms), (1, Some(2), 40));
        assert_eq!(back.rolled_back(50).unwrap().champion_version, 2);
    }
}
