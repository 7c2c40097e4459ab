//! The part of GraphQL that MLflow's pages use: operations with fields, arguments, aliases and fragments.
//!
//! A small parser of our own: the known ones switch on features of shared dependencies for the whole build. Directives
//! and the types of variables are read over. Nothing nests deeper than [`MAX_NESTING`], so no request can exhaust the
//! stack.

use std::collections::HashMap;

use serde_json::{Map, Value};

const MAX_NESTING: usize = 64;

/// A parsed request.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Operations by name; the unnamed one is empty.
    pub(super) operations: Vec<Operation>,
    /// Fragments by name.
    pub(super) fragments: HashMap<String, Vec<Selection>>,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) mutation: bool,
    /// Values of variables that the request does not give.
    pub(super) defaults: Map<String, Value>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Clone, Debug)]
pub(super) enum Selection {
    Field(Field),
    /// A named fragment.
    Spread(String),
    /// A fragment in place.
    Inline(Vec<Selection>),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) alias: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Input)>,
    pub(super) selections: Vec<Selection>,
}

/// A value in a request.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Variable(String),
    Plain(Value),
    List(Vec<Input>),
    Object(Vec<(String, Input)>),
}

impl Input {
    /// The value with its variables filled in.
    pub(super) fn resolve(&self, variables: &Map<String, Value>) -> Value {
        match self {
            Input::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
            Input::Plain(value) => value.clone(),
            Input::List(items) => items.iter().map(|item| item.resolve(variables)).collect(),
            Input::Object(fields) => Value::Object(
                fields.iter().map(|(name, value)| (name.clone(), value.resolve(variables))).collect(),
            ),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(Value),
    Sign(char),
    Spread,
}

/// Parses a request; the error says what is wrong in it.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let mut tokens = tokens(text)?;
    tokens.reverse();
    let mut parser = Parser { tokens };
    let mut document = Document::default();
    while let Some(token) = parser.tokens.last().cloned() {
        match token {
            Token::Sign('{') => {
                let selections = parser.selections(0)?;
                document.operations.push(Operation {
                    name: String::new(),
                    mutation: false,
                    defaults: Map::new(),
                    selections,
                });
            }
            Token::Name(word) if word == "query" || word == "mutation" => {
                parser.tokens.pop();
                document.operations.push(parser.operation(word == "mutation")?);
            }
            Token::Name(word) if word == "fragment" => {
                parser.tokens.pop();
                let name = parser.name()?;
                parser.word("on")?;
                parser.name()?;
                parser.directives()?;
                let selections = parser.selections(0)?;
                document.fragments.insert(name, selections);
            }
            other => return Err(format!("Syntax Error: Unexpected {}.", written(&other))),
        }
    }
    Ok(document)
}

fn written(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("Name '{name}'"),
        Token::Text(text) => format!("String '{text}'"),
        Token::Number(number) => format!("Number '{number}'"),
        Token::Sign(sign) => format!("'{sign}'"),
        Token::Spread => "'...'".to_owned(),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if c.is_whitespace() || c == ',' || c == '\u{feff}' => c.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '.' if rest.starts_with("...") => {
                found.push(Token::Spread);
                3
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '=' | '!' | '$' | '@' | '|' | '&' => {
                found.push(Token::Sign(first));
                1
            }
            '"' => {
                let (text, length) = string(rest)?;
                found.push(Token::Text(text));
                length
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                found.push(Token::Name(rest[..end].to_owned()));
                end
            }
            c if c.is_ascii_digit() || c == '-' => {
                let end = rest
                    .char_indices()
                    .find(|(at, c)| *at > 0 && !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-')))
                    .map_or(rest.len(), |(at, _)| at);
                let number: Value = serde_json::from_str(&rest[..end])
                    .map_err(|_| format!("Syntax Error: Invalid number '{}'.", &rest[..end]))?;
                found.push(Token::Number(number));
                end
            }
            other => return Err(format!("Syntax Error: Unexpected character: '{other}'.")),
        };
        rest = &rest[length..];
    }
    Ok(found)
}

/// A text in quotes at the start of `rest`, and its length there.
fn string(rest: &str) -> Result<(String, usize), String> {
    let open = || "Syntax Error: Unterminated string.".to_owned();
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        let end = block.find("\"\"\"").ok_or_else(open)?;
        return Ok((block[..end].trim().to_owned(), end + 6));
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return Err(open()),
            '"' => {
                // Its escapes are those of JSON.
                let whole = &rest[..=at];
                let text =
                    serde_json::from_str(whole).map_err(|_| "Syntax Error: Invalid string.".to_owned())?;
                return Ok((text, at + 1));
            }
            _ => {}
        }
    }
    Err(open())
}

struct Parser {
    /// The next token is the last one.
    tokens: Vec<Token>,
}

impl Parser {
    fn next(&mut self) -> Result<Token, String> {
        self.tokens.pop().ok_or_else(|| "Syntax Error: Unexpected <EOF>.".to_owned())
    }

    fn is(&self, sign: char) -> bool {
        self.tokens.last() == Some(&Token::Sign(sign))
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.is(sign);
        if found {
            self.tokens.pop();
        }
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        match self.next()? {
            Token::Sign(found) if found == sign => Ok(()),
            other => Err(format!("Syntax Error: Expected '{sign}', found {}.", written(&other))),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Name(name) => Ok(name),
            other => Err(format!("Syntax Error: Expected Name, found {}.", written(&other))),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        match self.name()? {
            name if name == word => Ok(()),
            other => Err(format!("Syntax Error: Expected '{word}', found Name '{other}'.")),
        }
    }

    fn operation(&mut self, mutation: bool) -> Result<Operation, String> {
        let name = match self.tokens.last() {
            Some(Token::Name(_)) => self.name()?,
            _ => String::new(),
        };
        let mut defaults = Map::new();
        if self.take('(') {
            while !self.take(')') {
                self.sign('$')?;
                let variable = self.name()?;
                self.sign(':')?;
                self.type_name(0)?;
                if self.take('=') {
                    let value = self.value(0)?.resolve(&Map::new());
                    defaults.insert(variable, value);
                }
                self.directives()?;
            }
        }
        self.directives()?;
        Ok(Operation { name, mutation, defaults, selections: self.selections(0)? })
    }

    fn type_name(&mut self, depth: usize) -> Result<(), String> {
        too_deep(depth)?;
        if self.take('[') {
            self.type_name(depth + 1)?;
            self.sign(']')?;
        } else {
            self.name()?;
        }
        self.take('!');
        Ok(())
    }

    fn directives(&mut self) -> Result<(), String> {
        while self.take('@') {
            self.name()?;
            self.arguments()?;
        }
        Ok(())
    }

    fn arguments(&mut self) -> Result<Vec<(String, Input)>, String> {
        let mut found = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                let name = self.name()?;
                self.sign(':')?;
                found.push((name, self.value(0)?));
            }
        }
        Ok(found)
    }

    fn selections(&mut self, depth: usize) -> Result<Vec<Selection>, String> {
        too_deep(depth)?;
        self.sign('{')?;
        let mut found = Vec::new();
        while !self.take('}') {
            found.push(self.selection(depth)?);
        }
        Ok(found)
    }

    fn selection(&mut self, depth: usize) -> Result<Selection, String> {
        if self.tokens.last() == Some(&Token::Spread) {
            self.tokens.pop();
            if let Some(Token::Name(word)) = self.tokens.last().cloned() {
                self.tokens.pop();
                if word != "on" {
                    self.directives()?;
                    return Ok(Selection::Spread(word));
                }
                self.name()?;
            }
            self.directives()?;
            return Ok(Selection::Inline(self.selections(depth + 1)?));
        }
        let first = self.name()?;
        let (alias, name) = match self.take(':') {
            true => (Some(first), self.name()?),
            false => (None, first),
        };
        let arguments = self.arguments()?;
        self.directives()?;
        let selections = if self.is('{') { self.selections(depth + 1)? } else { Vec::new() };
        Ok(Selection::Field(Field { alias, name, arguments, selections }))
    }

    fn value(&mut self, depth: usize) -> Result<Input, String> {
        too_deep(depth)?;
        Ok(match self.next()? {
            Token::Sign('$') => Input::Variable(self.name()?),
            Token::Text(text) => Input::Plain(text.into()),
            Token::Number(number) => Input::Plain(number),
            Token::Name(word) => Input::Plain(match word.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                _ => word.into(),
            }),
            Token::Sign('[') => {
                let mut items = Vec::new();
                while !self.take(']') {
                    items.push(self.value(depth + 1)?);
                }
                Input::List(items)
            }
            Token::Sign('{') => {
                let mut fields = Vec::new();
                while !self.take('}') {
                    let name = self.name()?;
                    self.sign(':')?;
                    fields.push((name, self.value(depth + 1)?));
                }
                Input::Object(fields)
            }
            other => return Err(format!("Syntax Error: Unexpected {}.", written(&other))),
        })
    }
}

fn too_deep(depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING { Err("Query exceeds maximum depth of 10".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_names_arguments_aliases_and_fragments() {
        let text = r#"
            query Q($id: [String!]! = ["x"], $n: Int) @component(name: "T") {
                run: mlflowGetRun(input: {runId: $id, list: [1, -2.5e1, true, null, ENUM]}) { ...F ... on T { b } }
            }
            # a comment
            fragment F on T { a }
        "#;
        let document = parse(text).unwrap();
        let operation = &document.operations[0];
        assert_eq!((operation.name.as_str(), operation.defaults["id"][0].as_str()), ("Q", Some("x")));
        let Selection::Field(field) = &operation.selections[0] else { panic!("no field") };
        assert_eq!((field.alias.as_deref(), field.name.as_str()), (Some("run"), "mlflowGetRun"));
        let input = field.arguments[0].1.resolve(&operation.defaults);
        assert_eq!(input["list"], serde_json::json!([1, -25.0, true, null, "ENUM"]));
        assert_eq!(document.fragments["F"].len(), 1);
    }

    #[test]
    fn broken_queries_are_refused_and_never_panic() {
        let whole = r#"query Q($a: [Int!] = 1) { a: b(c: {d: "\u00e9", e: [$a]}) { ...F ... on X { y } } }"#;
        for end in whole.char_indices().map(|(at, _)| at) {
            let _ = parse(&whole[..end]);
            let _ = parse(&whole[end..]);
        }
        for text in ["{", "query", "{a(", "\"", "{a}}", "fragment", "{a(b:$)}", "\u{1}", "{a(b:1.2.3)}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"{a".repeat(100_000)).is_err());
        assert!(parse(&format!("{{a(b: {})}}", "[".repeat(100_000))).is_err());
    }
}
