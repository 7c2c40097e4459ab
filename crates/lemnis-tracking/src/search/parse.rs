//! From tokens to comparisons that know their operator but not yet their meaning.

use super::lexer::{Kind, Token, tokens};
use super::{Comparator, Value};
use crate::{Error, Result};

/// A comparison as it is written.
#[derive(Debug, PartialEq)]
pub(super) struct Comparison {
    /// The name on the left, quotes included.
    pub(super) name: String,
    pub(super) comparator: Comparator,
    pub(super) right: Right,
}

/// The right side of a comparison.
#[derive(Debug, PartialEq)]
pub(super) enum Right {
    Nothing,
    Number(String),
    /// A quoted text with its quotes.
    Quoted(String),
    /// A name where a value should be.
    Word(String),
    List(Vec<String>),
}

/// The comparisons of `filter`, all of which must hold.
pub(super) fn comparisons(filter: &str) -> Result<Vec<Comparison>> {
    let tokens = tokens(filter);
    if let Some(at) = tokens.iter().position(|token| token.kind == Kind::Semicolon) {
        if at + 1 < tokens.len() {
            return Err(Error::invalid(format!(
                "Search filter contained multiple expression '{filter}'. Provide AND-ed expression list."
            )));
        }
        return Err(strange(&tokens[at..]));
    }
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let (comparison, tail) = comparison(rest)?;
        found.push(comparison);
        rest = match tail {
            [] => tail,
            [and, more @ ..] if word_is(and, "AND") && !more.is_empty() => more,
            _ => return Err(strange(tail)),
        };
    }
    Ok(found)
}

fn comparison(tokens: &[Token]) -> Result<(Comparison, &[Token])> {
    let [left, rest @ ..] = tokens else { return Err(strange(tokens)) };
    if !matches!(left.kind, Kind::Word | Kind::Double) {
        return Err(strange(tokens));
    }
    let name = left.text.clone();
    let made = |comparator, right| Comparison { name, comparator, right };
    match rest {
        [is, not, null, tail @ ..] if word_is(is, "IS") && word_is(not, "NOT") && word_is(null, "NULL") => {
            Ok((made(Comparator::Present, Right::Nothing), tail))
        }
        [is, null, tail @ ..] if word_is(is, "IS") && word_is(null, "NULL") => {
            Ok((made(Comparator::Absent, Right::Nothing), tail))
        }
        [not, inside, tail @ ..] if word_is(not, "NOT") && word_is(inside, "IN") => {
            let (texts, tail) = list(tail).ok_or_else(|| strange(tokens))??;
            Ok((made(Comparator::NotIn, Right::List(texts)), tail))
        }
        [inside, tail @ ..] if word_is(inside, "IN") => {
            let (texts, tail) = list(tail).ok_or_else(|| strange(tokens))??;
            Ok((made(Comparator::In, Right::List(texts)), tail))
        }
        [operator, value, tail @ ..] => {
            let comparator = Comparator::parse(&operator.text).ok_or_else(|| strange(tokens))?;
            let right = match value.kind {
                Kind::Number => Right::Number(value.text.clone()),
                Kind::Single | Kind::Double => Right::Quoted(value.text.clone()),
                Kind::Word if !["AND", "TRUE", "FALSE", "NULL"].iter().any(|word| word_is(value, word)) => {
                    Right::Word(value.text.clone())
                }
                Kind::Open => {
                    let (texts, tail) = list(&rest[1..]).ok_or_else(|| strange(tokens))??;
                    return Ok((made(comparator, Right::List(texts)), tail));
                }
                _ => return Err(strange(tokens)),
            };
            Ok((made(comparator, right), tail))
        }
        _ => Err(strange(tokens)),
    }
}

/// A list in parentheses; `None` where there is none.
#[allow(clippy::type_complexity)]
fn list(tokens: &[Token]) -> Option<Result<(Vec<String>, &[Token])>> {
    let [open, inner @ ..] = tokens else { return None };
    if open.kind != Kind::Open {
        return None;
    }
    let end = inner.iter().position(|token| token.kind == Kind::Close)?;
    let (items, tail) = (&inner[..end], &inner[end + 1..]);
    if items.is_empty() {
        return Some(Err(Error::invalid(
            "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
        )));
    }
    let mut texts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item.kind {
            Kind::Single | Kind::Double if index % 2 == 0 => texts.push(unquoted(&item.text).to_owned()),
            Kind::Comma if index % 2 == 1 => {}
            Kind::Number if index % 2 == 0 => {
                return Some(Err(Error::invalid(format!(
                    "While parsing a list in the query, expected string value, punctuation, or whitespace, but got \
                     different type in list: {}",
                    written(items)
                ))));
            }
            _ => {
                return Some(Err(Error::invalid(
                    "While parsing a list in the query, expected a non-empty list of string values, but got \
                     ill-formed list.",
                )));
            }
        }
    }
    Some(Ok((texts, tail)))
}

fn word_is(token: &Token, word: &str) -> bool {
    token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
}

fn written(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn strange(tokens: &[Token]) -> Error {
    Error::invalid(format!("Invalid clause(s) in filter string: '{}'", written(tokens)))
}

/// The text between the quotes, or the text itself.
pub(super) fn unquoted(text: &str) -> &str {
    for quote in ['\'', '"', '`'] {
        if text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote) {
            return &text[1..text.len() - 1];
        }
    }
    text
}

/// Entity and key of a name: split at the first dot outside quotes; no dot is an attribute.
pub(super) fn split(name: &str) -> (Option<&str>, &str) {
    let after_quotes = match name.chars().next() {
        Some(quote @ ('`' | '"')) => name[1..].find(quote).map_or(name.len(), |end| end + 2),
        _ => 0,
    };
    match name[after_quotes..].find('.') {
        Some(dot) => {
            let dot = after_quotes + dot;
            (Some(unquoted(&name[..dot])), unquoted(&name[dot + 1..]))
        }
        None => (None, unquoted(name)),
    }
}

impl Right {
    /// A number, or `wrong` with what was found.
    pub(super) fn number(self, wrong: impl FnOnce(&str) -> String) -> Result<Value> {
        match self {
            Right::Number(text) => match text.parse() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => Err(Error::invalid(wrong(&text))),
            },
            other => Err(Error::invalid(wrong(&other.written()))),
        }
    }

    /// A quoted text, or `wrong` with what was found.
    pub(super) fn text(self, wrong: impl FnOnce(&str) -> String) -> Result<Value> {
        match self {
            Right::Quoted(text) => Ok(Value::Text(unquoted(&text).to_owned())),
            Right::Word(text) => Err(Error::invalid(format!(
                "Parameter value is either not quoted or unidentified quote types used for string value {text}. Use \
                 either single or double quotes."
            ))),
            other => Err(Error::invalid(wrong(&other.written()))),
        }
    }

    /// A list of quoted texts or one quoted text, or `wrong` with what was found.
    pub(super) fn text_or_list(self, wrong: impl FnOnce(&str) -> String) -> Result<Value> {
        match self {
            Right::List(texts) => Ok(Value::List(texts)),
            other => other.text(wrong),
        }
    }

    fn written(&self) -> String {
        match self {
            Right::Nothing => "NULL".to_owned(),
            Right::Number(text) | Right::Quoted(text) | Right::Word(text) => text.clone(),
            Right::List(texts) => {
                format!("({})", super::quoted(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
            }
        }
    }
}
