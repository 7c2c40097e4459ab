//! The contracts of traces, evaluation data, issues and webhooks.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::refused;
use crate::evaluation::{EvaluationSearch, NewEvaluationDataset, RecordChange};
use crate::issue::{IssueChange, IssueSearch};
use crate::search;
use crate::trace::{Span, SpanStatus, TOKEN_USAGE, correlation};
use crate::webhook::{Outcome, Secret, WebhookChange};
use crate::{
    Assessment, Assessments, EvaluationDatasets, ExperimentId, Issue, Issues, Scorers, Trace, TraceDeletion,
    TraceId, TraceLink, TraceSearch, TraceState, Traces, Verdict, Webhook, WebhookEvent, Webhooks,
};

fn trace(id: &str, at_ms: i64, tags: &[(&str, &str)]) -> Trace {
    let mut trace = Trace::new(id.into(), ExperimentId::DEFAULT, at_ms);
    trace.state = TraceState::Ok;
    trace.duration_ms = Some(10);
    trace.tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    trace
}

fn span(id: u8, parent: Option<u8>) -> Span {
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
    Span {
        trace_id: TraceId::from("tr-spans"),
        otel_trace_id: vec![9; 16],
        span_id: vec![id; 8],
        parent_id: parent.map(|id| vec![id; 8]),
        name: format!("step {id}"),
        start_ns: 5_000_000,
        end_ns: Some(9_000_000),
        status: SpanStatus::Ok,
        status_message: None,
        attributes: Map::from_iter([("mlflow.chat.tokenUsage".to_owned(), usage)]),
        events: Vec::new(),
        links: Vec::new(),
        resource: Map::new(),
    }
}

async fn found<S: Traces>(store: &S, filter: &str, order: &str) -> Vec<String> {
    let order = order.split(',').filter(|item| !item.is_empty());
    let search = TraceSearch {
        experiments: vec![ExperimentId::DEFAULT],
        filter: search::traces(filter).unwrap(),
        order: order.map(|item| search::trace_order(item).unwrap()).collect(),
        limit: 100,
        offset: 0,
    };
    let page = store.search(&search).await.unwrap();
    page.items.into_iter().map(|trace| trace.trace_id.to_string()).collect()
}

pub(super) async fn check<S: Traces + Assessments>(store: &S) {
    Traces::put(store, &trace("a", 1, &[("fruit", "apple"), ("mlflow.traceName", "one")])).await.unwrap();
    Traces::put(store, &trace("b", 2, &[("fruit", "Apple pie")])).await.unwrap();
    let kept = Traces::put(store, &trace("c", 2, &[])).await.unwrap();
    assert_eq!(kept.tags["mlflow.artifactLocation"], "mlflow-artifacts:/0/traces/c/artifacts");
    assert_eq!(found(store, "", "").await, ["b", "c", "a"], "newest first, then by id");
    assert_eq!(found(store, "tag.fruit LIKE 'apple%'", "").await, ["a"], "LIKE minds case");
    assert_eq!(found(store, "tag.fruit ILIKE 'apple%'", "").await, ["b", "a"]);
    assert_eq!(found(store, "tag.fruit RLIKE 'p{2}le( pie)?$'", "timestamp").await, ["a", "b"]);
    assert_eq!(found(store, "tag.fruit IS NULL", "").await, ["c"]);
    assert_eq!(found(store, "name = 'one' AND end_time < 12", "").await, ["a"]);
    assert_eq!(found(store, "", "tag.fruit DESC").await, ["a", "b", "c"], "without the key last");
    store.set_tag(&"a".into(), "k", Some("v")).await.unwrap();
    store.set_tag(&"a".into(), "k", None).await.unwrap();
    refused(store.set_tag(&"a".into(), "k", None).await, "No trace tag with key 'k'");
    store.link(&["b".into()], TraceLink::Run, &["r1".to_owned()]).await.unwrap();
    store.link(&["b".into()], TraceLink::Run, &["r1".to_owned()]).await.unwrap();
    assert_eq!(found(store, "run_id = 'r1'", "").await, ["b"]);

    store.log_spans(ExperimentId::DEFAULT, &[span(2, Some(1))]).await.unwrap();
    store.log_spans(ExperimentId::DEFAULT, &[span(1, None)]).await.unwrap();
    let whole = Traces::get(store, &["tr-spans".into()]).await.unwrap().remove(0);
    let usage: serde_json::Value = serde_json::from_str(&whole.metadata[TOKEN_USAGE]).unwrap();
    assert_eq!(usage["total_tokens"], 3, "the root that came later holds what its child used");
    assert_eq!((whole.request_time, whole.duration_ms, whole.state), (5, Some(4), TraceState::Ok));
    assert_eq!(store.spans(&["tr-spans".into()]).await.unwrap().len(), 2);
    assert_eq!(found(store, "span.name = 'step 2'", "").await, ["tr-spans"]);

    assessments(store).await;
    let filters = correlation::Filters {
        first: search::traces("tag.fruit IS NOT NULL").unwrap(),
        second: search::traces("timestamp = 2").unwrap(),
        ..correlation::Filters::default()
    };
    let counts = store.counts(&[ExperimentId::DEFAULT], &filters).await.unwrap();
    assert_eq!((counts.total, counts.first, counts.second, counts.joint), (4, 2, 2, 1));

    let deletion = TraceDeletion {
        experiment_id: ExperimentId::DEFAULT,
        until_ms: Some(2),
        limit: Some(2),
        trace_ids: Vec::new(),
    };
    assert_eq!(Traces::delete(store, &deletion).await.unwrap(), 2);
    assert_eq!(found(store, "", "").await, ["tr-spans", "c"], "the oldest go first");
}

async fn assessments<S: Traces + Assessments>(store: &S) {
    let assessment = Assessment {
        assessment_id: "a-1".into(),
        name: "good".into(),
        trace_id: "a".into(),
        span_id: None,
        source_type: "HUMAN".into(),
        source_id: "ada".into(),
        created: 1,
        updated: 1,
        verdict: Verdict::Feedback { value: json!(0.9), error: None },
        rationale: None,
        metadata: BTreeMap::new(),
        overrides: None,
        valid: true,
    };
    Assessments::create(store, &assessment).await.unwrap();
    assert_eq!(Assessments::get(store, &"a".into(), "a-1").await.unwrap(), assessment);
    assert_eq!(found(store, "feedback.good > 0.5", "").await, ["a"]);
    let other = Assessment { trace_id: "nobody".into(), assessment_id: "a-2".into(), ..assessment };
    refused(Assessments::create(store, &other).await, "Trace with ID 'nobody' not found");
}

pub(super) async fn check_evaluation<S: EvaluationDatasets + Scorers + Issues>(store: &S) {
    let new = NewEvaluationDataset {
        name: "d".into(),
        tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
        experiment_ids: vec![ExperimentId::DEFAULT],
        at_ms: 1,
    };
    let made = EvaluationDatasets::create(store, &new).await.unwrap();
    let id = made.dataset_id.as_str();
    let record = |inputs, output: &str| {
        RecordChange::parse(json!({"inputs": inputs, "outputs": output, "expectations": {"x": output}}))
            .unwrap()
    };
    let records = [record(json!({"q": 1}), "a"), record(json!({"q": 2}), "b"), record(json!({"q": 1}), "c")];
    assert_eq!(store.upsert(id, &records, 5).await.unwrap(), (2, 1));
    let (page, more) = store.records(id, None, 1).await.unwrap();
    assert_eq!((page.len(), more), (1, true));
    let changed = EvaluationDatasets::get(store, id).await.unwrap().unwrap();
    assert_ne!(changed.digest, made.digest);
    assert_eq!(changed.profile.as_deref(), Some("{\"num_records\":2}"));
    let search = EvaluationSearch {
        experiments: vec![ExperimentId::DEFAULT],
        filter: search::evaluation_datasets("tags.team = 'a' AND name LIKE 'd%'").unwrap(),
        order: Vec::new(),
        limit: 10,
        offset: 0,
    };
    assert_eq!(EvaluationDatasets::search(store, &search).await.unwrap().items, [changed]);
    EvaluationDatasets::delete(store, id).await.unwrap();
    assert_eq!(EvaluationDatasets::get(store, id).await.unwrap(), None);

    for version in 1..=2 {
        let made = store.register(ExperimentId::DEFAULT, "judge", "{}", 1).await.unwrap();
        assert_eq!(made.version, version);
    }
    assert_eq!(store.latest(&[ExperimentId::DEFAULT]).await.unwrap()[0].version, 2);
    Scorers::delete(store, ExperimentId::DEFAULT, "judge", None).await.unwrap();
    refused(
        Scorers::delete(store, ExperimentId::DEFAULT, "judge", None).await,
        "Scorer with name 'judge' not found",
    );

    for (name, severity, created) in [("low", "low", 3), ("high", "high", 1), ("none", "", 2)] {
        let issue = Issue {
            issue_id: format!("iss-{name}"),
            experiment_id: ExperimentId::DEFAULT,
            name: name.into(),
            description: "d".into(),
            status: "pending".into(),
            severity: Some(severity.to_owned()).filter(|text| !text.is_empty()),
            root_causes: vec!["cause".into()],
            source_run_id: None,
            categories: Vec::new(),
            created,
            updated: created,
            created_by: None,
            trace_count: None,
        };
        Issues::create(store, &issue).await.unwrap();
    }
    let change = IssueChange { status: Some("resolved".into()), ..IssueChange::default() };
    Issues::update(store, "iss-none", &change, 9).await.unwrap().unwrap();
    let search = IssueSearch {
        experiment_id: None,
        filter: search::issues("status = 'pending'").unwrap(),
        count_traces: true,
        limit: 10,
        offset: 0,
    };
    let page = Issues::search(store, &search).await.unwrap();
    let names: Vec<&str> = page.items.iter().map(|issue| issue.name.as_str()).collect();
    assert_eq!(names, ["high", "low"], "the worst first");
}

pub(super) async fn check_webhooks<S: Webhooks>(store: &S) {
    let event = WebhookEvent::new("model_version", "created");
    let webhook = Webhook {
        webhook_id: "w".into(),
        name: "hook".into(),
        description: None,
        url: "https://example.com".into(),
        events: vec![event.clone()],
        active: true,
        secret: Some(Secret::new("s")),
        created: 1,
        updated: 1,
    };
    Webhooks::create(store, &webhook).await.unwrap();
    assert_eq!(Webhooks::get(store, "w").await.unwrap(), Some(webhook));
    assert_eq!(store.announce(&WebhookEvent::new("prompt", "created"), "{}", 5).await.unwrap(), 0);
    assert_eq!(store.announce(&event, "{}", 5).await.unwrap(), 1);
    assert!(store.due(4, 10).await.unwrap().is_empty());
    let due = store.due(5, 10).await.unwrap().remove(0);
    assert_eq!((due.body.as_str(), due.attempts), ("{}", 0));
    store.settle(&due.delivery_id, &Outcome::Retry(50)).await.unwrap();
    assert!(store.due(49, 10).await.unwrap().is_empty());
    assert_eq!(store.due(50, 10).await.unwrap()[0].attempts, 1);
    store.settle(&due.delivery_id, &Outcome::Delivered).await.unwrap();
    assert!(store.due(99, 10).await.unwrap().is_empty(), "what arrived is no longer owed");
    let off = WebhookChange { active: Some(false), ..WebhookChange::default() };
    Webhooks::update(store, "w", &off, 9).await.unwrap().unwrap();
    assert_eq!(store.announce(&event, "{}", 5).await.unwrap(), 0, "one that is off hears nothing");
    assert!(Webhooks::delete(store, "w").await.unwrap());
    assert!(!Webhooks::delete(store, "w").await.unwrap());
}
