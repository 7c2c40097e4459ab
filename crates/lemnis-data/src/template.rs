//! `${…}` in `dvc.yaml`: values of `params.yaml` and `vars` put into strings, by DVC's rules.
//!
//! An expression is a dotted path with `[key]` parts; there is no arithmetic and no nesting. A string that
//! is one expression takes the value's type; elsewhere scalars are spelt as text, and a mapping inside `cmd`
//! becomes command-line flags.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use indexmap::IndexMap;

use crate::yaml::{Key, Map, Value, python_float};

/// How mappings become command-line flags: the `parsing` section of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsing {
    /// `false` becomes `--no-key` instead of nothing.
    pub(crate) bool_optional: bool,
    /// A list becomes `--key a --key b` instead of `--key a b`.
    pub(crate) list_append: bool,
}

/// Names and what they stand for.
#[derive(Clone, Default)]
pub(crate) struct Context {
    values: Rc<Map>,
    /// Names of one generated stage, which cover all others and cannot be redefined.
    item: Map,
    /// Files whose values are here; the keys of those that are here in part.
    loaded: IndexMap<PathBuf, Option<Vec<String>>>,
    pub(crate) parsing: Parsing,
}

/// Where an expression stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Only scalars.
    Text,
    /// Scalars, and mappings as flags.
    Cmd,
    /// The items of a group: anything.
    Items,
}

impl Context {
    /// Adds `more`; mappings merge, a value that is there already may not be redefined.
    pub(crate) fn merge(&mut self, more: &Map) -> Result<(), String> {
        if let Some((key, _)) = self.item.iter().find(|(key, _)| more.contains_key(*key)) {
            return Err(format!("'{}' is set by the group and cannot be defined again", key.text));
        }
        merge(Rc::make_mut(&mut self.values), more, "")
    }

    /// Whether the file at `path`, or `keys` of it, must be read; refuses to load values twice.
    pub(crate) fn wants(&self, path: &Path, keys: &[String]) -> Result<bool, String> {
        match self.loaded.get(path) {
            None => Ok(true),
            Some(None) if keys.is_empty() => Ok(false),
            Some(None) => Err("the file is loaded already as a whole".into()),
            Some(Some(_)) if keys.is_empty() => Err("a part of the file is loaded already".into()),
            Some(Some(known)) => match keys.iter().find(|key| known.contains(key)) {
                Some(key) => Err(format!("'{key}' of the file is loaded already")),
                None => Ok(true),
            },
        }
    }

    /// Notes that the file at `path`, or `keys` of it, was merged.
    pub(crate) fn note(&mut self, path: PathBuf, keys: Vec<String>) {
        match self.loaded.get_mut(&path) {
            Some(Some(known)) => known.extend(keys),
            Some(None) => {}
            None => {
                self.loaded.insert(path, (!keys.is_empty()).then_some(keys));
            }
        }
    }

    /// The same context with the names of one generated stage.
    pub(crate) fn with_item(&self, item: Map) -> Self {
        Self { item, ..self.clone() }
    }

    /// `value` with every string interpolated.
    pub(crate) fn resolve(&self, value: &Value, place: Place) -> Result<Value, String> {
        Ok(match value {
            Value::Str(text) => self.string(text, place)?,
            Value::Seq(items) => {
                Value::Seq(items.iter().map(|item| self.resolve(item, place)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => {
                let mut out = Map::new();
                for (key, item) in map {
                    let name = match self.string(&key.text, Place::Text)? {
                        _ if key.typed => key.clone(),
                        Value::Str(text) => Key::from(text),
                        other => Key::from(spell(&other)),
                    };
                    out.insert(name, self.resolve(item, place)?);
                }
                Value::Map(out)
            }
            other => other.clone(),
        })
    }

    fn string(&self, text: &str, place: Place) -> Result<Value, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('\\') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..].find(['}', '\n']).filter(|length| rest[at + length..].starts_with('}'));
            let Some(length) = end else {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            };
            let expression = rest[at + 2..at + length].trim();
            let value = self.get(expression)?;
            let composite = matches!(value, Value::Map(_) | Value::Seq(_));
            let whole = at == 0 && length + 1 == text.len() && rest.len() == text.len();
            if whole && !(place == Place::Cmd && value.as_map().is_some()) {
                if composite && place != Place::Items {
                    return Err(refused(expression, value));
                }
                return Ok(value.clone());
            }
            out.push_str(&rest[..at]);
            match value {
                Value::Map(map) if place == Place::Cmd => out.push_str(&flags(map, self.parsing)?),
                _ if composite => return Err(refused(expression, value)),
                other => out.push_str(&spell(other)),
            }
            rest = &rest[at + length + 1..];
        }
        out.push_str(rest);
        Ok(Value::Str(out))
    }

    fn get(&self, expression: &str) -> Result<&Value, String> {
        let parts = parts(expression).ok_or_else(|| format!("cannot understand '${{{expression}}}'"))?;
        let missing = || format!("'{expression}' is not defined in params.yaml or vars");
        let mut at: Option<&Value> = None;
        for part in parts {
            let next = match at {
                None => self.item.get(part).or_else(|| self.values.get(part)),
                Some(Value::Map(map)) => map.get(part),
                Some(Value::Seq(items)) => index(items, part),
                Some(_) => None,
            };
            at = Some(next.ok_or_else(missing)?);
        }
        at.ok_or_else(missing)
    }
}

/// Whether a string holds an expression.
pub(crate) fn is_templated(value: &Value) -> bool {
    match value {
        Value::Str(text) => text.match_indices("${").any(|(at, _)| {
            let end = text[at..].find(['}', '\n']);
            !text[..at].ends_with('\\') && end.is_some_and(|end| text[at + end..].starts_with('}'))
        }),
        Value::Seq(items) => items.iter().any(is_templated),
        Value::Map(map) => {
            map.iter().any(|(key, item)| is_templated(&Value::from(key.text.as_str())) || is_templated(item))
        }
        _ => false,
    }
}

/// A list's item; a negative number counts from the end.
fn index<'v>(items: &'v [Value], part: &str) -> Option<&'v Value> {
    let number: i64 = part.parse().ok()?;
    let at = if number < 0 { i64::try_from(items.len()).ok()? + number } else { number };
    items.get(usize::try_from(at).ok()?)
}

fn refused(expression: &str, value: &Value) -> String {
    format!("'{expression}' is a {}, which cannot be put into a string", value.type_name())
}

fn parts(expression: &str) -> Option<Vec<&str>> {
    let mut out = Vec::new();
    let mut rest = expression;
    loop {
        let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
        let (word, mut tail) = rest.split_at(end);
        out.push(word.trim());
        while let Some(inner) = tail.strip_prefix('[') {
            let close = inner.find(['.', '[', ']']).filter(|at| inner[*at..].starts_with(']'))?;
            out.push(inner[..close].trim());
            tail = &inner[close + 1..];
        }
        if tail.is_empty() {
            break;
        }
        rest = tail.strip_prefix('.')?;
    }
    (!out.iter().any(|word| word.is_empty())).then_some(out)
}

/// A scalar as it stands in a string.
pub(crate) fn spell(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => python_float(*number),
        Value::Str(text) | Value::Date(text) => text.clone(),
        _ => "None".into(),
    }
}

fn flags(map: &Map, parsing: Parsing) -> Result<String, String> {
    let mut out = Vec::new();
    push_flags(map, "", parsing, &mut out)?;
    Ok(out.join(" "))
}

fn push_flags(map: &Map, prefix: &str, parsing: Parsing, out: &mut Vec<String>) -> Result<(), String> {
    for (key, value) in map {
        let name = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        match value {
            Value::Bool(true) => out.push(format!("--{name}")),
            Value::Bool(false) if parsing.bool_optional => out.push(format!("--no-{name}")),
            Value::Bool(false) => {}
            Value::Map(inner) => push_flags(inner, &name, parsing, out)?,
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    let text = match item {
                        Value::Map(_) | Value::Seq(_) => {
                            return Err(format!("the list '{name}' holds lists or mappings"));
                        }
                        Value::Bool(true) => "True".to_owned(),
                        Value::Bool(false) => "False".to_owned(),
                        other => quoted(other),
                    };
                    let first = at == 0 || parsing.list_append;
                    out.push(if first { format!("--{name} {text}") } else { text });
                }
            }
            other => out.push(format!("--{name} {}", quoted(other))),
        }
    }
    Ok(())
}

fn quoted(value: &Value) -> String {
    let Value::Str(text) = value else { return spell(value) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.clone();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn merge(into: &mut Map, more: &Map, path: &str) -> Result<(), String> {
    for (key, value) in more {
        let name = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
        match (into.get_mut(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge(old, new, &name)?,
            (Some(_), _) => return Err(format!("'{name}' is defined twice")),
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    fn context(params: &str) -> Context {
        let mut context = Context::default();
        context.merge(parse(params, "").expect("reads").to_value().as_map().expect("map")).expect("merges");
        context
    }

    fn resolve(params: &str, text: &str, place: Place) -> Result<Value, String> {
        context(params).resolve(&Value::from(text), place)
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        assert_eq!(resolve("a: {b: [1, 2.5]}", "${a.b[1]}", Place::Text), Ok(Value::Float(2.5)));
        assert_eq!(resolve("a: {b: [1, 2.5]}", "${a[b][-1]}", Place::Text), Ok(Value::Float(2.5)));
        assert_eq!(resolve("a: true", "x ${ a } y", Place::Text), Ok(Value::from("x true y")));
        assert_eq!(resolve("a: ~", "-${a}", Place::Text), Ok(Value::from("-None")));
    }

    #[test]
    fn escapes_and_open_ends_are_literal() {
        assert_eq!(resolve("a: 1", "\\${a} ${a", Place::Text), Ok(Value::from("${a} ${a")));
        assert_eq!(resolve("a: 1", "${x\n} ${a}", Place::Text), Ok(Value::from("${x\n} 1")));
        assert!(!is_templated(&Value::from("\\${a} ${b")));
        assert!(is_templated(&Value::from("x${b}")));
    }

    #[test]
    fn a_mapping_becomes_flags_in_a_command_only() {
        let params = "t: {lr: 0.1, v: true, q: false, n: {m: a b}, l: [1, x], e: []}";
        assert_eq!(
            resolve(params, "run ${t}", Place::Cmd),
            Ok(Value::from("run --lr 0.1 --v --n.m 'a b' --l 1 x"))
        );
        assert!(resolve(params, "run ${t}", Place::Text).is_err());
        assert!(resolve(params, "${t}", Place::Items).is_ok());
    }

    #[test]
    fn values_are_spelt_as_dvc_spells_them() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/vectors/template_str.json")).expect("vectors");
        for case in cases {
            let parsing = Parsing {
                bool_optional: case["cfg"]["bool"] == "boolean_optional",
                list_append: case["cfg"]["list"] == "append",
            };
            let text = match Value::from_json(&case["value"]) {
                Value::Map(map) => flags(&map, parsing).expect("flags"),
                other => spell(&other),
            };
            assert_eq!(text, case["str"].as_str().expect("str"), "{case}");
        }
    }

    #[test]
    fn what_is_not_defined_or_defined_twice_is_an_error() {
        assert!(resolve("a: 1", "${b}", Place::Text).expect_err("fails").contains("'b' is not defined"));
        for broken in ["${}", "${a..b}", "${a.}", "${a[0}", "${a[0]b}"] {
            assert!(resolve("a: [1]", broken, Place::Text).is_err(), "{broken}");
        }
        let map = parse("a: {b: 1}", "").expect("reads").to_value();
        let mut context = context("a: {b: 1}");
        assert_eq!(context.merge(map.as_map().expect("map")), Err("'a.b' is defined twice".into()));
    }

    #[test]
    fn a_file_is_loaded_once() {
        let (mut context, path) = (Context::default(), Path::new("/f"));
        let keys = vec!["a".to_owned()];
        assert_eq!(context.wants(path, &[]), Ok(true));
        context.note(path.to_path_buf(), keys.clone());
        assert!(context.wants(path, &keys).is_err() && context.wants(path, &[]).is_err());
        assert_eq!(context.wants(path, &["b".to_owned()]), Ok(true));
        context.note("/g".into(), Vec::new());
        assert_eq!(context.wants(Path::new("/g"), &[]), Ok(false));
    }
}
