//! Filters and orders of traces: by their own fields, tags, metadata, spans, assessments and links.

use super::parse::{Comparison, Right, comparisons, split, unquoted};
use super::{Comparator, NUMERIC, Value, attribute_key, check_comparator, order::item, quoted};
use crate::trace::{SOURCE_RUN, TRACE_NAME_TAG};
use crate::{Error, Result};

/// What a clause or an order of traces looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceEntity {
    /// A field of the trace: `request_id`, `timestamp_ms`, `execution_time_ms`, `end_time_ms`, `status`,
    /// `client_request_id`.
    Attribute,
    /// A tag.
    Tag,
    /// An entry of its metadata.
    Metadata,
    /// A field of one of its spans: `name`, `type`, `status`.
    Span,
    /// An attribute of one of its spans.
    SpanAttribute,
    /// The whole text of one of its spans.
    SpanContent,
    /// The value of a feedback.
    Feedback,
    /// The value of an expectation.
    Expectation,
    /// An issue that it shows, by id.
    Issue,
    /// A prompt's version that it used, as `name/version`.
    Prompt,
    /// The run that it was made in or linked to.
    Run,
}

/// One comparison of a filter of traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceClause {
    /// What it looks at.
    pub entity: TraceEntity,
    /// Which key or field.
    pub key: String,
    /// How it compares.
    pub comparator: Comparator,
    /// With what.
    pub value: Value,
}

/// One item of an order of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceOrder {
    /// What it looks at: an attribute, a tag or metadata.
    pub entity: TraceEntity,
    /// Which key or field.
    pub key: String,
    /// Smallest first.
    pub ascending: bool,
}

const KEYS: [&str; 13] = [
    "client_request_id",
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "name",
    "prompt",
    "request_id",
    "run_id",
    "status",
    "text",
    "timestamp",
    "timestamp_ms",
];
const ORDER_KEYS: [&str; 11] = [
    "end_time",
    "end_time_ms",
    "execution_time",
    "execution_time_ms",
    "experiment_id",
    "name",
    "request_id",
    "run_id",
    "status",
    "timestamp",
    "timestamp_ms",
];
const NUMBERS: [&str; 3] = ["end_time_ms", "execution_time_ms", "timestamp_ms"];
const ENTITIES: [&str; 11] = [
    "attribute",
    "attributes",
    "expectation",
    "feedback",
    "issue",
    "metadata",
    "request_metadata",
    "span",
    "tag",
    "tags",
    "trace",
];
const KEYED: [Comparator; 7] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::Like,
    Comparator::ILike,
    Comparator::RLike,
    Comparator::Absent,
    Comparator::Present,
];
const TEXT: [Comparator; 7] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::In,
    Comparator::NotIn,
    Comparator::Like,
    Comparator::ILike,
    Comparator::RLike,
];
const MEASURED: [Comparator; 4] =
    [Comparator::Greater, Comparator::GreaterOrEqual, Comparator::Less, Comparator::LessOrEqual];

/// Parses a filter of traces. Attribute keys come out in one spelling: `timestamp` as `timestamp_ms`.
pub fn traces(filter: &str) -> Result<Vec<TraceClause>> {
    comparisons(filter)?.into_iter().map(clause).collect()
}

/// Parses an item of a trace search's order.
pub fn trace_order(text: &str) -> Result<TraceOrder> {
    let (name, ascending) = item(text)?;
    let (entity, key) = split(&name);
    let entity = entity_of(entity)?;
    let (entity, key) = match entity {
        TraceEntity::Attribute => {
            attribute_key(key, &ORDER_KEYS)?;
            named(key)
        }
        TraceEntity::Tag | TraceEntity::Metadata => (entity, key.to_owned()),
        _ => return Err(Error::invalid(format!("Invalid order_by entity '{name}'"))),
    };
    let (entity, key) = match entity {
        TraceEntity::Run => (TraceEntity::Metadata, SOURCE_RUN.to_owned()),
        _ => (entity, key),
    };
    Ok(TraceOrder { entity, key, ascending })
}

fn entity_of(entity: Option<&str>) -> Result<TraceEntity> {
    Ok(match entity {
        None | Some("attribute" | "attributes" | "trace") => TraceEntity::Attribute,
        Some("tag" | "tags") => TraceEntity::Tag,
        Some("metadata" | "request_metadata") => TraceEntity::Metadata,
        Some("span") => TraceEntity::Span,
        Some("feedback") => TraceEntity::Feedback,
        Some("expectation") => TraceEntity::Expectation,
        Some("issue") => TraceEntity::Issue,
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid entity type '{other}'. Valid values are {{{}}}",
                quoted(&ENTITIES)
            )));
        }
    })
}

/// What an attribute's name stands for; some are kept as tags, metadata, links or spans.
fn named(key: &str) -> (TraceEntity, String) {
    match key {
        "name" => (TraceEntity::Tag, TRACE_NAME_TAG.to_owned()),
        "run_id" => (TraceEntity::Run, SOURCE_RUN.to_owned()),
        "prompt" => (TraceEntity::Prompt, String::new()),
        "text" => (TraceEntity::SpanContent, "content".to_owned()),
        "timestamp" | "execution_time" | "end_time" => (TraceEntity::Attribute, format!("{key}_ms")),
        _ => (TraceEntity::Attribute, key.to_owned()),
    }
}

fn clause(written: Comparison) -> Result<TraceClause> {
    let (entity, key) = split(&written.name);
    let (entity, key) = match entity_of(entity)? {
        TraceEntity::Attribute => {
            attribute_key(key, &KEYS)?;
            named(key)
        }
        TraceEntity::Span => span(key)?,
        TraceEntity::Metadata if key == SOURCE_RUN => (TraceEntity::Run, key.to_owned()),
        entity => (entity, key.to_owned()),
    };
    let comparator = written.comparator;
    // Only an equal run is looked for among the links; every other comparison is one of metadata.
    let entity = match entity {
        TraceEntity::Run if comparator != Comparator::Equal => TraceEntity::Metadata,
        entity => entity,
    };
    let value = value(entity, &key, comparator, written.right)?;
    if let (Comparator::RLike, Value::Text(pattern)) = (comparator, &value) {
        regex::Regex::new(pattern)
            .map_err(|_| Error::invalid(format!("Invalid regular expression '{pattern}' for RLIKE.")))?;
    }
    Ok(TraceClause { entity, key, comparator, value })
}

fn span(key: &str) -> Result<(TraceEntity, String)> {
    if let Some(name) = key.strip_prefix("attributes.") {
        if name.is_empty() {
            return Err(Error::invalid("Span attribute name cannot be empty after 'attributes.'"));
        }
        return Ok((TraceEntity::SpanAttribute, unquoted(name).to_owned()));
    }
    match key {
        "name" | "type" | "status" => Ok((TraceEntity::Span, key.to_owned())),
        "content" => Ok((TraceEntity::SpanContent, key.to_owned())),
        _ => Err(Error::invalid(format!(
            "Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
        ))),
    }
}

fn value(entity: TraceEntity, key: &str, comparator: Comparator, right: Right) -> Result<Value> {
    let text = |found: &str| {
        format!("Expected a quoted string value for {} (e.g. 'my-value'). Got value {found}", word(entity))
    };
    match entity {
        TraceEntity::Attribute if NUMBERS.contains(&key) => {
            check_comparator(comparator, &NUMERIC)?;
            right.number(|found| {
                format!("Expected numeric value type for numeric attribute: {key}. Found {found}")
            })
        }
        TraceEntity::Attribute => {
            check_comparator(comparator, &TEXT)?;
            listed(comparator, right, |found| {
                format!(
                    "Expected a quoted string value or a list of quoted string values for attributes. Got value {found}"
                )
            })
        }
        TraceEntity::Tag | TraceEntity::Metadata | TraceEntity::Run => {
            check_comparator(comparator, &KEYED)?;
            if right == Right::Nothing { Ok(Value::Nothing) } else { right.text(text) }
        }
        TraceEntity::Span | TraceEntity::SpanAttribute => {
            if !TEXT.contains(&comparator) {
                let name =
                    if entity == TraceEntity::Span { key.to_owned() } else { format!("attributes.{key}") };
                return Err(not_for_span(&name, comparator, &TEXT));
            }
            listed(comparator, right, text)
        }
        TraceEntity::SpanContent => {
            let allowed = [Comparator::Like, Comparator::ILike];
            if !allowed.contains(&comparator) {
                return Err(not_for_span(key, comparator, &allowed));
            }
            right.text(text)
        }
        TraceEntity::Feedback | TraceEntity::Expectation => assessed(entity, key, comparator, right),
        TraceEntity::Issue => {
            if key != "id" {
                return Err(Error::invalid(format!(
                    "Invalid issue attribute '{key}'. Supported attributes: id"
                )));
            }
            if comparator != Comparator::Equal {
                return Err(Error::invalid(format!(
                    "issue.{key} comparator '{}' not one of '{{'='}}'",
                    comparator.sql()
                )));
            }
            right.text(text)
        }
        TraceEntity::Prompt => prompt(comparator, right),
    }
}

/// A list for `IN`, a text for everything else.
fn listed(comparator: Comparator, right: Right, wrong: impl FnOnce(&str) -> String) -> Result<Value> {
    super::run::matched_list(comparator, &right)?;
    right.text_or_list(wrong)
}

fn not_for_span(name: &str, comparator: Comparator, allowed: &[Comparator]) -> Error {
    Error::invalid(format!(
        "span.{name} comparator '{}' not one of '{{{}}}'",
        comparator.sql(),
        super::words(allowed)
    ))
}

fn assessed(entity: TraceEntity, key: &str, comparator: Comparator, right: Right) -> Result<Value> {
    if key.is_empty() {
        return Err(Error::invalid("Assessment field name cannot be empty"));
    }
    if MEASURED.contains(&comparator) {
        return right.number(|found| {
            format!(
                "Expected a numeric value for {} when using comparator '{}'. Got value {found}",
                word(entity),
                comparator.sql()
            )
        });
    }
    if !KEYED.contains(&comparator) {
        return Err(Error::invalid(format!(
            "assessment.{key} comparator '{}' not one of '{{{}}}'",
            comparator.sql(),
            super::words(&KEYED)
        )));
    }
    if right == Right::Nothing {
        return Ok(Value::Nothing);
    }
    right.text(|found| {
        format!("Expected a quoted string value for {} (e.g. 'my-value'). Got value {found}", word(entity))
    })
}

fn prompt(comparator: Comparator, right: Right) -> Result<Value> {
    if comparator != Comparator::Equal {
        return Err(Error::invalid(format!(
            "Invalid comparator '{}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"",
            comparator.sql()
        )));
    }
    let value = right.text(|found| format!("Expected a quoted string value for tag. Got value {found}"))?;
    match &value {
        Value::Text(text) if text.matches('/').count() != 1 => Err(Error::invalid(format!(
            "Invalid prompts filter value '{text}'. Expected format: prompt = \"name/version\""
        ))),
        _ => Ok(value),
    }
}

fn word(entity: TraceEntity) -> &'static str {
    match entity {
        TraceEntity::Attribute => "attribute",
        TraceEntity::Tag | TraceEntity::Prompt => "tag",
        TraceEntity::Metadata | TraceEntity::Run => "request_metadata",
        TraceEntity::Span | TraceEntity::SpanAttribute | TraceEntity::SpanContent => "span",
        TraceEntity::Feedback => "feedback",
        TraceEntity::Expectation => "expectation",
        TraceEntity::Issue => "issue",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn names_of_traces_lead_to_where_they_are_kept() {
        let clauses = traces(
            "name = 'a' AND run_id = 'r' AND `timestamp` >= 1 AND trace.text LIKE '%x%' AND \
             span.attributes.model.name != 'm' AND feedback.ok IS NULL AND metadata.`mlflow.sourceRun` != 'r'",
        )
        .unwrap();
        let found: Vec<_> = clauses.iter().map(|clause| (clause.entity, clause.key.as_str())).collect();
        assert_eq!(
            found,
            [
                (TraceEntity::Tag, TRACE_NAME_TAG),
                (TraceEntity::Run, SOURCE_RUN),
                (TraceEntity::Attribute, "timestamp_ms"),
                (TraceEntity::SpanContent, "content"),
                (TraceEntity::SpanAttribute, "model.name"),
                (TraceEntity::Feedback, "ok"),
                (TraceEntity::Metadata, SOURCE_RUN),
            ]
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(said(traces("foo.bar = 'baz'")).contains("Invalid entity type 'foo'"));
        assert!(said(traces("trace.tags.foo = 'bar'")).contains("Invalid attribute key 'tags.foo'"));
        assert!(said(traces("trace.status < 'OK'")).contains("Invalid comparator '<'"));
        assert!(said(traces("name IN ('foo')")).contains("Invalid comparator 'IN'"));
        assert!(said(traces("prompt LIKE '%x%'")).contains("for prompts filter"));
        assert!(said(traces("prompt = 'a/b/c'")).contains("Invalid prompts filter value"));
        assert!(said(traces("feedback.x > 'a'")).contains("Expected a numeric value for feedback"));
        assert!(said(traces("feedback.x = 1")).contains("Expected a quoted string value for feedback"));
        assert!(said(traces("tag.x RLIKE '('")).contains("Invalid regular expression"));
        assert!(said(trace_order("span.name")).contains("Invalid order_by entity"));
        assert_eq!(trace_order("timestamp DESC").unwrap().key, "timestamp_ms");
    }

    #[test]
    fn no_filter_breaks_the_parser() {
        let pieces = [
            "tag",
            ".",
            "`",
            "'",
            "\"",
            "a",
            " ",
            "=",
            "!=",
            "LIKE",
            "RLIKE",
            "IN",
            "(",
            ")",
            ",",
            "1",
            "é",
            "span.",
            "attributes.",
            "IS",
            "NOT",
            "NULL",
            "AND",
            ";",
            "feedback.",
            "metadata.",
            "-",
            "%",
            "\\",
            "timestamp",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 1_000_003).unwrap()
        };
        for _ in 0..20_000 {
            let length = next() % 12;
            let text: String = (0..length).map(|_| pieces[next() % pieces.len()]).collect();
            let _ = traces(&text);
            let _ = trace_order(&text);
            let _ = crate::search::issues(&text);
            let _ = crate::search::evaluation_datasets(&text);
            let _ = crate::search::metric_filter(crate::search::MetricView::Spans, &text);
        }
    }
}
