//! Finds the plots of a revision and reads their points.

use std::path::{Path, PathBuf};

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{PlotOptions, Plots};
use crate::contents::Contents;
use crate::error::Result;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::OutKind;
use crate::yaml::{Map, Value};
use crate::{datafile, declared, fsx};

const IMAGES: [&str; 8] = ["bmp", "gif", "jpeg", "jpg", "png", "svg", "tif", "tiff"];

type Point = JsonMap<String, Json>;

/// Adds the plots of `repo` as it is at `revision`.
pub(super) fn collect(
    repo: &Repo,
    index: &Index,
    revision: &str,
    options: &PlotOptions,
    out: &mut Plots,
) -> Result<()> {
    let contents = Contents::new(repo, index);
    let mut found: Vec<(String, PathBuf, Map)> = Vec::new();
    for file in &index.pipelines {
        let declared = declared::read(repo, file)?;
        let dir = file.parent().unwrap_or(Path::new("/")).to_path_buf();
        for (id, properties) in declared.plots {
            if matches!(properties.get("y"), Some(Value::Map(_))) {
                found.push((id, dir.clone(), properties));
                continue;
            }
            for path in files(&contents, &fsx::normalize(&dir, Path::new(&id)))? {
                found.push((repo.show(&path), dir.clone(), properties.clone()));
            }
        }
    }
    let outs = index.stages.iter().flat_map(|stage| &stage.outs).filter(|out| out.kind == OutKind::Plot);
    for one in outs {
        for path in files(&contents, &one.path)? {
            found.push((repo.show(&path), repo.cwd().to_path_buf(), one.drawing.clone()));
        }
    }
    let wanted = |id: &str| {
        let targets = &options.targets;
        targets.is_empty()
            || targets.iter().any(|target| id == target || id.starts_with(&format!("{target}/")))
    };
    found.retain(|(id, ..)| wanted(id));
    for target in &options.targets {
        let path = fsx::normalize(repo.cwd(), Path::new(target));
        if !found.iter().any(|(id, ..)| id == target) && repo.has(&path)? {
            for path in files(&contents, &path)? {
                found.push((repo.show(&path), repo.cwd().to_path_buf(), Map::new()));
            }
        }
    }
    for (id, dir, mut properties) in found {
        for (name, value) in &options.properties {
            properties.insert(name.as_str().into(), Value::from(value.as_str()));
        }
        add(&contents, revision, &id, &dir, &properties, out)?;
    }
    Ok(())
}

fn files(contents: &Contents<'_>, path: &Path) -> Result<Vec<PathBuf>> {
    let found = contents.find(path)?;
    Ok(if found.is_empty() { vec![path.to_path_buf()] } else { found })
}

fn add(
    contents: &Contents<'_>,
    revision: &str,
    id: &str,
    dir: &Path,
    properties: &Map,
    out: &mut Plots,
) -> Result<()> {
    let plot = out.plots.entry(id.to_owned()).or_default();
    if plot.revisions.iter().any(|known| known == revision) {
        return Ok(());
    }
    let text = |name: &str| properties.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut series: Vec<(PathBuf, Vec<String>)> = Vec::new();
    match properties.get("y") {
        Some(Value::Map(files)) => {
            for (file, fields) in files {
                series.push((fsx::normalize(dir, Path::new(&file.text)), names(fields)));
            }
        }
        other => {
            let path = fsx::normalize(contents.repo.cwd(), Path::new(id));
            series.push((path, other.map(names).unwrap_or_default()));
        }
    }
    let x = match properties.get("x") {
        Some(Value::Map(files)) => files.values().next().and_then(Value::as_str).map(str::to_owned),
        Some(Value::Str(name)) => Some(name.clone()),
        _ => None,
    };
    let header = !matches!(properties.get("header"), Some(Value::Bool(false)));
    let several = series.len() > 1 || series.iter().any(|(_, fields)| fields.len() > 1);
    let mut y_name = String::new();
    let before = plot.points.len() + plot.images.len();
    for (path, fields) in series {
        let mut failed = |kind: &str, message: String| {
            let source = contents.repo.show(&path);
            out.errors
                .push(json!({"name": id, "rev": revision, "source": source, "type": kind, "msg": message}));
        };
        let Some(bytes) = contents.read(&path)? else {
            failed("FileNotFoundError", format!("{} is not there", contents.repo.show(&path)));
            continue;
        };
        let extension =
            path.extension().and_then(|text| text.to_str()).unwrap_or_default().to_ascii_lowercase();
        if IMAGES.contains(&extension.as_str()) {
            plot.images.push((revision.to_owned(), extension, bytes));
            continue;
        }
        let rows = match rows(&path, &contents.repo.show(&path), &extension, bytes, header) {
            Ok(rows) => rows,
            Err(message) => {
                failed("PlotMetricTypeError", message);
                continue;
            }
        };
        let fields = match fields.is_empty() {
            false => fields,
            true => rows
                .first()
                .and_then(|row| row.keys().rev().find(|key| Some(*key) != x.as_ref()))
                .cloned()
                .into_iter()
                .collect(),
        };
        for field in &fields {
            y_name = if several { "dvc_inferred_y_value".into() } else { field.clone() };
            for (step, row) in rows.iter().enumerate() {
                let Some(value) = row.get(field) else { continue };
                let mut point = row.clone();
                if x.is_none() {
                    point.insert("step".into(), step.into());
                }
                if several {
                    point.insert("dvc_inferred_y_value".into(), value.clone());
                    point.insert("field".into(), field.as_str().into());
                    point.insert("filename".into(), contents.repo.show(&path).into());
                }
                point.insert("rev".into(), revision.into());
                plot.points.push(point);
            }
        }
        if plot.y_label.is_empty() {
            plot.y_label =
                text("y_label").unwrap_or_else(|| if several { "y".into() } else { fields.join(", ") });
        }
    }
    if plot.points.len() + plot.images.len() > before {
        plot.revisions.push(revision.to_owned());
        plot.title = text("title").unwrap_or_else(|| id.to_owned());
        plot.template = text("template").unwrap_or_else(|| "linear".into());
        plot.x_label = text("x_label").or_else(|| x.clone()).unwrap_or_else(|| "step".into());
        plot.x = x.unwrap_or_else(|| "step".into());
        plot.y = y_name;
    }
    Ok(())
}

fn names(fields: &Value) -> Vec<String> {
    match fields {
        Value::Str(name) => vec![name.clone()],
        Value::Seq(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The rows of a file: those of a table, or the first list of objects that a document holds.
fn rows(
    path: &Path,
    shown: &str,
    extension: &str,
    bytes: Vec<u8>,
    header: bool,
) -> Result<Vec<Point>, String> {
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
    match extension {
        "csv" | "tsv" => {
            let delimiter = if extension == "tsv" { b'\t' } else { b',' };
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(header)
                .flexible(true)
                .from_reader(text.as_bytes());
            let headings = reader.headers().map_err(|error| error.to_string())?.clone();
            let mut out = Vec::new();
            for record in reader.records() {
                let record = record.map_err(|error| error.to_string())?;
                let cells = record.iter().enumerate().map(|(at, cell)| {
                    let name = match headings.get(at).filter(|_| header) {
                        Some(name) => name.to_owned(),
                        None => at.to_string(),
                    };
                    (name, Json::from(cell))
                });
                out.push(cells.collect());
            }
            Ok(out)
        }
        "json" | "yaml" | "yml" => {
            let value = datafile::read(path, shown, &text).map_err(|error| error.to_string())?.to_json();
            find_rows(&value).ok_or_else(|| format!("{shown} holds no list of points"))
        }
        _ => Err(format!("'{shown}' is neither JSON, YAML, CSV nor TSV")),
    }
}

fn find_rows(value: &Json) -> Option<Vec<Point>> {
    match value {
        Json::Array(items) if items.iter().all(Json::is_object) && !items.is_empty() => {
            Some(items.iter().filter_map(Json::as_object).cloned().collect())
        }
        Json::Object(map) => map.values().find_map(find_rows),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_the_first_list_of_objects() {
        let found = find_rows(&json!({"meta": [1], "train": [{"e": 0}, {"e": 1}]})).expect("found");
        assert_eq!(found.len(), 2);
        let table = rows(Path::new("p.tsv"), "p.tsv", "tsv", b"a\tb\n1\t2\n".to_vec(), true).expect("reads");
        assert_eq!(table[0]["b"], "2");
        let bare = rows(Path::new("p.csv"), "p.csv", "csv", b"1,2\n".to_vec(), false).expect("reads");
        assert_eq!(bare[0]["1"], "2");
    }
}
