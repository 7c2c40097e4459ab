//! Inference answers: JSON, or JSON and raw tensors where the caller asked for them.

use lemnis_model::{Column, DataType, Frame, Signature};
use serde_json::{Value, json};

use super::tensor::Datatype;
use super::{Rejection, Request, binary};

/// An output that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) binary: Option<bool>,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The bytes.
    pub body: Vec<u8>,
    /// How many of them are JSON, where raw tensors follow: goes into the header
    /// [`HEADER_LENGTH`](super::HEADER_LENGTH), and the content type is `application/octet-stream`.
    pub json_length: Option<usize>,
}

pub(super) fn unknown_output(name: &str) -> Rejection {
    Rejection::new(format!("the model has no output {name:?}"))
}

pub(super) fn answer(
    request: &Request,
    model: &str,
    version: u32,
    outputs: &Frame,
    signature: &Signature,
) -> Result<Answer, Rejection> {
    let chosen: Vec<(&str, bool)> = match &request.outputs {
        Some(wanted) if !wanted.is_empty() => wanted
            .iter()
            .map(|wanted| (wanted.name.as_str(), wanted.binary.unwrap_or(request.binary_by_default)))
            .collect(),
        _ => outputs.columns().map(|(name, _)| (name, request.binary_by_default)).collect(),
    };
    let mut tensors = Vec::with_capacity(chosen.len());
    let mut raw = Vec::new();
    let mut any_binary = false;
    for (name, is_binary) in chosen {
        let column = outputs.column(name).ok_or_else(|| unknown_output(name))?;
        let datatype = datatype(name, column, signature);
        let mut tensor = json!({ "name": name, "datatype": datatype.word(), "shape": [outputs.rows()] });
        if is_binary {
            any_binary = true;
            let bytes = binary::encode(column, datatype);
            tensor["parameters"] = json!({ "binary_data_size": bytes.len() });
            raw.extend(bytes);
        } else {
            tensor["data"] = values(column, datatype);
        }
        tensors.push(tensor);
    }
    let mut answer = json!({ "model_name": model, "model_version": version.to_string() });
    if let Some(id) = &request.id {
        answer["id"] = json!(id);
    }
    answer["outputs"] = Value::Array(tensors);
    let mut body = answer.to_string().into_bytes();
    let json_length = any_binary.then_some(body.len());
    body.extend(raw);
    Ok(Answer { body, json_length })
}

/// The datatype that the signature promises, as far as the column can hold it.
fn datatype(name: &str, column: &Column, signature: &Signature) -> Datatype {
    let promised = signature.outputs.iter().find(|field| field.name == name).map(|field| field.data_type);
    match (column, promised) {
        (Column::Float(_), Some(DataType::Float)) => Datatype::Fp32,
        (Column::Float(_), _) => Datatype::Fp64,
        (Column::Int(_), Some(DataType::Boolean)) => Datatype::Bool,
        (Column::Int(_), Some(DataType::Integer)) => Datatype::Int32,
        (Column::Int(_), _) => Datatype::Int64,
        (Column::Text(_), _) => Datatype::Bytes,
    }
}

/// JSON has no NaN: a missing number is null.
fn values(column: &Column, datatype: Datatype) -> Value {
    match column {
        Column::Float(values) => values.iter().map(|value| json!(value)).collect(),
        Column::Int(values) if datatype == Datatype::Bool => {
            values.iter().map(|value| json!(*value != 0)).collect()
        }
        Column::Int(values) => values.iter().map(|value| json!(value)).collect(),
        Column::Text(values) => values.iter().map(|value| json!(value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lemnis_model::Field;

    fn field(name: &str, data_type: DataType) -> Field {
        Field { name: name.to_owned(), data_type, required: true }
    }

    fn signature() -> Signature {
        Signature {
            inputs: vec![
                field("age", DataType::Double),
                field("city", DataType::String),
                field("n", DataType::Long),
            ],
            outputs: vec![field("label", DataType::String), field("probability", DataType::Float)],
        }
    }

    fn outputs() -> Frame {
        Frame::new(vec![
            ("label".to_owned(), Column::Text(vec!["Yes".to_owned(), "No".to_owned()])),
            ("probability".to_owned(), Column::Float(vec![0.75, 0.25])),
        ])
        .unwrap()
    }

    const BODY: &str = r#"{"id": "42", "inputs": [
        {"name": "n", "shape": [2, 1], "datatype": "INT32", "data": [[1], [2]]},
        {"name": "age", "shape": [2], "datatype": "FP32", "data": [30.5, null]},
        {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Köln", null]}]}"#;

    #[test]
    fn a_json_request_is_typed_by_the_signature_and_answered() {
        let request = Request::read(BODY.as_bytes(), None).unwrap();
        let frame = request.frame(&signature()).unwrap();
        let mut again = Request::read(BODY.as_bytes(), None).unwrap();
        let taken = again.take_frame(&signature()).unwrap();
        assert_eq!(format!("{taken:?}"), format!("{frame:?}"), "moved or copied, the frame is the same");
        assert_eq!(frame.columns().map(|(name, _)| name).collect::<Vec<_>>(), ["age", "city", "n"]);
        assert_eq!(frame.column("n"), Some(&Column::Int(vec![1, 2])));
        assert_eq!(frame.column("city"), Some(&Column::Text(vec!["Köln".to_owned(), String::new()])));
        let answer = request.answer("churn", 3, &outputs(), &signature()).unwrap();
        assert_eq!(answer.json_length, None);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            body,
            json!({ "model_name": "churn", "model_version": "3", "id": "42", "outputs": [
                { "name": "label", "datatype": "BYTES", "shape": [2], "data": ["Yes", "No"] },
                { "name": "probability", "datatype": "FP32", "shape": [2], "data": [0.75, 0.25] },
            ] })
        );
    }

    #[test]
    fn binary_tensors_travel_both_ways() {
        let head = json!({
            "inputs": [
                { "name": "age", "shape": [2], "datatype": "FP64", "parameters": { "binary_data_size": 16 } },
                { "name": "city", "shape": [2], "datatype": "BYTES", "data": ["a", "b"] },
                { "name": "n", "shape": [2], "datatype": "UINT8", "parameters": { "binary_data_size": 2 } },
            ],
            "outputs": [{ "name": "probability", "parameters": { "binary_data": true } }, { "name": "label" }],
        })
        .to_string();
        let mut body = head.clone().into_bytes();
        body.extend([1.5f64, -2.0].iter().flat_map(|value| value.to_le_bytes()));
        body.extend([7, 9]);
        let request = Request::read(&body, Some(head.len())).unwrap();
        let frame = request.frame(&signature()).unwrap();
        assert_eq!(frame.column("age"), Some(&Column::Float(vec![1.5, -2.0])));
        assert_eq!(frame.column("n"), Some(&Column::Int(vec![7, 9])));
        let answer = request.answer("churn", 3, &outputs(), &signature()).unwrap();
        let (json, raw) = answer.body.split_at(answer.json_length.unwrap());
        let read: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(read["outputs"][0]["parameters"]["binary_data_size"], 8);
        assert_eq!(read["outputs"][1]["data"], json!(["Yes", "No"]));
        assert_eq!(raw, [0.75f32.to_le_bytes(), 0.25f32.to_le_bytes()].concat());
        assert!(Request::read(&body[..body.len() - 1], Some(head.len())).is_err());
        assert!(Request::read(&body, Some(body.len() + 1)).is_err());
    }

    #[test]
    fn every_mistake_is_named() {
        let refused = |body: &str| match Request::read(body.as_bytes(), None) {
            Err(rejection) => rejection.to_string(),
            Ok(request) => request
                .check_outputs(&signature())
                .and_then(|()| request.frame(&signature()).map(|_| ()))
                .unwrap_err()
                .to_string(),
        };
        let change = |from: &str, to: &str| refused(&BODY.replace(from, to));
        assert!(refused("{").starts_with("the body is no inference request"));
        assert_eq!(refused("{}"), "there are no inputs");
        assert_eq!(change(r#""FP32""#, r#""FLOAT""#), r#"input "age" has the unknown datatype "FLOAT""#);
        assert_eq!(change(r#""age""#, r#""nope""#), r#"the model has no input "nope""#);
        assert_eq!(
            change(r#"[2], "datatype": "FP32""#, r#"[3], "datatype": "FP32""#),
            r#"input "age" has 2 elements, its shape [3] 3"#
        );
        assert_eq!(
            change(r#"[2], "datatype": "FP32""#, r#"[1, 2], "datatype": "FP32""#).split(';').next(),
            Some(r#"input "age" has the shape [1, 2]"#)
        );
        assert_eq!(change("[[1], [2]]", "[[1], [2.5]]"), r#"input "n": element 1 is no INT32"#);
        assert_eq!(
            change(r#""INT32", "data": [[1], [2]]"#, r#""FP32", "data": [1, 2.5]"#),
            r#"input "n" takes whole numbers, not 2.5"#
        );
        assert_eq!(change(r#"["Köln", null]"#, "[1, 2]"), r#"input "city": element 0 is no BYTES"#);
        assert_eq!(
            change(r#""BYTES", "data": ["Köln", null]"#, r#""FP32", "data": [1, 2]"#),
            r#"input "city" is FP32, the model takes BYTES"#
        );
        assert_eq!(change(r#""name": "n""#, r#""name": "age""#), r#"input "age" is there twice"#);
        assert_eq!(
            change(r#""id": "42","#, r#""outputs": [{"name": "x"}],"#),
            r#"the model has no output "x""#
        );
        assert!(change(r#""data": [30.5, null]"#, r#""parameters": {}"#).contains("needs either data"));
    }
}
