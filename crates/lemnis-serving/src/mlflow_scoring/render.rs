//! Frames as MLflow answers them: a list of records below `predictions`.

use std::fmt::Write;

use lemnis_model::{Column, Frame};

/// `{"predictions": [{"label": "Yes", "probability": 0.8}, …]}`. NaN and infinities are Python's bare words.
pub fn predictions(outputs: &Frame) -> String {
    let names: Vec<String> = outputs.columns().map(|(name, _)| text(name)).collect();
    let columns: Vec<&Column> = outputs.columns().map(|(_, column)| column).collect();
    let mut out = String::with_capacity(24 + outputs.rows() * columns.len() * 32);
    out.push_str("{\"predictions\": [");
    for row in 0..outputs.rows() {
        out.push_str(if row == 0 { "{" } else { ", {" });
        for (place, (name, column)) in names.iter().zip(&columns).enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            out.push_str(name);
            out.push_str(": ");
            push(&mut out, column, row);
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn push(out: &mut String, column: &Column, row: usize) {
    match column {
        Column::Float(values) => push_float(out, values.get(row).copied().unwrap_or(f64::NAN)),
        Column::Int(values) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", values.get(row).copied().unwrap_or_default());
        }
        Column::Text(values) => out.push_str(&text(values.get(row).map_or("", String::as_str))),
    }
}

fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        out.push_str(&serde_json::Value::from(value).to_string());
    }
}

fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_records() {
        let columns = vec![
            ("label".to_owned(), Column::Text(vec!["No \"way\"".to_owned(), "Yes".to_owned()])),
            ("probability".to_owned(), Column::Float(vec![0.1, 1.0])),
            ("n".to_owned(), Column::Int(vec![1, -2])),
        ];
        let body = predictions(&Frame::new(columns).unwrap());
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            read,
            serde_json::json!({ "predictions": [
                { "label": "No \"way\"", "probability": 0.1, "n": 1 },
                { "label": "Yes", "probability": 1.0, "n": -2 },
            ] })
        );
        let odd =
            Frame::new(vec![("x".to_owned(), Column::Float(vec![f64::NAN, f64::NEG_INFINITY]))]).unwrap();
        assert_eq!(predictions(&odd), r#"{"predictions": [{"x": NaN}, {"x": -Infinity}]}"#);
        assert_eq!(predictions(&Frame::default()), r#"{"predictions": []}"#);
    }
}
