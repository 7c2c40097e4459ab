//! What spans say about their trace: times, state, previews, session, token usage and cost.
//!
//! Libraries that report the usage of a whole agent put it on the agent's span and on the spans of each call below it.
//! So usage and cost are summed over the tree, and what lies below a span that reports them is not counted again.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Number, Value};

use super::preview::preview;
use super::span::{self, hex};
use super::{
    ARTIFACT_LOCATION_TAG, COST, SESSION, SPANS_HERE, SPANS_LOCATION_TAG, Span, SpanStatus, TOKEN_USAGE,
    TRACE_NAME_TAG, Trace, TraceState, USER, check_tag,
};
use crate::rules;

/// The prefix of a root span's attributes that carry its trace's tags.
const TAG_PREFIX: &str = "mlflow.traceTag.";

/// What a span that is stored already says about usage and cost.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    span_id: String,
    parent_id: Option<String>,
    usage: Option<Value>,
    cost: Option<Value>,
}

impl Stored {
    /// From the columns of a stored span.
    pub fn new(
        span_id: String,
        parent_id: Option<String>,
        usage: Option<String>,
        cost: Option<String>,
    ) -> Self {
        let parsed = |text: Option<String>| serde_json::from_str(&text?).ok();
        Self { span_id, parent_id, usage: parsed(usage), cost: parsed(cost) }
    }

    fn of(span: &Span) -> Self {
        Self {
            span_id: hex(&span.span_id),
            parent_id: span.parent_id.as_deref().map(hex),
            usage: span.attributes.get(span::USAGE).cloned(),
            cost: span.attributes.get(span::COST).cloned(),
        }
    }
}

/// What is known of a trace before new spans join it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: these spans make it.
    Nothing,
    /// It is there.
    Already,
}

/// `spans` by their traces, in the order in which the traces come.
pub fn group(spans: &[Span]) -> Vec<Vec<&Span>> {
    let mut groups: Vec<Vec<&Span>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for span in spans {
        let place = *places.entry(span.trace_id.as_str()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(span),
            None => groups.push(vec![span]),
        }
    }
    groups
}

/// Brings `trace` up to what `batch`, new spans of it, says; `stored` are the spans that it has already.
pub fn absorb(trace: &mut Trace, known: Known, batch: &[&Span], stored: Vec<Stored>) {
    let finalized = trace.finalized();
    let root = batch.iter().find(|span| span.parent_id.is_none());
    times(trace, known, finalized, batch);
    let open = matches!(trace.state, TraceState::Unspecified | TraceState::InProgress);
    match root {
        Some(root) if open || known == Known::Nothing => {
            trace.state = if root.status == SpanStatus::Error { TraceState::Error } else { TraceState::Ok };
        }
        None if known == Known::Nothing => trace.state = TraceState::InProgress,
        _ => {}
    }
    totals(trace, finalized, batch, stored);
    let attribute = |names: &[&str]| {
        batch.iter().find_map(|span| {
            let value = names.iter().find_map(|name| span.attributes.get(*name))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (!text.is_empty()).then_some(text)
        })
    };
    let session = attribute(&["session.id", "gen_ai.conversation.id"]);
    if let Some(session) = session.filter(|text| rules::length("session", text, 250).is_ok()) {
        trace.metadata.entry(SESSION.to_owned()).or_insert(session);
    }
    if let Some(user) = attribute(&["user.id"]) {
        trace.metadata.entry(USER.to_owned()).or_insert(user);
    }
    tags(trace, batch);
    if let Some(root) = root {
        root_says(trace, root);
    }
}

fn times(trace: &mut Trace, known: Known, finalized: bool, batch: &[&Span]) {
    let milliseconds = |ns: i64| ns.div_euclid(1_000_000);
    let Some(start) = batch.iter().map(|span| milliseconds(span.start_ns)).min() else { return };
    let end = batch.iter().filter_map(|span| span.end_ns.map(milliseconds)).max();
    if known == Known::Nothing {
        trace.request_time = start;
        trace.duration_ms = end.map(|end| end - start);
    } else if !finalized {
        let before = trace.duration_ms.map(|duration| trace.request_time + duration);
        trace.request_time = trace.request_time.min(start);
        if let Some(end) = end.max(before) {
            trace.duration_ms = Some(end - trace.request_time);
        }
    }
}

/// Usage and cost of the whole tree, unless the client has given them itself.
fn totals(trace: &mut Trace, finalized: bool, batch: &[&Span], stored: Vec<Stored>) {
    let fresh: HashSet<String> = batch.iter().map(|span| hex(&span.span_id)).collect();
    let mut nodes: Vec<Stored> = stored.into_iter().filter(|node| !fresh.contains(&node.span_id)).collect();
    nodes.extend(batch.iter().map(|span| Stored::of(span)));
    let usage_keys = ["input_tokens", "output_tokens", "total_tokens"];
    let cache_keys =
        ["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr"];
    let cost_keys = ["input_cost", "output_cost", "total_cost"];
    let usage = sum(&nodes, |node| node.usage.as_ref(), &usage_keys, &cache_keys);
    let cost = sum(&nodes, |node| node.cost.as_ref(), &cost_keys, &[]);
    for (key, total, whole) in [(TOKEN_USAGE, usage, true), (COST, cost, false)] {
        let Some(total) = total else { continue };
        if finalized && trace.metadata.contains_key(key) {
            continue;
        }
        let object: Map<String, Value> = total
            .into_iter()
            .filter_map(|(name, value)| {
                let number = if whole { Some(Number::from(value as i64)) } else { Number::from_f64(value) };
                Some((name.to_owned(), Value::Number(number?)))
            })
            .collect();
        trace.metadata.insert(key.to_owned(), Value::Object(object).to_string());
    }
}

/// The sum of `keys` over the topmost spans that report them.
fn sum<'k>(
    nodes: &[Stored],
    data: impl Fn(&Stored) -> Option<&Value>,
    keys: &[&'k str],
    optional: &[&'k str],
) -> Option<BTreeMap<&'k str, f64>> {
    let by_id: HashMap<&str, &Stored> = nodes.iter().map(|node| (node.span_id.as_str(), node)).collect();
    let mut covered: HashMap<&str, bool> = HashMap::new();
    let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
    let mut any = false;
    for node in nodes {
        let Some(found) = data(node).filter(|found| found.is_object()) else { continue };
        if is_covered(node, &by_id, &mut covered, &data) {
            continue;
        }
        any = true;
        for key in keys {
            *totals.entry(key).or_default() += found[*key].as_f64().unwrap_or_default();
        }
        for key in optional {
            if let Some(value) = found[*key].as_f64() {
                *totals.entry(key).or_default() += value;
            }
        }
    }
    any.then_some(totals)
}

/// Whether a span above `node` reports. The way up ends at a missing parent, or where broken ids lead in a circle; what
/// it finds is kept in `known`, so that a long chain is walked once.
fn is_covered<'n>(
    node: &'n Stored,
    by_id: &HashMap<&'n str, &'n Stored>,
    known: &mut HashMap<&'n str, bool>,
    data: &impl Fn(&Stored) -> Option<&Value>,
) -> bool {
    let mut path = vec![node.span_id.as_str()];
    let mut seen = HashSet::from([node.span_id.as_str()]);
    let mut at = node;
    let found = loop {
        if let Some(found) = known.get(at.span_id.as_str()) {
            break *found;
        }
        let Some(parent) = at.parent_id.as_deref().and_then(|id| by_id.get(id)) else { break false };
        if !seen.insert(parent.span_id.as_str()) {
            break false;
        }
        if data(parent).is_some() {
            break true;
        }
        path.push(parent.span_id.as_str());
        at = parent;
    };
    known.extend(path.into_iter().map(|id| (id, found)));
    found
}

/// Tags from the resource that made the spans, then from the root span, which wins.
fn tags(trace: &mut Trace, batch: &[&Span]) {
    trace.tags.insert(SPANS_LOCATION_TAG.to_owned(), SPANS_HERE.to_owned());
    if let Some(span) = batch.iter().find(|span| !span.resource.is_empty()) {
        for (key, value) in &span.resource {
            if !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow.") {
                put(trace, key, value);
            }
        }
    }
    for span in batch.iter().filter(|span| span.parent_id.is_none()) {
        for (name, value) in &span.attributes {
            match name.strip_prefix(TAG_PREFIX) {
                // Where the artifacts and spans lie is for the server to say.
                Some(ARTIFACT_LOCATION_TAG | SPANS_LOCATION_TAG) | None => {}
                Some(key) => put(trace, key, value),
            }
        }
    }
}

fn put(trace: &mut Trace, key: &str, value: &Value) {
    if check_tag(key).is_err() {
        return;
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let limit = if key == TRACE_NAME_TAG { 4096 } else { rules::TAG_VALUE_LENGTH };
    trace.tags.insert(key.to_owned(), rules::cut(&text, limit).to_owned());
}

fn root_says(trace: &mut Trace, root: &Span) {
    let of = |name: &str, role: &str| {
        let value = root.attributes.get(name).filter(|value| !value.is_null())?;
        Some(preview(value, role))
    };
    if trace.request_preview.is_none() {
        trace.request_preview = of(span::INPUTS, "user");
    }
    if trace.response_preview.is_none() {
        trace.response_preview = of(span::OUTPUTS, "assistant");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ExperimentId, TraceId};

    fn span(id: u8, parent: Option<u8>, usage: Option<i64>) -> Span {
        let mut attributes = Map::new();
        if let Some(tokens) = usage {
            attributes.insert(span::USAGE.into(), json!({"input_tokens": tokens, "total_tokens": tokens}));
        }
        Span {
            trace_id: TraceId::from("tr-1"),
            otel_trace_id: vec![1; 16],
            span_id: vec![id; 8],
            parent_id: parent.map(|id| vec![id; 8]),
            name: "s".into(),
            start_ns: i64::from(id) * 1_000_000,
            end_ns: Some(i64::from(id) * 2_000_000),
            status: SpanStatus::Ok,
            status_message: None,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            resource: Map::new(),
        }
    }

    fn tokens(trace: &Trace) -> Value {
        serde_json::from_str(&trace.metadata[TOKEN_USAGE]).unwrap()
    }

    #[test]
    fn usage_of_an_agent_is_not_counted_again_with_its_calls() {
        let mut trace = Trace::new("tr-1".into(), ExperimentId::DEFAULT, 0);
        let (root, agent, call, other) = (
            span(1, None, None),
            span(2, Some(1), Some(10)),
            span(3, Some(2), Some(7)),
            span(4, Some(1), Some(5)),
        );
        absorb(&mut trace, Known::Nothing, &[&root, &agent, &call, &other], Vec::new());
        assert_eq!(tokens(&trace)["total_tokens"], 15);
        assert_eq!((trace.request_time, trace.duration_ms, trace.state), (1, Some(7), TraceState::Ok));

        let row = call.row();
        let stored = Stored::new(row.span_id, row.parent_id, row.usage, row.cost);
        let mut late = Trace::new("tr-1".into(), ExperimentId::DEFAULT, 3);
        absorb(&mut late, Known::Already, &[&agent], vec![stored]);
        assert_eq!(tokens(&late)["total_tokens"], 10, "the parent that comes later replaces its child");
    }

    #[test]
    fn ids_that_form_a_circle_end() {
        let mut trace = Trace::new("tr-1".into(), ExperimentId::DEFAULT, 0);
        let (a, b) = (span(1, Some(2), None), span(2, Some(1), Some(3)));
        absorb(&mut trace, Known::Nothing, &[&a, &b], Vec::new());
        assert_eq!(tokens(&trace)["total_tokens"], 3);
    }
}
