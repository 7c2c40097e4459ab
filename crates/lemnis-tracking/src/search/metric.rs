//! Filters of trace metrics: one `view.field[.key] = 'value'` each.

use super::Comparator;
use super::parse::{Right, comparisons, unquoted};
use super::{Value, quoted};
use crate::{Error, Result};

/// What a metric is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricView {
    /// Traces.
    Traces,
    /// Their spans.
    Spans,
    /// Their assessments.
    Assessments,
}

impl MetricView {
    /// The view that `text` names, or its number in MLflow's protocol.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "TRACES" | "1" => MetricView::Traces,
            "SPANS" | "2" => MetricView::Spans,
            "ASSESSMENTS" | "3" => MetricView::Assessments,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricView::Traces => "TRACES",
            MetricView::Spans => "SPANS",
            MetricView::Assessments => "ASSESSMENTS",
        }
    }
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricField {
    /// How the trace ended.
    TraceStatus,
    /// A tag of the trace.
    TraceTag,
    /// An entry of the trace's metadata.
    TraceMetadata,
    /// The span's name.
    SpanName,
    /// How the span ended.
    SpanStatus,
    /// The span's kind.
    SpanType,
    /// What is assessed.
    AssessmentName,
    /// Feedback or expectation.
    AssessmentType,
}

/// A field that must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricFilter {
    /// The field.
    pub field: MetricField,
    /// The key of a tag or of metadata; else empty.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Parses one filter of a metric over `view`.
pub fn metric_filter(view: MetricView, text: &str) -> Result<MetricFilter> {
    let one = || Error::invalid(format!("Invalid filter: '{text}'. Expected one filter clause."));
    let mut found = comparisons(text)?;
    let written = found.pop().ok_or_else(one)?;
    if !found.is_empty() {
        return Err(one());
    }
    let (field, key) = field(&written.name)?;
    if written.comparator != Comparator::Equal {
        return Err(Error::invalid(format!(
            "Invalid comparator: '{}', only '=' operator is supported",
            written.comparator.sql()
        )));
    }
    let right: Right = written.right;
    let value = right.text(|found| {
        format!("Expected a quoted string value for {key} value (e.g. 'my-value'). Got value {found}")
    })?;
    let needs = match field {
        MetricField::SpanName | MetricField::SpanStatus | MetricField::SpanType => {
            Some(("span", MetricView::Spans))
        }
        MetricField::AssessmentName | MetricField::AssessmentType => {
            Some(("assessment", MetricView::Assessments))
        }
        _ => None,
    };
    if let Some((word, wanted)) = needs
        && wanted != view
    {
        return Err(Error::invalid(format!(
            "Filtering by {word} is only supported for {} view type, got {}",
            wanted.as_str(),
            view.as_str()
        )));
    }
    match value {
        Value::Text(value) => Ok(MetricFilter { field, key, value }),
        _ => Err(one()),
    }
}

fn field(name: &str) -> Result<(MetricField, String)> {
    let mut parts = name.splitn(3, '.');
    let (Some(view), Some(entity), key) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::invalid(format!(
            "Invalid identifier '{name}'. Columns should be specified as 'trace.<key>', 'span.<key>', \
             'assessment.<key>'."
        )));
    };
    let view = unquoted(view);
    let valid: &[&str] = match view {
        "trace" => &["status", "tag", "metadata"],
        "span" => &["name", "status", "type"],
        "assessment" => &["name", "type"],
        _ => {
            return Err(Error::invalid(format!(
                "Invalid view type '{view}'. Valid values are [{}]",
                quoted(&["trace", "span", "assessment"])
            )));
        }
    };
    let field = match (view, entity) {
        ("trace", "status") => MetricField::TraceStatus,
        ("trace", "tag") => MetricField::TraceTag,
        ("trace", "metadata") => MetricField::TraceMetadata,
        ("span", "name") => MetricField::SpanName,
        ("span", "status") => MetricField::SpanStatus,
        ("span", "type") => MetricField::SpanType,
        ("assessment", "name") => MetricField::AssessmentName,
        ("assessment", "type") => MetricField::AssessmentType,
        _ => {
            return Err(Error::invalid(format!(
                "Invalid entity '{entity}' specified for view type '{view}'. Valid entities are [{}]",
                quoted(valid)
            )));
        }
    };
    let keyed = matches!(field, MetricField::TraceTag | MetricField::TraceMetadata);
    match key {
        None if keyed => Err(Error::invalid(format!(
            "Filtering by {entity} requires a key, e.g. '{view}.{entity}.<key> = <value>'"
        ))),
        Some(_) if !keyed => Err(Error::invalid(format!(
            "Filtering by {entity} does not require a key, use '{view}.{entity}' instead"
        ))),
        key => Ok((field, key.map(unquoted).unwrap_or_default().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_view_field_and_key() {
        let found = metric_filter(MetricView::Spans, "trace.tag.`a.b` = 'x'").unwrap();
        assert_eq!(
            (found.field, found.key.as_str(), found.value.as_str()),
            (MetricField::TraceTag, "a.b", "x")
        );
        let said = |view, text: &str| metric_filter(view, text).unwrap_err().to_string();
        assert!(said(MetricView::Traces, "status = 'OK'").contains("Invalid identifier 'status'"));
        assert!(
            said(MetricView::Traces, "span.status = 'OK'").contains("only supported for SPANS view type")
        );
        assert!(said(MetricView::Spans, "span.status.extra = 'v'").contains("does not require a key"));
        assert!(said(MetricView::Spans, "span.name LIKE 'v%'").contains("only '=' operator is supported"));
        assert!(said(MetricView::Traces, "trace.status = 'a' AND trace.status = 'b'").contains("one filter"));
    }
}
