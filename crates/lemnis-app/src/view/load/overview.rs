//! The stations of the loop, each from the port that knows it.

use lemnis_data::Repo;
use lemnis_flow::{FlowRun, FlowState};
use lemnis_quality::{Verdict, VerdictKind};
use lemnis_tracking::{
    ExperimentSearch, GateReport, ModelSearch, RegisteredModel, Run, RunSearch, RunStatus,
};

use super::{blocking, endpoints, event_row, project_name, settings, trimmed};
use crate::model::CHAMPION;
use crate::view::{EndpointRow, Lobe, Moment, Overview, State, Station, StationKey};
use crate::{App, Context, Error, Settings};

/// Runs that the overview counts before it says "more".
const COUNTED_RUNS: usize = 50;
/// Events on the overview.
const EVENTS: usize = 10;

/// The whole loop at a glance.
pub async fn overview(app: &App) -> Result<Overview, Error> {
    let (settings, broken) = settings(app);
    let stages = stages(app).await;
    let validations = app
        .verdicts
        .latest(None, Some(VerdictKind::Validation), 50)
        .await
        .context("looking for validations")?;
    let (runs, more_runs) = newest_runs(app).await?;
    let reports = app.gate_reports.latest(None, 1).await.context("looking for gate reports")?;
    let models =
        app.registry.search_models(&ModelSearch::default()).await.context("looking for models")?.items;
    let flows = app.queue.list(20).await.context("looking for flow runs")?;
    let endpoints = endpoints::rows(app, settings.as_ref()).await?;
    let events = app.events.latest(None, EVENTS).await.context("looking for events")?;

    let stations = vec![
        data(&stages),
        validate(&validations),
        pipeline(&stages, &flows, broken.as_deref()),
        run_station(&runs, more_runs),
        gate(reports.first()),
        registry(&models),
        deploy(&endpoints),
        serve(&endpoints),
        monitor(&endpoints),
    ];
    let verdict = endpoints
        .iter()
        .flat_map(|endpoint| endpoint.drift.iter().chain(&endpoint.performance))
        .max_by_key(|verdict| (verdict.state == State::Attention, verdict.at))
        .cloned();
    Ok(Overview {
        project: project_name(app, settings.as_ref()),
        at: Moment(app.clock.now_ms()),
        build: build(&runs, settings.as_ref()),
        operate: operate(&endpoints),
        stations,
        verdict,
        active_flows: flows.iter().filter(|run| !run.state.is_final()).count(),
        endpoints,
        events: events.into_iter().map(event_row).collect(),
    })
}

/// What the repository holds: tracked files and stages, and how many of the stages have outputs on record.
struct Stages {
    tracked: usize,
    stages: usize,
    made: usize,
    broken: Option<String>,
}

async fn stages(app: &App) -> Stages {
    let root = app.project.root().to_path_buf();
    let environment = app.environment.clone();
    let read = blocking(move || {
        if !root.join(".dvc").is_dir() {
            return Ok(Vec::new());
        }
        let repo = Repo::discover(&root, &environment).context("opening the data repository")?;
        Ok(lemnis_data::pipeline(&repo).context("reading the pipeline")?.stages)
    });
    match read.await {
        Ok(stages) => {
            let (tracked, staged): (Vec<_>, Vec<_>) = stages.iter().partition(|stage| stage.cmd.is_empty());
            let made =
                staged.iter().filter(|stage| stage.outs.iter().all(|out| out.digest.is_some())).count();
            Stages { tracked: tracked.len(), stages: staged.len(), made, broken: None }
        }
        Err(error) => Stages { tracked: 0, stages: 0, made: 0, broken: Some(error.to_string()) },
    }
}

async fn newest_runs(app: &App) -> Result<(Vec<Run>, bool), Error> {
    let experiments =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let search = RunSearch {
        limit: COUNTED_RUNS,
        ..RunSearch::new(experiments.items.iter().map(|experiment| experiment.experiment_id).collect())
    };
    let page = app.runs.search(&search).await.context("looking for runs")?;
    Ok((page.items, page.next_offset.is_some()))
}

fn station(
    key: StationKey,
    state: State,
    figure: impl Into<String>,
    detail: impl Into<String>,
    href: &str,
) -> Station {
    Station { key, state, figure: figure.into(), detail: detail.into(), href: href.to_owned() }
}

fn data(stages: &Stages) -> Station {
    let key = StationKey::Data;
    match stages.tracked {
        0 => station(key, State::Idle, "none yet", "no data is versioned: lemnis add PATH", "/data"),
        count => station(
            key,
            State::Ok,
            format!("{count} versioned"),
            format!("{count} files or folders are versioned"),
            "/data",
        ),
    }
}

fn validate(verdicts: &[Verdict]) -> Station {
    let key = StationKey::Validate;
    // Newest first: the first verdict of each subject is the one that counts.
    let mut seen: Vec<&Verdict> = Vec::new();
    for verdict in verdicts {
        if !seen.iter().any(|known| known.subject == verdict.subject) {
            seen.push(verdict);
        }
    }
    if seen.is_empty() {
        return station(key, State::Idle, "no check", "no data was checked: lemnis validate", "/data");
    }
    let count = |name: &str| -> u64 {
        seen.iter().filter_map(|verdict| verdict.report["statistics"][name].as_u64()).sum()
    };
    let (held, all) = (count("successful_expectations"), count("evaluated_expectations"));
    let state = if held == all { State::Ok } else { State::Attention };
    let detail = seen.iter().map(|verdict| verdict.summary.as_str()).collect::<Vec<_>>().join("; ");
    station(key, state, format!("{held}/{all} hold"), detail, "/data")
}

fn pipeline(stages: &Stages, flows: &[FlowRun], broken: Option<&str>) -> Station {
    let key = StationKey::Pipeline;
    if let Some(error) = broken {
        return station(key, State::Attention, "lemnis.yaml is broken", error, "/data#pipeline");
    }
    if let Some(error) = &stages.broken {
        return station(key, State::Attention, "cannot be read", error.as_str(), "/data#pipeline");
    }
    if let Some(run) = flows.iter().find(|run| !run.state.is_final()) {
        let word = if run.state == FlowState::Running { "runs" } else { "waits" };
        return station(key, State::Working, format!("{} {word}", run.flow), run.command.join(" "), "/flows");
    }
    if let Some(run) = flows.first().filter(|run| run.state == FlowState::Failed) {
        return station(
            key,
            State::Attention,
            format!("{} failed", run.flow),
            run.error.clone().unwrap_or_default(),
            "/flows",
        );
    }
    match stages.stages {
        0 => station(key, State::Idle, "no stages", "dvc.yaml has no stages yet", "/data#pipeline"),
        count if stages.made == count => station(
            key,
            State::Ok,
            format!("{count} stages ran"),
            "dvc.lock records every stage",
            "/data#pipeline",
        ),
        count => station(
            key,
            State::Idle,
            format!("{} of {count} ran", stages.made),
            "lemnis repro runs the others",
            "/data#pipeline",
        ),
    }
}

fn run_station(runs: &[Run], more: bool) -> Station {
    let key = StationKey::Runs;
    let running = runs.iter().filter(|run| run.info.status == RunStatus::Running).count();
    let Some(newest) = runs.first() else {
        return station(key, State::Idle, "none yet", "no run was logged yet", "/runs");
    };
    let detail = format!("the newest is {}", newest.info.run_name);
    if running > 0 {
        return station(key, State::Working, format!("{running} running"), detail, "/runs");
    }
    let count = if more { format!("over {} runs", runs.len()) } else { plural(runs.len(), "run") };
    let state = if newest.info.status == RunStatus::Failed { State::Attention } else { State::Ok };
    station(key, state, count, detail, "/runs")
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn gate(report: Option<&GateReport>) -> Station {
    let key = StationKey::Gate;
    let Some(report) = report else {
        return station(key, State::Idle, "not used", "no version went through a gate yet", "/models");
    };
    let version = report.challenger_version.map_or_else(String::new, |version| format!("v{version} "));
    let checks = report.checks.iter().map(|check| check.detail.as_str()).collect::<Vec<_>>().join("; ");
    let href = format!("/models/{}#{}", super::segment(&report.model), super::segment(&report.id));
    if report.passed {
        station(key, State::Ok, format!("{version}passed"), checks, &href)
    } else {
        station(key, State::Attention, format!("{version}held back"), checks, &href)
    }
}

fn registry(models: &[RegisteredModel]) -> Station {
    let key = StationKey::Registry;
    match models {
        [] => station(key, State::Idle, "no model", "no model is registered yet", "/models"),
        [only] => {
            let href = format!("/models/{}", super::segment(&only.name));
            match only.alias(CHAMPION) {
                Some(version) => {
                    let detail = format!("{} version {version} is the champion", only.name);
                    station(key, State::Ok, format!("{} v{version}", only.name), detail, &href)
                }
                None => station(
                    key,
                    State::Ok,
                    only.name.as_str(),
                    format!("{} has no champion yet", only.name),
                    &href,
                ),
            }
        }
        many => {
            let names = many.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
            station(key, State::Ok, plural(many.len(), "model"), names, "/models")
        }
    }
}

fn page_of(endpoints: &[EndpointRow]) -> String {
    match endpoints {
        [only] => format!("/endpoints/{}", super::segment(&only.name)),
        _ => "/endpoints".to_owned(),
    }
}

fn deploy(endpoints: &[EndpointRow]) -> Station {
    let key = StationKey::Deploy;
    let href = page_of(endpoints);
    let mut rollouts: Vec<_> = endpoints.iter().filter_map(|row| row.rollout.as_ref()).collect();
    rollouts.sort_by_key(|rollout| rollout.history.last().map(|step| step.at));
    let Some(rollout) = rollouts.iter().find(|one| one.state == "progressing").or(rollouts.last()) else {
        let deployed = endpoints.iter().filter(|row| !row.split.is_empty()).count();
        return match deployed {
            0 => station(key, State::Idle, "none yet", "no version is deployed: lemnis deploy NAME", &href),
            count => station(key, State::Ok, format!("{count} deployed"), "each with all its traffic", &href),
        };
    };
    let version = rollout.to_version;
    let detail = rollout.history.last().map(|step| step.what.clone()).unwrap_or_default();
    match rollout.state.as_str() {
        "progressing" => {
            let weight = trimmed(f64::from(rollout.weight_bp) / 100.0);
            station(key, State::Working, format!("v{version} at {weight} %"), detail, &href)
        }
        "promoted" => station(key, State::Ok, format!("v{version} took over"), detail, &href),
        "aborted" => {
            let reason = rollout.reason.clone().unwrap_or(detail);
            station(key, State::Attention, format!("v{version} taken back"), reason, &href)
        }
        other => station(key, State::Ok, format!("v{version} {other}"), detail, &href),
    }
}

fn serve(endpoints: &[EndpointRow]) -> Station {
    let key = StationKey::Serve;
    let href = page_of(endpoints);
    let live: Vec<&EndpointRow> = endpoints.iter().filter(|row| !row.split.is_empty()).collect();
    let Some(busiest) = live.iter().max_by_key(|row| row.requests) else {
        return station(key, State::Idle, "nothing", "nothing serves yet", &href);
    };
    let versions =
        busiest.split.iter().map(|arm| format!("v{}", arm.version)).collect::<Vec<_>>().join(" · ");
    let figure = match busiest.p95_us {
        Some(p95) => format!("{versions} · {} ms p95", trimmed((p95 as f64 / 10.0).round() / 100.0)),
        None => versions,
    };
    let (requests, errors) = live.iter().fold((0, 0), |sum, row| (sum.0 + row.requests, sum.1 + row.errors));
    let state = if errors * 100 > requests { State::Attention } else { State::Ok };
    station(
        key,
        state,
        figure,
        format!("{requests} requests, {errors} errors since the server started"),
        &href,
    )
}

fn monitor(endpoints: &[EndpointRow]) -> Station {
    let key = StationKey::Monitor;
    let newest = endpoints
        .iter()
        .flat_map(|row| row.drift.iter().chain(&row.performance))
        .max_by_key(|verdict| (verdict.state == State::Attention, verdict.at));
    let Some(verdict) = newest else {
        return station(
            key,
            State::Idle,
            "no verdict",
            "nothing was monitored yet: lemnis drift ENDPOINT",
            "/endpoints",
        );
    };
    let href = format!("{}#drift", verdict.href.clone().unwrap_or_else(|| "/endpoints".to_owned()));
    let drifted = endpoints.iter().filter_map(|row| row.drift.as_ref()).find(|one| one.id == verdict.id);
    let figure = match (drifted.and_then(counts), verdict.state) {
        (Some(counts), State::Attention) => format!("drift {counts}"),
        (Some(counts), _) => format!("{counts} drifted"),
        (None, State::Attention) => format!("{} fell", verdict.kind),
        (None, State::Idle) => "too few rows".to_owned(),
        (None, _) => format!("{} fine", verdict.kind),
    };
    station(key, verdict.state, figure, verdict.summary.clone(), &href)
}

/// `6/19` from a sentence that says `6 of 19 columns drifted`.
fn counts(verdict: &crate::view::VerdictRow) -> Option<String> {
    let words: Vec<&str> = verdict.summary.split_whitespace().collect();
    words.windows(3).find_map(|three| {
        let numbers = three[0].parse::<u32>().is_ok() && three[2].parse::<u32>().is_ok();
        (three[1] == "of" && numbers).then(|| format!("{}/{}", three[0], three[2]))
    })
}

fn build(runs: &[Run], settings: Option<&Settings>) -> Lobe {
    let wanted =
        settings.and_then(|settings| settings.models.values().next()).map(|model| model.metric.as_str());
    let names = wanted.into_iter().chain(["roc_auc", "accuracy", "f1", "rmse", "mae", "loss"]);
    for name in names {
        if let Some(run) = runs.iter().find(|run| run.metric(name).is_some_and(f64::is_finite)) {
            let value = run.metric(name).unwrap_or_default();
            let which = if runs.first().is_some_and(|first| first.info.run_id == run.info.run_id) {
                "of the newest run"
            } else {
                "of the last run that has it"
            };
            return Lobe { figure: trimmed(value), caption: format!("{} {which}", name.replace('_', " ")) };
        }
    }
    Lobe { figure: "–".to_owned(), caption: "no run yet".to_owned() }
}

fn operate(endpoints: &[EndpointRow]) -> Lobe {
    let live: Vec<&EndpointRow> = endpoints.iter().filter(|row| !row.split.is_empty()).collect();
    match live.as_slice() {
        [] => Lobe { figure: "–".to_owned(), caption: "nothing serves yet".to_owned() },
        [only] => {
            let versions =
                only.split.iter().map(|arm| format!("v{}", arm.version)).collect::<Vec<_>>().join(" · ");
            let shares = only
                .split
                .iter()
                .map(|arm| format!("{} %", trimmed(f64::from(arm.weight_bp) / 100.0)))
                .collect::<Vec<_>>()
                .join(" · ");
            let caption = match only.split.len() {
                1 => format!("{}, all traffic", only.name),
                _ => format!("{}, {shares}", only.name),
            };
            Lobe { figure: versions, caption }
        }
        many => Lobe { figure: many.len().to_string(), caption: "endpoints serve".to_owned() },
    }
}
