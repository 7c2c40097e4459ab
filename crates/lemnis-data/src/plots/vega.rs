//! Vega-Lite specifications: what viewers of DVC's plots understand.

use serde_json::{Value as Json, json};

use super::Plot;

const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";
const NAMES: [&str; 5] = ["linear", "simple", "scatter", "bar_horizontal", "smooth"];

/// The specification of a plot with its data.
pub(super) fn spec(plot: &Plot) -> Json {
    let several = plot.points.iter().any(|point| point.contains_key("field"));
    let mut spec = shape(&plot.template, &plot.x, &plot.y, &plot.x_label, &plot.y_label, several);
    spec["title"] = plot.title.as_str().into();
    spec["data"] = json!({"values": plot.points});
    spec
}

/// The built-in template of that name, with anchors in place of a plot's own values; names without one.
pub fn plot_template(name: Option<&str>) -> Option<Json> {
    let Some(name) = name else { return Some(json!(NAMES)) };
    let anchor = |name: &str| format!("<DVC_METRIC_{name}>");
    NAMES.contains(&name).then(|| {
        let mut spec = shape(name, &anchor("X"), &anchor("Y"), &anchor("X_LABEL"), &anchor("Y_LABEL"), false);
        spec["title"] = anchor("TITLE").into();
        spec["data"] = json!({"values": anchor("DATA")});
        spec
    })
}

fn shape(template: &str, x: &str, y: &str, x_label: &str, y_label: &str, several: bool) -> Json {
    let mark = match template {
        "scatter" => json!({"type": "point", "tooltip": true}),
        "bar_horizontal" => json!({"type": "bar", "tooltip": true}),
        _ => json!({"type": "line", "tooltip": true}),
    };
    let mut encoding = json!({
        "x": {"field": x, "type": "quantitative", "title": x_label},
        "y": {"field": y, "type": "quantitative", "title": y_label, "scale": {"zero": false}},
        "color": {"field": "rev", "type": "nominal"},
    });
    if template == "bar_horizontal" {
        encoding["y"] = json!({"field": y, "type": "nominal", "title": y_label});
    }
    if several {
        encoding["strokeDash"] = json!({"field": "field", "type": "nominal"});
    }
    let mut spec =
        json!({"$schema": SCHEMA, "width": 300, "height": 300, "mark": mark, "encoding": encoding});
    if template == "smooth" {
        spec["transform"] = json!([{"loess": y, "on": x, "groupby": ["rev"], "bandwidth": 0.3}]);
    }
    spec
}
