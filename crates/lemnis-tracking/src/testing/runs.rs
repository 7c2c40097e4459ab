//! The contract of runs: logging, searching, histories.

use super::refused;
use crate::search;
use crate::{
    Batch, Dataset, DatasetInput, ExperimentId, Experiments, History, Lifecycle, Metric, ModelOutput,
    NewExperiment, NewRun, Param, RUN_NAME_TAG, RunChange, RunId, RunSearch, RunStatus, Runs, SampledMetrics,
    Tag, View,
};

async fn experiment<S: Experiments>(store: &S, name: &str) -> ExperimentId {
    let new = NewExperiment { name: name.into(), at_ms: 1, ..NewExperiment::default() };
    Experiments::create(store, &new).await.unwrap().experiment_id
}

pub(super) async fn check<S: Experiments + Runs>(store: &S) {
    let experiment = experiment(store, "runs").await;
    let new = NewRun {
        run_name: Some("mine".into()),
        user_id: "ada".into(),
        tags: vec![Tag::new("a", "1")],
        ..NewRun::new(experiment, 1000)
    };
    let run = Runs::create(store, &new).await.unwrap();
    let id = &run.info.run_id;
    assert_eq!(run.info.artifact_uri, format!("mlflow-artifacts:/{experiment}/{id}/artifacts"));
    assert_eq!((run.tag(RUN_NAME_TAG), run.info.status), (Some("mine"), RunStatus::Running));
    assert_eq!(Runs::get(store, id).await.unwrap().as_ref(), Some(&run));
    assert_eq!(Runs::get(store, &RunId::from("nobody")).await.unwrap(), None);
    let contradicting = NewRun { tags: vec![Tag::new(RUN_NAME_TAG, "other")], ..new };
    refused(Runs::create(store, &contradicting).await, "but with different values");
    let unnamed = Runs::create(store, &NewRun::new(experiment, 1)).await.unwrap();
    assert!(!unnamed.info.run_name.is_empty(), "a name is made up");

    logging(store, id).await;
    params_never_change(store, id).await;
    inputs(store, id).await;
    changes(store, id).await;
}

async fn logging<S: Runs>(store: &S, id: &RunId) {
    let batch = Batch {
        metrics: vec![
            Metric::new("loss", 0.5, 10),
            Metric::new("loss", 0.25, 20).at_step(1),
            Metric::new("loss", 0.75, 5).at_step(1),
            Metric::new("nan", f64::NAN, 1),
            Metric::new("inf", f64::NEG_INFINITY, 1),
        ],
        params: vec![Param::new("depth", "3"), Param::new("long", "x".repeat(7000))],
        tags: vec![Tag::new("b", "old"), Tag::new("b", "new"), Tag::new(RUN_NAME_TAG, "renamed")],
    };
    store.log(id, &batch).await.unwrap();
    let run = store.get(id).await.unwrap().unwrap();
    assert_eq!(run.metric("loss"), Some(0.25), "the latest is the largest (step, timestamp, value)");
    assert!(run.metric("nan").unwrap().is_nan());
    assert_eq!(run.metric("inf"), Some(f64::MIN));
    assert_eq!(run.param("long").unwrap().len(), 6000, "long values are cut");
    assert_eq!((run.tag("b"), run.info.run_name.as_str()), (Some("new"), "renamed"));

    let broken = Batch {
        params: vec![Param::new("x", "1")],
        metrics: vec![Metric::new("../m", 1.0, 1)],
        ..Batch::default()
    };
    refused(store.log(id, &broken).await, "for parameter 'metrics[0].name' supplied");
    assert_eq!(store.get(id).await.unwrap().unwrap().param("x"), None, "a batch is kept whole or not at all");
    refused(store.log(&RunId::from("nobody"), &Batch::default()).await, "Run with id=nobody not found");
    store.delete_tag(id, "b").await.unwrap();
    refused(store.delete_tag(id, "b").await, "No tag with name: b in run with id");
}

async fn params_never_change<S: Runs>(store: &S, id: &RunId) {
    let params = |value: &str| Batch { params: vec![Param::new("depth", value)], ..Batch::default() };
    store.log(id, &params("3")).await.unwrap();
    refused(store.log(id, &params("4")).await, "Param with key='depth' was already logged with value='3'");
    let mut batch = params("4");
    batch.metrics.push(Metric::new("never", 1.0, 1));
    refused(
        store.log(id, &batch).await,
        "Params were already logged='[{'key': 'depth', 'old_value': '3', 'new_value': '4'}]'",
    );
    assert_eq!(store.get(id).await.unwrap().unwrap().metric("never"), None);
}

async fn inputs<S: Runs>(store: &S, id: &RunId) {
    let input = |source: &str, context: &str| DatasetInput {
        dataset: Dataset {
            name: "iris".into(),
            digest: "d1".into(),
            source: source.into(),
            ..Dataset::default()
        },
        tags: vec![Tag::new("mlflow.data.context", context)],
    };
    store.log_inputs(id, &[input("first", "training")], &["m-1".into()]).await.unwrap();
    store.log_inputs(id, &[input("second", "test")], &["m-1".into()]).await.unwrap();
    store.log_outputs(id, &[ModelOutput { model_id: "m-2".into(), step: 3 }]).await.unwrap();
    let run = store.get(id).await.unwrap().unwrap();
    assert_eq!(run.dataset_inputs, vec![input("first", "training")], "the first wins");
    assert_eq!(run.model_inputs, vec!["m-1".into()]);
    assert_eq!(run.model_outputs, vec![ModelOutput { model_id: "m-2".into(), step: 3 }]);
}

async fn changes<S: Runs>(store: &S, id: &RunId) {
    let change =
        RunChange { status: Some(RunStatus::Finished), end_time: Some(2000), run_name: Some("done".into()) };
    let info = store.update(id, &change).await.unwrap();
    assert_eq!(
        (info.status, info.end_time, info.run_name.as_str()),
        (RunStatus::Finished, Some(2000), "done")
    );
    assert_eq!(store.get(id).await.unwrap().unwrap().tag(RUN_NAME_TAG), Some("done"));
    store.update(id, &RunChange::default()).await.unwrap();
    assert_eq!(store.info(id).await.unwrap().unwrap(), info, "nothing changes nothing");

    store.set_lifecycle(id, Lifecycle::Deleted, 3).await.unwrap();
    let message = "must be in the 'active' state. Current state is deleted.";
    refused(store.log(id, &Batch::default()).await, message);
    refused(store.update(id, &RunChange::default()).await, message);
    store.set_lifecycle(id, Lifecycle::Active, 4).await.unwrap();
    store.log(id, &Batch::default()).await.unwrap();
    refused(store.set_lifecycle(&RunId::from("x"), Lifecycle::Active, 4).await, "Run with id=x not found");
}

pub(super) async fn check_search<S: Experiments + Runs>(store: &S) {
    let experiment = experiment(store, "search").await;
    let values = [("a", Some(3.0)), ("b", Some(1.0)), ("c", None), ("d", Some(f64::NAN)), ("e", Some(2.0))];
    for (index, (name, value)) in values.iter().enumerate() {
        let new = NewRun { run_name: Some((*name).into()), ..NewRun::new(experiment, index as i64) };
        let id = Runs::create(store, &new).await.unwrap().info.run_id;
        let batch = Batch {
            metrics: value.iter().map(|value| Metric::new("m x", *value, 1)).collect(),
            params: vec![Param::new("p", format!("Val_{name}"))],
            tags: (index < 2).then(|| Tag::new("t.u", "yes")).into_iter().collect(),
        };
        store.log(&id, &batch).await.unwrap();
    }
    let names = async |filter: &str, order: &[&str]| {
        let mut search = RunSearch::new(vec![experiment]).matching(filter).unwrap();
        search.order = order.iter().map(|item| search::run_order(item).unwrap()).collect();
        let page = Runs::search(store, &search).await.unwrap();
        assert_eq!(store.count(&search).await.unwrap(), page.items.len() as u64, "{filter}");
        page.items.into_iter().map(|run| run.info.run_name).collect::<String>()
    };
    assert_eq!(names("", &[]).await, "edcba", "newest first");
    assert_eq!(names("metrics.`m x` >= 2", &["start_time ASC"]).await, "ae");
    assert_eq!(names("metrics.\"m x\" != 1", &["start_time ASC"]).await, "ade", "NaN satisfies only !=");
    assert_eq!(names("metric.none < 1", &[]).await, "");
    assert_eq!(names("", &["metrics.`m x` DESC"]).await, "aebdc", "values, then NaN, then nothing");
    assert_eq!(names("", &["metrics.`m x` ASC"]).await, "beadc", "in both directions");
    assert_eq!(names("params.p LIKE 'val%'", &[]).await, "", "LIKE minds case");
    assert_eq!(names("params.p ILIKE 'val%' and run_name != 'a'", &["params.p"]).await, "bcde");
    assert_eq!(names("tags.t.u = 'yes'", &["run_name"]).await, "ab");
    assert_eq!(names("tags.`t.u` IS NULL", &["run_name"]).await, "cde");
    assert_eq!(names("tags.t.u IS NOT NULL AND attributes.start_time > 0", &[]).await, "b");
    assert_eq!(names("status = 'FINISHED'", &[]).await, "");
    assert_eq!(names("params.p = 'x'';DROP TABLE run;--'", &[]).await, "");

    let page = |offset| RunSearch { limit: 3, offset, ..RunSearch::new(vec![experiment]) };
    let first = Runs::search(store, &page(0)).await.unwrap();
    let last = Runs::search(store, &page(first.next_offset.unwrap())).await.unwrap();
    assert_eq!((first.items.len(), last.items.len(), last.next_offset), (3, 2, None));
    let gone = &first.items[0].info.run_id;
    Runs::set_lifecycle(store, gone, Lifecycle::Deleted, 1).await.unwrap();
    let view = |view| RunSearch { view, ..RunSearch::new(vec![experiment]) };
    assert_eq!(Runs::search(store, &view(View::Deleted)).await.unwrap().items.len(), 1);
    assert_eq!(Runs::search(store, &view(View::All)).await.unwrap().items.len(), 5);
    assert_eq!(Runs::search(store, &RunSearch::new(Vec::new())).await.unwrap().items.len(), 0);
}

pub(super) async fn check_history<S: Experiments + Runs>(store: &S) {
    let experiment = experiment(store, "history").await;
    let id = Runs::create(store, &NewRun::new(experiment, 1)).await.unwrap().info.run_id;
    let metrics: Vec<Metric> =
        (0..10).map(|step| Metric::new("m", 0.1 * step as f64, 100 - step).at_step(step)).collect();
    store.log(&id, &Batch { metrics: metrics.clone(), ..Batch::default() }).await.unwrap();
    store.log(&id, &Batch { metrics: metrics.clone(), ..Batch::default() }).await.unwrap();

    let history = |limit, offset| History { key: "m".into(), limit, offset };
    let all = store.history(&id, &history(None, 0)).await.unwrap();
    assert_eq!(all.items.len(), 10, "the same point is kept once");
    assert!(all.items.is_sorted_by_key(|point| point.timestamp));
    let values: Vec<f64> = all.items.iter().rev().map(|point| point.value).collect();
    assert_eq!(
        values,
        metrics.iter().map(|point| point.value).collect::<Vec<_>>(),
        "values come back to the last bit"
    );
    let page = store.history(&id, &history(Some(4), 4)).await.unwrap();
    assert_eq!((page.items.len(), page.next_offset), (4, Some(8)));
    refused(store.history(&RunId::from("x"), &history(None, 0)).await, "Run with id=x not found");

    let steps = async |steps, max_points| {
        let sample = SampledMetrics { run_ids: vec![id.clone()], key: "m".into(), steps, max_points };
        let points = store.sampled(&sample).await.unwrap();
        points.into_iter().map(|(_, point)| point.step).collect::<Vec<_>>()
    };
    assert_eq!(steps(None, 100).await, (0..10).collect::<Vec<_>>());
    assert_eq!(steps(None, 5).await, [0, 2, 4, 6, 9], "the last point is always kept");
    assert_eq!(steps(Some((2, 4)), 100).await, [2, 3, 4]);
}
