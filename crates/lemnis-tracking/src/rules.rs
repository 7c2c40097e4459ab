//! What names and values may be: MLflow's limits, in MLflow's words.
//!
//! Adapters apply these rules before they write, so that every caller is held to them; lengths count characters.

use crate::{Batch, DatasetInput, Error, Metric, Param, Result, Tag};

/// Longest key of a metric, param or tag, in characters.
pub const KEY_LENGTH: usize = 250;
/// Longest value of a param; longer ones are cut.
pub const PARAM_VALUE_LENGTH: usize = 6000;
/// Longest value of a run's tag; longer ones are cut.
pub const TAG_VALUE_LENGTH: usize = 8000;
/// Longest value of an experiment's tag.
pub const EXPERIMENT_TAG_VALUE_LENGTH: usize = 20_000;
/// Longest value of a registry tag.
pub const REGISTRY_TAG_VALUE_LENGTH: usize = 100_000;

const CHARACTERS: &str = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), \
                          spaces ( ), colon(:) and slashes (/).";

/// `Missing value for required parameter 'path'.`
pub fn missing(path: &str) -> Error {
    Error::invalid(format!("Missing value for required parameter '{path}'."))
}

/// `Invalid value … for parameter 'path' supplied`, with `value` as compact JSON.
pub fn invalid_value(path: &str, value: &serde_json::Value, why: &str) -> Error {
    if why.is_empty() {
        return Error::invalid(format!("Invalid value {value} for parameter '{path}' supplied."));
    }
    Error::invalid(format!("Invalid value {value} for parameter '{path}' supplied: {why}"))
}

/// The first `limit` characters of `value`.
pub fn cut(value: &str, limit: usize) -> &str {
    match value.char_indices().nth(limit) {
        Some((end, _)) => &value[..end],
        None => value,
    }
}

/// The value as it is kept: infinities become the largest finite numbers.
pub fn finite(value: f64) -> f64 {
    if value.is_infinite() { f64::MAX.copysign(value) } else { value }
}

/// Fails if `value` is longer than `limit` characters.
pub fn length(what: &str, value: &str, limit: usize) -> Result<()> {
    if value.len() > limit && value.chars().count() > limit {
        return Err(Error::invalid(format!("'{what}' exceeds the maximum length of {limit} characters")));
    }
    Ok(())
}

/// The key of a metric, param or tag: characters, and a path that names itself.
pub fn key(name: &str, path: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    if !name.chars().all(allowed) {
        return Err(invalid_value(path, &name.into(), CHARACTERS));
    }
    own_path(name, path)
}

/// Fails unless `name`, seen as a path, is relative and normal.
fn own_path(name: &str, path: &str) -> Result<()> {
    let normal = normalised(name);
    if normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with('/') {
        return Ok(());
    }
    let why = format!(
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as \
         such. This name would resolve to '{normal}'"
    );
    Err(invalid_value(path, &name.into(), &why))
}

/// `posixpath.normpath` of Python.
fn normalised(path: &str) -> String {
    let root = match path {
        _ if path.starts_with("//") && !path.starts_with("///") => "//",
        _ if path.starts_with('/') => "/",
        _ => "",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if root.is_empty() && parts.last().is_none_or(|last| *last == "..") => parts.push(part),
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

fn under(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// One point of a metric; `path` is where it stands in the request, empty for a request of its own.
pub fn metric(metric: &Metric, path: &str) -> Result<()> {
    key(&metric.key, &under(path, "name"))?;
    if metric.timestamp < 0 {
        let why = format!(
            "metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
            metric.key, metric.value
        );
        return Err(invalid_value(&under(path, "timestamp"), &metric.timestamp.into(), &why));
    }
    length("Metric name", &metric.key, KEY_LENGTH)
}

/// One param; its value may be longer than is kept.
pub fn param(param: &Param, path: &str) -> Result<()> {
    key(&param.key, &under(path, "key"))?;
    length("Param key", &param.key, KEY_LENGTH)
}

/// One tag of a run; its value may be longer than is kept.
pub fn tag(tag: &Tag, path: &str) -> Result<()> {
    key(&tag.key, &under(path, "key"))?;
    length(&under(path, "key"), &tag.key, KEY_LENGTH)
}

/// A whole batch: sizes, then every entry.
pub fn batch(batch: &Batch) -> Result<()> {
    let (metrics, params, tags) = (batch.metrics.len(), batch.params.len(), batch.tags.len());
    let sizes = [
        ("metrics", 1000, metrics),
        ("params", 100, params),
        ("tags", 100, tags),
        ("metrics, params, and tags", 1000, metrics + params + tags),
    ];
    for (what, limit, got) in sizes {
        if got > limit {
            return Err(Error::invalid(format!(
                "A batch logging request can contain at most {limit} {what}. Got {got} {what}. Please split up \
                 {what} across multiple requests and try again."
            )));
        }
    }
    for (index, entry) in batch.metrics.iter().enumerate() {
        metric(entry, &format!("metrics[{index}]"))?;
    }
    for (index, entry) in batch.params.iter().enumerate() {
        param(entry, &format!("params[{index}]"))?;
    }
    for (index, entry) in batch.tags.iter().enumerate() {
        tag(entry, &format!("tags[{index}]"))?;
    }
    unique_params(&batch.params)
}

fn unique_params(params: &[Param]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<String> = params
        .iter()
        .filter(|param| !seen.insert(&param.key))
        .map(|param| format!("'{}'", param.key))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param \
         value per param key.",
        twice.join(", ")
    )))
}

/// An experiment's name.
pub fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    length("name", name, 500)
}

/// Where an experiment's artifacts may go.
pub fn artifact_location(location: &str) -> Result<()> {
    if location.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{location}'")));
    }
    length("artifact_location", location, 2048)
}

/// A tag of an experiment.
pub fn experiment_tag(tag: &Tag) -> Result<()> {
    key(&tag.key, "key")?;
    length("key", &tag.key, KEY_LENGTH)?;
    length("value", &tag.value, EXPERIMENT_TAG_VALUE_LENGTH)
}

/// A tag of a registered model or a version.
pub fn registry_tag(tag_key: &str, value: &str) -> Result<()> {
    key(tag_key, "key")?;
    length("key", tag_key, KEY_LENGTH)?;
    length("value", value, REGISTRY_TAG_VALUE_LENGTH)
}

/// A registered model's name; `path` is the request's field.
pub fn model_name(name: &str, path: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(missing(path));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    own_path(name, "name")?;
    length("name", name, 256)
}

/// A logged model's name.
pub fn logged_model_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the \
             following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    Ok(())
}

/// An alias: characters and length.
pub fn alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(Error::invalid("Registered model alias name cannot be empty."));
    }
    if !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    length("Registered model alias name", alias, 255)
}

/// An alias that is about to be set: not one of the reserved ones.
pub fn new_alias(name: &str) -> Result<()> {
    alias(name)?;
    if name.eq_ignore_ascii_case(crate::LATEST) {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let number = name.strip_prefix(['v', 'V']).unwrap_or_default();
    if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::invalid(format!("Version alias name '{name}' is reserved.")));
    }
    Ok(())
}

/// Datasets that a run read.
pub fn dataset_inputs(inputs: &[DatasetInput]) -> Result<()> {
    if inputs.len() > 1000 {
        return Err(Error::invalid("A request can contain at most 1000 datasets."));
    }
    for input in inputs {
        let dataset = &input.dataset;
        length("name", &dataset.name, 500)?;
        length("digest", &dataset.digest, 36)?;
        length("source", &dataset.source, 65_535)?;
        length("schema", dataset.schema.as_deref().unwrap_or_default(), 1_048_575)?;
        length("profile", dataset.profile.as_deref().unwrap_or_default(), 16_777_215)?;
        for tag in &input.tags {
            length("key", &tag.key, 255)?;
            length("value", &tag.value, 500)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_key_must_name_itself_as_a_path() {
        assert!(key("train/loss: a-b.c d", "name").is_ok());
        assert!(key("größe", "name").is_ok());
        assert!(said(key("../x", "name")).ends_with("This name would resolve to '../x'"));
        assert!(said(key("a//b", "name")).ends_with("This name would resolve to 'a/b'"));
        assert!(said(key("/etc", "name")).ends_with("This name would resolve to '/etc'"));
        assert!(
            said(key("a?b", "key"))
                .starts_with("Invalid value \"a?b\" for parameter 'key' supplied: Names may")
        );
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert!(length("key", &"é".repeat(250), 250).is_ok());
        assert_eq!(
            said(length("key", &"é".repeat(251), 250)),
            "'key' exceeds the maximum length of 250 characters"
        );
        assert_eq!(cut("éé", 1), "é");
    }

    #[test]
    fn a_batch_is_refused_whole() {
        let batch_of = |params: usize| Batch {
            params: (0..params).map(|index| Param::new(format!("p{index}"), "v")).collect(),
            ..Batch::default()
        };
        assert!(batch(&batch_of(100)).is_ok());
        assert!(
            said(batch(&batch_of(101)))
                .starts_with("A batch logging request can contain at most 100 params. Got 101")
        );
        let mut twice = batch_of(1);
        twice.params.push(Param::new("p0", "v"));
        assert!(said(batch(&twice)).starts_with("Duplicate parameter keys have been submitted: ['p0']."));
    }

    #[test]
    fn reserved_aliases_are_refused() {
        assert!(new_alias("champion").is_ok());
        assert!(said(new_alias("Latest")).contains("is reserved"));
        assert_eq!(said(new_alias("v12")), "Version alias name 'v12' is reserved.");
        assert!(said(new_alias("a b")).starts_with("Invalid alias name: 'a b'."));
    }

    #[test]
    fn infinities_are_kept_as_the_largest_numbers() {
        assert_eq!(finite(f64::NEG_INFINITY), -f64::MAX);
        assert!(finite(f64::NAN).is_nan());
    }
}
