//! The templates that come with the program.
//!
//! They have DVC's names and anchors, and what a line, a bar or a cell of a matrix stands for is the same; how they
//! look is their own.

use serde_json::{Value as Json, json};

use super::template::anchor;
use crate::yaml::Value;

const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";

/// In DVC's order.
pub(super) const NAMES: [&str; 9] = [
    "simple",
    "linear",
    "confusion",
    "confusion_normalized",
    "scatter",
    "scatter_jitter",
    "smooth",
    "bar_horizontal_sorted",
    "bar_horizontal",
];

/// The built-in template of that name.
pub(super) fn template(name: &str) -> Option<Value> {
    let spec = match name {
        "simple" => chart(json!({
            "params": [anchor("zoom_and_pan")],
            "mark": {"type": "line", "point": {"size": 12}},
            "encoding": {
                "x": axis("x", "quantitative"), "y": close(axis("y", "quantitative")),
                "color": anchor("color"), "strokeDash": anchor("stroke_dash"), "tooltip": anchor("tooltip"),
            },
        })),
        "linear" | "smooth" => lines(),
        "confusion" => matrix(false),
        "confusion_normalized" => matrix(true),
        "scatter" => chart(json!({
            "params": [anchor("zoom_and_pan")],
            "mark": {"type": "point"},
            "encoding": dots("quantitative"),
        })),
        "scatter_jitter" => chart(json!({
            "transform": [
                {"calculate": "random()", "as": "across"},
                {"calculate": "random()", "as": "down"},
            ],
            "mark": {"type": "point", "opacity": 0.7},
            "encoding": joined(dots("nominal"), json!({
                "xOffset": {"field": "across", "type": "quantitative"},
                "yOffset": {"field": "down", "type": "quantitative"},
            })),
        })),
        "bar_horizontal" => bars(None),
        "bar_horizontal_sorted" => bars(Some("-x")),
        _ => return None,
    };
    Some(Value::from_json(&spec))
}

/// The parts that all templates share, and `own`.
fn frame(own: Json) -> Json {
    let common = json!({
        "$schema": SCHEMA,
        "title": {"text": anchor("title"), "anchor": "middle"},
        "data": {"values": anchor("data")},
    });
    joined(common, own)
}

/// A single picture of the usual size.
fn chart(own: Json) -> Json {
    frame(joined(json!({"width": anchor("plot_width"), "height": anchor("plot_height")}), own))
}

fn joined(mut one: Json, other: Json) -> Json {
    if let (Json::Object(one), Json::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn axis(name: &str, kind: &str) -> Json {
    json!({"field": anchor(name), "type": kind, "title": anchor(&format!("{name}_label"))})
}

/// An axis that need not begin at zero.
fn close(axis: Json) -> Json {
    joined(axis, json!({"scale": {"zero": false}}))
}

fn dots(kind: &str) -> Json {
    json!({
        "x": axis("x", kind), "y": axis("y", kind),
        "color": anchor("color"), "shape": anchor("shape"), "tooltip": anchor("tooltip"),
    })
}

fn bars(sort: Option<&str>) -> Json {
    let mut y = axis("y", "nominal");
    if let Some(order) = sort {
        y = joined(y, json!({"sort": order}));
    }
    chart(json!({
        "params": [anchor("zoom_and_pan")],
        "mark": "bar",
        "encoding": {
            "x": close(axis("x", "quantitative")), "y": y,
            "yOffset": {"field": "rev", "sort": null},
            "color": anchor("color"), "column": anchor("column"),
        },
    }))
}

/// Lines that a slider smooths, what they are made from in the background, and all values at the pointer.
fn lines() -> Json {
    let y = close(axis("y", "quantitative"));
    chart(json!({
        "params": [{"name": "smoothing", "value": 0.001, "bind": {"input": "range", "min": 0.001, "max": 1, "step": 0.001}}],
        "encoding": {
            "x": axis("x", "quantitative"), "color": anchor("color"), "strokeDash": anchor("stroke_dash"),
        },
        "layer": [
            {"mark": {"type": "line", "opacity": 0.25}, "encoding": {"y": y}},
            {
                "params": [anchor("zoom_and_pan")],
                "transform": [{
                    "loess": anchor("y"), "on": anchor("x"), "groupby": anchor("group_by"),
                    "bandwidth": {"signal": "smoothing"},
                }],
                "mark": "line",
                "encoding": {"y": y},
            },
            {
                "transform": [{"filter": {"param": "pointer", "empty": false}}],
                "mark": {"type": "point", "filled": true},
                "encoding": {"y": y},
            },
            {
                "transform": [
                    {"calculate": anchor("pivot_field"), "as": "series"},
                    {"pivot": "series", "value": anchor("y"), "groupby": [anchor("x")], "op": "mean"},
                ],
                "params": [{
                    "name": "pointer",
                    "select": {
                        "type": "point", "on": "mouseover", "clear": "mouseout", "nearest": true,
                        "fields": [anchor("x")],
                    },
                }],
                "mark": {"type": "rule", "tooltip": {"content": "data"}},
                "encoding": {
                    "color": {"value": "grey"}, "strokeDash": {"value": [1, 0]},
                    "opacity": {"condition": {"param": "pointer", "empty": false, "value": 0.4}, "value": 0},
                },
            },
        ],
    }))
}

/// How often each pair of labels occurs, one matrix a revision; as a share of its label in `y` where `normalized`.
fn matrix(normalized: bool) -> Json {
    let y = anchor("y");
    let (measure, format, part) = match normalized {
        true => ("share", ".2f", "datum.share"),
        false => ("count", "d", "datum.count / datum.largest"),
    };
    let mut transform = vec![
        json!({"aggregate": [{"op": "count", "as": "count"}], "groupby": ["rev", y, anchor("x")]}),
        json!({"impute": "count", "key": anchor("x"), "value": 0, "groupby": anchor("group_by_y")}),
        json!({"impute": "count", "key": y, "value": 0, "groupby": anchor("group_by_x")}),
    ];
    let colors = if normalized {
        transform.push(
            json!({"joinaggregate": [{"op": "sum", "field": "count", "as": "total"}], "groupby": ["rev", y]}),
        );
        transform.push(json!({"calculate": "datum.count / datum.total", "as": "share"}));
        json!({"domain": [0, 1]})
    } else {
        transform.push(
            json!({"joinaggregate": [{"op": "max", "field": "count", "as": "largest"}], "groupby": ["rev"]}),
        );
        json!({"domainMin": 0, "nice": true})
    };
    let label = json!({"field": measure, "type": "quantitative", "format": format});
    let white = json!({"test": format!("{part} > 0.5"), "value": "white"});
    frame(json!({
        "facet": {"column": {"field": "rev", "sort": null}, "row": anchor("row")},
        "spec": {
            "width": anchor("plot_width"),
            "height": anchor("plot_height"),
            "transform": transform,
            "encoding": {
                "x": joined(axis("x", "nominal"), json!({"sort": "ascending"})),
                "y": joined(axis("y", "nominal"), json!({"sort": "ascending"})),
                "tooltip": [
                    {"field": anchor("x"), "type": "nominal"},
                    {"field": y, "type": "nominal"},
                    label,
                ],
            },
            "layer": [
                {
                    "mark": "rect",
                    "encoding": {
                        "color": {"field": measure, "type": "quantitative", "title": null, "scale": colors},
                    },
                },
                {
                    "mark": "text",
                    "encoding": {"text": label, "color": {"condition": white, "value": "black"}},
                },
            ],
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::template::has;

    #[test]
    fn every_template_has_a_place_for_data_axes_and_title() {
        for name in NAMES {
            let template = template(name).expect(name);
            for anchor in ["data", "title", "x", "y", "x_label", "y_label"] {
                assert!(has(&template, anchor), "{name} lacks {anchor}");
            }
        }
        assert!(template("nosuch").is_none());
    }
}
