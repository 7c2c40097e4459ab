//! The filter and order grammar of every search.
//!
//! ```text
//! filter := "" | cmp { AND cmp }
//! cmp    := ident op value | ident [NOT] IN ( list ) | ident IS [NOT] NULL
//! ident  := [entity "."] key          the key may stand in `…` or "…"
//! ```
//!
//! A parsed [`Clause`] names an entity and a key that its search knows and carries a value of the right type, so an
//! adapter only has to translate it.

mod fault;
mod genai;
mod lexer;
mod logged_model;
mod metric;
mod order;
mod parse;
mod registry;
mod run;
mod trace;

pub use fault::run_fault;
pub use genai::{evaluation_dataset_order, evaluation_datasets, issues};
pub use logged_model::{field, logged_models};
pub use metric::{MetricField, MetricFilter, MetricView, metric_filter};
pub use order::{Order, experiment_order, model_order, run_order, version_order};
pub use registry::{model_versions, registered_models};
pub use run::{experiments, runs};
pub use trace::{TraceClause, TraceEntity, TraceOrder, trace_order, traces};

use crate::{Error, Result};

/// What a clause or an order looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A field of the thing itself.
    Attribute,
    /// The latest value of a metric.
    Metric,
    /// A param.
    Param,
    /// A tag.
    Tag,
    /// A dataset that was read.
    Dataset,
}

/// How a clause compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`, which minds case
    Like,
    /// `ILIKE`, which does not
    ILike,
    /// `RLIKE`: a regular expression matches somewhere
    RLike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`: the key is absent
    Absent,
    /// `IS NOT NULL`: the key is there
    Present,
}

impl Comparator {
    /// The operator in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "!=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Like => "LIKE",
            Comparator::ILike => "ILIKE",
            Comparator::RLike => "RLIKE",
            Comparator::In => "IN",
            Comparator::NotIn => "NOT IN",
            Comparator::Absent => "IS NULL",
            Comparator::Present => "IS NOT NULL",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "=" => Comparator::Equal,
            "!=" => Comparator::NotEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            "LIKE" => Comparator::Like,
            "ILIKE" => Comparator::ILike,
            "RLIKE" => Comparator::RLike,
            "IN" => Comparator::In,
            _ => return None,
        })
    }
}

/// What a clause compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `IS NULL` and `IS NOT NULL`.
    Nothing,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Texts of an `IN` list; never empty.
    List(Vec<String>),
}

/// One comparison of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What it looks at.
    pub entity: Entity,
    /// Which key or field.
    pub key: String,
    /// How it compares.
    pub comparator: Comparator,
    /// With what.
    pub value: Value,
}

impl Clause {
    /// The clause `key = 'text'` on an attribute.
    pub fn equals(key: &str, text: &str) -> Self {
        let value = Value::Text(text.to_owned());
        Self { entity: Entity::Attribute, key: key.to_owned(), comparator: Comparator::Equal, value }
    }
}

const NUMERIC: [Comparator; 6] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::Greater,
    Comparator::GreaterOrEqual,
    Comparator::Less,
    Comparator::LessOrEqual,
];
const TEXT: [Comparator; 4] = [Comparator::Equal, Comparator::NotEqual, Comparator::Like, Comparator::ILike];
const TEXT_OR_ABSENT: [Comparator; 6] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::Like,
    Comparator::ILike,
    Comparator::Absent,
    Comparator::Present,
];
const TEXT_OR_LIST: [Comparator; 6] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::Like,
    Comparator::ILike,
    Comparator::In,
    Comparator::NotIn,
];

/// Fails unless `comparator` is one of `allowed`.
fn check_comparator(comparator: Comparator, allowed: &[Comparator]) -> Result<()> {
    if allowed.contains(&comparator) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid comparator '{}' not one of '{{{}}}'",
        comparator.sql(),
        words(allowed)
    )))
}

fn words(comparators: &[Comparator]) -> String {
    quoted(&comparators.iter().map(|comparator| comparator.sql()).collect::<Vec<_>>())
}

/// `'a', 'b'`
fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

fn attribute_key(key: &str, valid: &[&str]) -> Result<()> {
    if valid.contains(&key) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
        quoted(valid)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_filter_of_runs_becomes_clauses() {
        let clauses =
            runs("metrics.`val loss` <= -1.5e-3 AND tags.mlflow.user = \"ada\" and created > 5").unwrap();
        let wanted = [
            (Entity::Metric, "val loss", Comparator::LessOrEqual, Value::Number(-1.5e-3)),
            (Entity::Tag, "mlflow.user", Comparator::Equal, Value::Text("ada".into())),
            (Entity::Attribute, "start_time", Comparator::Greater, Value::Number(5.0)),
        ];
        for (clause, (entity, key, comparator, value)) in clauses.iter().zip(wanted) {
            assert_eq!(*clause, Clause { entity, key: key.into(), comparator, value });
        }
        assert_eq!(clauses.len(), 3);
        assert_eq!(runs("  ").unwrap(), []);
    }

    #[test]
    fn lists_and_absence_have_their_own_operators() {
        assert_eq!(
            runs("run_id NOT IN ('a', \"b\")").unwrap()[0].value,
            Value::List(vec!["a".into(), "b".into()])
        );
        assert_eq!(runs("tag.x IS NOT NULL").unwrap()[0].comparator, Comparator::Present);
        assert!(said(runs("run_id IN ()")).contains("but got empty list"));
        assert!(said(runs("run_id IN (1)")).contains("different type in list"));
        assert!(said(runs("status IN ('a')")).contains("Only the 'run_id' attribute supports"));
        assert!(said(runs("metrics.x IS NULL")).contains("only supported for tags and params"));
    }

    #[test]
    fn mistakes_are_named_in_mlflows_words() {
        assert!(
            said(runs("metrics.x > 1 OR metrics.y > 2"))
                .starts_with("Invalid clause(s) in filter string: 'OR")
        );
        assert!(said(runs("metrics.x = 1; metrics.y = 2")).contains("contained multiple expression"));
        assert!(said(runs("metrics.x LIKE 1")).starts_with("Invalid comparator 'LIKE' not one of"));
        assert!(
            said(runs("metrics.x = 'a'")).starts_with("Expected numeric value type for metric. Found 'a'")
        );
        assert!(said(runs("params.x = 1")).starts_with("Expected a quoted string value for parameter"));
        assert!(
            said(runs("params.x = y"))
                .contains("not quoted or unidentified quote types used for string value y")
        );
        assert!(said(runs("wrong.x = 1")).starts_with("Invalid entity type 'wrong'. Valid values are"));
        assert!(
            said(runs("color = 'x'")).starts_with("Invalid attribute key 'color' specified. Valid keys are")
        );
        assert!(said(runs("params.x = 'unfinished")).starts_with("Invalid clause(s)"));
        assert!(said(registered_models("evil = true")).starts_with("Invalid clause(s)"));
        assert!(said(logged_models("metric.x > 1")).starts_with("Invalid entity type: 'metric'"));
    }

    #[test]
    fn an_order_takes_one_direction() {
        assert_eq!(run_order("created DESC").unwrap(), Order::descending("start_time"));
        assert_eq!(run_order("metrics.`a b`").unwrap().key, "a b");
        assert!(said(run_order("start_time down")).contains("Invalid ordering key in order_by clause"));
        assert!(said(run_order("start_time DESC x")).contains("Could not be parsed."));
        assert!(said(experiment_order("tags.x")).contains("Invalid order_by entity"));
        assert_eq!(model_order("timestamp").unwrap(), Order::ascending("last_updated_timestamp"));
    }
}
