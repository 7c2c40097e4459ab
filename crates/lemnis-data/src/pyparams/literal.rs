//! Python's literals, as far as parameters use them; `None` for everything else.

use super::string_end;
use crate::template::spell;
use crate::yaml::{Key, Map, Value};

/// How deep lists and dictionaries may stand in each other.
const MAX_DEPTH: usize = 64;

/// Reads one literal after the other.
pub(super) struct Literal<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl<'a> Literal<'a> {
    pub(super) fn new(chars: &'a [char]) -> Self {
        Self { chars, at: 0, depth: 0 }
    }

    /// Where it has read to.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The next character that is no blank.
    pub(super) fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn value(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.peek()? {
            '[' => {
                self.at += 1;
                Value::Seq(self.items(']')?)
            }
            '(' => {
                self.at += 1;
                self.tuple()?
            }
            '{' => {
                self.at += 1;
                Value::Map(self.members()?)
            }
            '-' => {
                self.at += 1;
                match self.value()? {
                    Value::Int(number) => Value::Int(-number),
                    Value::Float(number) => Value::Float(-number),
                    _ => return None,
                }
            }
            '+' => {
                self.at += 1;
                self.value().filter(|value| matches!(value, Value::Int(_) | Value::Float(_)))?
            }
            c if c.is_ascii_digit() || c == '.' => self.number()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Some(value)
    }

    fn items(&mut self, close: char) -> Option<Vec<Value>> {
        let mut out = Vec::new();
        while !self.take(close) {
            out.push(self.value()?);
            if !self.take(',') {
                return self.take(close).then_some(out);
            }
        }
        Some(out)
    }

    pub(super) fn rest_of_tuple(&mut self, first: Value) -> Option<Vec<Value>> {
        let mut out = vec![first];
        while self.take(',') && self.peek().is_some() {
            out.push(self.value()?);
        }
        Some(out)
    }

    fn tuple(&mut self) -> Option<Value> {
        if self.take(')') {
            return Some(Value::Seq(Vec::new()));
        }
        let first = self.value()?;
        if self.take(')') {
            return Some(first);
        }
        let mut out = vec![first];
        if !self.take(',') {
            return None;
        }
        out.extend(self.items(')')?);
        Some(Value::Seq(out))
    }

    fn members(&mut self) -> Option<Map> {
        let mut out = Map::new();
        while !self.take('}') {
            let key = match self.value()? {
                Value::Str(text) => Key::from(text),
                Value::Null => Key { text: String::new(), typed: true },
                scalar @ (Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
                    Key { text: spell(&scalar), typed: true }
                }
                _ => return None,
            };
            if !self.take(':') {
                return None;
            }
            let value = self.value()?;
            out.insert(key, value);
            if !self.take(',') {
                return self.take('}').then_some(out);
            }
        }
        Some(out)
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let mut previous = ' ';
        while let Some(&c) = self.chars.get(self.at) {
            let sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || sign) {
                break;
            }
            previous = c;
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().filter(|c| **c != '_').collect();
        let text = text.to_ascii_lowercase();
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
            if let Some(digits) = text.strip_prefix(prefix) {
                return i128::from_str_radix(digits, radix).ok().map(Value::Int);
            }
        }
        match text.contains(['.', 'e']) {
            true => text.parse().ok().map(Value::Float),
            false => text.parse().ok().map(Value::Int),
        }
    }

    /// `True`, `False`, `None` or strings, which are joined when they stand side by side.
    fn word(&mut self) -> Option<Value> {
        let mut joined: Option<String> = None;
        loop {
            self.peek();
            let start = self.at;
            while self.chars.get(self.at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                self.at += 1;
            }
            let word: String = self.chars[start..self.at].iter().collect();
            let Some('\'' | '"') = self.chars.get(self.at) else {
                self.at = start;
                return match (joined, word.as_str()) {
                    (Some(text), _) => Some(Value::Str(text)),
                    (None, "True" | "False" | "None") => {
                        self.at += word.len();
                        Some(match word.as_str() {
                            "True" => Value::Bool(true),
                            "False" => Value::Bool(false),
                            _ => Value::Null,
                        })
                    }
                    (None, _) => None,
                };
            };
            let raw = match word.to_ascii_lowercase().as_str() {
                "" | "u" => false,
                "r" => true,
                _ => return None,
            };
            let end = string_end(self.chars, self.at)?;
            let text = unescape(&self.chars[self.at..end], raw)?;
            joined.get_or_insert_default().push_str(&text);
            self.at = end;
        }
    }
}

fn unescape(quoted: &[char], raw: bool) -> Option<String> {
    let width = if quoted.len() >= 6 && quoted[1] == quoted[0] && quoted[2] == quoted[0] { 3 } else { 1 };
    let inner = &quoted[width..quoted.len() - width];
    if raw {
        return Some(inner.iter().collect());
    }
    let mut out = String::new();
    let mut at = 0;
    let number = |digits: &[char], radix| {
        let text: String = digits.iter().collect();
        u32::from_str_radix(&text, radix).ok().and_then(char::from_u32)
    };
    while let Some(&c) = inner.get(at) {
        at += 1;
        if c != '\\' {
            out.push(c);
            continue;
        }
        let escaped = *inner.get(at)?;
        at += 1;
        match escaped {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(escaped),
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            'x' | 'u' | 'U' => {
                let count = match escaped {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                out.push(number(inner.get(at..at + count)?, 16)?);
                at += count;
            }
            '0'..='7' => {
                let count = inner[at - 1..].iter().take(3).take_while(|c| c.is_digit(8)).count();
                out.push(number(&inner[at - 1..at - 1 + count], 8)?);
                at += count - 1;
            }
            other => out.extend(['\\', other]),
        }
    }
    Some(out)
}
