//! A project as it stands after two trainings, a gate that held one back, a canary and a drifted window.

use std::path::Path;
use std::sync::Arc;

use lemnis_app::App;
use lemnis_core::{Clock, Event, FixedClock};
use lemnis_flow::New;
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model};
use lemnis_quality::drift::{DriftSettings, compare};
use lemnis_quality::{Outcome, Verdict, VerdictKind};
use lemnis_serving::EndpointState;
use lemnis_serving::rollout::{Begin, Policy, Rollout};
use lemnis_table::Table;
use lemnis_tracking::gate::{Check, Comparison, GateReport};
use lemnis_tracking::{
    Batch, ExperimentId, Metric, NewModel, NewRun, NewVersion, Param, RunChange, RunId, RunStatus, Tag,
};
use object_store::ObjectStoreExt;
use serde_json::json;

use super::driver::Problem;

const NOW: i64 = 1_764_000_000_000;

/// The project in `root`, with all that pages show.
pub async fn project(root: &Path) -> Result<Arc<App>, Problem> {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(NOW));
    let app = lemnis_testkit::app(root, clock).await?;
    let best = runs(&app).await?;
    versions(&app, &best).await?;
    serving(&app, root).await?;
    verdicts(&app).await?;
    happenings(&app).await?;
    Ok(app)
}

async fn runs(app: &App) -> Result<RunId, Problem> {
    let mut best = None;
    for (place, (name, auc, trees)) in
        [("patient-owl-1", 0.8464, "200"), ("bold-<i>fox</i>-2", 0.8311, "100"), ("shy-newt-3", 0.7713, "50")]
            .into_iter()
            .enumerate()
    {
        let started = NOW - 1_000_000 + place as i64 * 1000;
        let mut new = NewRun::new(ExperimentId::DEFAULT, started);
        new.run_name = Some(name.to_owned());
        let run = app.runs.create(&new).await?;
        let id = run.info.run_id;
        let mut batch = Batch {
            metrics: vec![Metric::new("roc_auc", auc, started), Metric::new("log_loss", 0.41, started)],
            params: vec![Param::new("trees", trees), Param::new("seed", "42")],
            tags: vec![Tag::new("lemnis.git_commit", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")],
        };
        for step in 0..40_i64 {
            let loss = 0.4 + 0.3 * (-(step as f64) / 10.0).exp();
            batch.metrics.push(Metric::new("train_loss", loss - 0.02, started + step).at_step(step));
            batch.metrics.push(Metric::new("validation_loss", loss, started + step).at_step(step));
        }
        app.runs.log(&id, &batch).await?;
        let ended = RunChange {
            status: Some(RunStatus::Finished),
            end_time: Some(started + 900),
            ..RunChange::default()
        };
        app.runs.update(&id, &ended).await?;
        let location =
            lemnis_app::artifact::object_path(&format!("{}/model/MLmodel", run.info.artifact_uri))?;
        app.artifacts.put(&location, "flavors: {}".into()).await?;
        best.get_or_insert(id);
    }
    best.ok_or_else(|| "no run was made".into())
}

async fn versions(app: &App, run: &RunId) -> Result<(), Problem> {
    let at_ms = NOW - 900_000;
    let model = NewModel {
        name: "churn".to_owned(),
        description: Some("who <leaves>".to_owned()),
        at_ms,
        ..NewModel::default()
    };
    app.registry.create_model(&model).await?;
    for digest in ["1", "2"] {
        let new = NewVersion {
            name: "churn".to_owned(),
            source: "mlflow-artifacts:/0/x/artifacts/model".to_owned(),
            run_id: Some(run.clone()),
            tags: vec![Tag::new("lemnis.model_digest", format!("sha256:{}", digest.repeat(64)))],
            at_ms,
            ..NewVersion::default()
        };
        app.registry.create_version(&new).await?;
    }
    app.registry.set_alias("churn", "champion", Some(1)).await?;
    app.registry.set_alias("churn", "challenger", Some(2)).await?;
    let comparison = Comparison {
        metric: "roc_auc".to_owned(),
        champion: 0.8464,
        challenger: 0.8311,
        difference: -0.0153,
        low: -0.03,
        high: 0.004,
        p_better: 0.04,
        test: lemnis_tracking::gate::Test::Bootstrap,
        resamples: 1000,
        seed: 42,
        rows: 1409,
    };
    for (version, champion, passed) in [(1, None, true), (2, Some(1), false)] {
        let check = |name: &str, passed, observed, threshold| Check {
            name: name.to_owned(),
            passed,
            observed: Some(observed),
            threshold: Some(threshold),
            detail: format!("{name}: {observed}"),
        };
        let report = GateReport {
            id: format!("gate-churn-{version}"),
            at_ms: at_ms + i64::from(version),
            model: "churn".to_owned(),
            challenger_version: Some(version),
            champion_version: champion,
            passed,
            checks: vec![
                check("roc_auc >= 0.75", true, 0.8464, 0.75),
                check("roc_auc better than champion", passed, -0.03, 0.0),
            ],
            inputs: json!({ "holdout_digest": "sha256:abc", "comparison": champion.map(|_| &comparison) }),
        };
        app.gate_reports.insert(&report).await?;
    }
    Ok(())
}

async fn serving(app: &App, root: &Path) -> Result<(), Problem> {
    let rows = 300;
    let frame = Frame::new(vec![
        ("tenure".to_owned(), Column::Float((0..rows).map(|row| f64::from(row % 72)).collect())),
        (
            "contract".to_owned(),
            Column::Text((0..rows).map(|row| ["month", "year"][row as usize % 2].to_owned()).collect()),
        ),
    ])?;
    let labels = (0..rows).map(|row| row % 72 < 20).collect();
    let target = Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() };
    let trained = train(&frame, &target, &Params { trees: 5, ..Params::default() }, None)?;
    let folder = root.join("model");
    trained.save(&folder)?;
    let model = Arc::new(Model::load(&folder)?);
    app.endpoints.deploy("churn", 1, model.clone());
    app.rollouts.put_endpoint(&EndpointState::new("churn", "churn", 1, NOW - 800_000)).await?;
    let rollout = Rollout::begin(Begin {
        id: "r1".to_owned(),
        endpoint: "churn".to_owned(),
        from_version: 1,
        to_version: 2,
        policy: Policy::default(),
        fault: None,
        because: Some("gate-churn-2".to_owned()),
        now: NOW - 60_000,
    })?;
    app.rollouts.put_rollout(&rollout).await?;
    app.endpoints.begin(&rollout, model)?;
    Ok(())
}

/// Requests to the endpoint, so that it has latencies and a log.
pub async fn traffic(router: &lemnis_server::Router) -> Result<(), Problem> {
    for row in 0..60 {
        let body = json!({ "dataframe_records": [{ "tenure": f64::from(row), "contract": "month" }] });
        let path = "/endpoints/churn/invocations";
        let (status, answer) = lemnis_server::call(router, "POST", path, Some(body.to_string())).await;
        if status != 200 {
            return Err(format!("{path} answers {status}: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    Ok(())
}

async fn verdicts(app: &App) -> Result<(), Problem> {
    let table = |shift: i64| {
        let numbers = (0..400).map(|row| Some((row * 7 % 72 + shift) as f64)).collect();
        let texts = (0..400).map(|row| Some(["month", "year"][row as usize % 2].to_owned())).collect();
        Table::from_columns(vec![
            ("tenure".to_owned(), lemnis_table::Column::Float(numbers)),
            ("contract".to_owned(), lemnis_table::Column::Text(texts)),
        ])
    };
    let reference = table(0)?;
    let settings = DriftSettings::default();
    for (place, shift) in [0, 0, 40].into_iter().enumerate() {
        let report = compare(&reference, &table(shift)?, None, &settings)?;
        let at_ms = NOW - 300_000 + place as i64 * 60_000;
        let verdict = |id: String, kind, outcome, summary: String, report| Verdict {
            id,
            at_ms,
            subject: "endpoint/churn".to_owned(),
            kind,
            outcome,
            summary,
            inputs: json!({ "rows": 400, "version": 1, "settings": settings }),
            report,
        };
        let outcome = if report.drift { Outcome::Drift } else { Outcome::Pass };
        let summary =
            format!("{} of {} columns drifted", report.number_of_drifted_columns, report.number_of_columns);
        let drift = verdict(
            format!("d{place}"),
            VerdictKind::Drift,
            outcome,
            summary,
            serde_json::to_value(&report)?,
        );
        app.verdicts.insert(&drift).await?;
        let figures = json!({ "metric": "roc_auc", "value": 0.84 - place as f64 * 0.01, "holdout": 0.8464, "rows": 390 });
        let summary = "live roc auc on 390 labelled predictions".to_owned();
        let live = verdict(format!("p{place}"), VerdictKind::Performance, Outcome::Pass, summary, figures);
        app.verdicts.insert(&live).await?;
    }
    let validation = Verdict {
        id: "v1".to_owned(),
        at_ms: NOW - 950_000,
        subject: "data/data/raw/churn.csv".to_owned(),
        kind: VerdictKind::Validation,
        outcome: Outcome::Fail,
        summary: "data/raw/churn.csv breaks 1 of 2 expectations".to_owned(),
        inputs: json!({ "suite": "checks/raw.yaml" }),
        report: json!({
            "statistics": { "evaluated_expectations": 2, "successful_expectations": 1 },
            "results": [{
                "success": false,
                "expectation_config": { "type": "expect_column_values_to_not_be_null", "kwargs": { "column": "tenure" } },
                "result": { "element_count": 400, "unexpected_count": 3, "partial_unexpected_list": [null] },
            }],
        }),
    };
    app.verdicts.insert(&validation).await?;
    Ok(())
}

async fn happenings(app: &App) -> Result<(), Problem> {
    let log = app.project.logs_dir().join("flow.log");
    std::fs::write(&log, "train: ran in 1.9 s\n")?;
    let new = New {
        flow: "retrain".to_owned(),
        command: ["lemnis", "retrain", "churn"].map(str::to_owned).to_vec(),
        trigger: json!({ "endpoint": "churn", "because": "1 of 2 columns drifted" }),
        idempotency_key: None,
        max_attempts: 3,
        created_ms: NOW - 100_000,
    };
    app.queue.enqueue(new).await?;
    let long = "a-very-long-word-without-any-place-to-break-it".repeat(4);
    for (place, (kind, subject)) in
        [("alias.moved", "model/churn"), ("drift.detected", "endpoint/churn")].into_iter().enumerate()
    {
        let event = Event {
            id: format!("e{place}"),
            at_ms: NOW - 200_000,
            actor: "ada".to_owned(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data: json!({ "version": 1, "why": long }),
        };
        app.events.append(&event).await?;
    }
    Ok(())
}
