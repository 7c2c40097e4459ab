//! Changes a document in place so that comments, key order and formatting of what did not change stay.
//!
//! The result is read back and compared with what was wanted; when an edit in place cannot express it,
//! the document is written afresh. So a rewrite never stores anything but the wanted value.

use super::emit::{emit, emit_shared};
use super::flow;
use super::read::{Kind, Members, Node, parse};
use super::shared::Shared;
use super::style::Style;
use super::value::{Key, Map, Value};
use crate::error::Result;

/// `text` changed to hold `wanted`.
pub(crate) fn rewrite(text: &str, wanted: &Value) -> String {
    let Ok(mut root) = parse(text, "") else { return emit(wanted) };
    let holds = |edited: &String| parse(edited, "").is_ok_and(|node| same(&node.to_value(), wanted));
    let mut before: Vec<(usize, usize)> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let mut edits = Vec::new();
        if !diff(text, &root, wanted, &mut edits) {
            break;
        }
        let changed: Vec<_> = edits.iter().map(|edit| (edit.start, edit.end)).collect();
        let edited = apply(text, edits);
        if holds(&edited) {
            return edited;
        }
        // The aliases of what the edits change or take away are written out.
        if changed == before {
            break;
        }
        spell_out(text, &mut root, &changed);
        before = changed;
    }
    emit(wanted)
}

/// How often what edits change may reveal further aliases of it.
const MAX_ROUNDS: usize = 8;

/// Makes whatever stands for something that an edit touches differ from what is wanted in its place.
fn spell_out(text: &str, node: &mut Node, edits: &[(usize, usize)]) {
    let touched = |(start, end): &(usize, usize)| {
        edits.iter().any(|edit| edit.0 <= line_end(text, *end) && edit.1 >= *start)
    };
    node.differs |= node.alias_of.iter().chain(node.merged.iter().map(|merged| &merged.from)).any(touched);
    match &mut node.kind {
        Kind::Scalar(_) => {}
        Kind::Seq(items) => items.iter_mut().for_each(|item| spell_out(text, item, edits)),
        Kind::Map(map) => map.values_mut().for_each(|(_, value)| spell_out(text, value, edits)),
    }
}

/// `text` of a lock file with the entry of stage `name` replaced, or appended after the last one.
pub(crate) fn set_stage(text: &str, file: &str, name: &str, body: &Value) -> Result<String> {
    let root = parse(text, file)?;
    let mut wanted = match root.to_value() {
        Value::Map(map) => map,
        _ => Map::new(),
    };
    let mut stages = wanted.get("stages").and_then(Value::as_map).cloned().unwrap_or_default();
    if stages.get(name).is_some_and(|old| same_order(old, body)) {
        return Ok(text.to_owned());
    }
    stages.insert(Key::from(name), body.clone());
    wanted.insert(Key::from("stages"), Value::Map(stages));
    let wanted = Value::Map(wanted);
    let edited = root.get("stages").and_then(|node| splice_stage(text, node, name, body, false));
    Ok(match edited {
        Some(edited) if parse(&edited, file).is_ok_and(|node| same(&node.to_value(), &wanted)) => edited,
        _ => emit_shared(&wanted, Shared::of_params(&wanted, 0)),
    })
}

/// `text` of a `dvc.yaml` with the definition of stage `name` changed in place, or added after the last one
/// and what comments follow it.
pub(crate) fn put_stage(text: &str, file: &str, name: &str, body: &Value) -> Result<String> {
    let root = parse(text, file)?;
    let mut wanted = match root.to_value() {
        Value::Map(map) => map,
        _ => Map::new(),
    };
    let mut stages = wanted.get("stages").and_then(Value::as_map).cloned().unwrap_or_default();
    let is_new = stages.insert(Key::from(name), body.clone()).is_none();
    wanted.insert(Key::from("stages"), Value::Map(stages));
    let wanted = Value::Map(wanted);
    if text.trim().is_empty() {
        return Ok(emit(&wanted));
    }
    let edited =
        root.get("stages").filter(|_| is_new).and_then(|node| splice_stage(text, node, name, body, true));
    Ok(match edited {
        Some(edited) if parse(&edited, file).is_ok_and(|node| same(&node.to_value(), &wanted)) => edited,
        _ => rewrite(text, &wanted),
    })
}

fn splice_stage(text: &str, stages: &Node, name: &str, body: &Value, after_comments: bool) -> Option<String> {
    let map = stages.as_map().filter(|map| !map.is_empty() && !stages.inline)?;
    let block = {
        let entry: Map = std::iter::once((Key::from(name), body.clone())).collect();
        let outer = Value::Map(std::iter::once((Key::from("stages"), Value::Map(entry))).collect());
        let before = map.get(name).map_or(text.len(), |(key, _)| key.start);
        let used = text[..before].matches(": &id").count();
        let whole = emit_shared(&outer, Shared::of_params(&outer, used));
        let inner = whole.strip_prefix("stages:\n")?;
        let pad = " ".repeat(stages.column);
        let flush: String =
            inner.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect();
        // A lock file is always as DVC writes it; what people write has their own indentation.
        let style = if after_comments { Style::of(text, stages) } else { Style::PLAIN };
        let styled = style.apply(&flush);
        styled.lines().map(|line| format!("{pad}{line}\n")).collect::<String>()
    };
    let (start, end) = match map.get(name) {
        Some((key, value)) if starts_line(text, key) => {
            let start = text[..key.start].rfind('\n').map_or(0, |at| at + 1);
            (start, line_end(text, content_end(text, value).max(key.end)))
        }
        Some(_) => return None,
        None => {
            let (_, (key, value)) = map.last()?;
            let mut at = line_end(text, content_end(text, value).max(key.end));
            let passed = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
            if after_comments {
                at += text[at..].split_inclusive('\n').take_while(passed).map(str::len).sum::<usize>();
            }
            (at, at)
        }
    };
    let glue = if start > 0 && !text[..start].ends_with('\n') { "\n" } else { "" };
    Some(format!("{}{glue}{block}{}", &text[..start], &text[end..]))
}

/// Equal with the same order of keys, which decides the bytes.
fn same_order(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((j, x), (k, y))| j == k && same_order(x, y))
        }
        (Value::Seq(a), Value::Seq(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same_order(x, y))
        }
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, x)| b.get(key).is_some_and(|y| same(x, y)))
        }
        (Value::Seq(a), Value::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y)),
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

/// `text` instead of what stands between two places.
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

impl Edit {
    /// `new` for a value: a comment behind it stays in its column, as DVC keeps it, or goes one blank behind.
    pub(super) fn of_value(text: &str, start: usize, end: usize, new: String) -> Self {
        let gap = text[end..].len() - text[end..].trim_start_matches(' ').len();
        let comment = end + gap;
        if !text[comment..].starts_with('#') {
            return Self { start, end, text: new };
        }
        let column = |at: usize| text[text[..at].rfind('\n').map_or(0, |at| at + 1)..at].chars().count();
        let width = column(start) + new.chars().count();
        let pad = column(comment).saturating_sub(width).max(1);
        Self { start, end: comment, text: new + &" ".repeat(pad) }
    }
}

/// `text` with `new` instead of the value between two places; a comment behind it stays in its column.
pub(crate) fn replace_value(text: &str, start: usize, end: usize, new: String) -> String {
    apply(text, vec![Edit::of_value(text, start, end, new)])
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        if edit.start < at {
            continue;
        }
        out.push_str(&text[at..edit.start]);
        out.push_str(&edit.text);
        at = edit.end;
    }
    out.push_str(&text[at..]);
    out
}

pub(super) fn diff(text: &str, node: &Node, wanted: &Value, edits: &mut Vec<Edit>) -> bool {
    match (&node.kind, wanted) {
        // what an alias stands for is written elsewhere
        _ if node.differs => false,
        _ if node.alias_of.is_some() => same(&node.to_value(), wanted),
        (Kind::Map(old), Value::Map(new)) if !node.inline => map_diff(text, node, old, new, edits),
        (Kind::Seq(old), Value::Seq(new)) if old.len() == new.len() && !node.inline => {
            old.iter().zip(new).all(|(old, new)| diff(text, old, new, edits))
        }
        _ if same(&node.to_value(), wanted) => true,
        (Kind::Map(old), Value::Map(new)) => flow::map_diff(text, node, old, new, edits),
        (Kind::Seq(_), Value::Seq(new)) if node.inline => match flow::list(new) {
            Some(list) => {
                edits.push(Edit::of_value(text, node.start, node.end, list));
                true
            }
            None => false,
        },
        (Kind::Scalar(old), new) if node.inline && !matches!(new, Value::Map(_) | Value::Seq(_)) => {
            let rendered = scalar(new);
            if matches!(old, Value::Null) || rendered.is_empty() {
                return false;
            }
            edits.push(Edit::of_value(text, node.start, node.end, rendered));
            true
        }
        _ => false,
    }
}

fn map_diff(text: &str, node: &Node, old: &Members, new: &Map, edits: &mut Vec<Edit>) -> bool {
    for (index, (key, (key_node, value))) in old.iter().enumerate() {
        match new.get(key) {
            Some(wanted) => {
                let before = edits.len();
                if !diff(text, value, wanted, edits) && !fill(text, key_node, value, wanted, edits) {
                    // what was found inside the entry goes with it
                    edits.truncate(before);
                    if !replace_entry(text, node, old, index, Some(wanted), edits) {
                        return false;
                    }
                }
            }
            None if index == 0 && key_node.column > 0 && !starts_line(text, key_node) => return false,
            None => {
                if !replace_entry(text, node, old, index, None, edits) {
                    return false;
                }
            }
        }
    }
    let added: Map =
        new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if added.is_empty() {
        return true;
    }
    let Some((_, (_, last))) = old.last() else { return false };
    let at = line_end(text, content_end(text, last));
    let mut block = indented(&Value::Map(added), node.column);
    if !text[..at].ends_with('\n') {
        block.insert(0, '\n');
    }
    edits.push(Edit { start: at, end: at, text: block });
    true
}

/// A value where there was none, or none where there was one, the comment behind it in its place.
fn fill(text: &str, key: &Node, old: &Node, new: &Value, edits: &mut Vec<Edit>) -> bool {
    let Kind::Scalar(value) = &old.kind else { return false };
    let Some(colon) = text[key.end..].find(':').filter(|at| text[key.end..key.end + at].trim().is_empty())
    else {
        return false;
    };
    let start = key.end + colon + 1;
    let is_scalar = !matches!(new, Value::Map(_) | Value::Seq(_));
    let end = match (value, new) {
        (Value::Null, _) if old.start == old.end => start,
        (_, Value::Null) => old.end,
        _ => return false,
    };
    if !old.inline || !is_scalar || end < start || text[start..end].contains('\n') {
        return false;
    }
    let new = scalar(new);
    let spaced = if new.is_empty() { new } else { format!(" {new}") };
    edits.push(Edit::of_value(text, start, end, spaced));
    true
}

fn replace_entry(
    text: &str,
    node: &Node,
    old: &Members,
    index: usize,
    wanted: Option<&Value>,
    edits: &mut Vec<Edit>,
) -> bool {
    let Some((key, (key_node, value))) = old.get_index(index) else { return false };
    if !starts_line(text, key_node) {
        return false;
    }
    let start = text[..key_node.start].rfind('\n').map_or(0, |at| at + 1);
    let end = line_end(text, content_end(text, value).max(key_node.end));
    let replacement = match wanted {
        Some(wanted) => {
            let single: Map = std::iter::once((key.clone(), wanted.clone())).collect();
            indented(&Value::Map(single), node.column)
        }
        None => String::new(),
    };
    edits.push(Edit { start, end, text: replacement });
    true
}

fn starts_line(text: &str, node: &Node) -> bool {
    let start = text[..node.start].rfind('\n').map_or(0, |at| at + 1);
    text[start..node.start].trim().is_empty()
}

fn content_end(text: &str, node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(_) => scalar_end(text, node),
        _ if node.inline => node.end,
        Kind::Seq(items) => items.last().map_or(node.end, |item| content_end(text, item)),
        Kind::Map(map) => {
            // what is merged in stands elsewhere, before it
            let members = map.values().map(|(key, value)| content_end(text, value).max(key.end));
            members.chain(node.merged.iter().map(|merged| merged.end)).max().unwrap_or(node.end)
        }
    }
}

/// A block of text reaches to the next token. Comments there are not its own, nor are blank lines without `+` in its
/// header.
fn scalar_end(text: &str, node: &Node) -> usize {
    let whole = &text[node.start..node.end];
    if node.inline || !whole.contains('\n') {
        return node.end;
    }
    let before = &text[..node.start];
    let column = node.start - before.rfind('\n').map_or(0, |at| at + 1);
    let is_own = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() >= column;
    let (first, rest) = whole.split_at(whole.find('\n').map_or(whole.len(), |at| at + 1));
    let own = first.len() + rest.split_inclusive('\n').take_while(is_own).map(str::len).sum::<usize>();
    let header = before.trim_end().rsplit(['|', '>']).next().unwrap_or_default();
    node.start + if header.contains('+') { own } else { whole[..own].trim_end().len() }
}

fn line_end(text: &str, at: usize) -> usize {
    if at > 0 && text[..at].ends_with('\n') {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |offset| at + offset + 1)
}

/// A scalar on one line; empty for one that needs several.
pub(super) fn scalar(value: &Value) -> String {
    let single: Map = std::iter::once((Key::from("k"), value.clone())).collect();
    let text = emit(&Value::Map(single));
    let body = text.strip_prefix("k:").unwrap_or(&text).trim();
    if body.contains('\n') { String::new() } else { body.to_owned() }
}

fn indented(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    emit(value).lines().map(|line| format!("{pad}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(text, "").expect("reads").to_value()
    }

    #[test]
    fn a_changed_scalar_keeps_comments_and_layout() {
        let text = "# mine\nouts:\n- md5: aaa   # old\n  size: 1\n\n  path: f # f\n";
        let wanted = value("outs:\n- md5: bbb\n  size: 22\n  path: f\n");
        assert_eq!(
            rewrite(text, &wanted),
            "# mine\nouts:\n- md5: bbb   # old\n  size: 22\n\n  path: f # f\n"
        );
    }

    #[test]
    fn a_comment_stays_in_its_column() {
        let text = "lr: 0.01   # c\ny: [1, 2]  # flow\nz:    # null\n";
        let says = |wanted: &str| rewrite(text, &value(wanted));
        assert_eq!(says("{lr: 3, y: [1, 2], z: null}"), text.replace("0.01   #", "3      #"));
        assert_eq!(says("{lr: 1234567890, y: [1, 2], z: null}"), text.replace("0.01   #", "1234567890 #"));
        assert_eq!(says("{lr: é, y: [1, 2], z: null}"), text.replace("0.01   #", "é      #"));
        assert_eq!(says("{lr: null, y: [1, 2], z: null}"), text.replace(" 0.01   #", "        #"));
        assert_eq!(
            says("{lr: 0.01, y: [1], z: 5}"),
            text.replace("z:    #", "z: 5  #").replace("[1, 2]  #", "[1]     #")
        );
    }

    #[test]
    fn neighbours_that_both_change_keep_the_rest() {
        let text = "# top\na:\n- p\n- o\nb:\n- k\nc: 1 # c\n";
        let wanted = value("a:\n- o\nb:\n- k\n- p\nc: 1\n");
        assert_eq!(rewrite(text, &wanted), "# top\na:\n- o\nb:\n- k\n- p\nc: 1 # c\n");
    }

    #[test]
    fn new_keys_are_appended_and_gone_keys_are_dropped() {
        let text = "outs:\n- md5: aaa\n  nfiles: 2 # n\n  path: f\n# end\n";
        let wanted = value("outs:\n- md5: bbb\n  path: f\n  isexec: true\n");
        assert_eq!(rewrite(text, &wanted), "outs:\n- md5: bbb\n  path: f\n  isexec: true\n# end\n");
    }

    #[test]
    fn a_new_stage_is_indented_like_the_others() {
        let text = "stages:\n    one:\n        cmd: a\n        deps:\n          - in\n";
        let mut body = Map::new();
        body.insert("cmd".into(), "b".into());
        body.insert("deps".into(), Value::Seq(vec!["x".into()]));
        let put = put_stage(text, "", "two", &Value::Map(body)).expect("puts");
        assert_eq!(put, format!("{text}    two:\n        cmd: b\n        deps:\n          - x\n"));
    }

    #[test]
    fn a_new_stage_stands_after_the_last_ones_comments() {
        let body = value("cmd: b");
        let put = |text: &str| put_stage(text, "", "b", &body).expect("puts");
        assert_eq!(put(""), "stages:\n  b:\n    cmd: b\n");
        assert_eq!(
            put("stages:\n  a:\n    cmd: x # c\n\n# d\nplots:\n- p\n"),
            "stages:\n  a:\n    cmd: x # c\n\n# d\n  b:\n    cmd: b\nplots:\n- p\n"
        );
        assert_eq!(put("vars:\n- a: 1\n"), "vars:\n- a: 1\nstages:\n  b:\n    cmd: b\n");
    }

    #[test]
    fn what_an_alias_stands_for_stays_when_its_anchor_goes() {
        let text = "# top\ns:\n  # of a\n  a:\n    deps: &d\n    - x   # why\n    - y\n  # of b\n  b:\n    deps: *d\n    n: 1 # n\n  c:\n    deps: *d\n    m: [1, 2]\n";
        let rest = "  # of b\n  b:\n    deps:\n    - x\n    - y\n    n: 1 # n\n  c:\n    deps:\n    - x\n    - y\n    m: [1, 2]\n";
        let wanted = value("s: {b: {deps: [x, y], n: 1}, c: {deps: [x, y], m: [1, 2]}}");
        assert_eq!(rewrite(text, &wanted), format!("# top\ns:\n  # of a\n{rest}"));
        let wanted = value("s: {a: {deps: [x, y]}, c: {deps: [x, y], m: [1, 2]}}");
        let without = text.replace("  b:\n    deps: *d\n    n: 1 # n\n", "");
        assert_eq!(rewrite(text, &wanted), without, "an anchor that stays");
        let wanted = value("s: {a: {deps: [z]}, b: {deps: [x, y], n: 1}, c: {deps: [x, y], m: [1, 2]}}");
        let changed = rewrite(text, &wanted);
        assert!(changed.starts_with("# top\ns:\n  # of a\n  a:\n    deps:\n    - z\n"), "{changed}");
        let whole = "# top\ns:\n  a: &a   # why\n    cmd: x\n  b:\n    <<: *a\n    n: 1\n  c: *a\n  d:\n    m: [1, 2] # m\n";
        let wanted = value("s: {a: {cmd: x, f: true}, b: {cmd: x, n: 1}, c: {cmd: x}, d: {m: [1, 2]}}");
        let edited = "# top\ns:\n  a: &a   # why\n    cmd: x\n    f: true\n  b:\n    n: 1\n    cmd: x\n  c:\n    cmd: x\n  d:\n    m: [1, 2] # m\n";
        assert_eq!(
            rewrite(whole, &wanted),
            edited.replace("    n: 1\n    cmd: x\n", "    cmd: x\n    n: 1\n")
        );
        let merged = "x: &m {k: 1}\ny:\n  <<: *m # c\n  l: 2\nz: 3 # z\n";
        let wanted = value("x: {k: 1}\ny: {k: 1, l: 2}\nz: 4");
        assert_eq!(rewrite(merged, &wanted), merged.replace("z: 3", "z: 4"));
    }

    #[test]
    fn a_block_of_text_stays_one_and_what_follows_it_too() {
        let put = |text: &str, body: &str| put_stage(text, "", "s", &value(body)).expect("puts");
        let text =
            "stages:\n  s:\n    cmd: |\n      a\n      b\n\n  # of t\n  t:\n    cmd: >-\n      c\n      d\n";
        assert_eq!(
            put(text, "cmd: \"a\\nb\\n\"\nfrozen: true"),
            text.replace("      b\n", "      b\n    frozen: true\n")
        );
        let last = "stages:\n  s:\n    cmd: |+\n      a\n\n\n";
        assert_eq!(put(last, "cmd: \"a\\n\\n\\n\"\nfrozen: true"), format!("{last}    frozen: true\n"));
        assert_eq!(put(text, "cmd: e"), text.replace("cmd: |\n      a\n      b\n", "cmd: e\n"));
    }

    #[test]
    fn a_list_in_flow_style_stays_one() {
        let text = "stages:\n  a:\n    cmd: x\n    deps: [a, b] # f\n";
        let body = value("cmd: x\ndeps: [a, b, 'c, d']\n");
        assert_eq!(
            put_stage(text, "", "a", &body).expect("puts"),
            "stages:\n  a:\n    cmd: x\n    deps: [a, b, 'c, d'] # f\n"
        );
        let body = value("cmd: x\ndeps: [a, b, c]\n");
        assert_eq!(put_stage(text, "", "a", &body).expect("puts"), text.replace("[a, b]", "[a, b, c]"));
    }

    #[test]
    fn what_cannot_be_edited_in_place_is_written_afresh() {
        let wanted = value("a: {b: 2}\nc: {b: 1}\n");
        assert_eq!(rewrite("a: &x {b: 1}\nc: *x\n", &wanted), "a: &x {b: 2}\nc:\n  b: 1\n");
        assert_eq!(rewrite("# gone\n- 1\n", &value("a: 1\n")), "a: 1\n");
    }
}
