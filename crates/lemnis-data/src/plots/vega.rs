//! A plot as a Vega-Lite specification: its template with the anchors filled.

use indexmap::IndexSet;

use super::Chart;
use super::template::{anchor, fill, has, map};
use crate::yaml::{Map, Value};

/// Anchors that `--split` leaves in place and gives apart.
const SPLIT: [&str; 11] = [
    "color",
    "data",
    "plot_height",
    "plot_width",
    "shape",
    "stroke_dash",
    "title",
    "tooltip",
    "x_label",
    "y_label",
    "zoom_and_pan",
];
/// Anchors that a template may lack: what sets series apart, sizes, and how to look closer.
const OPTIONAL: [&str; 13] = [
    "color",
    "column",
    "group_by_x",
    "group_by_y",
    "group_by",
    "pivot_field",
    "plot_height",
    "plot_width",
    "row",
    "shape",
    "stroke_dash",
    "tooltip",
    "zoom_and_pan",
];
/// Stands between names that are joined.
const BETWEEN: &str = "::";

/// A specification and what was left out of it.
pub(super) struct Filled {
    pub(super) spec: Value,
    /// Anchor → its value.
    pub(super) apart: Map,
}

/// Fills the chart's template. `split` leaves the anchors that can be filled later.
pub(super) fn filled(chart: &Chart, split: bool) -> Filled {
    let mut filled = Filled { spec: chart.template.clone(), apart: Map::new() };
    let axes = &chart.axes;
    let optional = OPTIONAL.iter().any(|name| has(&chart.template, name));
    let varied = varied(&axes.series);
    if optional {
        for (name, value) in set_apart(chart, &varied) {
            // where nothing sets series apart, there is nothing to fill in later
            let is_nothing = matches!(&value, Value::Map(map) if map.is_empty());
            filled.put(name, value, split && !is_nothing);
        }
    }
    let text = |text: &str| Value::from(text);
    let field = |name: &str| text(&name.replace('.', "\\.").replace('[', "\\[").replace(']', "\\]"));
    filled.put("title", text(&chart.title), split);
    filled.put("x", field(&axes.x), split);
    if let Some(y) = &axes.y {
        filled.put("y", field(y), split);
    }
    filled.put("x_label", text(&axes.x_label), split);
    if let Some(label) = &axes.y_label {
        filled.put("y_label", text(label), split);
    }
    let mut points = chart.points.clone();
    if optional {
        points.iter_mut().for_each(|point| name_series(point, &varied));
    }
    filled.put("data", Value::Seq(points.into_iter().map(Value::Map).collect()), split);
    filled
}

impl Filled {
    fn put(&mut self, name: &str, value: Value, split: bool) {
        if split && SPLIT.contains(&name) {
            self.apart.insert(anchor(name).into(), value);
        } else {
            fill(&mut self.spec, name, &value);
        }
    }
}

/// Which of file and field differ between the series.
fn varied(series: &[(String, String)]) -> Vec<&'static str> {
    let files: IndexSet<&String> = series.iter().map(|(file, _)| file).collect();
    let fields: IndexSet<&String> = series.iter().map(|(_, field)| field).collect();
    let mut varied = Vec::new();
    varied.extend((files.len() > 1).then_some("filename"));
    varied.extend((fields.len() > 1).then_some("field"));
    varied
}

/// Leaves of file and field what sets the series apart, joined where both do.
fn name_series(point: &mut Map, varied: &[&str]) {
    let mut take = |name: &str| match point.shift_remove(name) {
        Some(Value::Str(text)) => text,
        _ => String::new(),
    };
    match varied {
        [_, _] => {
            let joined = [take("filename"), take("field")].join(BETWEEN);
            point.insert(varied.join(BETWEEN).into(), joined.into());
        }
        ["filename"] => drop(take("field")),
        ["field"] => drop(take("filename")),
        _ => {
            take("filename");
            take("field");
        }
    }
}

/// The values of the optional anchors that the template has.
fn set_apart(chart: &Chart, varied: &[&str]) -> Vec<(&'static str, Value)> {
    let axes = &chart.axes;
    let field = |name: &str| map([("field", name.into())]);
    let y = axes.y.clone().map_or(Value::Null, Value::from);
    let own = varied.join(BETWEEN);
    let mut groups = vec![Value::from("rev")];
    let mut tooltip = vec![field("rev"), field(&axes.x), map([("field", y.clone())])];
    let nothing = || Value::Map(Map::new());
    let (mut facet, mut dash, mut shape) = (nothing(), nothing(), nothing());
    if !varied.is_empty() {
        groups.push(own.as_str().into());
        tooltip.push(field(&own));
        facet = map([("field", own.as_str().into()), ("sort", Value::Seq(Vec::new()))]);
        let mut domain: Vec<String> = axes.series.iter().map(|series| name_of(series, varied)).collect();
        domain.sort();
        domain.dedup();
        let legend = map([("symbolFillColor", "transparent".into()), ("symbolStrokeColor", "grey".into())]);
        dash = scale(&own, &domain, &dashes(), Some(legend.clone()));
        shape = scale(&own, &domain, &words(&["circle", "square", "triangle", "diamond"]), Some(legend));
    }
    let pivot: Vec<String> =
        std::iter::once("rev").chain(varied.iter().copied()).map(|name| format!("datum.{name}")).collect();
    let with = |last: Value| Value::Seq(groups.iter().cloned().chain([last]).collect());
    let zoom = map([("name", "grid".into()), ("select", "interval".into()), ("bind", "scales".into())]);
    let values = vec![
        ("color", scale("rev", &chart.revisions, &words(&super::html::COLORS), None)),
        ("zoom_and_pan", zoom),
        ("plot_height", Value::Int(300)),
        ("plot_width", Value::Int(300)),
        ("group_by", Value::Seq(groups.clone())),
        ("group_by_x", with(axes.x.as_str().into())),
        ("group_by_y", with(y)),
        ("pivot_field", pivot.join(&format!(" + '{BETWEEN}' + ")).into()),
        ("row", facet.clone()),
        ("column", facet),
        ("tooltip", Value::Seq(tooltip)),
        ("stroke_dash", dash),
        ("shape", shape),
    ];
    values.into_iter().filter(|(name, _)| has(&chart.template, name)).collect()
}

/// What the series of a point is called: its revision and what sets it apart.
pub(super) fn series_name(chart: &Chart, point: &Map) -> String {
    let names = std::iter::once("rev").chain(varied(&chart.axes.series));
    names.filter_map(|name| point.get(name).and_then(Value::as_str)).collect::<Vec<_>>().join(": ")
}

fn name_of((file, field): &(String, String), varied: &[&str]) -> String {
    match varied {
        ["filename"] => file.clone(),
        ["field"] => field.clone(),
        _ => [file.as_str(), field].join(BETWEEN),
    }
}

fn words(words: &[&str]) -> Vec<Value> {
    words.iter().map(|word| Value::from(*word)).collect()
}

/// From a whole line to dots.
fn dashes() -> Vec<Value> {
    let pair = |(line, gap): (i128, i128)| Value::Seq(vec![Value::Int(line), Value::Int(gap)]);
    [(1, 0), (8, 8), (8, 4), (4, 4), (4, 2), (2, 1), (1, 1)].map(pair).to_vec()
}

/// Each name of the domain with its own look; looks begin anew when they run out.
fn scale(field: &str, domain: &[String], looks: &[Value], legend: Option<Value>) -> Value {
    let names = domain.iter().map(|name| Value::from(name.as_str())).collect();
    let range = looks.iter().cycle().take(domain.len()).cloned().collect();
    let scale = map([("domain", Value::Seq(names)), ("range", Value::Seq(range))]);
    let mut all = map([("field", field.into()), ("scale", scale)]);
    if let (Value::Map(all), Some(legend)) = (&mut all, legend) {
        all.insert("legend".into(), legend);
    }
    all
}
