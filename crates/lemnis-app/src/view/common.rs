//! The small words that several read models share.

use lemnis_core::{Millis, rfc3339};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// A moment that pages show relative to now and JSON writes as RFC 3339, or in milliseconds where no calendar reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent, inline)]
pub struct Moment(#[schemars(with = "String")] pub Millis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

/// How a part of the loop stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has happened there yet.
    #[default]
    Idle,
    /// All is well.
    Ok,
    /// Something runs there now.
    Working,
    /// Someone should look.
    Attention,
}

impl State {
    /// `idle`, `ok`, `working` or `attention`.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Ok => "ok",
            State::Working => "working",
            State::Attention => "attention",
        }
    }
}

/// A named text, such as a param or a tag.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

/// One line of the audit trail.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EventRow {
    /// The event's id.
    pub id: String,
    /// When it happened.
    pub at: Moment,
    /// Who did it.
    pub actor: String,
    /// `noun.past_tense`.
    pub kind: String,
    /// What it happened to, such as `model/churn`.
    pub subject: String,
    /// The page of the subject, where there is one.
    pub href: Option<String>,
    /// How the row is coloured.
    pub state: State,
    /// The evidence.
    pub data: serde_json::Value,
}

/// A verdict in one line.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct VerdictRow {
    /// The verdict's id.
    pub id: String,
    /// When it was given.
    pub at: Moment,
    /// What it is about, such as `endpoint/churn`.
    pub subject: String,
    /// The page of the subject, where there is one.
    pub href: Option<String>,
    /// `drift`, `performance` or `validation`.
    pub kind: String,
    /// `pass`, `drift`, `fail` or `not_computed`.
    pub outcome: String,
    /// How the row is coloured.
    pub state: State,
    /// One sentence.
    pub summary: String,
}
