//! The sections of `dvc.yaml` beside the stages: their shape, checked before anything is used.

use crate::error::Result;
use crate::stage::{self, At, fields};
use crate::yaml::{Kind, Node, Value};

const ARTIFACT: [&str; 5] = ["path", "desc", "type", "labels", "meta"];
const PLOT: [&str; 6] = ["x", "y", "x_label", "y_label", "title", "template"];

/// Refuses malformed `params`, `metrics`, `plots`, `artifacts` and `datasets`.
pub(super) fn check(root: &Node, file: &str) -> Result<()> {
    for section in ["params", "metrics"] {
        for item in list(root, section, file)? {
            stage::text(item, file, &format!("an entry of '{section}'"))?;
        }
    }
    for item in list(root, "plots", file)? {
        match &item.kind {
            Kind::Map(plots) => {
                for (id, (_, settings)) in plots.iter().filter(|(_, (_, settings))| !settings.is_null()) {
                    let what = format!("the plot '{}'", id.text);
                    for (key, value, _) in fields(settings, file, &what, &PLOT)? {
                        columns(key, value, file)?;
                    }
                }
            }
            _ => drop(stage::text(item, file, "a plot")?),
        }
    }
    if let Some(artifacts) = root.get("artifacts") {
        let Kind::Map(members) = &artifacts.kind else {
            let message = format!("'artifacts' must be a mapping, not {}", artifacts.type_name());
            return Err(At { file, line: artifacts.line }.error(message));
        };
        for (name, (key, artifact)) in members {
            let what = format!("the artifact '{}'", name.text);
            for (key, value, _) in fields(artifact, file, &what, &ARTIFACT)? {
                stage::annotation(key, value, file)?;
            }
            let Some(path) = artifact.get("path") else {
                return Err(At { file, line: key.line }.error(format!("{what} has no 'path'")));
            };
            stage::text(path, file, "'path'")?;
        }
    }
    let datasets = root.get("datasets").filter(|node| matches!(node.kind, Kind::Seq(_)));
    for dataset in datasets.map(|list| stage::list(list, file, "'datasets'")).transpose()?.unwrap_or_default()
    {
        for key in ["name", "type"] {
            let at = At { file, line: dataset.line };
            let value = dataset.get(key).map(Node::to_value);
            if !matches!(value, Some(Value::Str(_))) {
                return Err(at.error(format!("a dataset needs a '{key}', which is a string")));
            }
        }
    }
    Ok(())
}

/// A setting of a plot: text; `x` also one column a file, `y` several columns, in all or by file.
fn columns(key: &str, value: &Node, file: &str) -> Result<()> {
    let what = format!("'{key}' of a plot");
    let each = |value: &Node| match &value.kind {
        Kind::Seq(names) if key == "y" => {
            names.iter().try_for_each(|name| stage::text(name, file, &what).map(drop))
        }
        _ => stage::text(value, file, &what).map(drop),
    };
    match &value.kind {
        Kind::Map(by_file) if key == "x" || key == "y" => {
            by_file.values().try_for_each(|(_, value)| each(value))
        }
        _ => each(value),
    }
}

fn list<'n>(root: &'n Node, section: &str, file: &str) -> Result<&'n [Node]> {
    match root.get(section) {
        Some(node) => stage::list(node, file, &format!("'{section}'")),
        None => Ok(&[]),
    }
}
