//! The short notation in which the `.api` files say what a call asks and answers, as JSON Schema.
//!
//! ```text
//! fields  name! tags:[Tag] start_time:int status:(RUNNING|FINISHED) info:{run_id! status}
//! ```
//!
//! A field is a text unless it says its type; `!` marks one that is always there, `*` an object that may have more
//! fields than these. Types: `text`, `int`, `number`, `float` (a number, or `NaN` and infinities as texts), `bool`,
//! `any`, `map` (any text to a text), `time` (RFC 3339), `[T]`, `{fields}`, `(A|B)`, and the name of a component.

use serde_json::{Map, Value, json};

/// One named part of a request or an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    /// Where a request carries it: `/` in the path, `?` in the query, `@` in a header; nothing said means the body.
    pub(super) place: Option<char>,
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) schema: Value,
}

/// What a line of notation says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shape {
    pub(super) fields: Vec<Field>,
    /// The object may have more fields than these.
    pub(super) open: bool,
    /// A type that stands for the body or the query as a whole.
    pub(super) whole: Option<Value>,
}

/// Reads `text`; components get `prefix` before their name.
pub(super) fn shape(text: &str, prefix: &str) -> Result<Shape, String> {
    let mut reader = Reader { rest: text.trim(), prefix };
    let shape = reader.shape()?;
    match reader.rest {
        "" => Ok(shape),
        rest => Err(format!("{rest:?} is left over in {text:?}")),
    }
}

impl Shape {
    /// The schema of the body or answer that it says.
    pub(super) fn schema(self) -> Value {
        self.whole.unwrap_or_else(|| object(&self.fields.iter().collect::<Vec<_>>(), self.open))
    }

    /// The schema of a body: the fields that lie nowhere else.
    pub(super) fn body(&self) -> Value {
        let fields: Vec<&Field> = self.fields.iter().filter(|field| field.place.is_none()).collect();
        self.whole.clone().unwrap_or_else(|| object(&fields, self.open))
    }
}

/// The object that has `fields`.
fn object(fields: &[&Field], open: bool) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    let mut schema = json!({ "type": "object" });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if open {
        schema["additionalProperties"] = true.into();
    }
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.clone(), field.schema.clone())).collect();
    schema["properties"] = properties.into();
    schema
}

struct Reader<'a> {
    rest: &'a str,
    prefix: &'a str,
}

impl<'a> Reader<'a> {
    fn takes(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn wants(&mut self, sign: char) -> Result<(), String> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(format!("{sign:?} is missing before {:?}", self.rest)),
        }
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let end = self
            .rest
            .find(|letter: char| !letter.is_alphanumeric() && !"_-.".contains(letter))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Err(format!("a name is missing before {rest:?}")) } else { Ok(word) }
    }

    /// Fields up to the end or a closing brace.
    fn shape(&mut self) -> Result<Shape, String> {
        let mut shape = Shape::default();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Ok(shape);
            }
            if self.takes('*') {
                shape.open = true;
                continue;
            }
            if self.rest.starts_with(|first: char| first == '[' || first.is_ascii_uppercase()) {
                shape.whole = Some(self.schema()?);
                continue;
            }
            let place = self.rest.chars().next().filter(|sign| "/?@".contains(*sign));
            if let Some(sign) = place {
                self.wants(sign)?;
            }
            let name = self.word()?.to_owned();
            let required = self.takes('!') || place == Some('/');
            let schema = if self.takes(':') { self.schema()? } else { json!({ "type": "string" }) };
            shape.fields.push(Field { place, name, required, schema });
        }
    }

    fn schema(&mut self) -> Result<Value, String> {
        if self.takes('[') {
            let items = self.schema()?;
            self.wants(']')?;
            return Ok(json!({ "type": "array", "items": items }));
        }
        if self.takes('{') {
            let inner = self.shape()?;
            self.wants('}')?;
            return Ok(inner.schema());
        }
        if self.takes('(') {
            let mut words = vec![self.word()?];
            while self.takes('|') {
                words.push(self.word()?);
            }
            self.wants(')')?;
            return Ok(json!({ "type": "string", "enum": words }));
        }
        Ok(match self.word()? {
            "text" => json!({ "type": "string" }),
            "int" => json!({ "type": "integer", "format": "int64" }),
            "number" => json!({ "type": "number", "format": "double" }),
            "float" => json!({ "oneOf": [
                { "type": "number", "format": "double" },
                { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
            ]}),
            "bool" => json!({ "type": "boolean" }),
            "any" => json!({}),
            "map" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            "time" => json!({ "type": "string", "format": "date-time" }),
            name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                json!({ "$ref": format!("#/components/schemas/{}{name}", self.prefix) })
            }
            other => return Err(format!("{other:?} is no type")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Value {
        shape(text, "Mlflow").unwrap().schema()
    }

    #[test]
    fn fields_become_an_object() {
        let expected = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string" },
                "tags": { "type": "array", "items": { "$ref": "#/components/schemas/MlflowTag" } },
                "info": { "type": "object", "properties": { "at": { "type": "integer", "format": "int64" } } },
                "view": { "type": "string", "enum": ["ALL", "NONE"] },
            },
        });
        assert_eq!(schema("name! tags:[Tag] info:{at:int} view:(ALL|NONE)"), expected);
        assert_eq!(schema("*"), json!({ "type": "object", "additionalProperties": true, "properties": {} }));
        assert_eq!(schema("[Tag]")["items"]["$ref"], "#/components/schemas/MlflowTag");
    }

    #[test]
    fn a_field_may_lie_outside_the_body() {
        let fields = shape("/version:int ?dry:bool @x-key! name", "").unwrap().fields;
        let places: Vec<_> = fields.iter().map(|field| (field.place, field.required)).collect();
        assert_eq!(places, [(Some('/'), true), (Some('?'), false), (Some('@'), true), (None, false)]);
    }

    #[test]
    fn what_is_no_notation_is_refused() {
        for text in ["a:", "a:{b", "a:[int", "a:(X|)", "a:nothing", "a }", "[Tag"] {
            assert!(shape(text, "").is_err(), "{text}");
        }
    }
}
