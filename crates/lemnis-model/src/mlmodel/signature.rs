//! Signatures: the named, typed columns a model takes and gives, as MLflow writes them (JSON inside YAML).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The type of a column, in MLflow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// True or false.
    Boolean,
    /// 32-bit whole number.
    Integer,
    /// 64-bit whole number.
    Long,
    /// 32-bit float.
    Float,
    /// 64-bit float.
    Double,
    /// Text.
    String,
}

impl DataType {
    /// MLflow's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            DataType::Boolean => "boolean",
            DataType::Integer => "integer",
            DataType::Long => "long",
            DataType::Float => "float",
            DataType::Double => "double",
            DataType::String => "string",
        }
    }

    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "boolean" => DataType::Boolean,
            "integer" => DataType::Integer,
            "long" => DataType::Long,
            "float" => DataType::Float,
            "double" => DataType::Double,
            "string" => DataType::String,
            other => return Err(Error::Unsupported(format!("a column of MLflow's type {other:?}"))),
        })
    }
}

/// One column of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// The column's type.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// Whether the column must be there. Values may be missing all the same.
    pub required: bool,
}

/// What a model takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The columns of the input, in order.
    pub inputs: Vec<Field>,
    /// The columns of the output, in order.
    pub outputs: Vec<Field>,
}

/// Parses one schema of a signature. `None` means that it is there but not made of columns (a tensor schema).
pub(crate) fn parse_schema(text: &str) -> Result<Option<Vec<Field>>> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        name: Option<serde_json::Value>,
        #[serde(default = "yes")]
        required: bool,
    }
    fn yes() -> bool {
        true
    }
    let entries: Vec<Entry> = serde_json::from_str(text)
        .map_err(|error| Error::MlModel(format!("the signature is not readable: {error}")))?;
    let mut fields = Vec::with_capacity(entries.len());
    for (position, entry) in entries.into_iter().enumerate() {
        if entry.kind == "tensor" {
            return Ok(None);
        }
        let name = match entry.name {
            Some(serde_json::Value::String(name)) => name,
            Some(serde_json::Value::Null) | None => position.to_string(),
            Some(other) => other.to_string(),
        };
        fields.push(Field { name, data_type: DataType::parse(&entry.kind)?, required: entry.required });
    }
    Ok(Some(fields))
}

/// The schema as `json.dumps` in MLflow writes it: keys in its order, `", "` and `": "` between them.
pub(crate) fn schema_json(fields: &[Field]) -> String {
    let entries: Vec<String> = fields
        .iter()
        .map(|field| {
            let name = ascii_json(&field.name);
            format!(
                "{{\"type\": \"{}\", \"name\": {name}, \"required\": {}}}",
                field.data_type.name(),
                field.required
            )
        })
        .collect();
    format!("[{}]", entries.join(", "))
}

/// A JSON string in ASCII alone, as Python's `json.dumps` writes it.
fn ascii_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    for character in serde_json::Value::from(text).to_string().chars() {
        if character.is_ascii() {
            json.push(character);
        } else {
            let mut units = [0u16; 2];
            for unit in character.encode_utf16(&mut units) {
                json.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_as_mlflow_writes_it_and_read_back() {
        let fields = vec![
            Field { name: "näme".to_owned(), data_type: DataType::Double, required: true },
            Field { name: "it's".to_owned(), data_type: DataType::String, required: false },
        ];
        let json = schema_json(&fields);
        assert_eq!(
            json,
            "[{\"type\": \"double\", \"name\": \"n\\u00e4me\", \"required\": true}, \
             {\"type\": \"string\", \"name\": \"it's\", \"required\": false}]"
        );
        assert_eq!(parse_schema(&json).unwrap().unwrap(), fields);
    }

    #[test]
    fn a_date_column_is_refused_by_name() {
        let error = parse_schema(r#"[{"type": "datetime", "name": "d"}]"#).unwrap_err();
        assert!(error.to_string().contains("\"datetime\""));
    }

    #[test]
    fn a_tensor_schema_has_no_columns() {
        let text = r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 20]}}]"#;
        assert_eq!(parse_schema(text).unwrap(), None);
    }
}
