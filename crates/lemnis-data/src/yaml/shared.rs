//! Parameters that a stage reads both as a whole and in part: in Python they are one object, which DVC's
//! writer marks with an anchor where it stands first and with aliases elsewhere.

use std::collections::HashMap;

use super::value::{Map, Value};

/// Which values of one tree are anchors and which are aliases, by where they lie in memory.
#[derive(Default)]
pub(crate) struct Shared {
    anchors: HashMap<usize, usize>,
    aliases: HashMap<usize, usize>,
}

impl Shared {
    /// The sharing in a document of `dvc.lock` (`stages` above the entries) or of the run-cache (one entry).
    /// The first name has the number after `used`.
    pub(crate) fn of_params(root: &Value, used: usize) -> Self {
        let mut shared = Self::default();
        let stages = root.get("stages").and_then(Value::as_map);
        let entries: Vec<&Value> = stages.map_or_else(|| vec![root], |stages| stages.values().collect());
        let mut last = used;
        for files in entries.iter().filter_map(|entry| entry.get("params")).filter_map(Value::as_map) {
            files.values().filter_map(Value::as_map).for_each(|params| shared.collect(params, &mut last));
        }
        shared
    }

    /// Keys are sorted, so that a whole stands before its parts.
    fn collect(&mut self, params: &Map, last: &mut usize) {
        for (key, value) in params {
            if key.typed || !matches!(value, Value::Seq(_) | Value::Map(_)) {
                continue;
            }
            let dots = key.text.match_indices('.').map(|(at, _)| at);
            let whole =
                dots.filter_map(|at| Some((params.get(&key.text[..at])?, &key.text[at + 1..]))).next();
            let Some(first) = whole.and_then(|(whole, rest)| part(whole, rest)) else { continue };
            let id = *self.anchors.entry(address(first)).or_insert_with(|| {
                *last += 1;
                *last
            });
            self.aliases.insert(address(value), id);
        }
    }

    pub(super) fn anchor(&self, value: &Value) -> Option<String> {
        self.anchors.get(&address(value)).map(|id| format!("&id{id:03}"))
    }

    pub(super) fn alias(&self, value: &Value) -> Option<String> {
        self.aliases.get(&address(value)).map(|id| format!("*id{id:03}"))
    }
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

fn part<'v>(whole: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(whole, |at, name| match at {
        Value::Map(map) => map.get(name),
        Value::Seq(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::yaml::{Shared, emit_shared, parse};

    #[test]
    fn a_part_that_is_read_beside_its_whole_is_an_alias() {
        let text = "cmd: x\nparams:\n  params.yaml:\n    a:\n      b: &id002\n        c: &id001\n        - 1\n    a.b.c: *id001\n    a.b2: 1\n    a.bb: *id002\n";
        let text = text
            .replace("a.bb: *id002", "z: 1")
            .replace("&id002\n        c", "\n        c")
            .replace("b: \n", "b:\n");
        let value = parse(&text, "").expect("reads").to_value();
        assert_eq!(emit_shared(&value, Shared::of_params(&value, 0)), text);
    }

    #[test]
    fn names_are_numbered_through_the_document() {
        let entry = "    cmd: x\n    params:\n      p.yaml:\n        a:\n          b: &id00N\n            k: 1\n        a.b: *id00N\n";
        let text = format!("stages:\n  s:\n{}  t:\n{}", entry.replace('N', "1"), entry.replace('N', "2"));
        let value = parse(&text, "").expect("reads").to_value();
        assert_eq!(emit_shared(&value, Shared::of_params(&value, 0)), text);
    }
}
