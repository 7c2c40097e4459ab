//! Read models of a project in full swing, for tests that render every page. Names carry markup on purpose.

mod endpoint;
mod tracking;

use lemnis_app::view::*;
use lemnis_app::why::{Link, Why};

use self::endpoint::drift_verdict;
pub(crate) use self::endpoint::{endpoint, endpoint_row};
pub(crate) use self::tracking::{comparison, diff, experiments, facts, model, model_row, preview, run, runs};

pub(crate) const NOW: i64 = 1_764_000_000_000;

pub(super) fn ago(seconds: i64) -> Moment {
    Moment(NOW - seconds * 1000)
}

pub(super) fn text(text: &str) -> String {
    text.to_owned()
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn station(key: StationKey, state: State, figure: &str) -> Station {
    Station {
        key,
        state,
        figure: text(figure),
        detail: format!("{}: {figure}", key.as_str()),
        href: text("/runs"),
    }
}

pub(crate) fn overview() -> Overview {
    use StationKey::*;
    Overview {
        project: text("churn <b>"),
        at: ago(0),
        stations: vec![
            station(Data, State::Ok, "3 tracked"),
            station(Validate, State::Ok, "42/42 hold"),
            station(Pipeline, State::Working, "retrain runs"),
            station(Runs, State::Ok, "4 runs"),
            station(Gate, State::Ok, "v2 passed"),
            station(Registry, State::Ok, "churn v2"),
            station(Deploy, State::Working, "v2 at 10 %"),
            station(Serve, State::Ok, "12 req/s · 0.4 ms p95"),
            station(Monitor, State::Attention, "drift 6/19"),
        ],
        build: Lobe { figure: text("0.8464"), caption: text("roc auc of the newest run") },
        operate: Lobe { figure: text("v1 · v2"), caption: text("churn serves 90 % · 10 %") },
        endpoints: vec![endpoint_row()],
        verdict: Some(drift_verdict()),
        active_flows: 1,
        events: events().events,
    }
}

pub(crate) fn empty_overview() -> Overview {
    Overview {
        stations: StationKey::ALL.into_iter().map(|key| station(key, State::Idle, "–")).collect(),
        build: Lobe::default(),
        operate: Lobe::default(),
        endpoints: Vec::new(),
        verdict: None,
        active_flows: 0,
        events: Vec::new(),
        ..overview()
    }
}

pub(crate) fn data() -> DataList {
    let stage = |name: &str, state, changed: &[&str]| StageRow {
        name: text(name),
        command: format!("lemnis {name} data/raw/churn.csv --out data/prepared"),
        deps: texts(&["data/raw/churn.csv", "data/feedback"]),
        outs: texts(&["data/prepared/train.parquet", "data/prepared/holdout.parquet"]),
        params: texts(&["prepare"]),
        state,
        changed: texts(changed),
    };
    let expectation = |passed, column: &str, sentence: &str, observed: &str| ExpectationRow {
        passed,
        column: Some(text(column)),
        sentence: text(sentence),
        observed: text(observed),
        unexpected: if passed { Vec::new() } else { texts(&["-4", "<none>"]) },
    };
    DataList {
        datasets: vec![
            Dataset {
                path: text("data/raw/churn.csv"),
                digest: Some(text("md5:22a1a2931c8370d3aeedd7183606fd7f")),
                size_bytes: Some(977_501),
                files: None,
                stage: None,
                state: State::Ok,
                validations: vec![Validation {
                    verdict: text("validation-1"),
                    at: ago(400),
                    passed: false,
                    summary: text("data/raw/churn.csv breaks 1 of 3 expectations"),
                    suite: text("checks/raw.yaml"),
                    held: 2,
                    total: 3,
                    results: vec![
                        expectation(false, "tenure", "values between 0 and 72", "2 of 7043 values (0.03 %)"),
                        expectation(true, "gender", "values in Female, Male", ""),
                        expectation(true, "Churn", "never missing", ""),
                    ],
                }],
            },
            Dataset {
                path: text("data/prepared/train.parquet"),
                digest: Some(text("md5:0011223344556677")),
                size_bytes: Some(120_000),
                files: Some(2),
                stage: Some(text("prepare")),
                state: State::Attention,
                validations: Vec::new(),
            },
        ],
        stages: vec![
            stage("prepare", State::Ok, &[]),
            stage("train", State::Attention, &["data/feedback"]),
            stage("evaluate", State::Idle, &[]),
        ],
    }
}

pub(crate) fn flows() -> FlowList {
    let run = |status: &str, state, seconds| FlowRow {
        id: format!("flow-{status}"),
        flow: text("retrain"),
        status: text(status),
        state,
        trigger: serde_json::json!({ "verdict": "drift-5" }),
        because: text("drift verdict drift-5: 6 of 19 features drifted"),
        trigger_href: Some(text("/endpoints/churn#drift")),
        attempt: 1,
        max_attempts: 3,
        command: text("lemnis retrain churn --verdict drift-5"),
        created: ago(seconds),
        started: Some(ago(seconds)),
        ended: None,
        duration_ms: Some(6_210),
        error: (status == "failed").then(|| text("exit code 1: the gate does not let version 3 through")),
        log_tail: texts(&["prepare: ran in 0.4 s", "train: <ran> in 1.9 s"]),
    };
    FlowList { flow_runs: vec![run("running", State::Working, 8), run("failed", State::Attention, 900)] }
}

pub(crate) fn events() -> EventList {
    let event = |seconds, kind: &str, subject: &str, state, data| EventRow {
        id: format!("{kind}/{seconds}"),
        at: ago(seconds),
        actor: text("lemnis"),
        kind: text(kind),
        subject: text(subject),
        href: Some(format!("/{}s/churn", subject.split('/').next().unwrap_or_default())),
        state,
        data,
    };
    EventList {
        events: vec![
            event(
                12,
                "rollout.advanced",
                "endpoint/churn",
                State::Ok,
                serde_json::json!({"version": 2, "weight_bp": 1000}),
            ),
            event(
                40,
                "gate.passed",
                "model/churn",
                State::Ok,
                serde_json::json!({"version": 2, "report": "gate-churn-2"}),
            ),
            event(
                74,
                "drift.detected",
                "endpoint/churn",
                State::Attention,
                serde_json::json!({"drifted": 6, "<b>": "<i>"}),
            ),
            event(300, "version.registered", "model/churn", State::Ok, serde_json::json!({"version": 1})),
        ],
        subject: None,
    }
}

pub(crate) fn why() -> Why {
    let link = |what, title: &str, facts: &[(&str, &str)], href: Option<&str>| Link {
        what,
        title: text(title),
        facts: facts.iter().map(|(name, value)| (text(name), text(value))).collect(),
        at_ms: Some(NOW - 90_000),
        href: href.map(str::to_owned),
    };
    Why {
        name: text("churn"),
        model: text("churn"),
        version: Some(2),
        links: vec![
            link(
                "endpoint",
                "churn answers with version 2 100 %",
                &[("version 2", "412 requests, 0 errors")],
                Some("/endpoints/churn"),
            ),
            link(
                "version",
                "churn version 2, alias champion",
                &[("model", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")],
                Some("/models/churn"),
            ),
            link(
                "gate",
                "gate passed, against version 1",
                &[
                    ("roc_auc >= 0.75", "roc_auc is 0.8464"),
                    (
                        "roc_auc better than champion",
                        "0.8464 against 0.8343 of champion: better by 0.0121, 95 % interval [0.0030, 0.0220] lies above 0",
                    ),
                ],
                None,
            ),
            link(
                "run",
                "run judicious-vole-12",
                &[("metrics", "roc_auc 0.8464, accuracy 0.8061"), ("params", "trees=200, seed=42")],
                Some("/runs/0f3ac0de"),
            ),
            link("code", "Git commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904", &[], None),
            link(
                "training data",
                "trained on <md5:22a1a2931c8370d3aeedd7183606fd7f>",
                &[("datasets", "")],
                Some("/data"),
            ),
            link("last verdict", "6 of 19 features drifted", &[("verdict", "drift-5")], None),
        ],
    }
}
