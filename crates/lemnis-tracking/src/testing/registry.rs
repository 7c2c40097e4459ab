//! The contracts of logged models and of the model registry.

use super::refused;
use crate::search;
use crate::{
    Batch, ExperimentId, Experiments, LATEST, LoggedModelOrder, LoggedModelSearch, LoggedModelStatus,
    LoggedModels, Metric, ModelChange, ModelSearch, NewLoggedModel, NewModel, NewRun, NewVersion, Param,
    Registry, Runs, Stage, Tag, VersionChange, VersionSearch,
};

fn logged(name: &str, at_ms: i64) -> NewLoggedModel {
    NewLoggedModel {
        experiment_id: ExperimentId::DEFAULT,
        name: Some(name.into()),
        model_type: None,
        source_run_id: None,
        tags: vec![Tag::new("k", name)],
        params: vec![Param::new("p", "1")],
        at_ms,
    }
}

pub(super) async fn check_logged_models<S: Experiments + Runs + LoggedModels>(store: &S) {
    let model = LoggedModels::create(store, &logged("alpha", 10)).await.unwrap();
    let id = &model.model_id;
    assert_eq!(model.artifact_uri, format!("mlflow-artifacts:/0/models/{id}/artifacts"));
    assert_eq!(model.status, LoggedModelStatus::Pending);
    refused(LoggedModels::create(store, &logged("a/b", 10)).await, "Invalid model name ('a/b') provided");
    let ready = store.set_status(id, LoggedModelStatus::Ready, 20).await.unwrap();
    assert_eq!((ready.status, ready.last_updated_timestamp), (LoggedModelStatus::Ready, 20));
    store.set_tags(id, &[Tag::new("k", "new"), Tag::new("l", "2")]).await.unwrap();
    LoggedModels::delete_tag(store, id, "l").await.unwrap();
    refused(LoggedModels::delete_tag(store, id, "l").await, "No tag with key 'l' found for model with ID");
    store.log_params(id, &[Param::new("q", "2")]).await.unwrap();

    let run = Runs::create(store, &NewRun::new(ExperimentId::DEFAULT, 1)).await.unwrap().info.run_id;
    let metric =
        Metric { model_id: Some(id.clone()), dataset_name: Some("d".into()), ..Metric::new("auc", 0.9, 5) };
    store.log(&run, &Batch { metrics: vec![metric], ..Batch::default() }).await.unwrap();
    let other = LoggedModels::create(store, &logged("beta", 30)).await.unwrap();
    let found = LoggedModels::get(store, id).await.unwrap().unwrap();
    assert_eq!(found.tags, vec![Tag::new("k", "new")]);
    assert_eq!(found.params, vec![Param::new("p", "1"), Param::new("q", "2")]);
    assert_eq!((found.metrics[0].key.as_str(), found.metrics[0].value), ("auc", 0.9));

    let names = async |filter: &str, order: &[(&str, bool)]| {
        let order = order.iter().map(|(field, ascending)| LoggedModelOrder {
            field: (*field).into(),
            ascending: *ascending,
            dataset_name: None,
            dataset_digest: None,
        });
        let search = LoggedModelSearch {
            experiments: vec![ExperimentId::DEFAULT],
            filter: search::logged_models(filter).unwrap(),
            order: order.collect(),
            limit: 10,
            ..LoggedModelSearch::default()
        };
        let page = LoggedModels::search(store, &search).await.unwrap();
        page.items.into_iter().map(|model| model.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", &[]).await, ["beta", "alpha"], "newest first");
    assert_eq!(names("", &[("metrics.auc", false)]).await, ["alpha", "beta"], "missing last");
    assert_eq!(names("metrics.auc > 0.5 AND status = 'READY'", &[]).await, ["alpha"]);
    assert_eq!(names("name IN ('beta', 'gamma')", &[]).await, ["beta"]);
    assert_eq!(names("params.p = '1' AND tags.k = 'new'", &[]).await, ["alpha"]);
    assert_eq!(names("creation_time > 20", &[("name", true)]).await, ["beta"]);

    LoggedModels::delete(store, &other.model_id, 40).await.unwrap();
    assert_eq!(LoggedModels::get(store, &other.model_id).await.unwrap(), None);
    assert_eq!(names("", &[]).await, ["alpha"]);
    refused(LoggedModels::delete(store, &"m-x".into(), 40).await, "Logged model with ID 'm-x' not found");
}

fn version(model: &str, at_ms: i64) -> NewVersion {
    NewVersion { name: model.into(), source: format!("s3://bucket/{at_ms}"), at_ms, ..NewVersion::default() }
}

pub(super) async fn check<S: LoggedModels + Registry>(store: &S) {
    let new = NewModel { name: "churn".into(), description: None, tags: vec![Tag::new("a", "1")], at_ms: 10 };
    let model = store.create_model(&new).await.unwrap();
    assert_eq!(store.get_model("churn").await.unwrap().as_ref(), Some(&model));
    assert_eq!(store.get_model("nobody").await.unwrap(), None);
    refused(store.create_model(&new).await, "Registered Model (name=churn) already exists");
    refused(
        store.create_model(&NewModel { name: "a/b".into(), ..new.clone() }).await,
        "Invalid model name 'a/b'",
    );
    let prompt = NewModel { tags: vec![Tag::new(crate::PROMPT_TAG, "true")], ..new };
    refused(store.create_model(&prompt).await, "already taken by a registered model");

    refused(store.create_version(&version("nobody", 1)).await, "Registered Model with name=nobody not found");
    for at_ms in [20, 30, 40] {
        store.create_version(&version("churn", at_ms)).await.unwrap();
    }
    assert_eq!(store.get_model("churn").await.unwrap().unwrap().last_updated_timestamp, 40);
    let found = store.get_version("churn", 2).await.unwrap().unwrap();
    assert_eq!((found.source.as_str(), found.current_stage), ("s3://bucket/30", Stage::None));
    assert_eq!(store.get_version("churn", 9).await.unwrap(), None);

    aliases(store).await;
    stages(store).await;
    deletion(store).await;

    let logged = LoggedModels::create(store, &logged("source", 1)).await.unwrap();
    let new = NewVersion { model_id: Some(logged.model_id.clone()), ..version("churn", 90) };
    let made = store.create_version(&new).await.unwrap();
    assert_eq!(made.model_params, logged.params);
    let tags = LoggedModels::get(store, &logged.model_id).await.unwrap().unwrap().tags;
    let wanted = format!("[{{\"name\": \"churn\", \"version\": {}}}]", made.version);
    assert!(tags.contains(&Tag::new("mlflow.modelVersions", wanted)), "{tags:?}");
}

async fn aliases<S: Registry>(store: &S) {
    store.set_alias("churn", "champion", Some(1)).await.unwrap();
    store.set_alias("churn", "champion", Some(2)).await.unwrap();
    let found = store.version_by_alias("churn", "champion").await.unwrap().unwrap();
    assert_eq!((found.version, found.aliases), (2, vec!["champion".to_owned()]));
    assert_eq!(store.get_model("churn").await.unwrap().unwrap().alias("champion"), Some(2));
    assert_eq!(store.version_by_alias("churn", LATEST).await.unwrap().unwrap().version, 3);
    assert_eq!(store.version_by_alias("churn", "nobody").await.unwrap(), None);
    refused(store.set_alias("churn", "v1", Some(1)).await, "Version alias name 'v1' is reserved.");
    refused(store.set_alias("churn", "x", Some(9)).await, "Model Version (name=churn, version=9) not found");
    store.set_alias("churn", "other", Some(2)).await.unwrap();
    store.set_alias("churn", "other", None).await.unwrap();
    store.set_alias("churn", "other", None).await.unwrap();
    assert_eq!(store.version_by_alias("churn", "other").await.unwrap(), None);
}

async fn stages<S: Registry>(store: &S) {
    let to = |to, archive_existing| VersionChange::Stage { to, archive_existing };
    store.update_version("churn", 1, &to(Stage::Production, false), 50).await.unwrap();
    store.update_version("churn", 3, &to(Stage::Production, true), 60).await.unwrap();
    let model = store.get_model("churn").await.unwrap().unwrap();
    assert_eq!(model.last_updated_timestamp, 60);
    let latest: Vec<(Stage, u32)> =
        model.latest_versions.iter().map(|version| (version.current_stage, version.version)).collect();
    assert_eq!(latest, [(Stage::Archived, 1), (Stage::None, 2), (Stage::Production, 3)]);
    refused(store.update_version("churn", 1, &to(Stage::None, true), 61).await, "is not an Active stage");
    let described = VersionChange::Description("good".into());
    let found = store.update_version("churn", 1, &described, 62).await.unwrap();
    assert_eq!(found.description.as_deref(), Some("good"));
    store.set_version_tag("churn", 1, "k", Some("v")).await.unwrap();
    store.set_version_tag("churn", 1, "l", Some("w")).await.unwrap();
    store.set_version_tag("churn", 1, "l", None).await.unwrap();
    store.set_version_tag("churn", 1, "l", None).await.unwrap();
    assert_eq!(store.get_version("churn", 1).await.unwrap().unwrap().tags, vec![Tag::new("k", "v")]);
}

async fn deletion<S: Registry>(store: &S) {
    store.delete_version("churn", 2, 70).await.unwrap();
    assert_eq!(store.get_version("churn", 2).await.unwrap(), None);
    assert_eq!(store.version_by_alias("churn", "champion").await.unwrap(), None, "its aliases go with it");
    store.delete_version("churn", 3, 71).await.unwrap();
    let next = store.create_version(&version("churn", 80)).await.unwrap();
    assert_eq!(next.version, 4, "a number is never used twice");
    refused(store.delete_version("churn", 2, 72).await, "Model Version (name=churn, version=2) not found");

    store.create_model(&NewModel { name: "old".into(), at_ms: 1, ..NewModel::default() }).await.unwrap();
    store.create_version(&version("old", 2)).await.unwrap();
    store.set_alias("old", "x", Some(1)).await.unwrap();
    let change = ModelChange { name: Some("new".into()), description: Some("d".into()), at_ms: 3 };
    let renamed = store.update_model("old", &change).await.unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.description.as_deref(), renamed.alias("x")),
        ("new", Some("d"), Some(1))
    );
    assert!(store.get_version("new", 1).await.unwrap().is_some());
    let taken = ModelChange { name: Some("churn".into()), ..change };
    refused(store.update_model("new", &taken).await, "Registered Model (name=churn) already exists");
    store.set_model_tag("new", "k", Some("v")).await.unwrap();
    store.delete_model("new").await.unwrap();
    assert_eq!(store.get_version("new", 1).await.unwrap(), None);
    refused(store.delete_model("new").await, "Registered Model with name=new not found");
}

pub(super) async fn check_search<S: Registry>(store: &S) {
    for (name, tag) in [("Search_A", "1"), ("search_b", "2"), ("search_c", "2")] {
        let tags = vec![Tag::new("group", tag)];
        store
            .create_model(&NewModel { name: name.into(), tags, at_ms: 5, ..NewModel::default() })
            .await
            .unwrap();
        store.create_version(&NewVersion { run_id: Some("r1".into()), ..version(name, 6) }).await.unwrap();
    }
    let prompt = NewModel {
        name: "search_prompt".into(),
        tags: vec![Tag::new(crate::PROMPT_TAG, "true"), Tag::new("group", "2")],
        ..NewModel::default()
    };
    store.create_model(&prompt).await.unwrap();
    let models = async |filter: &str| {
        let filter = search::registered_models(filter).unwrap();
        let order = vec![search::model_order("name DESC").unwrap()];
        let page =
            store.search_models(&ModelSearch { filter, order, ..ModelSearch::default() }).await.unwrap();
        page.items.into_iter().map(|model| model.name).collect::<Vec<_>>()
    };
    assert_eq!(models("name LIKE 'search%'").await, ["search_c", "search_b"], "prompts are hidden");
    assert_eq!(models("name ILIKE 'search%' AND tags.group = '1'").await, ["Search_A"]);
    assert_eq!(models("tags.`mlflow.prompt.is_prompt` = 'true'").await, ["search_prompt"]);
    let versions = async |filter: &str| {
        let filter = search::model_versions(filter).unwrap();
        let page =
            store.search_versions(&VersionSearch { filter, ..VersionSearch::default() }).await.unwrap();
        page.items.into_iter().map(|version| (version.name, version.version)).collect::<Vec<_>>()
    };
    assert_eq!(
        versions("run_id = 'r1' AND name != 'Search_A'").await,
        [("search_b".into(), 1), ("search_c".into(), 1)]
    );
    assert_eq!(versions("name = 'churn' AND version_number > 3").await.len(), 2);
    let of_model = store.search_versions(&VersionSearch::of_model("churn")).await.unwrap().items;
    assert!(of_model.is_sorted_by(|a, b| a.version > b.version), "highest number first");
    let page = store.search_models(&ModelSearch { limit: 2, ..ModelSearch::default() }).await.unwrap();
    assert_eq!((page.items.len(), page.next_offset), (2, Some(2)));
}
