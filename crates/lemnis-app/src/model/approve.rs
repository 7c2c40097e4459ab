//! Approvals: what people say of a version, kept as events, for gates that ask for it.

use lemnis_core::{Action, Digest, Event, Principal};
use lemnis_tracking::gate::Agreement;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::gate::version;
use crate::{App, Context, Error, authorise};

/// The kind of event that an approval or rejection is.
const KIND: &str = "version.judged";
/// The longest comment in bytes.
const MAX_COMMENT_BYTES: usize = 10_000;
/// How many words on one version are looked at, newest first.
const MAX_WORDS: usize = 1_000;

/// Says whether a version may pass.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The registered model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// Into which environment; production where none is given.
    #[serde(default)]
    pub environment: Option<String>,
    /// Whether it may; `false` rejects it.
    pub approved: bool,
    /// Why.
    pub comment: String,
}

/// What was said of a version so far: each person's latest word.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Approvals {
    /// The registered model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// The environment.
    pub environment: String,
    /// The words, oldest first.
    pub said: Vec<Agreement>,
}

/// Records what `who` says of a version. Saying the same again changes nothing; a later word replaces an earlier one.
pub async fn approve(app: &App, who: &Principal, cmd: &Approve) -> Result<Approvals, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?.model(&cmd.model)?.clone();
    let environment = settings.environment(cmd.environment.as_deref())?;
    let comment = cmd.comment.trim();
    if comment.is_empty() || comment.len() > MAX_COMMENT_BYTES {
        return Err(Error::invalid_with(
            format!("the comment has {} bytes; 1 to {MAX_COMMENT_BYTES} are allowed", comment.len()),
            "say why in a sentence: it is kept as evidence",
        ));
    }
    let judged = version(app, &cmd.model, cmd.version).await?;
    let subject = subject(&cmd.model, cmd.version);
    let earlier = words(app, &subject, environment.name).await?;
    let word = json!({
        "environment": environment.name,
        "approved": cmd.approved,
        "comment": comment,
        "role": who.role,
        "is_author": judged.user_id.as_deref() == Some(who.name.as_str()),
    });
    let last = earlier.iter().rfind(|event| event.actor == who.name);
    if last.is_none_or(|last| last.data != word) {
        // The word before is part of the id: the same may be said again after something else.
        let about = json!([subject, who.name, last.map(|last| &last.id), word]).to_string();
        let id = format!("{KIND}/{}", Digest::sha256(about.as_bytes()).short());
        app.record(id, who, KIND, subject, word).await?;
    }
    Ok(Approvals {
        said: said(app, &cmd.model, cmd.version, environment.name).await?,
        model: cmd.model.clone(),
        version: cmd.version,
        environment: environment.name.to_owned(),
    })
}

/// Each person's latest word on a version in `environment`, oldest first.
pub(super) async fn said(
    app: &App,
    model: &str,
    number: u32,
    environment: &str,
) -> Result<Vec<Agreement>, Error> {
    let words = words(app, &subject(model, number), environment).await?;
    let mut latest: Vec<&Event> = Vec::new();
    for word in &words {
        latest.retain(|earlier| earlier.actor != word.actor);
        latest.push(word);
    }
    let text = |event: &Event, key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
    let agreement = |event: &Event| Agreement {
        by: event.actor.clone(),
        role: text(event, "role"),
        is_author: event.data["is_author"] == true,
        approved: event.data["approved"] == true,
        comment: text(event, "comment"),
    };
    Ok(latest.into_iter().map(agreement).collect())
}

/// What was said of `subject` for `environment`, oldest first.
async fn words(app: &App, subject: &str, environment: &str) -> Result<Vec<Event>, Error> {
    let mut events = app.events.latest(Some(subject), MAX_WORDS).await.context("looking for approvals")?;
    events.retain(|event| event.kind == KIND && event.data["environment"] == environment);
    events.reverse();
    Ok(events)
}

fn subject(model: &str, number: u32) -> String {
    format!("model/{model}/{number}")
}
