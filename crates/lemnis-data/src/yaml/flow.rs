//! Edits in flow style: `{cmd: x, deps: [a]}`.

use super::edit::{Edit, diff, same, scalar};
use super::read::{Members, Node, parse};
use super::value::{Map, Value};

/// A list in flow style, where that reads back as the same.
pub(super) fn list(items: &[Value]) -> Option<String> {
    let words: Option<Vec<String>> = items.iter().map(word).collect();
    checked(format!("[{}]", words?.join(", ")), &Value::Seq(items.to_vec()))
}

fn map(map: &Map) -> Option<String> {
    checked(format!("{{{}}}", entries(map)?), &Value::Map(map.clone()))
}

fn entries(map: &Map) -> Option<String> {
    let entry = |(key, value)| Some(format!("{}: {}", scalar(&Value::from(key)), word(value)?));
    let entries: Option<Vec<String>> =
        map.iter().map(|(key, value)| (key.text.as_str(), value)).map(entry).collect();
    Some(entries?.join(", "))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::Map(inner) => map(inner),
        Value::Seq(items) => list(items),
        Value::Str(text) if text.contains([',', '[', ']', '{', '}']) && !text.contains('\n') => {
            Some(format!("'{}'", text.replace('\'', "''")))
        }
        other => Some(scalar(other)).filter(|text| !text.is_empty()),
    }
}

fn checked(text: String, wanted: &Value) -> Option<String> {
    let read = parse(&text, "").ok()?.to_value();
    same(&read, wanted).then_some(text)
}

/// Changes a mapping in flow style; the parts that stay are not touched.
pub(super) fn map_diff(text: &str, node: &Node, old: &Members, new: &Map, edits: &mut Vec<Edit>) -> bool {
    let Some(inner) = text.get(node.start..node.end).and_then(|whole| whole.strip_suffix('}')) else {
        return false;
    };
    let members: Vec<_> = old.values().collect();
    let mut kept = 0;
    for (at, (key, (key_node, value))) in old.iter().enumerate() {
        match new.get(key) {
            Some(wanted) => {
                kept += 1;
                let before = edits.len();
                if !diff(text, value, wanted, edits) {
                    edits.truncate(before);
                    let Some(text) = word(wanted) else { return false };
                    edits.push(Edit { start: value.start, end: value.end, text });
                }
            }
            // with the comma before it, or behind it when it is the first of those that stay
            None if kept > 0 => {
                let (_, last) = members[at - 1];
                edits.push(Edit { start: last.end, end: value.end, text: String::new() });
            }
            None => {
                let end = members.get(at + 1).map_or(value.end, |(next, _)| next.start);
                edits.push(Edit { start: key_node.start, end, text: String::new() });
            }
        }
    }
    let added: Map =
        new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if added.is_empty() {
        return true;
    }
    let Some(more) = entries(&added) else { return false };
    let at = node.start + inner.trim_end().len();
    let glue = if kept > 0 && !inner.trim_end().ends_with(',') { ", " } else { "" };
    edits.push(Edit { start: at, end: at, text: format!("{glue}{more}") });
    true
}

#[cfg(test)]
mod tests {
    use super::super::edit::rewrite;
    use super::*;

    #[test]
    fn what_stays_is_not_touched() {
        let says = |text: &str, wanted: &str| rewrite(text, &parse(wanted, "").expect("reads").to_value());
        let text = "stages: {s:  {cmd: 'cp a o', deps: [a] }} # c\n";
        assert_eq!(
            says(text, "stages: {s: {cmd: cp a o, deps: [a], frozen: true}}"),
            "stages: {s:  {cmd: 'cp a o', deps: [a], frozen: true }} # c\n"
        );
        assert_eq!(
            says(text, "stages: {s: {cmd: cp a o, deps: [a, b]}, t: {cmd: 'x, y'}}"),
            "stages: {s:  {cmd: 'cp a o', deps: [a, b] }, t: {cmd: 'x, y'}} # c\n"
        );
        assert_eq!(says(text, "stages: {s: {deps: [a]}}"), "stages: {s:  {deps: [a] }} # c\n");
        assert_eq!(says(text, "stages: {s: {cmd: cp a o}}"), "stages: {s:  {cmd: 'cp a o' }} # c\n");
        assert_eq!(says("a: {}\n", "a: {b: 1}"), "a: {b: 1}\n");
        assert_eq!(says("a: {b: 1, c: 2}\n", "a: {}"), "a: {}\n");
    }
}
