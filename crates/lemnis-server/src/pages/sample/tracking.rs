//! Runs and a model with versions that passed its gate and one that did not.

use std::collections::BTreeMap;

use lemnis_app::model::{Diff, Difference, Fact};
use lemnis_app::view::*;

use super::{ago, text, texts};

fn version_link() -> VersionLink {
    VersionLink { model: text("churn"), version: 2, aliases: texts(&["champion"]) }
}

pub(crate) fn run_row(place: i64) -> RunRow {
    RunRow {
        id: format!("{:032x}", place * 7_919_191_919 + 11),
        name: text(
            ["judicious-vole-12", "bright-<i>kite</i>", "calm-otter-3", "brisk-hare-77"][place as usize % 4],
        ),
        experiment_id: text("1"),
        experiment: text("churn"),
        status: text(["FINISHED", "RUNNING", "FAILED", "FINISHED"][place as usize % 4]),
        state: [State::Ok, State::Working, State::Attention, State::Ok][place as usize % 4],
        started: Some(ago(place * 4000 + 30)),
        duration_ms: Some(2_140 + place * 311),
        user: text("ada"),
        metrics: BTreeMap::from([
            (text("roc_auc"), 0.8464 - place as f64 * 0.004),
            (text("average_precision"), 0.66),
            (text("log_loss"), 0.41),
            (text("accuracy"), 0.806),
        ]),
        params: BTreeMap::from([
            (text("trees"), (100 + place * 50).to_string()),
            (text("learning_rate"), text("0.1")),
        ]),
        tags: BTreeMap::from([(text("team"), text("<b>risk</b>"))]),
        deleted: false,
        versions: if place == 0 { vec![version_link()] } else { Vec::new() },
    }
}

pub(crate) fn runs() -> RunList {
    RunList {
        runs: (0..8).map(run_row).collect(),
        metrics: texts(&["accuracy", "average_precision", "log_loss", "roc_auc"]),
        params: texts(&["trees"]),
        experiments: vec![
            ExperimentRow { id: text("0"), name: text("Default") },
            ExperimentRow { id: text("1"), name: text("churn") },
        ],
        experiment: None,
        filter: text("metrics.roc_auc > 0.8"),
        order_by: text("metrics.roc_auc DESC"),
        error: None,
        fault: None,
        total: Some(1_234),
        offset: 0,
        next_offset: Some(100),
    }
}

pub(crate) fn run() -> RunDetail {
    let curve = |key: &str, offset: f64| MetricSeries {
        key: text(key),
        value: 0.41 + offset,
        points: (0..120)
            .map(|step| MetricPoint { step, value: 0.41 + offset + 0.28 * (-(step as f64) / 22.0).exp() })
            .collect(),
    };
    let single = |key: &str, value| MetricSeries {
        key: text(key),
        value,
        points: vec![MetricPoint { step: 0, value }],
    };
    let pair = |key: &str, value: &str| KeyValue { key: text(key), value: text(value) };
    RunDetail {
        id: text("0f3ac0de0f3ac0de0f3ac0de0f3ac0de"),
        name: text("judicious-vole-12"),
        experiment_id: text("1"),
        experiment: text("churn"),
        status: text("FINISHED"),
        state: State::Ok,
        started: Some(ago(300)),
        duration_ms: Some(2_140),
        user: text("ada"),
        metrics: vec![
            single("roc_auc", 0.8464),
            single("average_precision", 0.6612),
            single("accuracy", 0.8061),
            single("brier", 0.1342),
            curve("train_loss", -0.05),
            curve("validation_loss", 0.0),
        ],
        params: vec![
            pair("trees", "200"),
            pair("learning_rate", "0.1"),
            pair("seed", "42"),
            pair("note", "<script>"),
        ],
        tags: vec![pair(
            "lemnis.model_digest",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        )],
        note: Some(text("baseline")),
        artifacts: vec![
            ArtifactRow {
                path: text("model/MLmodel"),
                size_bytes: 812,
                href: text("/api/2.0/mlflow-artifacts/artifacts/1/x"),
            },
            ArtifactRow { path: text("model/model.onnx"), size_bytes: 341_812, href: text("/x") },
        ],
        artifacts_cut: false,
        parent: Some(text("<parent>")),
        children: vec![run_row(1)],
        deleted: false,
        datasets: vec![DatasetRow {
            name: text("train"),
            digest: text("a1b2c3d4e5f6"),
            context: Some(text("training")),
        }],
        lineage: Lineage {
            git_commit: Some(text("4b825dc642cb6eb9a060e54bf8d69288fbee4904")),
            data_digest: Some(text("md5:22a1a2931c8370d3aeedd7183606fd7f")),
            model_digest: Some(text(
                "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            )),
            versions: vec![version_link()],
        },
    }
}

pub(crate) fn model_row() -> ModelRow {
    let version = |version: u32, aliases: &[&str], gate: &str| VersionRow {
        version,
        aliases: texts(aliases),
        gate: text(gate),
        created: ago(4000 / i64::from(version)),
        run_id: Some(text("0f3ac0de0f3ac0de0f3ac0de0f3ac0de")),
        metrics: BTreeMap::from([
            (text("roc_auc"), 0.84 + f64::from(version) * 0.003),
            (text("log_loss"), 0.41),
        ]),
        model_digest: Some(text("sha256:9f86d081884c7d65")),
        data_digest: Some(text("md5:22a1a2931c8370d3")),
        git_commit: Some(text("4b825dc642cb6eb9")),
        serving: if version == 2 { vec![(text("churn"), 9000)] } else { Vec::new() },
    };
    ModelRow {
        name: text("churn"),
        description: Some(text("who leaves <next> month")),
        updated: ago(60),
        versions: vec![
            version(3, &["challenger"], "failed"),
            version(2, &["champion"], "passed"),
            version(1, &[], "passed"),
        ],
    }
}

pub(crate) fn model() -> ModelDetail {
    let check = |name: &str, passed, observed, threshold, detail: &str| CheckRow {
        name: text(name),
        passed,
        observed: Some(observed),
        threshold: Some(threshold),
        detail: text(detail),
    };
    let report = |version: u32, passed: bool, low: f64| GateRow {
        id: format!("gate-churn-{version}"),
        at: ago(100),
        challenger: Some(version),
        champion: Some(version - 1),
        passed,
        checks: vec![
            check("roc_auc >= 0.75", true, 0.8464, 0.75, "roc_auc is 0.8464"),
            check("roc_auc better than champion", passed, low, 0.0, "better by 0.0121, 95 % interval"),
        ],
        bootstrap: Some(BootstrapRow {
            metric: text("roc_auc"),
            champion: 0.8343,
            challenger: 0.8464,
            difference: low + 0.008,
            low,
            high: low + 0.019,
            margin: 0.0,
            p_better: 0.987,
            resamples: 1000,
            seed: 42,
            rows: 1409,
        }),
        holdout_digest: Some(text("sha256:aaaabbbbccccdddd")),
    };
    ModelDetail {
        model: model_row(),
        metric: Some(text("roc_auc")),
        rules: texts(&["roc_auc >= 0.75", "roc_auc better than champion, confidence 95 %"]),
        reports: vec![report(3, false, -0.004), report(2, true, 0.003)],
        runs: vec![run_row(0)],
    }
}

pub(crate) fn experiments() -> Vec<ExperimentLine> {
    vec![ExperimentLine {
        id: text("1"),
        name: text("churn <next>"),
        note: Some(text("<b>who leaves</b>")),
        runs: 12_345,
        created: ago(900_000),
        newest: Some(ago(30)),
    }]
}

pub(crate) fn comparison() -> RunComparison {
    RunComparison {
        runs: (0..3).map(run_row).collect(),
        missing: texts(&["<none>"]),
        metrics: texts(&["roc_auc", "log_loss"]),
        params: texts(&["trees", "learning_rate"]),
    }
}

pub(crate) fn preview() -> Previewed {
    let document = serde_json::json!({ "<i>": ["<script>", 1, null] });
    Previewed { size_bytes: 812, preview: Preview::Json(document) }
}

pub(crate) fn facts() -> Vec<Fact> {
    let fact = |section, name: &str, value: &str| Fact { section, name: text(name), value: text(value) };
    vec![
        fact("params", "trees", "200"),
        fact("signature", "input tenure", "double"),
        fact("environment", "<i>numpy</i>", "2.4"),
    ]
}

pub(crate) fn diff() -> Diff {
    let difference =
        Difference { section: "params", name: text("<i>trees"), from: Some(text("200")), to: None };
    Diff { model: text("churn"), from: 1, to: 2, differences: vec![difference], same: 12 }
}
