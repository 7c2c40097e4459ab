//! The fields of a request, read as leniently as MLflow's protocol buffers do: `run_id` or `runId`, numbers as numbers
//! or texts, a GET's query or its body, a body that is JSON inside a JSON text. Unknown fields are ignored.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, header};
use lemnis_tracking::{Code, Error, Param, Result, Tag, rules};
use serde_json::{Map, Value};

use super::failure::Failure;
use super::nul;

/// The largest JSON body; a dataset's profile alone may have 16 MB.
const MAX_BODY_BYTES: usize = 64 << 20;
const HELP: &str = " See the API docs for more information about request parameters.";

/// The fields of a request or of an object inside it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    map: Map<String, Value>,
    /// Where the object stands in the request, such as `metrics[0].`.
    path: String,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        if parts.method == Method::GET && !query.is_empty() {
            return Ok(Self { map: one_spelling(from_query(query))?, path: String::new() });
        }
        if parts.method == Method::POST || parts.method == Method::PUT {
            check_content_type(&parts.headers)?;
        }
        Ok(Self::parse(&read(body).await?)?)
    }
}

/// The body of a POST as it came, for requests that are read the fast way first.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        check_content_type(&parts.headers)?;
        let bytes = read(body).await?;
        if nul::may_be_in(&bytes) {
            from_body(&bytes)?;
        }
        Ok(Self(bytes))
    }
}

fn bad(message: &str) -> Error {
    Error::Refused { code: Code::BadRequest, message: message.to_owned() }
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Err(Error::invalid("Bad Request. Content-Type header is missing."));
    };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."))
}

async fn read(body: Body) -> Result<Bytes> {
    to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| bad(&format!("The request body broke off or is larger than {MAX_BODY_BYTES} bytes.")))
}

fn from_body(bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let parse = |bytes: &[u8]| {
        serde_json::from_slice(bytes).map_err(|error| bad(&format!("The body is no JSON: {error}")))
    };
    let value: Value = match parse(bytes)? {
        Value::String(inner) => parse(inner.as_bytes())?,
        value => value,
    };
    if nul::may_be_in(bytes) && nul::is_in(&value) {
        return Err(Error::invalid(nul::REFUSAL));
    }
    match value {
        Value::Object(map) => one_spelling(map),
        Value::Null => Ok(Map::new()),
        _ => Err(bad("The body must be a JSON object.")),
    }
}

/// The query's fields; one that is repeated becomes a list.
fn from_query(query: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        match map.get_mut(key.as_ref()) {
            None => {
                map.insert(key.into_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    map
}

/// Fails where a field of `map` is given in both of its spellings.
fn one_spelling(map: Map<String, Value>) -> Result<Map<String, Value>> {
    for key in map.keys().filter(|key| key.bytes().any(|byte| byte.is_ascii_uppercase())) {
        let plain = snake_case(key);
        if map.contains_key(&plain) {
            return Err(Error::invalid(format!("The field '{plain}' is given twice, in two spellings.")));
        }
    }
    Ok(map)
}

/// `run_id` as `runId`.
fn camel_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut raise = false;
    for letter in key.chars() {
        match letter {
            '_' => raise = true,
            letter if std::mem::take(&mut raise) => out.push(letter.to_ascii_uppercase()),
            letter => out.push(letter),
        }
    }
    out
}

fn snake_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Python's name of a JSON value's type, as MLflow's messages say it.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

impl Fields {
    /// The fields of `map`, for calls that do not come as a request of their own.
    pub(super) fn of(map: Map<String, Value>) -> Result<Self> {
        Ok(Self { map: one_spelling(map)?, path: String::new() })
    }

    /// The fields of a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        Ok(Self { map: from_body(body)?, path: String::new() })
    }

    fn value(&self, name: &str) -> Option<&Value> {
        #[cfg(test)]
        crate::openapi::tests::note(&format!("{}{name}", self.path));
        let found = match self.map.get(name) {
            None if name.contains('_') => self.map.get(&camel_case(name)),
            found => found,
        };
        found.filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, value: &Value) -> Error {
        let why = format!(" Hint: Value was of type '{}'.{HELP}", python_type(value));
        rules::invalid_value(&format!("{}{name}", self.path), value, &why)
    }

    /// `Missing value for required parameter 'name'.`
    pub(super) fn missing(&self, name: &str) -> Error {
        Error::invalid(format!("Missing value for required parameter '{}{name}'.{HELP}", self.path))
    }

    /// A text, which may be empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A text; empty counts as absent.
    pub(super) fn filled(&self, name: &str) -> Result<Option<String>> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(&self, name: &str) -> Result<String> {
        self.filled(name)?.ok_or_else(|| self.missing(name))
    }

    /// The run's id under its present or its old name.
    pub(super) fn run_id(&self) -> Result<lemnis_tracking::RunId> {
        let id = match self.filled("run_id")? {
            Some(id) => id,
            None => self.filled("run_uuid")?.ok_or_else(|| self.missing("run_id"))?,
        };
        Ok(id.into())
    }

    /// An integer, as a number or a text.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64())),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// A number, as a number or a text, with `NaN`, `Infinity` and `-Infinity`.
    pub(super) fn float(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                text => text.parse().ok(),
            },
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, value))
    }

    /// A truth value, as such or as a text in any case.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value {
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Value::String(text) => {
                Err(Error::invalid(format!("Invalid boolean value: {text}, must be 'true' or 'false'.")))
            }
            other => Err(self.wrong(name, other)),
        }
    }

    /// The name or number of an enum's value.
    pub(super) fn word(&self, name: &str) -> Result<Option<String>> {
        match self.value(name) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => self.filled(name),
        }
    }

    fn array(&self, name: &str) -> Result<&[Value]> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// A list of texts; a query's single one is a list, too.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        if let Some(Value::String(text)) = self.value(name) {
            return Ok(vec![text.clone()]);
        }
        let items = self.array(name)?;
        let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        texts.ok_or_else(|| self.wrong(name, &Value::Array(items.to_vec())))
    }

    /// A list of texts that must be a list.
    pub(super) fn listed_texts(&self, name: &str) -> Result<Vec<String>> {
        match self.value(name) {
            Some(text @ Value::String(_)) => Err(self.wrong(name, text)),
            _ => self.texts(name),
        }
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Fields>> {
        let items = self.array(name)?;
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let Value::Object(map) = item else {
                return Err(self.wrong(name, &Value::Array(items.to_vec())));
            };
            objects.push(Fields {
                map: one_spelling(map.clone())?,
                path: format!("{}{name}[{index}].", self.path),
            });
        }
        Ok(objects)
    }

    /// The object `name`, if there is one.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Fields { map: one_spelling(map.clone())?, path: format!("{}{name}.", self.path) }))
            }
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// The object `name` as texts by key, its keys as they are.
    pub(super) fn map(&self, name: &str) -> Result<BTreeMap<String, String>> {
        match self.value(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(map)) => Ok(map
                .iter()
                .map(|(key, value)| {
                    (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect()),
            Some(other) => Err(self.wrong(name, other)),
        }
    }

    /// Any JSON; `null` where there is none.
    pub(super) fn json(&self, name: &str) -> Value {
        self.value(name).cloned().unwrap_or_default()
    }

    /// Whether the field is there, even if it is empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A moment as protocol buffers write it, RFC 3339, in milliseconds.
    pub(super) fn moment(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let parsed = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        parsed
            .map(|at| Some(at.as_nanosecond().div_euclid(1_000_000) as i64))
            .ok_or_else(|| self.wrong(name, value))
    }

    /// A duration as protocol buffers write it, such as `1.5s`, in milliseconds.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let seconds = value.as_str().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
        let milliseconds = seconds.map(|seconds| (seconds * 1000.0).round());
        milliseconds
            .filter(|value| value.abs() < 9.0e15)
            .map(|value| Some(value as i64))
            .ok_or_else(|| self.wrong(name, value))
    }

    /// This object as a tag; a missing value is empty.
    pub(super) fn tag(&self) -> Result<Tag> {
        Ok(Tag { key: self.required("key")?, value: self.text("value")?.unwrap_or_default() })
    }

    /// A list of tags.
    pub(super) fn tags(&self, name: &str) -> Result<Vec<Tag>> {
        self.objects(name)?.iter().map(Fields::tag).collect()
    }

    /// A list of params.
    pub(super) fn params(&self, name: &str) -> Result<Vec<Param>> {
        Ok(self.tags(name)?.into_iter().map(|tag| Param { key: tag.key, value: tag.value }).collect())
    }

    /// A page's size within its limits.
    pub(super) fn max_results(&self, default: usize, limit: usize) -> Result<usize> {
        let Some(given) = self.int("max_results")? else { return Ok(default) };
        let wrong = |why: &str| {
            Error::invalid(format!("Invalid value {given} for parameter 'max_results' supplied. {why}"))
        };
        match usize::try_from(given) {
            Ok(given) if given > limit => {
                Err(wrong(&format!("It must be at most {limit}, but got value {given}")))
            }
            Ok(given) if given > 0 => Ok(given),
            _ => Err(wrong(&format!("It must be a positive integer, but got value {given}"))),
        }
    }

    /// Where the page starts.
    pub(super) fn offset(&self) -> Result<u64> {
        lemnis_tracking::page::offset(&self.text("page_token")?.unwrap_or_default())
    }
}

/// The integer that a whole float is.
fn whole(number: Option<f64>) -> Option<i64> {
    let number = number?;
    (number.fract() == 0.0 && number.abs() < 9.0e18).then_some(number as i64)
}
