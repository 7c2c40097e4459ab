//! The model registry: registered models, their numbered versions, stages and aliases.

use async_trait::async_trait;
use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::{Clause, Order};
use crate::{Error, LoggedModelId, Metric, Page, Param, Result, RunId, Tag};

/// The tag that makes a registered model, or a version of it, a prompt.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Whether `tags` are those of a prompt: the last value of its tag counts.
pub fn is_prompt(tags: &[Tag]) -> bool {
    let tag = tags.iter().rev().find(|tag| tag.key == PROMPT_TAG);
    tag.is_some_and(|tag| tag.value.eq_ignore_ascii_case("true"))
}

/// The reserved alias that means the version with the highest number.
pub const LATEST: &str = "latest";

/// MLflow's four fixed stages of a version.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize, Deserialize,
)]
pub enum Stage {
    /// No stage.
    #[default]
    None,
    /// To be tried.
    Staging,
    /// In use.
    Production,
    /// Retired.
    Archived,
}

impl Stage {
    /// Every stage, in MLflow's order.
    pub const ALL: [Stage; 4] = [Stage::None, Stage::Staging, Stage::Production, Stage::Archived];

    /// The stage's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::None => "None",
            Stage::Staging => "Staging",
            Stage::Production => "Production",
            Stage::Archived => "Archived",
        }
    }

    /// The stage that `text` names, in any case.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid Model Version stage: {text}. Value must be one of None, Staging, Production, Archived."
            ))
        })
    }
}

/// A name that points at one version.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Alias {
    /// The name, such as `champion`.
    pub alias: String,
    /// The version it points at.
    pub version: u32,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// Its unique name.
    pub name: String,
    /// When it was made.
    pub creation_timestamp: Millis,
    /// When it or a version of it changed last.
    pub last_updated_timestamp: Millis,
    /// What it is for.
    pub description: Option<String>,
    /// For each stage, the version with the highest number.
    pub latest_versions: Vec<ModelVersion>,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
    /// Its aliases, by name.
    pub aliases: Vec<Alias>,
}

impl RegisteredModel {
    /// The version that `alias` points at.
    pub fn alias(&self, alias: &str) -> Option<u32> {
        self.aliases.iter().find(|entry| entry.alias == alias).map(|entry| entry.version)
    }
}

/// One numbered version of a registered model.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The model's name.
    pub name: String,
    /// Its number: 1, 2, 3 … never used twice.
    pub version: u32,
    /// When it was made.
    pub creation_timestamp: Millis,
    /// When it changed last.
    pub last_updated_timestamp: Millis,
    /// What is special about it.
    pub description: Option<String>,
    /// Who made it.
    pub user_id: Option<String>,
    /// Its stage.
    pub current_stage: Stage,
    /// The URI it was registered from.
    pub source: String,
    /// The URI its files are read from, where it differs from `source`.
    pub storage_location: Option<String>,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// A link to that run on another server.
    pub run_link: Option<String>,
    /// The logged model it was registered from.
    pub model_id: Option<LoggedModelId>,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
    /// The params of its logged model.
    pub model_params: Vec<Param>,
    /// The metrics of its logged model.
    pub model_metrics: Vec<Metric>,
}

impl ModelVersion {
    /// The tag `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }

    /// The URI its files are read from.
    pub fn artifact_uri(&self) -> &str {
        self.storage_location.as_deref().unwrap_or(&self.source)
    }
}

/// A registered model to make.
#[derive(Clone, Debug, Default)]
pub struct NewModel {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its first tags.
    pub tags: Vec<Tag>,
    /// The present moment.
    pub at_ms: Millis,
}

/// What changes in a registered model; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ModelChange {
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The present moment.
    pub at_ms: Millis,
}

/// A version to make.
#[derive(Clone, Debug, Default)]
pub struct NewVersion {
    /// The model's name; the model must exist.
    pub name: String,
    /// The URI it is registered from.
    pub source: String,
    /// The URI its files are read from, where it differs from `source`.
    pub storage_location: Option<String>,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// A link to that run on another server.
    pub run_link: Option<String>,
    /// The logged model it is registered from.
    pub model_id: Option<LoggedModelId>,
    /// What is special about it.
    pub description: Option<String>,
    /// Its first tags.
    pub tags: Vec<Tag>,
    /// Who makes it.
    pub user_id: Option<String>,
    /// The present moment.
    pub at_ms: Millis,
}

/// What changes in a version.
#[derive(Clone, Debug)]
pub enum VersionChange {
    /// Its description.
    Description(String),
    /// Its stage; `archive_existing` moves the stage's other versions to Archived.
    Stage {
        /// The new stage.
        to: Stage,
        /// Whether the stage's present versions are archived; only for Staging and Production.
        archive_existing: bool,
    },
}

/// A search for registered models.
#[derive(Clone, Debug)]
pub struct ModelSearch {
    /// Clauses that must all hold: [`crate::search::registered_models`].
    pub filter: Vec<Clause>,
    /// The order; empty is by name.
    pub order: Vec<Order>,
    /// Rows a page, at most 1000.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

impl Default for ModelSearch {
    fn default() -> Self {
        Self { filter: Vec::new(), order: Vec::new(), limit: 100, offset: 0 }
    }
}

/// A search for versions.
#[derive(Clone, Debug)]
pub struct VersionSearch {
    /// Clauses that must all hold: [`crate::search::model_versions`].
    pub filter: Vec<Clause>,
    /// The order; empty is last changed first.
    pub order: Vec<Order>,
    /// Rows a page, at most 200 000.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

impl Default for VersionSearch {
    fn default() -> Self {
        Self { filter: Vec::new(), order: Vec::new(), limit: 10_000, offset: 0 }
    }
}

impl VersionSearch {
    /// The versions of the model `name`, highest number first.
    pub fn of_model(name: &str) -> Self {
        Self {
            filter: vec![Clause::equals("name", name)],
            order: vec![Order::descending("version_number")],
            ..Self::default()
        }
    }
}

/// The port that keeps registered models.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Makes a model; a taken name is `RESOURCE_ALREADY_EXISTS`.
    async fn create_model(&self, new: &NewModel) -> Result<RegisteredModel>;

    /// The model called `name`.
    async fn get_model(&self, name: &str) -> Result<Option<RegisteredModel>>;

    /// Renames a model or changes its description, and returns it.
    async fn update_model(&self, name: &str, change: &ModelChange) -> Result<RegisteredModel>;

    /// Deletes a model with its versions, tags and aliases.
    async fn delete_model(&self, name: &str) -> Result<()>;

    /// Models that match.
    async fn search_models(&self, search: &ModelSearch) -> Result<Page<RegisteredModel>>;

    /// Sets the tag `key` of a model; `None` removes it, and an absent one stays absent.
    async fn set_model_tag(&self, name: &str, key: &str, value: Option<&str>) -> Result<()>;

    /// Points `alias` at a version; `None` removes the alias.
    async fn set_alias(&self, name: &str, alias: &str, version: Option<u32>) -> Result<()>;

    /// Makes the next version of a model.
    async fn create_version(&self, new: &NewVersion) -> Result<ModelVersion>;

    /// One version.
    async fn get_version(&self, name: &str, version: u32) -> Result<Option<ModelVersion>>;

    /// The version that `alias` points at; [`LATEST`] is the highest number.
    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>>;

    /// Changes a version and returns it.
    async fn update_version(
        &self,
        name: &str,
        version: u32,
        change: &VersionChange,
        at_ms: Millis,
    ) -> Result<ModelVersion>;

    /// Deletes a version: its aliases go, its number is never used again.
    async fn delete_version(&self, name: &str, version: u32, at_ms: Millis) -> Result<()>;

    /// Versions that match.
    async fn search_versions(&self, search: &VersionSearch) -> Result<Page<ModelVersion>>;

    /// Sets the tag `key` of a version; `None` removes it, and an absent one stays absent.
    async fn set_version_tag(&self, name: &str, version: u32, key: &str, value: Option<&str>) -> Result<()>;
}
