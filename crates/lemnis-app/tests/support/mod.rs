//! A project with one endpoint `churn` on real SQLite: versions with a run, training rows and a holdout.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;
use std::sync::Arc;

use lemnis_app::monitor::{self, Check, Checked, Feedback, Label};
use lemnis_app::{App, Error};
use lemnis_core::{FixedClock, Principal};
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model};
use lemnis_serving::RequestMeta;
use lemnis_table::Table;
use lemnis_tracking::{Batch, ExperimentId, Metric, NewModel, NewRun, NewVersion};
use object_store::ObjectStoreExt;

pub const NOW: i64 = 1_764_000_000_000;
pub const MODEL: &str = "churn";

pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<FixedClock>,
    pub who: Principal,
    pub dir: tempfile::TempDir,
}

pub fn yaml(task: &str, gate: &str) -> String {
    let metric = if task == "binary" { "roc_auc\n    positive: 'yes'" } else { "rmse" };
    let monitor = "{window_rows: 100, min_rows: 50, on_drift: retrain, cooldown_minutes: 60}";
    format!(
        "project: p\nmodels:\n  churn:\n    task: {task}\n    target: y\n    path: models/churn\n    \
         holdout: holdout.csv\n    metric: {metric}\n{gate}endpoints:\n  broken:\n    model: churn@champion\n    \
         monitor: {monitor}\n  churn:\n    model: churn@champion\n    monitor: {monitor}\n"
    )
}

impl World {
    /// A project whose version 1 serves `churn`.
    pub async fn new() -> Self {
        let world = Self::empty("binary", "").await;
        let model = world.version(5, true).await;
        world.crown(1, model).await;
        world
    }

    pub async fn empty(task: &str, gate: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lemnis.yaml"), yaml(task, gate)).unwrap();
        let clock = Arc::new(FixedClock::new(NOW));
        let app = lemnis_testkit::app(dir.path(), clock.clone()).await.unwrap();
        app.registry
            .create_model(&NewModel { name: MODEL.to_owned(), at_ms: NOW, ..NewModel::default() })
            .await
            .unwrap();
        Self { app, clock, who: Principal::local("local"), dir }
    }

    /// Another version, of so many trees; with training rows to compare with, or without.
    pub async fn version(&self, trees: usize, with_reference: bool) -> Arc<Model> {
        let target =
            Target::Binary { labels: labels(), negative: "no".to_owned(), positive: "yes".to_owned() };
        let trained = train(&frame(0.0), &target, &Params { trees, ..Params::default() }, None).unwrap();
        let folder = self.dir.path().join(format!("trained-{trees}"));
        trained.save(&folder).unwrap();
        let run = self.app.runs.create(&NewRun::new(ExperimentId::DEFAULT, NOW)).await.unwrap();
        let metrics = vec![Metric::new("roc_auc", 0.95, NOW)];
        let batch = Batch { metrics, params: Vec::new(), tags: Vec::new() };
        self.app.runs.log(&run.info.run_id, &batch).await.unwrap();
        let uri = run.info.artifact_uri.clone();
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.is_file()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            self.put(&format!("{uri}/model/{name}"), &path).await;
        }
        if with_reference {
            let path = self.dir.path().join("reference.parquet");
            table(0.0).write_parquet(&path).unwrap();
            self.put(&format!("{uri}/reference/reference.parquet"), &path).await;
        }
        let new = NewVersion {
            name: MODEL.to_owned(),
            source: format!("{uri}/model"),
            run_id: Some(run.info.run_id),
            at_ms: NOW,
            ..NewVersion::default()
        };
        self.app.registry.create_version(&new).await.unwrap();
        Arc::new(Model::load(&folder).unwrap())
    }

    async fn put(&self, uri: &str, path: &Path) {
        let bytes = std::fs::read(path).unwrap();
        let location = lemnis_app::artifact::object_path(uri).unwrap();
        self.app.artifacts.put(&location, bytes.into()).await.unwrap();
    }

    /// The version serves, and is the champion.
    pub async fn crown(&self, version: u32, model: Arc<Model>) {
        self.app.registry.set_alias(MODEL, "champion", Some(version)).await.unwrap();
        self.app.endpoints.deploy("churn", version, model);
    }

    /// 200 predictions in one request, with inputs moved by `shift`.
    pub async fn predict(&self, id: &str, shift: f64) {
        self.clock.advance_ms(1_000);
        let meta = RequestMeta::new(Some(id));
        let asked = self.app.endpoints.predict("churn", meta, |_| Ok::<_, String>(frame(shift))).await;
        assert!(asked.is_ok());
    }

    /// The truth about such a request, for its first `rows` rows; turned round where the model is to be wrong.
    pub async fn tell(&self, id: &str, rows: usize, wrong: bool) {
        let feedback = labels().into_iter().take(rows).enumerate();
        let feedback = feedback.map(|(row, yes)| Label {
            request_id: id.to_owned(),
            row: row as u32,
            label: if yes != wrong { "yes" } else { "no" }.into(),
        });
        let cmd = Feedback { endpoint: "churn".to_owned(), feedback: feedback.collect() };
        monitor::feedback(&self.app, &self.who, &cmd).await.unwrap();
    }

    pub async fn say(&self, id: &str, label: serde_json::Value) -> Result<usize, Error> {
        let good = Label { request_id: id.to_owned(), row: 0, label: "1".into() };
        let feedback = vec![good, Label { request_id: id.to_owned(), row: 1, label }];
        let cmd = Feedback { endpoint: "churn".to_owned(), feedback };
        Ok(monitor::feedback(&self.app, &self.who, &cmd).await?.taken)
    }

    pub async fn check(&self, react: bool) -> Checked {
        let cmd = Check { endpoint: "churn".to_owned(), rows: None, request_prefix: None, react };
        monitor::check(&self.app, &self.who, &cmd).await.unwrap()
    }

    pub async fn retrains(&self) -> usize {
        self.app.queue.list(100).await.unwrap().len()
    }
}

/// 200 rows: `x` decides the label.
pub fn frame(shift: f64) -> Frame {
    let x = (0..200).map(|row| f64::from(row * 7 % 50) + shift).collect();
    let c = (0..200).map(|row| ["month", "year"][row % 2].to_owned()).collect();
    Frame::new(vec![("x".to_owned(), Column::Float(x)), ("c".to_owned(), Column::Text(c))]).unwrap()
}

/// The same rows as a table, with their labels.
pub fn table(shift: f64) -> Table {
    let classes = labels().into_iter().map(|yes| Some(if yes { "yes" } else { "no" }.to_owned())).collect();
    lemnis_app::frame::to_table(&frame(shift))
        .unwrap()
        .with_column("y", lemnis_table::Column::Text(classes))
        .unwrap()
}

pub fn labels() -> Vec<bool> {
    (0..200).map(|row| row * 7 % 50 < 25).collect()
}
