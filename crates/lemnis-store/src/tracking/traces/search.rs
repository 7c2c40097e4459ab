//! Searching traces.
//!
//! All clauses on spans must hold for one and the same span. An assessment that names a session counts for every trace
//! of that session.

use lemnis_tracking::search::{Comparator, TraceClause, TraceEntity, TraceOrder, Value};
use lemnis_tracking::trace::SOURCE_RUN;
use lemnis_tracking::{ExperimentId, Page, Trace, TraceSearch};

use super::super::{Done, clause, offset, one_more};
use super::rows;
use crate::sql::{Columns as _, Connection, QueryBuilder};

type Sql = QueryBuilder;

pub(super) async fn search(connection: &mut Connection, search: TraceSearch) -> Done<Page<Trace>> {
    let mut sql = QueryBuilder::new(format!("SELECT {} FROM trace t", rows::COLUMNS));
    for (place, order) in search.order.iter().enumerate() {
        let table = match order.entity {
            TraceEntity::Tag => "trace_tag",
            TraceEntity::Metadata => "trace_metadata",
            _ => continue,
        };
        sql.push(format!(
            " LEFT JOIN {table} o{place} ON o{place}.trace_id = t.trace_id AND o{place}.key = "
        ));
        sql.push_bind(order.key.clone());
    }
    matching(&mut sql, &search.experiments, &search.filter);
    order(&mut sql, &search.order);
    sql.push(" LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let found = sql.build().fetch_all(connection).await?;
    let traces = found.iter().map(rows::trace).collect::<Result<Vec<_>, _>>()?;
    let mut page = Page::cut(traces, search.limit, search.offset);
    rows::complete(connection, &mut page.items).await?;
    Ok(page)
}

pub(super) async fn count(
    connection: &mut Connection,
    experiments: &[ExperimentId],
    filter: &[TraceClause],
) -> Done<u64> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM trace t");
    matching(&mut sql, experiments, filter);
    let row = sql.build().fetch_one(connection).await?;
    Ok(u64::try_from(row.try_get::<i64>(0)?).unwrap_or_default())
}

fn matching(sql: &mut Sql, experiments: &[ExperimentId], filter: &[TraceClause]) {
    sql.push(" WHERE t.experiment IN ");
    clause::experiments(sql, experiments);
    let on_spans = |wanted: &&TraceClause| {
        matches!(wanted.entity, TraceEntity::Span | TraceEntity::SpanAttribute | TraceEntity::SpanContent)
    };
    for wanted in filter.iter().filter(|wanted| !on_spans(wanted)) {
        sql.push(" AND ");
        one(sql, wanted, experiments);
    }
    let mut spans = filter.iter().filter(on_spans).peekable();
    if spans.peek().is_some() {
        sql.push(" AND EXISTS (SELECT 1 FROM span s WHERE s.trace_id = t.trace_id");
        for wanted in spans {
            sql.push(" AND ");
            span(sql, wanted);
        }
        sql.push(")");
    }
}

fn one(sql: &mut Sql, wanted: &TraceClause, experiments: &[ExperimentId]) {
    match wanted.entity {
        TraceEntity::Tag => keyed(sql, "trace_tag", wanted),
        TraceEntity::Metadata => keyed(sql, "trace_metadata", wanted),
        TraceEntity::Run => {
            sql.push("(");
            linked(sql, "run", &wanted.value);
            sql.push(" OR EXISTS (SELECT 1 FROM trace_metadata v WHERE v.trace_id = t.trace_id AND v.key = ");
            sql.push_bind(SOURCE_RUN).push(" AND ");
            clause::compare_value(sql, "v.value", wanted.comparator, &wanted.value);
            sql.push("))");
        }
        TraceEntity::Prompt => linked(sql, "prompt", &wanted.value),
        TraceEntity::Issue => {
            sql.push(
                "EXISTS (SELECT 1 FROM assessment a WHERE a.trace_id = t.trace_id AND a.kind = 'issue' AND ",
            );
            clause::compare_value(sql, "a.name", wanted.comparator, &wanted.value);
            sql.push(")");
        }
        TraceEntity::Feedback | TraceEntity::Expectation => assessed(sql, wanted, experiments),
        TraceEntity::Attribute
        | TraceEntity::Span
        | TraceEntity::SpanAttribute
        | TraceEntity::SpanContent => {
            clause::compare_value(sql, attribute(&wanted.key), wanted.comparator, &wanted.value);
        }
    }
}

fn attribute(key: &str) -> &'static str {
    match key {
        "request_id" => "t.trace_id",
        "execution_time_ms" => "t.duration_ms",
        "end_time_ms" => "(t.request_time + COALESCE(t.duration_ms, 0))",
        "status" => "t.state",
        "client_request_id" => "t.client_request_id",
        "experiment_id" => "t.experiment",
        _ => "t.request_time",
    }
}

fn keyed(sql: &mut Sql, table: &str, wanted: &TraceClause) {
    sql.push(if wanted.comparator == Comparator::Absent { "NOT EXISTS" } else { "EXISTS" });
    sql.push(format!(" (SELECT 1 FROM {table} v WHERE v.trace_id = t.trace_id AND v.key = "));
    sql.push_bind(wanted.key.clone());
    if wanted.value != Value::Nothing {
        sql.push(" AND ");
        clause::compare_value(sql, "v.value", wanted.comparator, &wanted.value);
    }
    sql.push(")");
}

fn linked(sql: &mut Sql, kind: &'static str, target: &Value) {
    sql.push("EXISTS (SELECT 1 FROM trace_link l WHERE l.trace_id = t.trace_id AND l.kind = ");
    sql.push_bind(kind).push(" AND ");
    clause::compare_value(sql, "l.target", Comparator::Equal, target);
    sql.push(")");
}

fn assessed(sql: &mut Sql, wanted: &TraceClause, experiments: &[ExperimentId]) {
    sql.push(if wanted.comparator == Comparator::Absent { "NOT (" } else { "(" });
    sql.push("EXISTS (SELECT 1 FROM assessment a WHERE a.trace_id = t.trace_id");
    assessment(sql, wanted);
    sql.push(
        ") OR EXISTS (SELECT 1 FROM trace s JOIN assessment a ON a.trace_id = s.trace_id \
         WHERE s.session_id = t.session_id AND a.metadata LIKE '%\"mlflow.trace.session\":%' AND s.experiment IN ",
    );
    clause::experiments(sql, experiments);
    assessment(sql, wanted);
    sql.push("))");
}

fn assessment(sql: &mut Sql, wanted: &TraceClause) {
    let kind = if wanted.entity == TraceEntity::Feedback { "feedback" } else { "expectation" };
    sql.push(" AND a.valid = 1 AND a.kind = ").push_bind(kind);
    sql.push(" AND a.name = ").push_bind(wanted.key.clone());
    match (&wanted.comparator, &wanted.value) {
        (_, Value::Nothing) => {}
        (comparator, Value::Number(_)) => {
            sql.push(" AND a.is_number = 1 AND ");
            clause::compare_value(sql, "a.number", *comparator, &wanted.value);
        }
        // A text is kept as JSON; a truth value or a number may be written as a text, too.
        (Comparator::Equal | Comparator::NotEqual, Value::Text(text)) => {
            sql.push(if wanted.comparator == Comparator::Equal {
                " AND a.value IN "
            } else {
                " AND a.value NOT IN "
            });
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            clause::texts(sql, [text.as_str(), quoted.as_str()]);
        }
        (comparator, value) => {
            sql.push(" AND ");
            clause::compare_value(sql, "a.value", *comparator, value);
        }
    }
}

fn span(sql: &mut Sql, wanted: &TraceClause) {
    match (wanted.entity, wanted.key.as_str()) {
        (TraceEntity::SpanAttribute, key) => span_attribute(sql, key, wanted.comparator, &wanted.value),
        (TraceEntity::SpanContent, _) => {
            clause::compare_value(sql, "s.content", wanted.comparator, &wanted.value);
        }
        (_, "type") => clause::compare_value(sql, "s.kind", wanted.comparator, &wanted.value),
        (_, "status") => clause::compare_value(sql, "s.status", wanted.comparator, &wanted.value),
        _ => clause::compare_value(sql, "s.name", wanted.comparator, &wanted.value),
    }
}

/// A span's attributes are found in its content, where each is `"name":"<JSON inside a JSON text>"`.
fn span_attribute(sql: &mut Sql, key: &str, comparator: Comparator, value: &Value) {
    let name = serde_json::Value::from(key).to_string();
    match value {
        Value::Text(pattern) if comparator == Comparator::RLike => {
            let (start, pattern) = match pattern.strip_prefix('^') {
                Some(rest) => (r#"\\""#, rest),
                None => (r#"(?:[^"\\]|\\.)*"#, pattern.as_str()),
            };
            let (pattern, end) = match pattern.strip_suffix('$') {
                Some(rest) => (rest, r#"\\""#),
                None => (pattern, ""),
            };
            let whole = format!("{}:\"{start}(?:{pattern}){end}", regex_text(&name));
            clause::compare_value(sql, "s.content", comparator, &Value::Text(whole));
        }
        Value::Text(pattern) if matches!(comparator, Comparator::Like | Comparator::ILike) => {
            let pattern = format!("%{name}{pattern}%");
            clause::compare_value(sql, "s.content", comparator, &Value::Text(pattern));
        }
        Value::Text(text) => exactly(sql, &name, std::slice::from_ref(text), comparator == Comparator::Equal),
        Value::List(texts) => exactly(sql, &name, texts, comparator == Comparator::In),
        Value::Nothing | Value::Number(_) => {
            sql.push("false");
        }
    }
}

/// The span has the attribute, and its value is one of `texts`, or none of them.
fn exactly(sql: &mut Sql, name: &str, texts: &[String], wanted: bool) {
    let like = |sql: &mut Sql, tail: &str| {
        sql.push("s.content LIKE ").push_bind(format!("%{}{}%", like_text(name), like_text(tail)));
        sql.push(" ESCAPE '\\'");
    };
    sql.push("(");
    like(sql, ":");
    sql.push(if wanted { " AND (false" } else { " AND NOT (false" });
    for text in texts {
        let quoted = serde_json::Value::from(text.as_str()).to_string();
        for form in [quoted, text.clone()] {
            sql.push(" OR ");
            like(sql, &format!(":{}", serde_json::Value::from(form)));
        }
    }
    sql.push("))");
}

fn like_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn regex_text(text: &str) -> String {
    let special = |c: char| !c.is_alphanumeric() && !matches!(c, '_' | ' ' | '"' | '/' | ':') && c.is_ascii();
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn order(sql: &mut Sql, orders: &[TraceOrder]) {
    sql.push(" ORDER BY ");
    let (mut by_time, mut by_id) = (false, false);
    for (place, order) in orders.iter().enumerate() {
        let direction = clause::direction(order.ascending);
        let column = match order.entity {
            TraceEntity::Tag | TraceEntity::Metadata => format!("o{place}.value"),
            _ => attribute(&order.key).to_owned(),
        };
        by_time |= column == "t.request_time";
        by_id |= column == "t.trace_id";
        sql.push(format!("{column} IS NULL, {column}{direction}, "));
    }
    if !by_time {
        sql.push("t.request_time DESC, ");
    }
    sql.push(if by_id { "t.experiment" } else { "t.trace_id" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_literal_inside_patterns() {
        assert_eq!(regex_text(r#""a.b[0]""#), r#""a\.b\[0\]""#);
        assert_eq!(like_text("50%_\\"), "50\\%\\_\\\\");
    }
}
