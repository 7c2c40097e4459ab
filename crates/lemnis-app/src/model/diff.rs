//! What differs between two versions: data, code, params, metrics, signature, environment.

use std::collections::BTreeMap;

use lemnis_core::{Action, Principal};
use lemnis_tracking::{ModelVersion, Run};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::gate::version;
use super::{DATA_DIGEST, GIT_COMMIT, MODEL_DIGEST};
use crate::lineage::stage_run_of;
use crate::{App, Context, Error, artifact, authorise};

/// Two versions side by side.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Diff {
    /// The registered model's name.
    pub model: String,
    /// One version.
    pub from: u32,
    /// The other.
    pub to: u32,
    /// What differs, section by section.
    pub differences: Vec<Difference>,
    /// How many facts are the same in both.
    pub same: usize,
}

/// One fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Difference {
    /// `data`, `code`, `params`, `metrics`, `signature`, `environment` or `model`.
    pub section: &'static str,
    /// What it is called in its section.
    pub name: String,
    /// Its value in the one version; none where it has none.
    pub from: Option<String>,
    /// Its value in the other.
    pub to: Option<String>,
}

/// One fact about a version.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fact {
    /// `data`, `code`, `params`, `metrics`, `signature`, `environment` or `model`.
    pub section: &'static str,
    /// What it is called in its section.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is known of version `number` of `model`, section by section.
pub async fn facts_of(app: &App, who: &Principal, model: &str, number: u32) -> Result<Vec<Fact>, Error> {
    authorise(who, Action::Read)?;
    let facts = facts(app, &version(app, model, number).await?).await?;
    let fact = |((section, name), value)| Fact { section: SECTIONS[section], name, value };
    Ok(facts.into_iter().map(fact).collect())
}

/// Facts of a version, by section and name. The sections' order is the order of [`Difference`]s.
type Facts = BTreeMap<(usize, String), String>;

const SECTIONS: [&str; 7] = ["data", "code", "params", "metrics", "signature", "environment", "model"];
const DATA: usize = 0;
const CODE: usize = 1;
const PARAMS: usize = 2;
const METRICS: usize = 3;
const SIGNATURE: usize = 4;
const ENVIRONMENT: usize = 5;
const MODEL: usize = 6;

/// Compares versions `from` and `to` of `model`.
pub async fn diff(app: &App, who: &Principal, model: &str, from: u32, to: u32) -> Result<Diff, Error> {
    authorise(who, Action::Read)?;
    let before = facts(app, &version(app, model, from).await?).await?;
    let after = facts(app, &version(app, model, to).await?).await?;
    let (differences, same) = compare(before, after);
    Ok(Diff { model: model.to_owned(), from, to, differences, same })
}

fn compare(mut before: Facts, after: Facts) -> (Vec<Difference>, usize) {
    let mut merged: BTreeMap<(usize, String), (Option<String>, Option<String>)> = BTreeMap::new();
    for (key, value) in after {
        merged.insert(key.clone(), (before.remove(&key), Some(value)));
    }
    merged.extend(before.into_iter().map(|(key, value)| (key, (Some(value), None))));
    let all = merged.len();
    let differences: Vec<Difference> = merged
        .into_iter()
        .filter(|(_, (from, to))| from != to)
        .map(|((section, name), (from, to))| Difference { section: SECTIONS[section], name, from, to })
        .collect();
    let same = all - differences.len();
    (differences, same)
}

async fn facts(app: &App, version: &ModelVersion) -> Result<Facts, Error> {
    let mut facts = Facts::new();
    let mut add = |section: usize, name: &str, value: Option<&str>| {
        if let Some(value) = value {
            facts.insert((section, name.to_owned()), value.to_owned());
        }
    };
    add(DATA, "training data", version.tag(DATA_DIGEST));
    add(CODE, "commit", version.tag(GIT_COMMIT));
    add(MODEL, "digest", version.tag(MODEL_DIGEST));
    let run = match &version.run_id {
        Some(id) => app.runs.get(id).await.context("looking for the run")?,
        None => None,
    };
    if let Some(run) = &run {
        of_run(run, &mut facts);
        if let Some(stage) = stage_run_of(app, run).await? {
            for dep in stage.deps {
                let digest =
                    dep.digest.map_or_else(|| "not recorded".to_owned(), |digest| digest.to_string());
                facts.insert((DATA, dep.path), digest);
            }
            for (name, value) in stage.environment.as_object().into_iter().flatten() {
                facts.insert((ENVIRONMENT, name.clone()), text(value));
            }
        }
    }
    // A version without these files has no such facts.
    if let Ok(bytes) = artifact::read(app, &format!("{}/MLmodel", version.artifact_uri())).await {
        of_mlmodel(&String::from_utf8_lossy(&bytes), &mut facts);
    }
    if let Ok(bytes) = artifact::read(app, &format!("{}/requirements.txt", version.artifact_uri())).await {
        of_requirements(&String::from_utf8_lossy(&bytes), &mut facts);
    }
    Ok(facts)
}

fn of_run(run: &Run, facts: &mut Facts) {
    for param in &run.params {
        facts.insert((PARAMS, param.key.clone()), param.value.clone());
    }
    for metric in &run.metrics {
        facts.insert((METRICS, metric.key.clone()), metric.value.to_string());
    }
    for input in &run.dataset_inputs {
        facts.insert((DATA, format!("dataset {}", input.dataset.name)), input.dataset.digest.clone());
    }
    let source = [("source", "mlflow.source.name"), ("commit", "mlflow.source.git.commit")];
    for (name, tag) in source {
        if let Some(value) = run.tag(tag) {
            facts.entry((CODE, name.to_owned())).or_insert_with(|| value.to_owned());
        }
    }
}

/// The signature, a line for each column, and the versions that the flavors name.
fn of_mlmodel(text_of_file: &str, facts: &mut Facts) {
    let Ok(file) = serde_saphyr::from_str::<Value>(text_of_file) else { return };
    for side in ["inputs", "outputs"] {
        let columns =
            file["signature"][side].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        for (place, column) in columns.iter().flat_map(|columns| columns.as_array()).flatten().enumerate() {
            let name = column["name"].as_str().map_or_else(|| place.to_string(), str::to_owned);
            let mut kind = text(&column["type"]);
            if column["required"] == false {
                kind.push_str(", optional");
            }
            facts.insert((SIGNATURE, format!("{} {name}", side.trim_end_matches('s'))), kind);
        }
    }
    for (flavor, fields) in file["flavors"].as_object().into_iter().flatten() {
        for (name, value) in fields.as_object().into_iter().flatten() {
            if name.ends_with("_version") {
                facts.insert((ENVIRONMENT, format!("{flavor} {name}")), text(value));
            }
        }
    }
}

/// `name==1.2` as the name and what follows it.
fn of_requirements(text: &str, facts: &mut Facts) {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for line in lines.filter(|line| !line.is_empty()) {
        let end = line.find(['=', '<', '>', '~', '!', ';', ' ', '@']).unwrap_or(line.len());
        let (name, wanted) = line.split_at(end);
        facts.insert((ENVIRONMENT, name.to_lowercase()), wanted.trim_start_matches("==").trim().to_owned());
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(entries: &[(usize, &str, &str)]) -> Facts {
        entries.iter().map(|(section, name, value)| ((*section, (*name).into()), (*value).into())).collect()
    }

    #[test]
    fn facts_of_either_side_are_compared_in_the_order_of_sections() {
        let before = facts(&[(PARAMS, "lr", "0.1"), (DATA, "raw", "md5:1"), (PARAMS, "gone", "1")]);
        let after = facts(&[(PARAMS, "lr", "0.2"), (DATA, "raw", "md5:1"), (METRICS, "auc", "0.8")]);
        let (differences, same) = compare(before, after);
        let seen: Vec<(&str, &str, Option<&str>, Option<&str>)> = differences
            .iter()
            .map(|one| (one.section, one.name.as_str(), one.from.as_deref(), one.to.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("params", "gone", Some("1"), None),
                ("params", "lr", Some("0.1"), Some("0.2")),
                ("metrics", "auc", None, Some("0.8")),
            ]
        );
        assert_eq!(same, 1);
    }

    #[test]
    fn signature_and_environment_come_from_the_models_files() {
        let mut found = Facts::new();
        of_mlmodel(
            "flavors:\n  sklearn:\n    sklearn_version: 1.9.1\n    code: null\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"x\", \"required\": false}]'\n  outputs: '[{\"type\": \"tensor\"}]'\n",
            &mut found,
        );
        of_requirements("# made by hand\nNumpy==2.4.6\npandas>=2 ; python_version > '3'\n\n", &mut found);
        let wanted = facts(&[
            (SIGNATURE, "input x", "double, optional"),
            (SIGNATURE, "output 0", "tensor"),
            (ENVIRONMENT, "sklearn sklearn_version", "1.9.1"),
            (ENVIRONMENT, "numpy", "2.4.6"),
            (ENVIRONMENT, "pandas", ">=2 ; python_version > '3'"),
        ]);
        assert_eq!(found, wanted);
    }
}
