//! Changes of the model registry, told to webhooks.
//!
//! Whoever changes the registry, a client, a page or a promotion, goes through [`Announced`]: it passes every call on
//! and owes an event to the webhooks that listen. [`deliver`] sends what is owed; what does not arrive is tried again
//! later, and survives a restart.

use std::sync::Arc;

use async_trait::async_trait;
use lemnis_core::{Clock, Millis};
use lemnis_tracking::webhook::{Outcome, after_failure, body};
use lemnis_tracking::{
    ModelChange, ModelSearch, ModelVersion, NewModel, NewVersion, PROMPT_TAG, Page, RegisteredModel,
    Registry, Result, Tag, VersionChange, VersionSearch, WebhookEvent, Webhooks, is_prompt,
};
use serde_json::{Map, Value, json};

use crate::App;

/// The tag that holds a prompt's text.
const PROMPT_TEXT: &str = "mlflow.prompt.text";
/// The tag that holds a prompt's kind.
const PROMPT_KIND: &str = "_mlflow_prompt_type";
/// Deliveries that are sent at once.
const AT_ONCE: usize = 16;

/// A registry whose changes are told to webhooks.
pub struct Announced {
    /// Where the models are kept.
    pub registry: Arc<dyn Registry>,
    /// Who listens.
    pub webhooks: Arc<dyn Webhooks>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Announced {
    /// Owes an event. The change itself is done: that nobody can be told of it does not undo it.
    async fn tell(&self, entity: &'static str, action: &'static str, data: Value) {
        let now = self.clock.now_ms();
        let event = WebhookEvent::new(entity, action);
        let body = body(&event, &lemnis_core::rfc3339(now), &data);
        if let Err(error) = self.webhooks.announce(&event, &body, now).await {
            tracing::error!(%event, %error, "webhooks cannot be told");
        }
    }

    async fn is_prompt(&self, name: &str) -> bool {
        match self.registry.get_model(name).await {
            Ok(Some(model)) => is_prompt(&model.tags),
            _ => false,
        }
    }
}

fn texts(tags: &[Tag], without: &[&str]) -> Value {
    let kept = tags.iter().filter(|tag| !without.contains(&tag.key.as_str()));
    Value::Object(kept.map(|tag| (tag.key.clone(), tag.value.clone().into())).collect::<Map<_, _>>())
}

#[async_trait]
impl Registry for Announced {
    async fn create_model(&self, new: &NewModel) -> Result<RegisteredModel> {
        let made = self.registry.create_model(new).await?;
        let prompt = is_prompt(&new.tags);
        let without: &[&str] = if prompt { &[PROMPT_TAG, PROMPT_KIND] } else { &[] };
        let data = json!({
            "name": made.name,
            "tags": texts(&new.tags, without),
            "description": new.description,
        });
        self.tell(if prompt { "prompt" } else { "registered_model" }, "created", data).await;
        Ok(made)
    }

    async fn get_model(&self, name: &str) -> Result<Option<RegisteredModel>> {
        self.registry.get_model(name).await
    }

    async fn update_model(&self, name: &str, change: &ModelChange) -> Result<RegisteredModel> {
        self.registry.update_model(name, change).await
    }

    async fn delete_model(&self, name: &str) -> Result<()> {
        self.registry.delete_model(name).await
    }

    async fn search_models(&self, search: &ModelSearch) -> Result<Page<RegisteredModel>> {
        self.registry.search_models(search).await
    }

    async fn set_model_tag(&self, name: &str, key: &str, value: Option<&str>) -> Result<()> {
        self.registry.set_model_tag(name, key, value).await?;
        if self.is_prompt(name).await {
            let (action, data) = match value {
                Some(value) => ("set", json!({"name": name, "key": key, "value": value})),
                None => ("deleted", json!({"name": name, "key": key})),
            };
            self.tell("prompt_tag", action, data).await;
        }
        Ok(())
    }

    async fn set_alias(&self, name: &str, alias: &str, version: Option<u32>) -> Result<()> {
        self.registry.set_alias(name, alias, version).await?;
        let entity = if self.is_prompt(name).await { "prompt_alias" } else { "model_version_alias" };
        let (action, data) = match version {
            Some(version) => {
                ("created", json!({"name": name, "alias": alias, "version": version.to_string()}))
            }
            None => ("deleted", json!({"name": name, "alias": alias})),
        };
        self.tell(entity, action, data).await;
        Ok(())
    }

    async fn create_version(&self, new: &NewVersion) -> Result<ModelVersion> {
        let made = self.registry.create_version(new).await?;
        let version = made.version.to_string();
        let description = new.description.as_deref().filter(|text| !text.is_empty());
        if is_prompt(&new.tags) {
            let template = new.tags.iter().rev().find(|tag| tag.key == PROMPT_TEXT).map(|tag| &tag.value);
            let data = json!({
                "name": made.name,
                "version": version,
                "template": template,
                "tags": texts(&new.tags, &[PROMPT_TAG, PROMPT_KIND, PROMPT_TEXT]),
                "description": description,
            });
            self.tell("prompt_version", "created", data).await;
        } else {
            let data = json!({
                "name": made.name,
                "version": version,
                "source": made.source,
                "run_id": made.run_id,
                "tags": texts(&new.tags, &[]),
                "description": description,
            });
            self.tell("model_version", "created", data).await;
        }
        Ok(made)
    }

    async fn get_version(&self, name: &str, version: u32) -> Result<Option<ModelVersion>> {
        self.registry.get_version(name, version).await
    }

    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
        self.registry.version_by_alias(name, alias).await
    }

    async fn update_version(
        &self,
        name: &str,
        version: u32,
        change: &VersionChange,
        at_ms: Millis,
    ) -> Result<ModelVersion> {
        self.registry.update_version(name, version, change, at_ms).await
    }

    async fn delete_version(&self, name: &str, version: u32, at_ms: Millis) -> Result<()> {
        self.registry.delete_version(name, version, at_ms).await
    }

    async fn search_versions(&self, search: &VersionSearch) -> Result<Page<ModelVersion>> {
        self.registry.search_versions(search).await
    }

    async fn set_version_tag(&self, name: &str, version: u32, key: &str, value: Option<&str>) -> Result<()> {
        self.registry.set_version_tag(name, version, key, value).await?;
        let entity = if self.is_prompt(name).await { "prompt_version_tag" } else { "model_version_tag" };
        let mut data = json!({"name": name, "version": version.to_string(), "key": key});
        if let Some(value) = value {
            data["value"] = value.into();
        }
        self.tell(entity, if value.is_some() { "set" } else { "deleted" }, data).await;
        Ok(())
    }
}

/// Sends the deliveries whose time has come; returns how many arrived.
pub async fn deliver(app: &App) -> Result<usize> {
    let due = app.webhooks.due(app.clock.now_ms(), AT_ONCE).await?;
    let sent = due.iter().map(|delivery| async move {
        let answer = app.webhook_sender.send(delivery, app.clock.now_ms()).await;
        let outcome = match (answer.delivered(), answer.worth_retrying()) {
            (true, _) => Outcome::Delivered,
            (false, true) => after_failure(delivery.attempts + 1, app.clock.now_ms()),
            (false, false) => Outcome::GivenUp,
        };
        if outcome == Outcome::GivenUp {
            tracing::warn!(
                webhook = delivery.webhook.name,
                delivery = delivery.delivery_id,
                status = answer.status,
                error = answer.error,
                "a webhook's delivery is given up"
            );
        }
        app.webhooks.settle(&delivery.delivery_id, &outcome).await?;
        Ok::<bool, lemnis_tracking::Error>(outcome == Outcome::Delivered)
    });
    let ended = futures::future::join_all(sent).await;
    let mut arrived = 0;
    for delivered in ended {
        arrived += usize::from(delivered?);
    }
    Ok(arrived)
}
