//! A span: one step of a trace, and the content that is stored of it.
//!
//! The content is the JSON that MLflow's clients read back: ids as base64, attributes as texts that hold JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::TraceId;

/// The attribute that names a span's kind, such as `LLM`.
pub(super) const TYPE: &str = "mlflow.spanType";
/// The attribute that holds what a span was given.
pub(super) const INPUTS: &str = "mlflow.spanInputs";
/// The attribute that holds what a span answered.
pub(super) const OUTPUTS: &str = "mlflow.spanOutputs";
/// The attribute that holds the tokens that a span used.
pub(super) const USAGE: &str = "mlflow.chat.tokenUsage";
/// The attribute that holds what a span cost, in US dollars.
pub(super) const COST: &str = "mlflow.llm.cost";
/// The attribute that names the model.
pub(super) const MODEL: &str = "mlflow.llm.model";
/// The attribute that names who serves the model.
pub(super) const PROVIDER: &str = "mlflow.llm.provider";

/// Longest name of a model or provider that is kept for metrics.
const DIMENSION_LENGTH: usize = 500;

/// A span's attributes by name.
pub type Attributes = Map<String, Value>;

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanStatus {
    /// Nobody said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// With an error.
    Error,
}

impl SpanStatus {
    /// The word that filters and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            SpanStatus::Unset => "UNSET",
            SpanStatus::Ok => "OK",
            SpanStatus::Error => "ERROR",
        }
    }

    /// The name in OpenTelemetry's protocol.
    pub fn otel_name(self) -> &'static str {
        match self {
            SpanStatus::Unset => "STATUS_CODE_UNSET",
            SpanStatus::Ok => "STATUS_CODE_OK",
            SpanStatus::Error => "STATUS_CODE_ERROR",
        }
    }
}

/// One step of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// The trace's id in OpenTelemetry: 16 bytes.
    pub otel_trace_id: Vec<u8>,
    /// Its own id: 8 bytes.
    pub span_id: Vec<u8>,
    /// The step that it is a part of; none for the root.
    pub parent_id: Option<Vec<u8>>,
    /// What was done.
    pub name: String,
    /// When it started, in nanoseconds since 1970.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: Option<i64>,
    /// How it ended.
    pub status: SpanStatus,
    /// What went wrong.
    pub status_message: Option<String>,
    /// Everything else that is known of it.
    pub attributes: Attributes,
    /// What happened meanwhile: objects with `name`, `time_unix_nano` and `attributes`.
    pub events: Vec<Value>,
    /// Other spans that it refers to: objects with `trace_id`, `span_id` and `attributes`.
    pub links: Vec<Value>,
    /// What is known of the process that made it.
    pub resource: Attributes,
}

/// What is stored of a span, beside its content in columns that searches and metrics look at.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRow {
    /// Its id in hex.
    pub span_id: String,
    /// Its parent's id in hex.
    pub parent_id: Option<String>,
    /// What was done.
    pub name: String,
    /// Its kind.
    pub kind: Option<String>,
    /// How it ended.
    pub status: SpanStatus,
    /// When it started, in nanoseconds.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: Option<i64>,
    /// The tokens that it says it used, as JSON.
    pub usage: Option<String>,
    /// What it says it cost, as JSON.
    pub cost: Option<String>,
    /// Cost of what was asked, of what was answered and of both, in US dollars.
    pub costs: [Option<f64>; 3],
    /// The model.
    pub model: Option<String>,
    /// Who serves the model.
    pub provider: Option<String>,
    /// The whole span as JSON.
    pub content: String,
}

impl Span {
    /// The kind, `UNKNOWN` where nobody said.
    pub fn kind(&self) -> Option<&str> {
        self.attributes.get(TYPE).and_then(Value::as_str)
    }

    /// What is stored of it.
    pub fn row(&self) -> SpanRow {
        let text = |name: &str| {
            let text = self.attributes.get(name)?.as_str()?;
            Some(crate::rules::cut(text, DIMENSION_LENGTH).to_owned())
        };
        let cost = |name: &str| {
            let number = self.attributes.get(COST)?.get(name)?.as_f64()?;
            number.is_finite().then_some(number)
        };
        SpanRow {
            span_id: hex(&self.span_id),
            parent_id: self.parent_id.as_deref().map(hex),
            name: self.name.clone(),
            kind: self.kind().map(str::to_owned),
            status: self.status,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            usage: self.attributes.get(USAGE).map(Value::to_string),
            cost: self.attributes.get(COST).map(Value::to_string),
            costs: [cost("input_cost"), cost("output_cost"), cost("total_cost")],
            model: text(MODEL),
            provider: text(PROVIDER),
            content: self.content().to_string(),
        }
    }

    /// The span as clients read it back from a trace's artifact.
    fn content(&self) -> Value {
        let attributes: Map<String, Value> = self
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.to_string())))
            .collect();
        json!({
            "trace_id": STANDARD.encode(&self.otel_trace_id),
            "span_id": STANDARD.encode(&self.span_id),
            "parent_span_id": self.parent_id.as_ref().map(|id| STANDARD.encode(id)),
            "name": self.name,
            "start_time_unix_nano": self.start_ns,
            "end_time_unix_nano": self.end_ns,
            "events": self.events,
            "status": {"code": self.status.otel_name(), "message": self.status_message},
            "attributes": attributes,
            "links": self.links,
        })
    }
}

impl SpanRow {
    /// The row of a span whose stored content is `text`; `None` where that is no span. The content stays as it is.
    pub fn of_content(text: &str) -> Option<Self> {
        let content: Value = serde_json::from_str(text).ok()?;
        let bytes = |name: &str| STANDARD.decode(content[name].as_str()?).ok();
        // Texts that are no JSON were written by older clients.
        let read = |value: &Value| match value {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
            other => other.clone(),
        };
        let attributes = content["attributes"].as_object()?;
        let attributes = attributes.iter().map(|(name, value)| (name.clone(), read(value))).collect();
        let status = match content["status"]["code"].as_str() {
            Some("STATUS_CODE_OK" | "OK") => SpanStatus::Ok,
            Some("STATUS_CODE_ERROR" | "ERROR") => SpanStatus::Error,
            _ => SpanStatus::Unset,
        };
        let span = Span {
            trace_id: TraceId::from(""),
            otel_trace_id: bytes("trace_id")?,
            span_id: bytes("span_id")?,
            parent_id: bytes("parent_span_id").filter(|id| !id.is_empty()),
            name: content["name"].as_str()?.to_owned(),
            start_ns: content["start_time_unix_nano"].as_i64()?,
            end_ns: content["end_time_unix_nano"].as_i64(),
            status,
            status_message: None,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            resource: Attributes::new(),
        };
        Some(Self { content: text.to_owned(), ..span.row() })
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
