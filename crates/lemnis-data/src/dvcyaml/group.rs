//! Groups of stages that one definition generates: `foreach` with `do`, and `matrix`.
//!
//! A generated stage is called `group@key`; it sees `item` and, for mappings and matrices, `key`.

use super::Loader;
use crate::error::Result;
use crate::stage::{Stage, fields};
use crate::template::{Place, is_templated, spell};
use crate::yaml::{Key, Kind, Map, Node, Value};

/// The most stages that one group may generate.
const MAX_STAGES: usize = 100_000;

/// How a definition generates stages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupKind {
    Foreach,
    Matrix,
}

/// `None` for a definition of a single stage.
pub(super) fn kind(node: &Node) -> Option<GroupKind> {
    if node.get("foreach").is_some() || node.get("do").is_some() {
        return Some(GroupKind::Foreach);
    }
    node.get("matrix").map(|_| GroupKind::Matrix)
}

impl Loader<'_> {
    /// The stages of a group, in the order of its items.
    pub(super) fn group(&self, name: &str, line: usize, node: &Node, kind: GroupKind) -> Result<Vec<Stage>> {
        let (items, template) = match kind {
            GroupKind::Foreach => self.foreach(name, line, node)?,
            GroupKind::Matrix => (self.matrix(name, node)?, node),
        };
        let mut stages: Vec<Stage> = Vec::with_capacity(items.len());
        for (key, item) in items {
            let generated = format!("{name}@{key}");
            let context = self.context.with_item(item);
            let stage = self.stage(&generated, line, template, &context)?;
            // Equal keys make one stage, as in a Python dict: the last one counts.
            match stages.iter_mut().find(|known| known.name == stage.name) {
                Some(known) => *known = stage,
                None => stages.push(stage),
            }
        }
        Ok(stages)
    }

    fn foreach<'n>(&self, name: &str, line: usize, node: &'n Node) -> Result<(Vec<(String, Map)>, &'n Node)> {
        fields(node, self.file, &format!("stage '{name}'"), &["foreach", "do"])?;
        let (Some(items), Some(template)) = (node.get("foreach"), node.get("do")) else {
            return Err(self.at(line).error(format!("stage '{name}' needs both 'foreach' and 'do'")));
        };
        if template.get("matrix").is_some() {
            let message = format!("stage '{name}' cannot have a 'matrix' inside 'foreach'");
            return Err(self.at(template.line).error(message));
        }
        let out = match self.value(&self.context, items, Place::Items)? {
            Value::Map(map) => map
                .into_iter()
                .map(|(key, value)| {
                    let text = if key.typed && key.text.is_empty() { "None".into() } else { key.text };
                    (text.clone(), [("item", value), ("key", Value::from(text))])
                })
                .map(|(key, pairs)| (key, pairs.map(|(name, value)| (Key::from(name), value)).into()))
                .collect(),
            Value::Seq(items) => {
                let composite = items.iter().any(is_composite);
                let key = |at: usize, item: &Value| match composite {
                    true => at.to_string(),
                    false => fragment(item, is_literal(node.get("foreach"), at)),
                };
                items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| (key(at, &item), Map::from([(Key::from("item"), item)])))
                    .collect()
            }
            other => {
                let message = format!("'foreach' needs a list or a mapping, not {}", other.type_name());
                return Err(self.at(items.line).error(message));
            }
        };
        Ok((out, template))
    }

    /// Every combination of the axes' values, the last axis changing fastest.
    fn matrix(&self, name: &str, node: &Node) -> Result<Vec<(String, Map)>> {
        let Some(axes) = node.get("matrix") else { return Ok(Vec::new()) };
        let at = self.at(axes.line);
        let Kind::Map(members) = &axes.kind else {
            return Err(at.error(format!("'matrix' must be a mapping, not {}", axes.type_name())));
        };
        let mut out: Vec<(Vec<String>, Map)> = vec![(Vec::new(), Map::new())];
        for (axis, (_, values)) in members {
            if matches!(values.kind, Kind::Map(_)) {
                let message = format!("the matrix axis '{}' must be a list, not a mapping", axis.text);
                return Err(self.at(values.line).error(message));
            }
            let items = match self.value(&self.context, values, Place::Items)? {
                Value::Seq(items) => items,
                Value::Map(map) => map.into_keys().map(|key| Value::Str(key.text)).collect(),
                other => {
                    let what = other.type_name();
                    let message = format!("the matrix axis '{}' must be a list, not {what}", axis.text);
                    return Err(self.at(values.line).error(message));
                }
            };
            if out.len().saturating_mul(items.len()) > MAX_STAGES {
                return Err(at.error(format!("stage '{name}' would generate more than {MAX_STAGES} stages")));
            }
            let mut next = Vec::with_capacity(out.len() * items.len());
            for (fragments, chosen) in &out {
                for (index, item) in items.iter().enumerate() {
                    let mut fragments = fragments.clone();
                    fragments.push(match is_composite(item) {
                        true => format!("{}{index}", axis.text),
                        false => fragment(item, is_literal(Some(values), index)),
                    });
                    let mut chosen = chosen.clone();
                    chosen.insert(axis.clone(), item.clone());
                    next.push((fragments, chosen));
                }
            }
            out = next;
        }
        let named = out.into_iter().map(|(fragments, chosen)| {
            let key = fragments.join("-");
            let item =
                [(Key::from("key"), Value::from(key.as_str())), (Key::from("item"), Value::Map(chosen))];
            (key, Map::from(item))
        });
        Ok(named.collect())
    }
}

/// Whether the list's item stands there as it is, and is not what an expression stands for.
fn is_literal(list: Option<&Node>, at: usize) -> bool {
    match list.map(|list| &list.kind) {
        Some(Kind::Seq(items)) => items.get(at).is_some_and(|item| !is_templated(&item.to_value())),
        _ => false,
    }
}

/// A scalar in the name of a stage. As in DVC a truth that an expression stands for is spelt as Python spells it.
fn fragment(item: &Value, literal: bool) -> String {
    match item {
        Value::Bool(true) if !literal => "True".to_owned(),
        Value::Bool(false) if !literal => "False".to_owned(),
        other => spell(other),
    }
}

fn is_composite(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::Seq(_))
}
