//! `lemnis.yaml`: what the project declares about its models, endpoints and monitors.
//!
//! Unknown keys are errors, so that a misspelt rule cannot silently do nothing.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use lemnis_quality::drift::DriftSettings;
use lemnis_serving::rollout::Policy;
use lemnis_tracking::gate::Rule;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The file's name, beside `dvc.yaml` and `params.yaml`.
pub const FILE: &str = "lemnis.yaml";

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The project's name, shown on its pages.
    pub project: String,
    /// Which expectation suite holds for which data.
    #[serde(default)]
    pub checks: Vec<DataCheck>,
    /// The models that the pipeline makes, by registered name.
    #[serde(default)]
    pub models: IndexMap<String, ModelSettings>,
    /// What is served, by endpoint name.
    #[serde(default)]
    pub endpoints: IndexMap<String, EndpointSettings>,
}

/// One file of data and the suite it must satisfy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCheck {
    /// The data, relative to the project.
    pub data: PathBuf,
    /// The suite, relative to the project.
    pub suite: PathBuf,
}

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of three or more classes.
    Multiclass,
    /// A number.
    Regression,
}

/// A model that the pipeline makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// What it predicts.
    pub task: Task,
    /// The column it predicts.
    pub target: String,
    /// For a binary task, the class whose probability is scored.
    #[serde(default)]
    pub positive: Option<String>,
    /// The stage output that holds `MLmodel`, relative to the project.
    pub path: PathBuf,
    /// The rows that no model trained on; the gate compares versions on them.
    pub holdout: PathBuf,
    /// The metric that the gate, the pages and live monitoring look at first.
    pub metric: String,
    /// What a version must show before it may serve.
    #[serde(default)]
    pub gate: Vec<Rule>,
}

/// A stable name that answers predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// `name@alias` of the registered model that it serves.
    pub model: String,
    /// How a new version takes over.
    #[serde(default)]
    pub rollout: Policy,
    /// What is watched while it serves.
    #[serde(default)]
    pub monitor: MonitorSettings,
}

impl EndpointSettings {
    /// The alias that it follows, and that follows it: `champion` where none is named.
    pub fn alias(&self) -> &str {
        self.model.split_once('@').map_or(crate::model::CHAMPION, |(_, alias)| alias)
    }

    /// The registered model's name, without its alias.
    pub fn model_name(&self) -> &str {
        self.model.split_once('@').map_or(self.model.as_str(), |(name, _)| name)
    }
}

/// What is watched while an endpoint serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorSettings {
    /// How many of the newest predictions one check looks at.
    pub window_rows: usize,
    /// The fewest predictions that a check judges; with fewer it says `not_computed`.
    pub min_rows: usize,
    /// Tests and thresholds.
    pub drift: DriftSettings,
    /// What a drift verdict starts.
    pub on_drift: Reaction,
    /// For how long after a retrain further drift verdicts on the endpoint start none.
    pub cooldown_minutes: u64,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            window_rows: 500,
            min_rows: 100,
            drift: DriftSettings::default(),
            on_drift: Reaction::Retrain,
            cooldown_minutes: 60,
        }
    }
}

/// What a verdict starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// A flow run that retrains on the newest labelled rows.
    Retrain,
    /// Nothing but the record.
    Record,
}

impl Settings {
    /// Reads and checks `lemnis.yaml` of the project at `root`.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                Error::Missing { what: "project file", name: path.display().to_string() }
            } else {
                Error::File { path: path.clone(), action: "read", source }
            }
        })?;
        let settings = Self::parse(&text).map_err(|message| {
            Error::invalid_with(
                format!("{}: {message}", path.display()),
                "the comments in the file that quickstart writes explain every key",
            )
        })?;
        Ok(settings)
    }

    /// Parses and checks the text of a `lemnis.yaml`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for (name, endpoint) in &settings.endpoints {
            if !settings.models.contains_key(endpoint.model_name()) {
                return Err(format!(
                    "endpoints.{name}.model names {:?}, which is not among the models",
                    endpoint.model_name()
                ));
            }
        }
        let paths = settings
            .models
            .values()
            .flat_map(|model| [&model.path, &model.holdout])
            .chain(settings.checks.iter().flat_map(|check| [&check.data, &check.suite]));
        for path in paths {
            let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside {
                return Err(format!("{} leads out of the project", path.display()));
            }
        }
        Ok(settings)
    }

    /// The settings of a model, or an error that names those there are.
    pub fn model(&self, name: &str) -> Result<&ModelSettings, Error> {
        self.models
            .get(name)
            .ok_or_else(|| Error::Missing { what: "model in lemnis.yaml", name: name.to_owned() })
    }

    /// The settings of an endpoint, or an error.
    pub fn endpoint(&self, name: &str) -> Result<&EndpointSettings, Error> {
        self.endpoints
            .get(name)
            .ok_or_else(|| Error::Missing { what: "endpoint in lemnis.yaml", name: name.to_owned() })
    }
}
