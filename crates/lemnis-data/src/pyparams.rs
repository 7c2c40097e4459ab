//! Parameters of a Python file: assignments of literals at the top level, in classes and in `__init__`.
//!
//! The file is read, never run. What is not a literal (a call, arithmetic, an f-string) is passed over, as
//! are assignments inside functions and conditions.

mod literal;

use std::ops::Range;

use self::literal::Literal;
use crate::yaml::{Key, Map, Value};

/// What the file assigns; `Err` names a line and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Map, (usize, String)> {
    let lines = logical_lines(text)?;
    let mut at = 0;
    let first = lines.first().map_or(0, |line| line.indent);
    Ok(block(&lines, &mut at, first, false))
}

/// Where literals stand, as byte ranges, that may be assigned to `name` or `self.name`: also inside strings
/// and comments, so that whoever edits one must look at what the file then says.
pub(crate) fn literals_of(text: &str, name: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(name) {
        let before = text[..at].chars().next_back();
        let after = &text[at + name.len()..];
        let target = after.trim_start_matches([' ', '\t']);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if before.is_some_and(word) || target.starts_with(word) && target.len() == after.len() {
            continue;
        }
        let line = target.split(['\n', '#']).next().unwrap_or_default();
        let Some(equals) = split_at(line, '=') else { continue };
        let annotation = line[..equals].trim();
        if !(annotation.is_empty() || annotation.starts_with(':')) {
            continue;
        }
        let start = text.len() - target.len() + equals + 1;
        let start = start + text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
        // Most literals end with their line; what stands on the next one is another statement then.
        let line_end = text[start..].find('\n').map_or(text.len(), |end| start + end);
        let length = literal_length(&text[start..line_end]).or_else(|| literal_length(&text[start..]));
        found.extend(length.map(|length| start..start + length));
    }
    found
}

/// The length in bytes of the literal that `text` begins with.
fn literal_length(text: &str) -> Option<usize> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Literal::new(&chars);
    let value = reader.value()?;
    if reader.peek() == Some(',') {
        reader.rest_of_tuple(value)?;
    }
    let length: usize = chars[..reader.end()].iter().map(|c| c.len_utf8()).sum();
    Some(text[..length].trim_end().len())
}

/// A statement line with its brackets and strings joined and its comment gone.
struct Line {
    indent: usize,
    text: String,
}

fn logical_lines(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let chars: Vec<char> = text.trim_start_matches('\u{feff}').chars().collect();
    let mut lines = Vec::new();
    let (mut at, mut number) = (0, 1);
    while at < chars.len() {
        let mut indent = 0;
        while let Some(c @ (' ' | '\t' | '\u{c}')) = chars.get(at) {
            indent = if *c == '\t' { indent / 8 * 8 + 8 } else { indent + 1 };
            at += 1;
        }
        let started = number;
        let mut out = String::new();
        let mut depth = 0usize;
        while let Some(&c) = chars.get(at) {
            match c {
                '#' => {
                    while chars.get(at).is_some_and(|c| *c != '\n') {
                        at += 1;
                    }
                }
                '\'' | '"' => {
                    let end = string_end(&chars, at)
                        .ok_or_else(|| (started, "a string is not closed".to_owned()))?;
                    number += chars[at..end].iter().filter(|c| **c == '\n').count();
                    out.extend(&chars[at..end]);
                    at = end;
                }
                '\\' if matches!(chars.get(at + 1), Some('\n' | '\r')) => {
                    at += if chars.get(at + 1) == Some(&'\r') { 3 } else { 2 };
                    number += 1;
                    out.push(' ');
                }
                '\n' => {
                    at += 1;
                    number += 1;
                    if depth == 0 {
                        break;
                    }
                    out.push(' ');
                }
                _ => {
                    match c {
                        '(' | '[' | '{' => depth += 1,
                        ')' | ']' | '}' => {
                            depth = depth
                                .checked_sub(1)
                                .ok_or_else(|| (number, format!("'{c}' closes nothing")))?;
                        }
                        _ => {}
                    }
                    out.push(c);
                    at += 1;
                }
            }
        }
        if depth > 0 {
            return Err((started, "a bracket is not closed".to_owned()));
        }
        let text = out.trim().to_owned();
        if !text.is_empty() {
            lines.push(Line { indent, text });
        }
    }
    Ok(lines)
}

/// Where the string that opens at `at` ends; `None` when it does not.
fn string_end(chars: &[char], at: usize) -> Option<usize> {
    let quote = chars[at];
    let triple = chars.get(at + 1) == Some(&quote) && chars.get(at + 2) == Some(&quote);
    let mut end = at + if triple { 3 } else { 1 };
    loop {
        match chars.get(end)? {
            '\\' => end += 2,
            c if *c == quote && !triple => return Some(end + 1),
            c if *c == quote && chars.get(end + 1) == Some(&quote) && chars.get(end + 2) == Some(&quote) => {
                return Some(end + 3);
            }
            '\n' if !triple => return None,
            _ => end += 1,
        }
    }
}

fn block(lines: &[Line], at: &mut usize, indent: usize, only_self: bool) -> Map {
    let mut out = Map::new();
    while let Some(line) = lines.get(*at) {
        if line.indent < indent {
            break;
        }
        *at += 1;
        if line.indent > indent {
            continue;
        }
        let inner = lines.get(*at).map(|line| line.indent).filter(|inner| *inner > indent);
        let class = line.text.strip_prefix("class ").map(|rest| rest.trim_start());
        let init = line.text.strip_prefix("def ").map(str::trim_start).filter(|rest| {
            rest.strip_prefix("__init__").is_some_and(|rest| rest.trim_start().starts_with('('))
        });
        if let Some(header) = class.filter(|_| !only_self) {
            let name: String = header.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let inner = match inner {
                Some(inner) => block(lines, at, inner, false),
                None => one_line(header, false),
            };
            out.insert(Key::from(name), Value::Map(inner));
        } else if let Some(header) = init {
            let inner = match inner {
                Some(inner) => block(lines, at, inner, true),
                None => one_line(header, true),
            };
            out.extend(inner);
        } else {
            simple(&line.text, only_self, &mut out);
        }
    }
    out
}

/// The statements that follow a header on its own line: `class A: x = 1`.
fn one_line(header: &str, only_self: bool) -> Map {
    let mut out = Map::new();
    if let Some(colon) = split_at(header, ':') {
        simple(&header[colon + 1..], only_self, &mut out);
    }
    out
}

fn simple(text: &str, only_self: bool, out: &mut Map) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = split_at(rest, ';').unwrap_or(rest.len());
        if let Some((name, value)) = assignment(&rest[..end], only_self) {
            out.insert(Key::from(name), value);
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
}

/// The first `wanted` outside strings and brackets.
fn split_at(text: &str, wanted: char) -> Option<usize> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut depth) = (0, 0i32);
    while at < chars.len() {
        match chars[at] {
            '\'' | '"' => at = string_end(&chars, at)?.saturating_sub(1),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            c if c == wanted && depth == 0 => return Some(chars[..at].iter().map(|c| c.len_utf8()).sum()),
            _ => {}
        }
        at += 1;
    }
    None
}

fn assignment(text: &str, only_self: bool) -> Option<(String, Value)> {
    let equals = split_at(text, '=')?;
    let (target, value) = (&text[..equals], &text[equals + 1..]);
    if value.starts_with('=') || split_at(value, '=').is_some() {
        return None;
    }
    let target = split_at(target, ':').map_or(target, |colon| &target[..colon]).trim();
    let name = match target.strip_prefix("self.") {
        Some(name) => name,
        None if only_self => return None,
        None => target,
    };
    let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !word || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let chars: Vec<char> = value.chars().collect();
    let mut reader = Literal::new(&chars);
    let mut value = reader.value()?;
    if reader.peek() == Some(',') {
        value = Value::Seq(reader.rest_of_tuple(value)?);
    }
    reader.peek().is_none().then(|| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        Value::Map(parse(text).expect("parses")).to_json()
    }

    #[test]
    fn literals_are_read_and_the_rest_is_passed_over() {
        let text = "import os\nA = 1  # one\nB: float = 2.5\nC = [1, 2,\n  -3]\nD = {'k': 1, 'z': (\"v\",)}\nE = (1, 'a')\n\
                    F = None; G = True\nH = -1_000\nx = y = 3\nI = f()\nJ = f'{A}'\nK = 'a' \"b\"\nL = 1 + 1\nM = 0x1F\n\
                    N = '''two\nlines'''\nif A:\n    O = 1\nP = 1, 2\nA == 2\nq: int\n";
        assert_eq!(
            json(text),
            serde_json::json!({"A": 1, "B": 2.5, "C": [1, 2, -3], "D": {"k": 1, "z": ["v"]}, "E": [1, "a"], "F": null,
                "G": true, "H": -1000, "K": "ab", "M": 31, "N": "two\nlines", "P": [1, 2]})
        );
    }

    #[test]
    fn classes_give_their_attributes_and_those_that_init_sets() {
        let text = "class Cfg(Base):\n    '''doc'''\n    lr = 0.1\n    def __init__(self, a=1):\n        self.n = 5\n        n = 6\n        \
                    self.d = {'q': 'w'}\n    def other(self):\n        self.z = 1\n    class In: a = 1\nB = 2\n";
        assert_eq!(
            json(text),
            serde_json::json!({"Cfg": {"lr": 0.1, "n": 5, "d": {"q": "w"}, "In": {"a": 1}}, "B": 2})
        );
    }

    #[test]
    fn broken_files_name_their_line() {
        assert_eq!(parse("a = 1\nb = [1,\n"), Err((2, "a bracket is not closed".into())));
        assert_eq!(parse("a = 'x\n"), Err((1, "a string is not closed".into())));
        assert!(parse("a = )\n").is_err());
    }
}
