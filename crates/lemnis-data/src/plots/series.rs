//! The points of a plot: rows of its files, under the names that its axes have.

use indexmap::{IndexMap, IndexSet};

use super::source::Fault;
use crate::yaml::{Key, Map, Value};

/// The horizontal axis where nothing names one.
const STEP: &str = "step";
/// What the axes are called that join fields of several names.
const JOINED_X: &str = "dvc_inferred_x_value";
const JOINED_Y: &str = "dvc_inferred_y_value";

/// The file and field of a series.
type Named = (String, String);

/// The points of one revision.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) points: Vec<Map>,
    pub(super) axes: Axes,
}

/// What the axes show.
#[derive(Clone, Debug, Default)]
pub(super) struct Axes {
    pub(super) x: String,
    pub(super) y: Option<String>,
    pub(super) x_label: String,
    pub(super) y_label: Option<String>,
    /// Each series' file, without what all have in common, and field.
    pub(super) series: Vec<Named>,
}

/// Joins what the files of plot `id` hold. `files` lacks those that could not be read and those that are empty.
pub(super) fn of(
    id: &str,
    settings: &Map,
    files: &IndexMap<String, Value>,
    revision: &str,
) -> Result<Series, Fault> {
    let x = x_fields(id, settings);
    let y = match settings.get("y") {
        None => last_field(files.get(id))?.map(|field| vec![(id.to_owned(), field)]),
        Some(Value::Map(files)) => Some(by_file(files)),
        Some(fields) => Some(names(fields).into_iter().map(|field| (id.to_owned(), field)).collect()),
    };
    let rows = files.iter().map(|(file, content)| Ok((file.clone(), rows(content)?)));
    let rows: IndexMap<String, Vec<Map>> = rows.collect::<Result<_, Fault>>()?;
    let axes = |x_name: &str, y_name: Option<String>, series| Axes {
        x: x_name.to_owned(),
        y: y_name,
        x_label: x_label(settings, x.as_deref()),
        y_label: y_label(settings, y.as_deref()),
        series,
    };
    let (xs, ys) = (x.clone().unwrap_or_default(), y.clone().unwrap_or_default());
    for (file, field) in xs.iter().chain(&ys) {
        has_field(rows.get(file), field)?;
    }
    if xs.len() > 1 && xs.len() != ys.len() {
        let (x, y) = (xs.len(), ys.len());
        let message = format!("x has {x} columns and y has {y}: there must be one for each, or a single x");
        return Err(Fault::new("DvcException", message));
    }
    let x_fields: IndexSet<&String> = xs.iter().map(|(_, field)| field).collect();
    let x_name = match xs.first() {
        _ if x_fields.len() > 1 => JOINED_X,
        Some((_, field)) => field,
        None => STEP,
    };
    let y_fields: IndexSet<&String> = ys.iter().map(|(_, field)| field).collect();
    let y_name = match y_fields.len() {
        0 | 1 => y_fields.first().map(|field| (*field).clone()),
        _ => Some(JOINED_Y.to_owned()),
    };
    let common = common_length(ys.iter().map(|(file, _)| file.as_str()));
    let short = |file: &str| file[common..].trim_matches(['/', '\\']).to_owned();
    let series = ys.iter().map(|(file, field)| (short(file), field.clone())).collect();
    let mut points = Vec::new();
    for (at, (file, field)) in ys.iter().enumerate() {
        let mut own = rows.get(file).cloned().unwrap_or_default();
        if y_fields.len() > 1 {
            own.iter_mut().for_each(|row| carry(row.get(field.as_str()).cloned(), JOINED_Y, row));
        }
        match if xs.len() > 1 { xs.get(at) } else { xs.first() } {
            None => {
                for (step, row) in own.iter_mut().enumerate() {
                    row.insert(STEP.into(), Value::Int(step as i128));
                }
            }
            Some((x_file, x_field)) => {
                let from = rows.get(x_file).map(Vec::as_slice).unwrap_or_default();
                if from.len() != own.len() {
                    let message = format!(
                        "'{x_field}' of '{x_file}' and '{field}' of '{file}' differ in length, so they cannot be joined"
                    );
                    return Err(Fault::new("DvcException", message));
                }
                for (row, from) in own.iter_mut().zip(from) {
                    carry(from.get(x_field.as_str()).cloned(), x_name, row);
                }
            }
        }
        for row in &mut own {
            row.insert("rev".into(), revision.into());
            row.insert("filename".into(), short(file).into());
            row.insert("field".into(), field.as_str().into());
        }
        points.append(&mut own);
    }
    Ok(Series { points, axes: axes(x_name, y_name, series) })
}

fn carry(value: Option<Value>, name: &str, row: &mut Map) {
    if let Some(value) = value {
        row.insert(name.into(), value);
    }
}

/// The fields of the horizontal axis. A single name counts for every file of `y`.
fn x_fields(id: &str, settings: &Map) -> Option<Vec<Named>> {
    match (settings.get("x")?, settings.get("y")) {
        (Value::Map(files), _) => Some(by_file(files)),
        (Value::Str(name), Some(Value::Map(files))) => {
            let each = |(file, fields): (&Key, &Value)| {
                let count = if let Value::Seq(fields) = fields { fields.len() } else { 1 };
                std::iter::repeat_n((file.text.clone(), name.clone()), count)
            };
            Some(files.iter().flat_map(each).collect())
        }
        (Value::Str(name), _) => Some(vec![(id.to_owned(), name.clone())]),
        _ => None,
    }
}

fn by_file(files: &Map) -> Vec<Named> {
    let each = |(file, fields): (&Key, &Value)| {
        names(fields).into_iter().map(|field| (file.text.clone(), field)).collect::<Vec<_>>()
    };
    files.iter().flat_map(each).collect()
}

fn names(fields: &Value) -> Vec<String> {
    match fields {
        Value::Str(name) => vec![name.clone()],
        Value::Seq(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The last field of the first list of rows.
fn last_field(content: Option<&Value>) -> Result<Option<String>, Fault> {
    for list in content.map(lists).transpose()?.unwrap_or_default() {
        if list.iter().all(|item| item.as_map().is_some()) {
            let first = list.first().and_then(Value::as_map).ok_or_else(empty_list)?;
            return Ok(first.last().filter(|(key, _)| !key.typed).map(|(key, _)| key.text.clone()));
        }
    }
    Ok(None)
}

/// All lists of a document, at any depth of its mappings.
fn lists(content: &Value) -> Result<Vec<&[Value]>, Fault> {
    let mut found = Vec::new();
    match content {
        Value::Seq(items) => found.push(items.as_slice()),
        Value::Map(map) => {
            for value in map.values() {
                if matches!(value, Value::Map(_) | Value::Seq(_)) {
                    found.append(&mut lists(value)?);
                }
            }
        }
        other => {
            let message = format!("the file holds a single {}, not a list of points", other.type_name());
            return Err(Fault::new("AttributeError", message));
        }
    }
    Ok(found)
}

/// The rows of a document: its lists of rows side by side. A list whose rows differ in their fields is none.
fn rows(content: &Value) -> Result<Vec<Map>, Fault> {
    let mut joined: Vec<Map> = Vec::new();
    for list in lists(content)? {
        let Some(list) = list.iter().map(Value::as_map).collect::<Option<Vec<&Map>>>() else { continue };
        let first = list.first().ok_or_else(empty_list)?;
        if !list.iter().all(|row| row.keys().all(|key| first.contains_key(key))) {
            continue;
        }
        for (at, row) in list.iter().enumerate() {
            match joined.get_mut(at) {
                Some(known) => known.extend((*row).clone()),
                None => joined.push((*row).clone()),
            }
        }
    }
    Ok(joined)
}

fn empty_list() -> Fault {
    Fault::new("AttributeError", "the file holds an empty list, which has no fields")
}

fn has_field(rows: Option<&Vec<Map>>, field: &str) -> Result<(), Fault> {
    let Some(rows) = rows else { return Ok(()) };
    let Some(first) = rows.first() else {
        return Err(Fault::new(
            "TypeError",
            format!("there are no points with the same fields to take '{field}' from"),
        ));
    };
    if first.contains_key(field) {
        return Ok(());
    }
    let known: Vec<&str> = first.keys().map(|key| key.text.as_str()).collect();
    let message = format!("there is no field '{field}' among '{}'", known.join(", "));
    Err(Fault::new("FieldNotFoundError", message))
}

fn x_label(settings: &Map, x: Option<&[Named]>) -> String {
    if let Some(label) = settings.get("x_label").and_then(Value::as_str) {
        return label.to_owned();
    }
    x.map_or_else(|| STEP.to_owned(), |fields| one_name(fields, "x"))
}

fn y_label(settings: &Map, y: Option<&[Named]>) -> Option<String> {
    let given = settings.get("y_label").and_then(Value::as_str).map(str::to_owned);
    given.or_else(|| y.map(|fields| one_name(fields, "y")))
}

fn one_name(fields: &[Named], several: &str) -> String {
    let names: IndexSet<&String> = fields.iter().map(|(_, field)| field).collect();
    match (names.first(), names.len()) {
        (Some(name), 1) => (*name).clone(),
        _ => several.to_owned(),
    }
}

/// The length of the directories that all files lie in.
fn common_length<'f>(files: impl Iterator<Item = &'f str>) -> usize {
    let files: IndexSet<&str> = files.collect();
    let Some(first) = files.first().filter(|_| files.len() > 1) else { return 0 };
    let mut length = 0;
    for part in first.split_inclusive('/') {
        let end = length + part.trim_end_matches('/').len();
        let inside = |file: &&str| {
            file.get(..end) == first.get(..end) && matches!(file.as_bytes().get(end), None | Some(b'/'))
        };
        if !files.iter().all(inside) {
            break;
        }
        length += part.len();
    }
    first[..length].trim_end_matches('/').len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyjson;
    use crate::yaml::parse;

    fn value(text: &str) -> Value {
        parse(text, "").expect("reads").to_value()
    }

    fn series(settings: &str, files: &[(&str, &str)]) -> Result<Series, Fault> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
        let settings = value(settings).as_map().cloned().unwrap_or_default();
        of("h.json", &settings, &files, "workspace")
    }

    fn shown(series: &Series) -> String {
        pyjson::text(&Value::Seq(series.points.iter().cloned().map(Value::Map).collect()))
    }

    #[test]
    fn all_lists_are_joined_row_by_row() {
        let content = "{h: [{e: 0, v: 1.5}, {e: 1, v: 2}], o: [{w: 3}, {w: 4}, {w: 5}]}";
        let found = series("{y: w}", &[("h.json", content)]).expect("joins");
        let tail = r#""rev": "workspace", "filename": "h.json", "field": "w"}"#;
        let rows = [
            format!(r#"[{{"e": 0, "v": 1.5, "w": 3, "step": 0, {tail}"#),
            format!(r#"{{"e": 1, "v": 2, "w": 4, "step": 1, {tail}"#),
            format!(r#"{{"w": 5, "step": 2, {tail}]"#),
        ];
        assert_eq!(shown(&found), rows.join(", "));
        assert_eq!(found.axes.y_label.as_deref(), Some("w"));
    }

    #[test]
    fn fields_of_several_names_share_an_axis_and_files_lose_what_they_have_in_common() {
        let files = [("pl/a.csv", "[{i: 0, loss: 1, acc: 2}]"), ("pl/b.csv", "[{i: 0, loss: 3}]")];
        let found = series("{x: i, y: {pl/a.csv: [loss, acc], pl/b.csv: loss}}", &files).expect("joins");
        assert_eq!(found.axes.y.as_deref(), Some("dvc_inferred_y_value"));
        assert_eq!((found.axes.x.as_str(), found.axes.y_label.as_deref()), ("i", Some("y")));
        let named: Vec<String> =
            found.axes.series.iter().map(|(file, field)| format!("{file}::{field}")).collect();
        assert_eq!(named, ["a.csv::loss", "a.csv::acc", "b.csv::loss"]);
        assert_eq!(found.points[1].get("dvc_inferred_y_value"), Some(&Value::Int(2)));
    }

    #[test]
    fn a_field_that_is_not_there_is_an_error() {
        let fault = series("{y: nope}", &[("h.json", "[{a: 1}]")]).expect_err("refused");
        assert_eq!(fault.kind, "FieldNotFoundError");
        let fault = series("{x: nope, y: {h.json: a}}", &[("h.json", "[{a: 1}]")]).expect_err("refused");
        assert_eq!(fault.kind, "FieldNotFoundError");
    }

    #[test]
    fn what_holds_no_points_has_none() {
        for text in ["{a: 1}", "[1, 2]"] {
            assert!(series("{}", &[("h.json", text)]).expect("reads").points.is_empty(), "{text}");
        }
        assert!(series("{}", &[]).expect("reads").points.is_empty());
    }
}
