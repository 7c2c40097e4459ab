//! Reads YAML 1.2 into nodes that know their place in the text.
//!
//! Duplicate keys, unknown tags, undefined aliases, several documents and documents that grow without
//! bound through aliases are errors that name file and line.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};
use indexmap::IndexMap;
use indexmap::map::Entry;

use super::scalar::{self, resolve};
use super::value::{Key, Map, Value};
use crate::error::{Error, Result};

/// A text of this length takes seconds; what is larger is no file that somebody wrote.
const MAX_BYTES: usize = 64 << 20;
const MAX_DEPTH: usize = 128;
const MAX_ALIAS_NODES: usize = 1_000_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Counted from one.
    pub(crate) line: usize,
    /// Column of the first character, counted from zero.
    pub(crate) column: usize,
    /// Byte range of a scalar or flow collection; of a block collection the start only.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Written as a plain or quoted scalar, or in flow style: its text can be replaced in place.
    pub(crate) inline: bool,
    /// An alias: where what it stands for begins and ends.
    pub(crate) alias_of: Option<(usize, usize)>,
    /// What is merged into a mapping with `<<`.
    pub(crate) merged: Vec<Merged>,
    /// It differs from whatever is wanted in its place.
    pub(crate) differs: bool,
    /// Nodes in this tree, itself included.
    size: usize,
}

/// An alias behind `<<`.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    /// Where what it stands for begins and ends.
    pub(crate) from: (usize, usize),
    /// Where the alias, or the list that holds it, ends.
    pub(crate) end: usize,
}

/// Keys with their nodes and values, in file order.
pub(crate) type Members = IndexMap<Key, (Node, Node)>;

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Value),
    Seq(Vec<Node>),
    Map(Members),
}

impl Node {
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Seq(items) => Value::Seq(items.iter().map(Self::to_value).collect()),
            Kind::Map(map) => {
                Value::Map(map.iter().map(|(k, (_, v))| (k.clone(), v.to_value())).collect::<Map>())
            }
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    pub(crate) fn as_map(&self) -> Option<&Members> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map().and_then(|map| map.get(key)).map(|(_, value)| value)
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(value) => value.type_name(),
            Kind::Seq(_) => "list",
            Kind::Map(_) => "dict",
        }
    }
}

/// The document's root; an empty text is a null.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node> {
    if text.len() > MAX_BYTES {
        return Err(Error::hinted(
            format!("{file} is larger than {} MiB", MAX_BYTES >> 20),
            "split it into several files",
        ));
    }
    let mut reader =
        Reader { parser: Parser::new_from_str(text), file, anchors: HashMap::new(), aliased: 0, last_end: 0 };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd | Event::Comment(..) => {}
            Event::DocumentStart(..) if root.is_none() => {
                let (event, span) = reader.next()?;
                root = Some(reader.node(event, span, 0)?);
            }
            _ => return Err(malformed(file, span.start.line(), "a second document is not allowed")),
        }
    }
    Ok(root.unwrap_or(Node {
        kind: Kind::Scalar(Value::Null),
        line: 1,
        column: 0,
        start: 0,
        end: 0,
        inline: false,
        alias_of: None,
        merged: Vec::new(),
        differs: false,
        size: 1,
    }))
}

fn malformed(file: &str, line: usize, message: impl Into<String>) -> Error {
    Error::Malformed { file: file.to_owned(), line, message: message.into() }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: &'a str,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    last_end: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(pair)) => return Ok(pair),
                Some(Err(error)) => {
                    return Err(malformed(
                        self.file,
                        error.marker().line().max(1),
                        error.info().to_lowercase(),
                    ));
                }
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(malformed(self.file, line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let range = span.byte_range().unwrap_or(0..0);
        let mut node = Node {
            kind: Kind::Scalar(Value::Null),
            line,
            column: span.start.col(),
            start: range.start,
            end: range.end,
            inline: true,
            alias_of: None,
            merged: Vec::new(),
            differs: false,
            size: 1,
        };
        let anchor = event.anchor_id();
        match event {
            Event::Alias(id) => {
                let target = self.anchors.get(&id).cloned();
                let target = target.ok_or_else(|| malformed(self.file, line, "an alias contains itself"))?;
                self.aliased += target.size;
                if self.aliased > MAX_ALIAS_NODES {
                    return Err(malformed(self.file, line, "aliases expand to too many values"));
                }
                let alias_of = Some((target.start, target.end));
                return Ok(Node { kind: target.kind, size: target.size, alias_of, ..node });
            }
            Event::Scalar(text, style, _, tag) => {
                node.inline = !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && tag.is_none();
                node.kind = Kind::Scalar(self.scalar(&text, style, tag.as_deref(), line)?);
            }
            Event::SequenceStart(style, _, tag) => {
                self.collection_tag(tag.as_deref(), "seq", line)?;
                node.inline = style == StructureStyle::Flow;
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        self.last_end = span.byte_range().unwrap_or(0..0).end;
                        break;
                    }
                    let item = self.node(event, span, depth + 1)?;
                    node.size += item.size;
                    items.push(item);
                }
                node.end = self.last_end;
                node.kind = Kind::Seq(items);
            }
            Event::MappingStart(style, _, tag) => {
                self.collection_tag(tag.as_deref(), "map", line)?;
                node.inline = style == StructureStyle::Flow;
                let (map, size, merged) = self.mapping(depth)?;
                node.merged = merged;
                node.size += size;
                node.end = self.last_end;
                node.kind = Kind::Map(map);
            }
            _ => return Err(malformed(self.file, line, "a value is missing")),
        }
        if let Some(id) = anchor {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    /// The members, how many nodes they are, and where what is merged in with `<<` stands.
    fn mapping(&mut self, depth: usize) -> Result<(Members, usize, Vec<Merged>)> {
        let mut map = IndexMap::new();
        let mut merged = Vec::new();
        let mut size = 0;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                self.last_end = span.byte_range().unwrap_or(0..0).end;
                break;
            }
            let line = span.start.line();
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None)
                if scalar::tag_of(text) == scalar::Tag::Merge);
            let key_node = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            size += key_node.size + value.size;
            if merge {
                merged.push(value);
                continue;
            }
            let key = self.key(&key_node)?;
            match map.entry(key) {
                Entry::Occupied(entry) => {
                    let text = &entry.key().text;
                    return Err(malformed(self.file, line, format!("the key '{text}' stands twice")));
                }
                Entry::Vacant(entry) => {
                    entry.insert((key_node, value));
                }
            }
        }
        let places = |node: &Node| match &node.kind {
            Kind::Seq(items) if node.alias_of.is_none() => {
                items.iter().filter_map(|item| item.alias_of).collect()
            }
            _ => node.alias_of.into_iter().collect::<Vec<_>>(),
        };
        let place = |node: &Node| {
            let end = node.end;
            places(node).into_iter().map(move |from| Merged { from, end }).collect::<Vec<_>>()
        };
        let from = merged.iter().flat_map(place).collect();
        for source in merged {
            let parts = match source.kind {
                Kind::Seq(items) => items,
                _ => vec![source],
            };
            for part in parts {
                let Kind::Map(part_map) = part.kind else {
                    return Err(malformed(self.file, part.line, "only a mapping can be merged with '<<'"));
                };
                for (key, pair) in part_map {
                    map.entry(key).or_insert(pair);
                }
            }
        }
        Ok((map, size, from))
    }

    fn key(&self, node: &Node) -> Result<Key> {
        let (text, typed) = match &node.kind {
            Kind::Scalar(Value::Str(text)) => (text.clone(), false),
            Kind::Scalar(Value::Null) => (String::new(), true),
            Kind::Scalar(Value::Bool(truth)) => (truth.to_string(), true),
            Kind::Scalar(Value::Int(number)) => (number.to_string(), true),
            Kind::Scalar(Value::Float(number)) => (scalar::python_float(*number), true),
            Kind::Scalar(Value::Date(text)) => (text.clone(), true),
            _ => return Err(malformed(self.file, node.line, "a key must be a scalar")),
        };
        Ok(Key { text, typed })
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value> {
        let plain = style == ScalarStyle::Plain;
        match tag {
            None if plain => resolve(text).map_err(|message| malformed(self.file, line, message)),
            None => Ok(Value::from(text)),
            Some(tag) => match tag.core_suffix() {
                Some("str") => Ok(Value::from(text)),
                Some("int" | "float" | "bool" | "null" | "timestamp") => {
                    resolve(text).map_err(|message| malformed(self.file, line, message))
                }
                _ if tag.original() == "!" => Ok(Value::from(text)),
                _ => Err(malformed(self.file, line, format!("the tag {} is not allowed", tag.original()))),
            },
        }
    }

    fn collection_tag(&self, tag: Option<&Tag>, expected: &str, line: usize) -> Result<()> {
        match tag {
            Some(tag) if tag.core_suffix() != Some(expected) && tag.original() != "!" => {
                Err(malformed(self.file, line, format!("the tag {} is not allowed", tag.original())))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text, "f.yaml").expect_err("must fail").to_string()
    }

    #[test]
    fn duplicate_keys_are_refused_with_their_line() {
        assert_eq!(error("a: 1\nb: 2\na: 3\n"), "f.yaml:3: the key 'a' stands twice");
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
        for (name, from) in
            ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            let items = vec![format!("*{from}"); 10].join(",");
            text.push_str(&format!("{name}: &{name} [{items}]\n"));
        }
        assert!(error(&text).contains("too many values"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(parse(&"[".repeat(5000), "f.yaml").is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(200), "]".repeat(200)), "f.yaml").is_err());
    }

    #[test]
    fn merge_keys_fill_in_what_is_missing() {
        let node = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", "f").expect("reads");
        let value = node.to_value();
        let b = value.get("b").expect("b");
        assert_eq!(b.get("x"), Some(&Value::Int(1)));
        assert_eq!(b.get("y"), Some(&Value::Int(3)));
    }

    #[test]
    fn merge_conflicts_and_garbage_name_the_line() {
        assert!(error("a: 1\n<<<<<<< HEAD\nb: 2\n").starts_with("f.yaml:"));
        assert!(error("a: [1\n").starts_with("f.yaml:"));
        assert!(error("a: !!python/object:x 1\n").contains("not allowed"));
    }
}
