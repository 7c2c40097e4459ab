//! The checksum that an import's `.dvc` file holds of itself.

use crate::hash::md5_bytes;
use crate::pyjson::dumps;
use crate::yaml::{Key, Map, Value};

/// The `md5` of an import's own file: over everything but annotations and what a run records beside hashes.
pub(super) fn stage_md5(root: &Map) -> String {
    fn stripped(value: &Value) -> Value {
        const DROPPED: [&str; 11] = [
            "desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size",
            "nfiles",
        ];
        match value {
            Value::Map(map) => {
                let kept = map.iter().filter(|(key, _)| !DROPPED.contains(&key.text.as_str()));
                Value::Map(kept.map(|(key, value)| (key.clone(), stripped(value))).collect())
            }
            Value::Seq(items) => Value::Seq(items.iter().map(stripped).collect()),
            other => other.clone(),
        }
    }
    let mut root = root.clone();
    root.shift_remove("md5");
    if root.get("wdir").and_then(Value::as_str) == Some(".") {
        root.shift_remove("wdir");
    }
    md5_bytes(dumps(&stripped(&Value::Map(root))).as_bytes())
}

/// Whether the checksum that the file holds is not that of what it says. Only imports have one; `outside` says that
/// the source lies in no repository of ours.
pub(super) fn differs(root: &Map, import: bool, outside: bool) -> bool {
    let held = root.get("md5").and_then(Value::as_str).filter(|text| !text.is_empty());
    let actual = import.then(|| stage_md5(&as_written(root, outside)));
    held != actual.as_deref()
}

/// The document as DVC would write it: without what says no more than its absence does.
fn as_written(root: &Map, outside: bool) -> Map {
    let mut root = root.clone();
    root.retain(|_, value| !is_empty(value));
    for (key, default) in [("outs", Some(true)), ("deps", None)] {
        let Some(Value::Seq(entries)) = root.get_mut(key) else { continue };
        for entry in entries {
            let Value::Map(entry) = entry else { continue };
            entry.retain(|key, value| {
                let flag = matches!(key.text.as_str(), "cache" | "push");
                !(matches!(value, Value::Null)
                    || value.as_str() == Some("")
                    || (flag
                        && matches!((&*value, default), (Value::Bool(set), Some(usual)) if *set == usual)))
            });
            if key == "deps" && outside && !entry.contains_key("repo") && !entry.contains_key("db") {
                entry.insert(Key::from("hash"), Value::from("md5"));
            }
        }
    }
    root
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Bool(set) => !set,
        Value::Str(text) => text.is_empty(),
        Value::Seq(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        other => matches!(other, Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Vec<(Map, String)> {
        let text = include_str!("../../tests/vectors/stage_md5.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(text).expect("vectors");
        let read = |case: &serde_json::Value| {
            let Value::Map(root) = Value::from_json(&case["dvc"]) else { panic!("a mapping") };
            (root, case["md5"].as_str().expect("md5").to_owned())
        };
        cases.iter().map(read).collect()
    }

    #[test]
    fn the_md5_of_an_import_equals_dvcs() {
        for (root, md5) in vectors() {
            assert_eq!(stage_md5(&root), md5, "{root:?}");
        }
    }

    #[test]
    fn a_file_that_says_nothing_new_keeps_its_checksum() {
        for (mut root, md5) in vectors() {
            root.insert(Key::from("md5"), Value::from(md5));
            root.insert(Key::from("always_changed"), Value::from(false));
            assert!(!differs(&root, true, false), "{root:?}");
            root.insert(Key::from("always_changed"), Value::from(true));
            assert!(differs(&root, true, false), "{root:?}");
        }
    }
}
