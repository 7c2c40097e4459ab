//! `${…}` in `dvc.yaml`: values of `params.yaml` and `vars` put into strings, by DVC's rules.
//!
//! An expression is a dotted path with `[key]` parts; there is no arithmetic and no nesting. A string that
//! is one expression takes the value's type; elsewhere scalars are spelt as text, and a mapping inside `cmd`
//! becomes command-line flags.

use crate::yaml::{Key, Map, Value, python_float};

/// Names and what they stand for.
#[derive(Clone, Default)]
pub(crate) struct Context {
    values: Map,
}

impl Context {
    /// Adds `more`; mappings merge, a value that is there already may not be redefined.
    pub(crate) fn merge(&mut self, more: &Map) -> Result<(), String> {
        merge(&mut self.values, more, "")
    }

    /// `value` with every string interpolated.
    pub(crate) fn resolve(&self, value: &Value, in_cmd: bool) -> Result<Value, String> {
        Ok(match value {
            Value::Str(text) => self.string(text, in_cmd)?,
            Value::Seq(items) => {
                Value::Seq(items.iter().map(|item| self.resolve(item, in_cmd)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => {
                let mut out = Map::new();
                for (key, item) in map {
                    let name = match self.string(&key.text, false)? {
                        Value::Str(text) if !key.typed => Key::from(text),
                        _ => key.clone(),
                    };
                    out.insert(name, self.resolve(item, in_cmd)?);
                }
                Value::Map(out)
            }
            other => other.clone(),
        })
    }

    fn string(&self, text: &str, in_cmd: bool) -> Result<Value, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('\\') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            let Some(length) = rest[at..].find('}') else { break };
            let expression = rest[at + 2..at + length].trim();
            let value = self.get(expression)?;
            if at == 0
                && length + 1 == text.len()
                && rest.len() == text.len()
                && !(in_cmd && value.as_map().is_some())
            {
                return match value {
                    Value::Map(_) | Value::Seq(_) => Err(refused(expression, value)),
                    other => Ok(other.clone()),
                };
            }
            out.push_str(&rest[..at]);
            match value {
                Value::Map(map) if in_cmd => out.push_str(&flags(map, "")),
                Value::Map(_) | Value::Seq(_) => return Err(refused(expression, value)),
                other => out.push_str(&spell(other)),
            }
            rest = &rest[at + length + 1..];
        }
        out.push_str(rest);
        Ok(Value::Str(out))
    }

    fn get(&self, expression: &str) -> Result<&Value, String> {
        let mut at: Option<&Value> = None;
        for part in parts(expression).ok_or_else(|| format!("cannot understand '${{{expression}}}'"))? {
            let next = match at {
                None => member(&self.values, part),
                Some(Value::Map(map)) => member(map, part),
                Some(Value::Seq(items)) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                Some(_) => None,
            };
            at = Some(next.ok_or_else(|| format!("'{expression}' is not defined in params.yaml or vars"))?);
        }
        at.ok_or_else(|| "an empty '${}' stands for nothing".to_owned())
    }
}

fn member<'m>(map: &'m Map, part: &str) -> Option<&'m Value> {
    map.get(part).or_else(|| map.iter().find(|(key, _)| key.text == part).map(|(_, value)| value))
}

fn refused(expression: &str, value: &Value) -> String {
    format!("'{expression}' is a {}, which cannot be put into a string", value.type_name())
}

fn parts(expression: &str) -> Option<Vec<&str>> {
    let mut out = Vec::new();
    let mut rest = expression;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end > 0 {
            out.push(rest[..end].trim());
        }
        rest = &rest[end..];
        if let Some(tail) = rest.strip_prefix('[') {
            let close = tail.find(']')?;
            out.push(tail[..close].trim());
            rest = &tail[close + 1..];
        }
        if let Some(tail) = rest.strip_prefix('.') {
            if tail.is_empty() {
                return None;
            }
            rest = tail;
        }
    }
    let word = |part: &&str| part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ' '));
    (!out.is_empty() && out.iter().all(word)).then_some(out)
}

pub(crate) fn spell(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => python_float(*number),
        Value::Str(text) | Value::Date(text) => text.clone(),
        _ => "None".into(),
    }
}

fn flags(map: &Map, prefix: &str) -> String {
    let mut out = Vec::new();
    for (key, value) in map {
        let name = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        match value {
            Value::Bool(true) => out.push(format!("--{name}")),
            Value::Bool(false) => {}
            Value::Map(inner) => out.push(flags(inner, &name)),
            Value::Seq(items) => {
                let items: Vec<String> = items.iter().map(quoted).collect();
                out.push(format!("--{name} {}", items.join(" ")));
            }
            other => out.push(format!("--{name} {}", quoted(other))),
        }
    }
    out.retain(|part| !part.is_empty());
    out.join(" ")
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

    fn resolve(params: &str, text: &str, in_cmd: bool) -> Result<Value, String> {
        let mut context = Context::default();
        context.merge(parse(params, "").expect("reads").to_value().as_map().expect("map")).expect("merges");
        context.resolve(&Value::from(text), in_cmd)
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        assert_eq!(resolve("a: {b: [1, 2.5]}", "${a.b[1]}", false), Ok(Value::Float(2.5)));
        assert_eq!(resolve("a: true", "x ${ a } y", false), Ok(Value::from("x true y")));
        assert_eq!(resolve("a: ~", "-${a}", false), Ok(Value::from("-None")));
    }

    #[test]
    fn escapes_and_open_ends_are_literal() {
        assert_eq!(resolve("a: 1", "\\${a} ${a", false), Ok(Value::from("${a} ${a")));
    }

    #[test]
    fn a_mapping_becomes_flags_in_a_command_only() {
        let params = "t: {lr: 0.1, v: true, q: false, n: {m: a b}, l: [1, x]}";
        assert_eq!(
            resolve(params, "run ${t}", true),
            Ok(Value::from("run --lr 0.1 --v --n.m 'a b' --l 1 x"))
        );
        assert!(resolve(params, "run ${t}", false).is_err());
    }

    #[test]
    fn what_is_not_defined_or_defined_twice_is_an_error() {
        assert!(resolve("a: 1", "${b}", false).expect_err("fails").contains("'b' is not defined"));
        let mut context = Context::default();
        let map = parse("a: {b: 1}", "").expect("reads").to_value();
        context.merge(map.as_map().expect("map")).expect("once");
        assert_eq!(context.merge(map.as_map().expect("map")), Err("'a.b' is defined twice".into()));
    }
}
