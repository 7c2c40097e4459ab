//! When two answers or files say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::judge::Answer;

/// Whether DVC came to an end of its own, or refuses what Lemnis need not refuse.
pub fn breaks_down(answer: &Answer) -> bool {
    ["unexpected error", "parametrized stage"].iter().any(|text| answer.err.contains(text))
}

/// The entries of a `dvc.lock`, in one order.
pub fn entries(file: &(String, Vec<u8>)) -> Vec<String> {
    let text = String::from_utf8_lossy(&file.1);
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines() {
        match entries.last_mut() {
            Some(entry) if line.starts_with("   ") => *entry += line,
            _ => entries.push(line.to_owned()),
        }
    }
    entries.sort();
    entries
}

/// The lines of a `.gitignore`, in one order.
pub fn names(file: &(String, Vec<u8>)) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8_lossy(&file.1).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A Mermaid graph with labels for nodes: DVC numbers them in the order in which the file system has the files.
pub fn named(text: &str) -> String {
    let label = |line: &str| {
        let (node, label) = line.trim().strip_suffix("\"]")?.split_once("[\"")?;
        Some((node.to_owned(), label.to_owned()))
    };
    let labels: BTreeMap<String, String> = text.lines().filter_map(label).collect();
    let end = |node: &str| labels.get(node.trim()).cloned().unwrap_or_else(|| node.to_owned());
    let line = |line: &str| match (label(line), line.split_once("-->")) {
        (Some((_, label)), _) => label,
        (None, Some((from, to))) => format!("{}-->{}", end(from), end(to)),
        (None, None) => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// DVC has 1 and 255 for failures alike.
pub fn class(code: i32) -> i32 {
    if code == 255 { 1 } else { code }
}

/// JSON with lists in one order, for DVC prints sets; anything else line by line.
pub fn normal(text: &str) -> Value {
    sorted(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.trim().to_owned())))
}

/// Lists and mappings in one order.
pub fn sorted(mut value: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_key(ToString::to_string);
            }
            Value::Object(map) => {
                // each has its own words
                map.remove("msg");
                map.values_mut().for_each(sort);
                map.sort_keys();
            }
            _ => {}
        }
    }
    sort(&mut value);
    value
}
