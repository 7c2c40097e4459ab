//! Who acts and what they may do.

use serde::{Deserialize, Serialize};

/// Someone who acts: a person, a token or Lemnis itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The name that events and audit show.
    pub name: String,
    /// What the principal may do.
    pub role: Role,
}

impl Principal {
    /// The person at this machine's keyboard.
    pub fn local(name: &str) -> Self {
        Self { name: name.to_owned(), role: Role::Owner }
    }

    /// Lemnis acting by its own rules.
    pub fn lemnis() -> Self {
        Self { name: "lemnis".to_owned(), role: Role::Owner }
    }

    /// Whether the principal's role allows `action`.
    pub fn may(&self, action: Action) -> bool {
        match self.role {
            Role::Owner => true,
            Role::Viewer => matches!(action, Action::Read | Action::Predict),
        }
    }
}

/// A bundle of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything in the project.
    Owner,
    /// May look and ask for predictions.
    Viewer,
}

/// What a use-case asks permission for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See runs, models, endpoints and evidence.
    Read,
    /// Ask an endpoint for predictions or report ground truth.
    Predict,
    /// Log runs, add data, register versions.
    Write,
    /// Move aliases, deploy, roll back, start pipelines.
    Operate,
}
