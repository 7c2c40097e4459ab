//! `lemnis.yaml`: what the project declares about its models, endpoints and monitors.
//!
//! Unknown keys are errors, so that a misspelt rule cannot silently do nothing.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use lemnis_core::Role;
use lemnis_quality::drift::DriftSettings;
use lemnis_serving::rollout::Policy;
use lemnis_tracking::gate::{Approval, Rule};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::suggest::SearchSettings;
use crate::trigger::{self, Trigger};

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
    /// What is searched in experiments, by their name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub experiments: IndexMap<String, SearchSettings>,
    /// What new data on a branch starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// Where the server keeps its state.
    #[serde(default, skip_serializing_if = "StateSettings::is_empty")]
    pub state: StateSettings,
}

/// Where the server keeps its state; what is left out stays in the project's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// `postgres://user@host/name`, without a password.
    pub database: Option<String>,
    /// `s3://bucket/path`, `gs://bucket/path` or `azure://container/path`.
    pub artifacts: Option<String>,
    /// Whether clients may move large artifacts to and from it by themselves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub direct_artifacts: bool,
}

impl StateSettings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
    /// What a version must show before it may serve: the gate of `production`, whose alias is `champion`.
    #[serde(default)]
    pub gate: Vec<Rule>,
    /// Further places that versions are let into, each by a gate of its own.
    #[serde(default)]
    pub environments: IndexMap<String, EnvironmentSettings>,
}

/// A place that versions are let into, such as `staging`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSettings {
    /// The alias of the version that is in it; the environment's own name where none is given.
    #[serde(default)]
    pub alias: Option<String>,
    /// The environment whose gate a version must have passed before.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether only the gate may move the alias: MLflow clients are refused.
    #[serde(default)]
    pub protected: bool,
    /// What a version must show.
    #[serde(default)]
    pub gate: Vec<Rule>,
}

/// The environment of the version that serves.
pub const PRODUCTION: &str = "production";

/// An environment with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment<'a> {
    /// Its name.
    pub name: &'a str,
    /// The alias of the version that is in it.
    pub alias: &'a str,
    /// The environment whose gate a version must have passed before.
    pub after: Option<&'a str>,
    /// Whether only the gate may move the alias.
    pub protected: bool,
    /// What a version must show.
    pub gate: &'a [Rule],
}

impl ModelSettings {
    /// The environment called `name`, [`PRODUCTION`] where none is given, or an error that names those there are.
    pub fn environment<'a>(&'a self, name: Option<&'a str>) -> Result<Environment<'a>, Error> {
        let name = name.unwrap_or(PRODUCTION);
        let found = self.environments().find(|environment| environment.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.environments().map(|environment| environment.name).collect();
            Error::invalid_with(
                format!("the model has no environment {name:?}"),
                format!("it has {}; others are declared in {FILE}", names.join(", ")),
            )
        })
    }

    /// Every environment, [`PRODUCTION`] among them whether it is declared or not.
    pub fn environments(&self) -> impl Iterator<Item = Environment<'_>> {
        let implied = Environment {
            name: PRODUCTION,
            alias: crate::model::CHAMPION,
            after: None,
            protected: false,
            gate: &self.gate,
        };
        let implied = (!self.environments.contains_key(PRODUCTION)).then_some(implied);
        let declared = self.environments.iter().map(|(name, own)| {
            let (alias, gate) = match name.as_str() {
                PRODUCTION if own.gate.is_empty() => (crate::model::CHAMPION, &self.gate),
                PRODUCTION => (crate::model::CHAMPION, &own.gate),
                _ => (name.as_str(), &own.gate),
            };
            Environment {
                name,
                alias: own.alias.as_deref().unwrap_or(alias),
                after: own.after.as_deref(),
                protected: own.protected,
                gate,
            }
        });
        implied.into_iter().chain(declared)
    }

    /// What is wrong with the environments and their gates, if anything.
    fn check(&self) -> Result<(), String> {
        let declared = self.environments.get(PRODUCTION);
        if declared.is_some_and(|own| !own.gate.is_empty()) && !self.gate.is_empty() {
            return Err(
                "`gate` and `environments.production.gate` are the same gate: write one of them".to_owned()
            );
        }
        let mut aliases = std::collections::BTreeMap::new();
        for environment in self.environments() {
            if let Some(other) = aliases.insert(environment.alias, environment.name) {
                return Err(format!(
                    "environments {other:?} and {:?} share the alias {:?}",
                    environment.name, environment.alias
                ));
            }
            for rule in environment.gate {
                if let Rule::Approval(Approval { role, .. }) = rule
                    && serde_json::from_value::<Role>(role.as_str().into()).is_err()
                {
                    return Err(format!(
                        "the gate of {:?} asks for an approval by the unknown role {role:?}",
                        environment.name
                    ));
                }
            }
            // A chain as long as the list of environments comes back to itself.
            let mut before = environment.after;
            for _ in 0..=self.environments.len() + 1 {
                let Some(name) = before else { break };
                before = match self.environments().find(|other| other.name == name) {
                    Some(other) => other.after,
                    None => {
                        return Err(format!(
                            "{:?} comes after the unknown environment {name:?}",
                            environment.name
                        ));
                    }
                };
            }
            if before.is_some() {
                return Err(format!("environment {:?} comes after itself", environment.name));
            }
        }
        Ok(())
    }
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
        for (name, model) in &settings.models {
            model.check().map_err(|problem| format!("models.{name}: {problem}"))?;
        }
        for (name, search) in &settings.experiments {
            search.check().map_err(|problem| format!("experiments.{name}: {problem}"))?;
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
        trigger::check(&settings, text)?;
        Ok(settings)
    }

    /// The rule called `name`, or an error.
    pub fn trigger(&self, name: &str) -> Result<&Trigger, Error> {
        let found = self.triggers.iter().find(|trigger| trigger.name == name);
        found.ok_or_else(|| Error::Missing { what: "trigger in lemnis.yaml", name: name.to_owned() })
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
