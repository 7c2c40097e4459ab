//! Inference requests: the JSON part, and where the elements of each input are.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tensor::{Datatype, Elements, Tensor};
use super::write::Wanted;
use super::{Rejection, Request, binary};

/// The longest id that is repeated, in bytes.
const MAX_ID_BYTES: usize = 1_024;
/// The most inputs, and the most outputs, of a request: each is one column.
const MAX_COLUMNS: usize = 10_000;

#[derive(Deserialize)]
struct RequestJson {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    inputs: Vec<InputJson>,
    #[serde(default)]
    outputs: Option<Vec<OutputJson>>,
}

#[derive(Deserialize)]
struct InputJson {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
struct OutputJson {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

pub(super) fn request(body: &[u8], json_length: Option<usize>) -> Result<Request, Rejection> {
    let (json, mut rest) = match json_length {
        Some(length) => body.split_at_checked(length).ok_or_else(|| {
            Rejection::new(format!(
                "the JSON part is said to have {length} bytes, the body has {}",
                body.len()
            ))
        })?,
        None => (body, &[][..]),
    };
    let parsed: RequestJson = serde_json::from_slice(json)
        .map_err(|error| Rejection::new(format!("the body is no inference request: {error}")))?;
    if parsed.inputs.is_empty() {
        return Err(Rejection::new("there are no inputs"));
    }
    if parsed.id.as_ref().is_some_and(|id| id.len() > MAX_ID_BYTES) {
        return Err(Rejection::new("the id is longer than 1024 bytes"));
    }
    let asked = parsed.outputs.as_ref().map_or(0, Vec::len);
    for (what, count) in [("inputs", parsed.inputs.len()), ("outputs", asked)] {
        if count > MAX_COLUMNS {
            return Err(Rejection::new(format!("there are {count} {what}, at most {MAX_COLUMNS} are taken")));
        }
    }
    let mut inputs: Vec<Tensor> = Vec::with_capacity(parsed.inputs.len());
    let mut names = HashSet::with_capacity(parsed.inputs.len());
    for input in parsed.inputs {
        if !names.insert(input.name.clone()) {
            return Err(Rejection::new(format!("input {:?} is there twice", input.name)));
        }
        inputs.push(tensor(input, &mut rest)?);
    }
    if !rest.is_empty() {
        return Err(Rejection::new(format!("{} bytes follow the last binary input", rest.len())));
    }
    let outputs = parsed.outputs.map(|outputs| {
        outputs
            .into_iter()
            .map(|output| Wanted { binary: flag(&output.parameters, "binary_data"), name: output.name })
            .collect()
    });
    let binary_by_default = flag(&parsed.parameters, "binary_data_output").unwrap_or(false);
    Ok(Request { id: parsed.id, inputs, outputs, binary_by_default })
}

fn flag(parameters: &Map<String, Value>, name: &str) -> Option<bool> {
    parameters.get(name).and_then(Value::as_bool)
}

fn tensor(input: InputJson, rest: &mut &[u8]) -> Result<Tensor, Rejection> {
    let InputJson { name, shape, datatype, parameters, data } = input;
    let datatype = Datatype::parse(&datatype)
        .ok_or_else(|| Rejection::new(format!("input {name:?} has the unknown datatype {datatype:?}")))?;
    let rows = match shape.as_slice() {
        [rows] | [rows, 1] => *rows,
        _ => {
            return Err(Rejection::new(format!(
                "input {name:?} has the shape {shape:?}; each input is one column of shape [rows] or [rows, 1]"
            )));
        }
    };
    let elements = match (data, parameters.get("binary_data_size").map(Value::as_u64)) {
        (None, Some(Some(size))) => {
            let taken = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
            let (bytes, after) = taken.ok_or_else(|| {
                Rejection::new(format!("the body ends before the {size} bytes of input {name:?}"))
            })?;
            *rest = after;
            binary::decode(datatype, bytes)
                .map_err(|what| Rejection::new(format!("input {name:?}: {what}")))?
        }
        (Some(data), None) => {
            let mut flat = Vec::with_capacity(rows.min(1 << 16));
            flatten(&data, 0, &mut flat).map_err(|what| Rejection::new(format!("input {name:?}: {what}")))?;
            elements(datatype, &flat).map_err(|what| Rejection::new(format!("input {name:?}: {what}")))?
        }
        _ => return Err(Rejection::new(format!("input {name:?} needs either data or binary_data_size"))),
    };
    if elements.len() != rows {
        let found = elements.len();
        return Err(Rejection::new(format!(
            "input {name:?} has {found} elements, its shape {shape:?} {rows}"
        )));
    }
    Ok(Tensor { name, datatype, elements })
}

/// The values of nested lists in row-major order.
fn flatten<'a>(data: &'a Value, depth: usize, out: &mut Vec<&'a Value>) -> Result<(), String> {
    match data {
        Value::Array(values) if depth < 3 => values.iter().try_for_each(|value| match value {
            Value::Array(_) => flatten(value, depth + 1, out),
            value => {
                out.push(value);
                Ok(())
            }
        }),
        Value::Array(_) => Err("data is nested more than three levels deep".to_owned()),
        _ => Err("data is not a list".to_owned()),
    }
}

fn elements(datatype: Datatype, values: &[&Value]) -> Result<Elements, String> {
    let wrong = |place: usize| format!("element {place} is no {}", datatype.word());
    let each = values.iter().enumerate();
    if datatype == Datatype::Bytes {
        let texts = each.map(|(place, value)| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            _ => Err(wrong(place)),
        });
        return texts.collect::<Result<_, _>>().map(Elements::Texts);
    }
    let has_missing = values.iter().any(|value| value.is_null());
    if datatype.is_float() || has_missing {
        let floats = each.map(|(place, value)| match value {
            Value::Null => Ok(f64::NAN),
            Value::Bool(value) if datatype == Datatype::Bool => Ok(f64::from(u8::from(*value))),
            value => value.as_f64().ok_or_else(|| wrong(place)),
        });
        return floats.collect::<Result<_, _>>().map(Elements::Floats);
    }
    let ints = each.map(|(place, value)| {
        let value = match value {
            Value::Bool(value) if datatype == Datatype::Bool => Some(i64::from(*value)),
            value => value.as_i64(),
        };
        value.filter(|value| in_range(datatype, *value)).ok_or_else(|| wrong(place))
    });
    ints.collect::<Result<_, _>>().map(Elements::Ints)
}

fn in_range(datatype: Datatype, value: i64) -> bool {
    match datatype {
        Datatype::Bool => (0..=1).contains(&value),
        Datatype::Uint8 => u8::try_from(value).is_ok(),
        Datatype::Uint16 => u16::try_from(value).is_ok(),
        Datatype::Uint32 => u32::try_from(value).is_ok(),
        Datatype::Uint64 => value >= 0,
        Datatype::Int8 => i8::try_from(value).is_ok(),
        Datatype::Int16 => i16::try_from(value).is_ok(),
        Datatype::Int32 => i32::try_from(value).is_ok(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(inputs: usize) -> String {
        let input = |n: usize| format!(r#"{{"name": "{n}", "shape": [1], "datatype": "INT8", "data": [1]}}"#);
        format!(r#"{{"inputs": [{}]}}"#, (0..inputs).map(input).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn more_inputs_than_any_model_has_are_refused() {
        assert_eq!(request(body(10_000).as_bytes(), None).unwrap().inputs.len(), 10_000);
        let refused = request(body(10_001).as_bytes(), None).unwrap_err().to_string();
        assert_eq!(refused, "there are 10001 inputs, at most 10000 are taken");
    }
}
