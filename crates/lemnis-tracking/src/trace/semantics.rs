//! What spans of other tracing libraries mean in MLflow's words.
//!
//! Libraries that follow OpenTelemetry's conventions for generative AI, OpenInference or Traceloop write the same facts
//! under other names. Here they get MLflow's names beside their own, so that usage, models and previews are found.

use serde_json::{Map, Value};

use super::span::{INPUTS, MODEL, OUTPUTS, PROVIDER, TYPE, USAGE};
use super::{Attributes, Span};

/// Names of one fact, the preferred first.
type Names = &'static [&'static str];

const INPUT_TOKENS: Names =
    &["gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens"];
const OUTPUT_TOKENS: Names =
    &["gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens"];
const TOTAL_TOKENS: Names = &["gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"];
const CACHE_READ: Names =
    &["gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"];
const CACHE_WRITE: Names = &[
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "llm.token_count.prompt_details.cache_write",
];
const MODELS: Names = &[
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.response.model_name",
    "llm.model_name",
    "llm.request.model_name",
];
const PROVIDERS: Names = &["gen_ai.provider.name", "llm.provider", "gen_ai.system"];
const INPUT_VALUES: Names =
    &["gen_ai.input.messages", "gen_ai.tool.call.arguments", "input.value", "traceloop.entity.input"];
const OUTPUT_VALUES: Names =
    &["gen_ai.output.messages", "gen_ai.tool.call.result", "output.value", "traceloop.entity.output"];
const KINDS: Names = &["gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"];

/// Adds to `span` what its attributes say in other conventions.
pub fn translate(span: &mut Span) {
    let attributes = &mut span.attributes;
    if matches!(attributes.get(TYPE).and_then(Value::as_str), None | Some("UNKNOWN"))
        && let Some(kind) = first(attributes, KINDS).and_then(Value::as_str).and_then(kind)
    {
        attributes.insert(TYPE.to_owned(), kind.into());
    }
    for (name, others) in
        [(INPUTS, INPUT_VALUES), (OUTPUTS, OUTPUT_VALUES), (MODEL, MODELS), (PROVIDER, PROVIDERS)]
    {
        if !attributes.contains_key(name)
            && let Some(value) = first(attributes, others)
        {
            // A message list often comes as a text that holds JSON.
            let value = match value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
                Some(inner @ (Value::Object(_) | Value::Array(_))) => inner,
                _ => value.clone(),
            };
            attributes.insert(name.to_owned(), value);
        }
    }
    if !attributes.contains_key(USAGE)
        && let Some(usage) = usage(attributes)
    {
        attributes.insert(USAGE.to_owned(), usage.into());
    }
}

fn first(attributes: &Attributes, names: Names) -> Option<&Value> {
    names.iter().find_map(|name| attributes.get(*name))
}

fn count(attributes: &Attributes, names: Names) -> Option<i64> {
    match first(attributes, names)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn usage(attributes: &Attributes) -> Option<Map<String, Value>> {
    let (input, output) = (count(attributes, INPUT_TOKENS), count(attributes, OUTPUT_TOKENS));
    let total = count(attributes, TOTAL_TOKENS).or_else(|| input?.checked_add(output?));
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let facts = [
        ("input_tokens", input),
        ("output_tokens", output),
        ("total_tokens", total),
        ("cache_read_input_tokens", count(attributes, CACHE_READ)),
        ("cache_creation_input_tokens", count(attributes, CACHE_WRITE)),
    ];
    Some(facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect())
}

fn kind(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "chat" | "completion" | "text_completion" | "generate_content" | "llm" => "LLM",
        "embeddings" | "embedding" => "EMBEDDING",
        "execute_tool" | "tool" => "TOOL",
        "create_agent" | "invoke_agent" | "agent" => "AGENT",
        "chain" | "workflow" => "CHAIN",
        "task" => "TASK",
        "retriever" | "retrieval" => "RETRIEVER",
        "reranker" => "RERANKER",
        _ => return None,
    })
}
