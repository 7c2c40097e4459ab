//! Webhooks: who wants to be told of changes in the model registry, and the deliveries that are still owed.
//!
//! An event becomes one delivery for each webhook that listens. Deliveries are kept until they arrive or are given up,
//! so that a restart loses none. A secret signs them; it is never shown again.

use std::fmt;

use async_trait::async_trait;
use lemnis_core::Millis;
use serde_json::Value;

use crate::{Error, Page, Result};

/// Entities with the actions that can be listened to.
const EVENTS: [(&str, &[&str]); 9] = [
    ("registered_model", &["created"]),
    ("model_version", &["created"]),
    ("model_version_tag", &["deleted", "set"]),
    ("model_version_alias", &["created", "deleted"]),
    ("prompt", &["created"]),
    ("prompt_version", &["created"]),
    ("prompt_tag", &["deleted", "set"]),
    ("prompt_version_tag", &["deleted", "set"]),
    ("prompt_alias", &["created", "deleted"]),
];
/// Entities in the order of their numbers in MLflow's protocol.
const ENTITY_NUMBERS: [&str; 10] = [
    "registered_model",
    "model_version",
    "model_version_tag",
    "model_version_alias",
    "prompt",
    "prompt_version",
    "prompt_tag",
    "prompt_version_tag",
    "prompt_alias",
    "budget_policy",
];
const ACTION_NUMBERS: [&str; 5] = ["created", "updated", "deleted", "set", "exceeded"];

/// How often a delivery is tried.
pub const MAX_ATTEMPTS: u32 = 6;
const FIRST_WAIT_MS: i64 = 1000;
const LONGEST_WAIT_MS: i64 = 60_000;

/// What happened to what, such as `model_version.created`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookEvent {
    /// To what.
    pub entity: String,
    /// What.
    pub action: String,
}

impl WebhookEvent {
    /// The event of a known entity and action, by name in any case or by number.
    pub fn parse(entity: &str, action: &str) -> Result<Self> {
        let named = |text: &str, numbers: &[&str]| match text.parse::<usize>() {
            Ok(number) => number.checked_sub(1).and_then(|at| numbers.get(at)).map(|name| (*name).to_owned()),
            Err(_) => Some(text.to_lowercase()).filter(|name| numbers.contains(&name.as_str())),
        };
        let unknown = |what: &str, text: &str| Error::invalid(format!("Unknown webhook {what} '{text}'."));
        let entity = named(entity, &ENTITY_NUMBERS).ok_or_else(|| unknown("entity", entity))?;
        let action = named(action, &ACTION_NUMBERS).ok_or_else(|| unknown("action", action))?;
        let valid =
            EVENTS.iter().find(|(name, _)| *name == entity).map_or(&[] as &[&str], |(_, actions)| actions);
        if valid.contains(&action.as_str()) {
            return Ok(Self { entity, action });
        }
        let valid: Vec<String> = valid.iter().map(|name| format!("'{name}'")).collect();
        Err(Error::invalid(format!(
            "Invalid action '{action}' for entity '{entity}'. Valid actions are: [{}]",
            valid.join(", ")
        )))
    }

    /// The event of these words, which must be known ones.
    pub fn new(entity: &'static str, action: &'static str) -> Self {
        Self { entity: entity.to_owned(), action: action.to_owned() }
    }
}

impl fmt::Display for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entity, self.action)
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// One that was kept and cannot be read, because the key that encrypted it is not there.
    pub fn unreadable() -> Self {
        Self(None)
    }

    /// The text, for signing and storing only; `None` where it cannot be read.
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Someone who wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, a UUID.
    pub webhook_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Where events are sent.
    pub url: String,
    /// Which events.
    pub events: Vec<WebhookEvent>,
    /// Whether they are sent now.
    pub active: bool,
    /// Signs what is sent.
    pub secret: Option<Secret>,
    /// When it was made.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
}

/// What changes in a webhook; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new address.
    pub url: Option<String>,
    /// The new events.
    pub events: Option<Vec<WebhookEvent>>,
    /// On or off.
    pub active: Option<bool>,
    /// The new secret.
    pub secret: Option<Secret>,
}

impl WebhookChange {
    /// Changes `webhook`.
    pub fn apply(self, webhook: &mut Webhook, at_ms: Millis) {
        if let Some(name) = self.name {
            webhook.name = name;
        }
        if self.description.is_some() {
            webhook.description = self.description;
        }
        if let Some(url) = self.url {
            webhook.url = url;
        }
        if let Some(events) = self.events {
            webhook.events = events;
        }
        if let Some(active) = self.active {
            webhook.active = active;
        }
        if self.secret.is_some() {
            webhook.secret = self.secret;
        }
        webhook.updated = at_ms;
    }
}

/// Fails unless a webhook may have this name.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let ends = name.starts_with(plain) && name.ends_with(plain);
    if ends && name.len() <= 63 && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-')) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 characters \
         long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
    )))
}

/// Fails unless a webhook listens to something.
pub fn check_events(events: &[WebhookEvent]) -> Result<()> {
    match events {
        [] => Err(Error::invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].")),
        _ => Ok(()),
    }
}

/// The error for a webhook that is not there.
pub fn no_webhook(id: &str) -> Error {
    Error::missing(format!("Webhook with ID {id} not found."))
}

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its id, a UUID; the receiver knows a repeated delivery by it.
    pub delivery_id: String,
    /// To whom.
    pub webhook: Webhook,
    /// The body, as it is signed and sent.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It did not; there will be another try at this moment.
    Retry(Millis),
    /// It did not, and there will be no other.
    GivenUp,
}

/// When to try again after `attempts` tries failed, the last at `now`; never after [`MAX_ATTEMPTS`].
pub fn after_failure(attempts: u32, now: Millis) -> Outcome {
    if attempts >= MAX_ATTEMPTS {
        return Outcome::GivenUp;
    }
    let doubled = FIRST_WAIT_MS.saturating_mul(1 << attempts.min(10).saturating_sub(1));
    Outcome::Retry(now + doubled.min(LONGEST_WAIT_MS))
}

/// The body of a delivery.
pub fn body(event: &WebhookEvent, at: &str, data: &Value) -> String {
    serde_json::json!({"entity": event.entity, "action": event.action, "timestamp": at, "data": data})
        .to_string()
}

/// What a receiver answered, or why it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status of its answer.
    pub status: Option<u16>,
    /// The start of its answer.
    pub body: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

impl Answer {
    /// It arrived.
    pub fn delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Another try may help: no answer, too many requests, or a failure of the receiver.
    pub fn worth_retrying(&self) -> bool {
        match self.status {
            None => true,
            Some(status) => status == 408 || status == 429 || status >= 500,
        }
    }
}

/// The port that sends a delivery once. It signs what it sends and reaches only addresses that it may.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Fails where `url` is none that may be sent to.
    fn check_url(&self, url: &str) -> Result<()>;

    /// Sends `delivery`, signed for `now`.
    async fn send(&self, delivery: &Delivery, now: Millis) -> Answer;
}

/// The port that keeps webhooks and their deliveries.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Adds a webhook.
    async fn create(&self, webhook: &Webhook) -> Result<()>;

    /// The webhook with `id`.
    async fn get(&self, id: &str) -> Result<Option<Webhook>>;

    /// Webhooks, the newest first.
    async fn list(&self, limit: usize, offset: u64) -> Result<Page<Webhook>>;

    /// Changes a webhook and returns it; `None` where there is none.
    async fn update(&self, id: &str, change: &WebhookChange, at_ms: Millis) -> Result<Option<Webhook>>;

    /// Deletes a webhook with what is still owed to it; says whether there was one.
    async fn delete(&self, id: &str) -> Result<bool>;

    /// Owes `body` to every active webhook that listens to `event`, from `at_ms` on; returns how many.
    async fn announce(&self, event: &WebhookEvent, body: &str, at_ms: Millis) -> Result<u64>;

    /// At most `limit` deliveries whose time has come, the longest waiting first.
    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Delivery>>;

    /// Records how a try ended: what arrived or is given up is no longer owed.
    async fn settle(&self, delivery_id: &str, outcome: &Outcome) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_known_entity_and_an_action_of_it() {
        assert_eq!(
            WebhookEvent::parse("MODEL_VERSION", "CREATED").unwrap().to_string(),
            "model_version.created"
        );
        assert_eq!(WebhookEvent::parse("2", "1").unwrap().to_string(), "model_version.created");
        let said = |entity, action| WebhookEvent::parse(entity, action).unwrap_err().to_string();
        assert!(said("model_version", "deleted").contains("Valid actions are: ['created']"));
        assert!(said("planet", "created").contains("Unknown webhook entity"));
    }

    #[test]
    fn a_failed_delivery_waits_longer_each_time_and_ends() {
        assert_eq!(after_failure(1, 100), Outcome::Retry(1100));
        assert_eq!(after_failure(3, 100), Outcome::Retry(4100));
        assert_eq!(after_failure(MAX_ATTEMPTS, 100), Outcome::GivenUp);
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "***");
    }

    #[test]
    fn names_are_plain() {
        for name in ["a", "web-hook_1.x", &"a".repeat(63)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", " ", "-a", "a-", "a b", "a/b", "ä", &"a".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
