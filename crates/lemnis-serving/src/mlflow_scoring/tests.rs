//! The cases of MLflow 3.17.2's own server, recorded: same status, same error code, same rows.

use lemnis_model::{Column, DataType, Field, Signature};
use serde_json::{Value, json};

use super::{Body, ContentType};

fn signature(columns: &[(&str, DataType)]) -> Signature {
    let field = |(name, data_type): &(&str, DataType)| Field {
        name: (*name).to_owned(),
        data_type: *data_type,
        required: true,
    };
    Signature { inputs: columns.iter().map(field).collect(), outputs: Vec::new() }
}

/// Three columns of doubles stand for the twenty of the recording.
fn doubles() -> Signature {
    signature(&[("f0", DataType::Double), ("f1", DataType::Double), ("f2", DataType::Double)])
}

/// The first column's values, or the status and error code.
fn outcome(content_type: Option<&str>, body: &[u8]) -> Result<Vec<f64>, (u16, String)> {
    let frame = ContentType::parse(content_type)
        .and_then(|content_type| Body::read(content_type, body))
        .and_then(|body| body.frame(&doubles()));
    match frame {
        Ok(frame) => match frame.column("f0") {
            Some(Column::Float(values)) => Ok(values.clone()),
            other => panic!("{other:?}"),
        },
        Err(rejection) => {
            let body: Value = serde_json::from_str(&rejection.body()).unwrap_or_default();
            Err((rejection.status(), body["error_code"].as_str().unwrap_or_default().to_owned()))
        }
    }
}

fn json_outcome(body: Value) -> Result<Vec<f64>, (u16, String)> {
    outcome(Some("application/json"), body.to_string().as_bytes())
}

#[test]
fn every_form_of_rows_is_read() {
    let columns = json!(["f0", "f1", "f2"]);
    let split = |data: Value| json!({ "dataframe_split": { "columns": columns, "data": data } });
    assert_eq!(json_outcome(split(json!([[0.1, 2, 3], [-0.5, 2, 3]]))), Ok(vec![0.1, -0.5]));
    let reordered = json!({ "dataframe_split": { "index": [7], "columns": ["f2", "zz", "f1", "f0"], "data": [[1, "x", 2, 3]] } });
    assert_eq!(json_outcome(reordered), Ok(vec![3.0]));
    let record = json!({ "f0": 0.1, "f1": 0.2, "f2": 0.3 });
    for form in ["dataframe_records", "instances", "inputs"] {
        assert_eq!(json_outcome(json!({ form: [record] })), Ok(vec![0.1]), "{form}");
    }
    assert_eq!(json_outcome(json!({ "inputs": { "f0": [1], "f1": [2], "f2": [3] } })), Ok(vec![1.0]));
    assert_eq!(json_outcome(json!({ "inputs": record })), Ok(vec![0.1]));
    let with_more = json!({ "inputs": record, "params": { "a": 1 }, "zzz": 1 });
    assert_eq!(json_outcome(with_more), Ok(vec![0.1]));
    let one_misses = json_outcome(json!({ "dataframe_records": [{ "f1": 1, "f2": 2 }, record] })).unwrap();
    assert!(one_misses[0].is_nan() && one_misses[1] == 0.1);
    assert_eq!(outcome(Some("text/csv"), b"f2,f1,f0\n3,2,1\n"), Ok(vec![1.0]));
    assert_eq!(
        outcome(Some("application/json; charset=UTF-8"), br#"{"inputs": {"f0":1,"f1":2,"f2":3}}"#),
        Ok(vec![1.0])
    );
}

#[test]
fn numbers_come_as_mlflow_takes_them() {
    let first = |cell: &str| {
        let body =
            format!(r#"{{"dataframe_split": {{"columns": ["f0", "f1", "f2"], "data": [[{cell}, 1, 1]]}}}}"#);
        outcome(Some("application/json"), body.as_bytes())
    };
    assert_eq!(first("1"), Ok(vec![1.0]));
    assert_eq!(first(r#""1.5""#), Ok(vec![1.5]));
    assert_eq!(first("true"), Ok(vec![1.0]));
    assert!(first("null").unwrap()[0].is_nan());
    assert!(first("NaN").unwrap()[0].is_nan());
    assert_eq!(first("-Infinity"), Ok(vec![f64::NEG_INFINITY]));
    assert_eq!(first(r#""a""#), Err((400, "BAD_REQUEST".to_owned())));
    assert_eq!(first("[1]"), Err((400, "INVALID_PARAMETER_VALUE".to_owned())));
}

#[test]
fn mistakes_get_mlflows_codes() {
    let bad = || Err((400, "BAD_REQUEST".to_owned()));
    let schema = || Err((400, "INVALID_PARAMETER_VALUE".to_owned()));
    let raw = |body: &[u8]| outcome(Some("application/json"), body);
    for body in [&b"{bad"[..], b"\xff\xfe{}", b"", b"[1,2]", b"\"x\"", b"{\"foo\":1}"] {
        assert_eq!(raw(body), bad(), "{body:?}");
    }
    let columns = json!(["f0", "f1", "f2"]);
    assert_eq!(json_outcome(json!({ "inputs": [[1]], "instances": [[1]] })), bad());
    assert_eq!(json_outcome(json!({ "dataframe_split": { "columns": columns, "data": [] } })), bad());
    assert_eq!(json_outcome(json!({ "dataframe_split": { "columns": columns, "data": [[1.0]] } })), bad());
    assert_eq!(json_outcome(json!({ "dataframe_split": { "columns": columns, "data": [1.0] } })), bad());
    assert_eq!(
        json_outcome(json!({ "dataframe_split": { "columns": columns, "data": [[1, 2, 3]], "index": [] } })),
        bad()
    );
    assert_eq!(json_outcome(json!({ "dataframe_split": [1] })), bad());
    assert_eq!(json_outcome(json!({ "dataframe_records": { "f0": 1 } })), bad());
    assert_eq!(json_outcome(json!({ "dataframe_records": [1] })), bad());
    assert_eq!(json_outcome(json!({ "inputs": { "f0": 1 }, "params": 7 })), bad());
    assert_eq!(outcome(Some("text/csv"), b"\xff\xfe\x00"), bad());
    assert_eq!(outcome(Some("text/csv"), b"f0,f1,f2\na,1,1\n"), bad());

    assert_eq!(json_outcome(json!({ "dataframe_split": { "data": [[1, 2, 3]] } })), schema());
    assert_eq!(json_outcome(json!({ "dataframe_split": { "columns": ["f0"], "data": [[1.0]] } })), schema());
    let twice = json!({ "columns": ["f0", "f0", "f1", "f2"], "data": [[1, 1, 2, 3]] });
    assert_eq!(json_outcome(json!({ "dataframe_split": twice })), schema());
    assert_eq!(json_outcome(json!({ "dataframe_records": [{ "f1": 1, "f2": 2 }] })), schema());
    assert_eq!(json_outcome(json!({ "instances": [[1, 2, 3]] })), schema());
    assert_eq!(json_outcome(json!({ "inputs": [[1, 2, 3]] })), schema());
    assert_eq!(json_outcome(json!({ "messages": [{ "role": "user" }] })), schema());

    for refused in [
        Some("application/xml"),
        Some("application/json; format=pandas-split"),
        Some("application/json; charset=latin1"),
        Some("Application/JSON"),
        None,
    ] {
        assert_eq!(outcome(refused, b"{}"), Err((415, String::new())), "{refused:?}");
    }
}

#[test]
fn columns_get_the_types_of_the_signature() {
    let typed = |data_type: DataType, cells: Value| {
        let body = json!({ "inputs": { "x": cells } }).to_string();
        let body = Body::read(ContentType::Json, body.as_bytes()).unwrap();
        body.frame(&signature(&[("x", data_type)]))
            .map(|frame| frame.into_columns().remove(0).1)
            .map_err(|e| e.status())
    };
    assert_eq!(typed(DataType::Long, json!([1, 2.0, "3", true])), Ok(Column::Int(vec![1, 2, 3, 1])));
    match typed(DataType::Long, json!([1, null])) {
        Ok(Column::Float(values)) => assert!(values[0] == 1.0 && values[1].is_nan()),
        other => panic!("{other:?}"),
    }
    assert_eq!(typed(DataType::Long, json!([1.5])), Err(400));
    assert_eq!(typed(DataType::Long, json!([1e300])), Err(400));
    assert_eq!(typed(DataType::Integer, json!([3_000_000_000_i64])), Err(400));
    assert_eq!(typed(DataType::Boolean, json!([true, 0])), Ok(Column::Int(vec![1, 0])));
    assert_eq!(typed(DataType::Boolean, json!([2])), Err(400));
    assert_eq!(
        typed(DataType::String, json!(["a", null])),
        Ok(Column::Text(vec!["a".to_owned(), String::new()]))
    );
    assert_eq!(typed(DataType::String, json!([7])), Err(400));
    let csv = Body::read(ContentType::Csv, b"x\n007\nNA\n").unwrap();
    let frame = csv.frame(&signature(&[("x", DataType::String)])).unwrap();
    assert_eq!(frame.column("x"), Some(&Column::Text(vec!["007".to_owned(), String::new()])));
}

#[test]
fn an_optional_column_may_be_absent() {
    let mut signature = signature(&[("x", DataType::Double), ("note", DataType::String)]);
    signature.inputs[1].required = false;
    let body = Body::read(ContentType::Json, br#"{"inputs": {"x": [1, 2]}}"#).unwrap();
    let frame = body.frame(&signature).unwrap();
    assert_eq!(frame.column("note"), Some(&Column::Text(vec![String::new(); 2])));
}

#[test]
fn messages_never_repeat_the_callers_data() {
    let secret = "s3cret-value";
    for body in [
        format!(r#"{{"dataframe_split": {{"columns": ["f0","f1","f2"], "data": [["{secret}", 1, 1]]}}}}"#),
        format!(r#"{{"dataframe_records": "{secret}"}}"#),
        format!("{{{secret}"),
    ] {
        let refused = Body::read(ContentType::Json, body.as_bytes()).and_then(|body| body.frame(&doubles()));
        assert!(!refused.unwrap_err().to_string().contains(secret));
    }
}
