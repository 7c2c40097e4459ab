//! `webhooks/…`

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::webhook::{
    Answer as Sent, Delivery, Secret, WebhookChange, body, check_events, check_name, no_webhook,
};
use lemnis_tracking::{Error, Result, Webhook, WebhookEvent};
use serde_json::{Value, json};

use super::Answer;
use super::fields::Fields;
use super::wire::{Page, Reply, nothing};
use crate::Server;

/// Webhooks of a page.
const MAX_RESULTS: usize = 1000;

fn webhook(found: Webhook) -> Value {
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| json!({"entity": event.entity.to_uppercase(), "action": event.action.to_uppercase()}))
        .collect();
    let mut out = json!({
        "webhook_id": found.webhook_id,
        "name": found.name,
        "url": found.url,
        "events": events,
        "status": if found.active { "ACTIVE" } else { "DISABLED" },
        "creation_timestamp": found.created,
        "last_updated_timestamp": found.updated,
    });
    if let Some(description) = found.description {
        out["description"] = description.into();
    }
    out
}

fn one(found: Webhook) -> Reply<Value> {
    Reply(json!({ "webhook": webhook(found) }))
}

fn event(fields: &Fields) -> Result<WebhookEvent> {
    let entity = fields.word("entity")?.ok_or_else(|| fields.missing("entity"))?;
    let action = fields.word("action")?.ok_or_else(|| fields.missing("action"))?;
    WebhookEvent::parse(&entity, &action)
}

fn active(fields: &Fields) -> Result<Option<bool>> {
    Ok(match fields.word("status")?.as_deref() {
        None => None,
        Some("ACTIVE" | "1") => Some(true),
        Some("DISABLED" | "2") => Some(false),
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid value \"{other}\" for parameter 'status' supplied."
            )));
        }
    })
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let events = fields.objects("events")?.iter().map(event).collect::<Result<Vec<_>>>()?;
    let now = server.app.clock.now_ms();
    let made = Webhook {
        webhook_id: uuid::Uuid::new_v4().to_string(),
        name: fields.required("name")?,
        description: fields.filled("description")?,
        url: fields.required("url")?,
        events,
        active: active(&fields)?.unwrap_or(true),
        secret: fields.filled("secret")?.map(Secret::new),
        created: now,
        updated: now,
    };
    check_name(&made.name)?;
    server.app.webhook_sender.check_url(&made.url)?;
    check_events(&made.events)?;
    server.app.webhooks.create(&made).await?;
    Ok(one(made))
}

pub(super) async fn list(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let limit = match fields.int("max_results")? {
        None => 100,
        Some(given) => match usize::try_from(given) {
            Ok(given) if (1..=MAX_RESULTS).contains(&given) => given,
            _ => {
                return Err(Error::invalid(format!(
                    "max_results must be between 1 and {MAX_RESULTS}, got {given}."
                ))
                .into());
            }
        },
    };
    let page = server.app.webhooks.list(limit, fields.offset()?).await?;
    let next_page_token = page.next_token();
    Ok(Reply(Page { list: ("webhooks", page.items.into_iter().map(webhook).collect()), next_page_token }))
}

async fn find(server: &Server, id: &str) -> Result<Webhook> {
    server.app.webhooks.get(id).await?.ok_or_else(|| no_webhook(id))
}

pub(super) async fn get(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    Ok(one(find(&server, &id).await?))
}

pub(super) async fn update(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    find(&server, &id).await?;
    let events = fields.objects("events")?.iter().map(event).collect::<Result<Vec<_>>>()?;
    let change = WebhookChange {
        name: fields.filled("name")?,
        description: fields.text("description")?,
        url: fields.filled("url")?,
        events: (!events.is_empty()).then_some(events),
        active: active(&fields)?,
        secret: fields.filled("secret")?.map(Secret::new),
    };
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    if let Some(url) = &change.url {
        server.app.webhook_sender.check_url(url)?;
    }
    let now = server.app.clock.now_ms();
    let changed = server.app.webhooks.update(&id, &change, now).await?;
    Ok(one(changed.ok_or_else(|| no_webhook(&id))?))
}

pub(super) async fn delete(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    match server.app.webhooks.delete(&id).await? {
        true => Ok(nothing()),
        false => Err(no_webhook(&id).into()),
    }
}

/// Sends an example once and says what came back.
pub(super) async fn test(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let found = find(&server, &id).await?;
    let event = match fields.object("event")? {
        Some(given) => event(&given)?,
        None => found.events.first().cloned().ok_or_else(|| fields.missing("event"))?,
    };
    let now = server.app.clock.now_ms();
    let delivery = Delivery {
        delivery_id: uuid::Uuid::new_v4().to_string(),
        webhook: found,
        body: body(&event, &lemnis_core::rfc3339(now), &example(&event)),
        attempts: 0,
    };
    let Sent { status, body, error } = server.app.webhook_sender.send(&delivery, now).await;
    let mut result = json!({"success": status.is_some_and(|status| status < 400)});
    if let Some(status) = status {
        result["response_status"] = status.into();
    }
    if let Some(body) = body {
        result["response_body"] = body.into();
    }
    if let Some(error) = error {
        result["error_message"] = format!("Failed to test webhook: {error}").into();
    }
    Ok(Reply(json!({ "result": result })))
}

/// What a delivery of `event` may hold.
fn example(event: &WebhookEvent) -> Value {
    let name = if event.entity.starts_with("prompt") { "example_prompt" } else { "example_model" };
    let mut data = json!({ "name": name });
    if event.entity.contains("version") || event.entity.ends_with("alias") && event.action == "created" {
        data["version"] = "1".into();
    }
    if event.entity.ends_with("tag") {
        data["key"] = "example_key".into();
        if event.action == "set" {
            data["value"] = "example_value".into();
        }
    }
    if event.entity.ends_with("alias") {
        data["alias"] = "example_alias".into();
    }
    data
}
