//! Identifiers of experiments, runs and logged models.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id! {
    /// A run's id: 32 hex digits when made here, any `^[a-zA-Z0-9][\w\-]{0,255}$` when imported.
    RunId
}

text_id! {
    /// A logged model's id: `m-` and 32 hex digits.
    LoggedModelId
}

text_id! {
    /// A trace's id: `tr-` and the 32 hex digits of its OpenTelemetry id, or whatever a client made up.
    TraceId
}

impl TraceId {
    /// A new random id, for clients that let the server choose.
    pub fn random() -> Self {
        Self(format!("tr-{}", uuid::Uuid::new_v4().simple()))
    }

    /// The id of the trace that OpenTelemetry knows by these bytes.
    pub fn of_otel(bytes: &[u8]) -> Self {
        Self(format!("tr-{}", crate::trace::hex(bytes)))
    }
}

impl RunId {
    /// A new random id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }
}

impl LoggedModelId {
    /// A new random id.
    pub fn random() -> Self {
        Self(format!("m-{}", uuid::Uuid::new_v4().simple()))
    }
}

/// An experiment's id: a number that travels as text. `0` is the experiment `Default`, which always exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub struct ExperimentId(#[schemars(with = "String")] pub i64);

impl ExperimentId {
    /// The experiment `Default`.
    pub const DEFAULT: Self = Self(0);

    /// The id that `text` names; `None` where no experiment can have it.
    pub fn parse(text: &str) -> Option<Self> {
        let number: i64 = text.parse().ok()?;
        (number >= 0 && number.to_string() == text).then_some(Self(number))
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ExperimentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExperimentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no experiment id")))
    }
}
