//! Writes documents byte for byte as DVC's emitter (ruamel.yaml, block style, width 80) does.
//!
//! The rules of line folding are the emitter's, quirks included: files that both tools write stay equal.
//! Where the emitter would write something that reads back as another value (a folded key, a fold inside
//! a run of blanks, a Unicode line break), this one writes what reads back: the value comes first.

use super::analysis::{Analysis, analyse};
use super::read::parse;
use super::scalar::{Tag, tag_of};
use super::shared::Shared;
use super::spelling::{escape, is_break, key_text, needs_escape, scalar_text, tag_length};
use super::value::{Map, Value};

const WIDTH: usize = 80;
const MAX_SIMPLE_KEY: usize = 128;

/// The document as text, with a final newline.
pub(crate) fn emit(value: &Value) -> String {
    emit_shared(value, Shared::default())
}

/// The same, with anchors and aliases for values that DVC holds once and writes in several places.
pub(crate) fn emit_shared(value: &Value, shared: Shared) -> String {
    let mut emitter =
        Emitter { out: String::new(), column: 0, indent: 0, whitespace: true, indention: true, shared };
    match value {
        Value::Map(map) if !map.is_empty() => emitter.mapping(map, 0),
        Value::Seq(items) if !items.is_empty() => emitter.sequence(items, 0),
        other => emitter.node(other, Place::Root),
    }
    if emitter.column > 0 {
        emitter.out.push('\n');
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Item,
    Value,
    Key,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
}

struct Emitter {
    out: String,
    column: usize,
    indent: usize,
    whitespace: bool,
    indention: bool,
    shared: Shared,
}

impl Emitter {
    fn node(&mut self, value: &Value, place: Place) {
        if let Some(name) = self.shared.alias(value) {
            if place == Place::Item {
                self.write_indent();
            }
            return self.indicator(&name, true, false, false);
        }
        if let Some(name) = self.shared.anchor(value) {
            self.indicator(&name, true, false, false);
        }
        match value {
            Value::Map(map) if map.is_empty() => self.empty("{", "}"),
            Value::Seq(items) if items.is_empty() => self.empty("[", "]"),
            Value::Map(map) => {
                let indent = self.indent + 2;
                self.mapping(map, indent);
            }
            Value::Seq(items) => {
                let indentless = place == Place::Value && !self.indention;
                let indent = if indentless { self.indent } else { self.indent + 2 };
                self.sequence(items, indent);
            }
            scalar => {
                let (text, tag) = scalar_text(scalar);
                self.scalar(&text, tag, place);
            }
        }
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, true, false);
        self.indicator(close, false, false, false);
        self.line_break("\n");
    }

    fn sequence(&mut self, items: &[Value], indent: usize) {
        let outer = std::mem::replace(&mut self.indent, indent);
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, Place::Item);
        }
        self.indent = outer;
    }

    fn mapping(&mut self, map: &Map, indent: usize) {
        let outer = std::mem::replace(&mut self.indent, indent);
        for (key, value) in map {
            self.write_indent();
            let (text, tag) = key_text(key);
            let analysis = analyse(&text);
            let length = text.chars().count() + tag_length(tag);
            if length < MAX_SIMPLE_KEY && !analysis.multiline {
                self.scalar(&text, tag, Place::Key);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, true);
                self.scalar(&text, tag, Place::Value);
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            self.node(value, Place::Value);
        }
        self.indent = outer;
    }

    fn scalar(&mut self, text: &str, tag: Tag, place: Place) {
        let outer = self.indent;
        if place != Place::Root {
            self.indent += 2;
        }
        let chars: Vec<char> = text.chars().collect();
        let analysis = analyse(text);
        let style = style(text, tag, &analysis, place == Place::Key);
        let split = place != Place::Key;
        if place == Place::Item {
            self.write_indent();
        }
        let before = (self.out.len(), self.column, self.whitespace, self.indention);
        match style {
            Style::Plain => self.plain(&chars, split),
            Style::Single => self.single_quoted(&chars, split),
            Style::Double => self.double_quoted(&chars, split),
        }
        let odd = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
        let folded = self.out[before.0..].contains('\n') && text.contains("  ");
        if style != Style::Double && (odd || folded) && !reads_back(&self.out[before.0..], text) {
            self.out.truncate(before.0);
            (_, self.column, self.whitespace, self.indention) = before;
            self.double_quoted(&chars, split);
        }
        self.indent = outer;
    }

    fn indicator(&mut self, text: &str, need_whitespace: bool, whitespace: bool, indention: bool) {
        if need_whitespace && !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
        self.raw(text);
    }

    fn raw(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    fn raw_chars(&mut self, chars: &[char]) {
        self.column += chars.len();
        self.out.extend(chars);
    }

    fn line_break(&mut self, text: &str) {
        self.whitespace = true;
        self.indention = true;
        self.column = 0;
        self.out.push_str(text);
    }

    fn write_indent(&mut self) {
        let indent = self.indent;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break("\n");
        }
        if self.column < indent {
            self.whitespace = true;
            self.out.extend(std::iter::repeat_n(' ', indent - self.column));
            self.column = indent;
        }
    }

    fn breaks(&mut self, run: &[char]) {
        if run.first() == Some(&'\n') {
            self.line_break("\n");
        }
        for br in run {
            self.line_break(&br.to_string());
        }
        self.write_indent();
    }

    fn plain(&mut self, text: &[char], split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = false;
        self.indention = false;
        let (mut spaces, mut breaks) = (false, false);
        let mut start = 0;
        for end in 0..=text.len() {
            let ch = text.get(end).copied();
            if spaces {
                if ch != Some(' ') {
                    if start + 1 == end && self.column >= WIDTH && split {
                        self.write_indent();
                        self.whitespace = false;
                        self.indention = false;
                    } else {
                        self.raw_chars(&text[start..end]);
                    }
                    start = end;
                }
            } else if breaks {
                if !ch.is_some_and(is_break) {
                    self.breaks(&text[start..end]);
                    self.whitespace = false;
                    self.indention = false;
                    start = end;
                }
            } else if ch.is_none_or(|c| c == ' ' || is_break(c)) {
                if end - start + self.column > WIDTH && self.column > self.indent && split {
                    self.write_indent();
                }
                self.raw_chars(&text[start..end]);
                start = end;
            }
            if let Some(c) = ch {
                spaces = c == ' ';
                breaks = is_break(c);
            }
        }
    }

    fn single_quoted(&mut self, text: &[char], split: bool) {
        self.indicator("'", true, false, false);
        let (mut spaces, mut breaks) = (false, false);
        let mut start = 0;
        for end in 0..=text.len() {
            let ch = text.get(end).copied();
            if spaces {
                if ch != Some(' ') {
                    if start + 1 == end && self.column > WIDTH && split && start != 0 && end != text.len() {
                        self.write_indent();
                    } else {
                        self.raw_chars(&text[start..end]);
                    }
                    start = end;
                }
            } else if breaks {
                if !ch.is_some_and(is_break) {
                    self.breaks(&text[start..end]);
                    start = end;
                }
            } else if ch.is_none_or(|c| c == ' ' || is_break(c) || c == '\'') && start < end {
                self.raw_chars(&text[start..end]);
                start = end;
            }
            if ch == Some('\'') {
                self.raw("''");
                start = end + 1;
            }
            if let Some(c) = ch {
                spaces = c == ' ';
                breaks = is_break(c);
            }
        }
        self.indicator("'", false, false, false);
    }

    fn double_quoted(&mut self, text: &[char], split: bool) {
        self.indicator("\"", true, false, false);
        let mut start = 0;
        for end in 0..=text.len() {
            let ch = text.get(end).copied();
            if ch.is_none_or(needs_escape) {
                if start < end {
                    self.raw_chars(&text[start..end]);
                    start = end;
                }
                if let Some(c) = ch {
                    self.raw(&escape(c));
                    start = end + 1;
                }
            }
            let inner = 0 < end && end + 1 < text.len();
            let pending = end.saturating_sub(start);
            let fits = (self.column + pending) as i64 - i64::from(start > end) <= WIDTH as i64;
            if inner && (ch == Some(' ') || start >= end) && !fits && split {
                let backslash = needs_backslash(text, start, end);
                if start < end {
                    self.raw_chars(&text[start..end]);
                    start = end;
                }
                if backslash {
                    self.raw("\\");
                }
                self.write_indent();
                self.whitespace = false;
                self.indention = false;
                if text.get(start) == Some(&' ') {
                    if backslash {
                        self.raw("\\");
                    } else {
                        start += 1;
                    }
                }
            }
        }
        self.indicator("\"", false, false, false);
    }
}

/// Whether a scalar as written holds `text`: a fold beside a run of blanks loses some of them.
fn reads_back(written: &str, text: &str) -> bool {
    let mut document = String::from("-");
    document.push_str(if written.starts_with([' ', '\n']) { "" } else { " " });
    document.push_str(written);
    let read = parse(&document, "").map(|node| node.to_value());
    matches!(read, Ok(Value::Seq(items)) if items.first().and_then(Value::as_str) == Some(text))
}

fn needs_backslash(text: &[char], start: usize, end: usize) -> bool {
    if start > end && text.get(start) != Some(&' ') {
        return true;
    }
    let Some(space) = text[end..].iter().position(|c| *c == ' ').map(|at| at + end) else { return true };
    let stop = text[end..space].iter().position(|c| *c == '\n').map_or(space, |at| at + end);
    let next = text.get(stop + 1);
    if text[stop] == '\n' && next.is_some_and(|c| *c != ' ') {
        return true;
    }
    let Some(next) = next else { return true };
    let quoted = text[end..stop].iter().any(|c| matches!(c, '"' | '\''));
    let two_spaces = text[end - 1] == ' ' && text[end] == ' ';
    quoted || matches!(next, ' ' | '\n') || two_spaces || start == end
}

fn style(text: &str, tag: Tag, analysis: &Analysis, key: bool) -> Style {
    let reads_back = tag_of(text) == tag;
    if reads_back && !(key && (analysis.empty || analysis.multiline)) && analysis.plain {
        return Style::Plain;
    }
    if text.contains(['\'', '\n']) || !analysis.single_quoted || (key && analysis.multiline) {
        return Style::Double;
    }
    Style::Single
}
