//! The contract of experiments.

use super::refused;
use crate::search;
use crate::{ExperimentId, ExperimentSearch, Experiments, Lifecycle, NewExperiment, NewRun, Runs, Tag, View};

pub(super) async fn check<S: Experiments + Runs>(store: &S) {
    let default = Experiments::get(store, ExperimentId::DEFAULT).await.unwrap().unwrap();
    assert_eq!(default.name, "Default");
    assert_eq!(default.artifact_location, "mlflow-artifacts:/0");

    let new = NewExperiment {
        name: "first".into(),
        artifact_location: None,
        tags: vec![Tag::new("team", "A"), Tag::new("b", "2")],
        at_ms: 10,
    };
    let first = Experiments::create(store, &new).await.unwrap();
    assert_eq!(first.artifact_location, format!("mlflow-artifacts:/{}", first.experiment_id));
    assert_eq!(first.tags, vec![Tag::new("b", "2"), Tag::new("team", "A")]);
    assert_eq!(Experiments::get(store, first.experiment_id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.by_name("first").await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.by_name("nobody").await.unwrap(), None);
    refused(Experiments::create(store, &new).await, "Experiment(name=first) already exists");
    let nameless = NewExperiment::default();
    refused(Experiments::create(store, &nameless).await, "Invalid experiment name: ''");

    tags(store, first.experiment_id).await;
    searches(store).await;
    lifecycle(store, first.experiment_id).await;
}

async fn tags<S: Experiments>(store: &S, id: ExperimentId) {
    store.set_tag(id, &Tag::new("team", "B"), 20).await.unwrap();
    Experiments::delete_tag(store, id, "b", 21).await.unwrap();
    let found = store.get(id).await.unwrap().unwrap();
    assert_eq!(found.tags, vec![Tag::new("team", "B")]);
    refused(Experiments::delete_tag(store, id, "b", 22).await, "No tag with name: b");
    refused(
        store.set_tag(ExperimentId(999), &Tag::new("a", "b"), 1).await,
        "No Experiment with id=999 exists",
    );
}

async fn searches<S: Experiments>(store: &S) {
    for (name, at_ms) in [("second", 30), ("Third_x", 40)] {
        let new = NewExperiment { name: name.into(), at_ms, ..NewExperiment::default() };
        store.create(&new).await.unwrap();
    }
    let names = async |filter: &str, order: &[&str]| {
        let search = ExperimentSearch {
            filter: search::experiments(filter).unwrap(),
            order: order.iter().map(|item| search::experiment_order(item).unwrap()).collect(),
            ..ExperimentSearch::default()
        };
        let page = Experiments::search(store, &search).await.unwrap();
        page.items.into_iter().map(|found| found.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", &["name ASC"]).await, ["Default", "Third_x", "first", "second"]);
    assert_eq!(names("name LIKE 'third%'", &[]).await, [""; 0]);
    assert_eq!(names("name ILIKE 'third%'", &[]).await, ["Third_x"]);
    assert_eq!(names("tags.team = 'B' AND creation_time < 20", &[]).await, ["first"]);
    assert_eq!(names("tags.team IS NULL AND name != 'Default'", &["name"]).await, ["Third_x", "second"]);
    assert_eq!(names("name = 'x'' OR 1=1 --'", &[]).await, [""; 0]);

    let page = |offset| ExperimentSearch { limit: 2, offset, ..ExperimentSearch::default() };
    let first = store.search(&page(0)).await.unwrap();
    assert_eq!((first.items.len(), first.next_offset), (2, Some(2)));
    let last = store.search(&page(2)).await.unwrap();
    assert_eq!((last.items.len(), last.next_offset), (2, None));
}

async fn lifecycle<S: Experiments + Runs>(store: &S, id: ExperimentId) {
    let run = Runs::create(store, &NewRun::new(id, 1)).await.unwrap();
    Experiments::set_lifecycle(store, id, Lifecycle::Deleted, 50).await.unwrap();
    refused(Experiments::set_lifecycle(store, id, Lifecycle::Deleted, 50).await, "No Experiment with id=");
    refused(
        Runs::create(store, &NewRun::new(id, 1)).await,
        "must be in the 'active' state. Current state is deleted.",
    );
    refused(store.rename(id, "other", 51).await, "Cannot rename a non-active experiment");
    let info = store.info(&run.info.run_id).await.unwrap().unwrap();
    assert_eq!(info.lifecycle_stage, Lifecycle::Deleted, "its runs go with it");
    let shown = async |view| {
        let search = ExperimentSearch { view, ..ExperimentSearch::default() };
        let page = Experiments::search(store, &search).await.unwrap();
        page.items.iter().any(|found| found.experiment_id == id)
    };
    assert!(!shown(View::Active).await && shown(View::Deleted).await && shown(View::All).await);

    Experiments::set_lifecycle(store, id, Lifecycle::Active, 60).await.unwrap();
    store.rename(id, "renamed", 61).await.unwrap();
    refused(store.rename(id, "second", 62).await, "Experiment(name=second) already exists");
    let found = Experiments::get(store, id).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.last_update_time), ("renamed", 61));
    let info = store.info(&run.info.run_id).await.unwrap().unwrap();
    assert_eq!(info.lifecycle_stage, Lifecycle::Active, "its runs come back with it");
}
