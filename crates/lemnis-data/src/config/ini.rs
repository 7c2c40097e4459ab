//! The text of a configuration file: ConfigObj's dialect of INI, read into a document and written from it.
//!
//! What is written is what DVC would write; comments, which DVC drops, stay with the line that follows them.

use indexmap::IndexMap;

use crate::error::{Error, Result};

/// A value: one text, or the items of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    One(String),
    Many(Vec<String>),
}

impl Value {
    /// The text of a value that is no list.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::Many(_) => None,
        }
    }

    /// As DVC prints it.
    pub(crate) fn show(&self) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::Many(items) => {
                let items: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

/// How the file spells a path that was resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As the value says.
    #[default]
    Plain,
    /// Relative to the file's directory.
    Relative,
    /// This text, which starts with `~`.
    Home(String),
}

/// `key = value` with the comments that belong to it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) spelling: Spelling,
    comments: Vec<String>,
    inline: String,
}

impl Entry {
    /// An entry without comments.
    pub(crate) fn new(value: Value) -> Self {
        Self { value, spelling: Spelling::Plain, comments: Vec::new(), inline: String::new() }
    }
}

/// The entries of one section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) entries: IndexMap<String, Entry>,
    comments: Vec<String>,
    inline: String,
}

impl Section {
    /// Sets an option; one that is there keeps its place and its comments.
    pub(crate) fn set(&mut self, option: &str, value: &str) {
        let value = Value::One(value.to_owned());
        match self.entries.get_mut(option) {
            Some(entry) => {
                entry.value = value;
                entry.spelling = Spelling::Plain;
            }
            None => {
                self.entries.insert(option.to_owned(), Entry::new(value));
            }
        }
    }

    /// An option's text.
    pub(crate) fn text(&self, option: &str) -> Option<&str> {
        self.entries.get(option).and_then(|entry| entry.value.text())
    }
}

/// A whole file. Names of sections and options are in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) sections: IndexMap<String, Section>,
    head: Vec<String>,
    tail: Vec<String>,
}

/// The kinds of section that have a name of their own, in the order in which they are written.
const NAMED: [&str; 3] = ["remote", "machine", "db"];

/// The header of a named section.
pub(crate) fn named(kind: &str, name: &str) -> String {
    format!("{kind} \"{name}\"")
}

/// Kind and name of a named section's header.
pub(crate) fn split_named(header: &str) -> Option<(&'static str, &str)> {
    NAMED.into_iter().find_map(|kind| {
        let name = header.trim().strip_prefix(kind)?.trim_start().strip_prefix('"')?.strip_suffix('"')?;
        Some((kind, name))
    })
}

impl Document {
    /// Reads `text`; `file` names it in errors.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self> {
        let mut document = Self::default();
        let mut comments = Vec::new();
        let mut current: Option<String> = None;
        let mut started = false;
        let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
        let mut at = 0;
        while at < lines.len() {
            let number = at + 1;
            let error = |message: &str| Error::config(format!("{file}:{number}: {message}"));
            let line = lines[at].trim();
            at += 1;
            if line.is_empty() || line.starts_with('#') {
                if !line.is_empty() {
                    comments.push(line.to_owned());
                }
                continue;
            }
            if !started {
                document.head = std::mem::take(&mut comments);
                started = true;
            }
            if line.starts_with('[') {
                let (name, inline) = header(line).map_err(error)?;
                let name = match split_named(&name) {
                    Some((kind, own)) => named(kind, own),
                    None => name,
                };
                let comments = std::mem::take(&mut comments);
                let section = Section { entries: IndexMap::new(), comments, inline };
                if document.sections.insert(name.clone(), section).is_some() {
                    return Err(error(&format!("the section '{name}' is there twice")));
                }
                current = Some(name);
                continue;
            }
            let (key, raw) =
                key(line).ok_or_else(|| error("this is neither a section nor 'option = value'"))?;
            let (value, inline) = match ["\"\"\"", "'''"].into_iter().find(|quote| raw.starts_with(quote)) {
                Some(quote) => {
                    let (text, rest, used) = triple(&raw[3..], quote, &lines[at..])
                        .ok_or_else(|| error(&format!("the closing {quote} is missing")))?;
                    at += used;
                    (Value::One(text), comment(rest).map_err(error)?)
                }
                None => value(raw).map_err(error)?,
            };
            let section = current.as_ref().and_then(|name| document.sections.get_mut(name));
            let section =
                section.ok_or_else(|| error(&format!("'{key}' stands before the first section")))?;
            let comments = std::mem::take(&mut comments);
            let entry = Entry { value, spelling: Spelling::Plain, comments, inline };
            if section.entries.insert(key.clone(), entry).is_some() {
                return Err(error(&format!("the option '{key}' is there twice")));
            }
        }
        document.tail = comments;
        Ok(document)
    }

    /// The text: sections without entries are left out, named sections come last.
    pub(crate) fn render(&self) -> Result<String> {
        let mut out = String::new();
        for line in &self.head {
            out.push_str(line);
            out.push('\n');
        }
        let rank = |header: &str| match split_named(header) {
            None => 0,
            Some((kind, _)) => 1 + NAMED.iter().position(|known| *known == kind).unwrap_or(0),
        };
        let mut sections: Vec<_> = self.sections.iter().collect();
        sections.sort_by_key(|(header, _)| rank(header));
        for (header, section) in sections {
            if section.entries.is_empty() && split_named(header).is_none() {
                continue;
            }
            for line in &section.comments {
                out.push_str(line);
                out.push('\n');
            }
            out.push_str(&format!("[{}]{}\n", quote(header, false)?, spaced(&section.inline)));
            for (key, entry) in &section.entries {
                for line in &entry.comments {
                    out.push_str(&format!("    {line}\n"));
                }
                let value = match &entry.value {
                    Value::One(text) => quote(text, true)?,
                    Value::Many(items) if items.is_empty() => ",".to_owned(),
                    Value::Many(items) => {
                        let quoted: Vec<String> =
                            items.iter().map(|item| quote(item, false)).collect::<Result<_>>()?;
                        if quoted.len() == 1 { format!("{},", quoted[0]) } else { quoted.join(", ") }
                    }
                };
                out.push_str(&format!("    {} = {value}{}\n", quote(key, false)?, spaced(&entry.inline)));
            }
        }
        for line in &self.tail {
            out.push_str(line);
            out.push('\n');
        }
        // An empty document is one empty line.
        if out.is_empty() {
            out.push('\n');
        }
        Ok(out)
    }
}

fn spaced(inline: &str) -> String {
    if inline.is_empty() { String::new() } else { format!("    {inline}") }
}

/// The name in `[name] # comment`.
fn header(line: &str) -> std::result::Result<(String, String), &'static str> {
    let inner = line[1..].trim_start();
    if inner.starts_with('[') {
        return Err("sections inside sections are not supported");
    }
    let missing = "the section's ']' is missing";
    let (name, rest) = match inner.chars().next() {
        Some(mark @ ('"' | '\'')) => {
            let close = inner[1..].find(&format!("{mark}]")).or_else(|| inner[1..].rfind(mark));
            let close = close.ok_or(missing)? + 1;
            (&inner[1..close], inner[close + 1..].trim_start())
        }
        _ => {
            let close = inner.find(']').ok_or(missing)?;
            (inner[..close].trim_end(), &inner[close..])
        }
    };
    if name.trim().is_empty() {
        return Err("the section has no name");
    }
    let rest = rest.strip_prefix(']').ok_or(missing)?;
    Ok((name.to_lowercase(), comment(rest)?))
}

fn comment(rest: &str) -> std::result::Result<String, &'static str> {
    let rest = rest.trim();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(rest.to_owned())
    } else {
        Err("something stands behind the end of the value or section")
    }
}

/// Splits `key = value`.
fn key(line: &str) -> Option<(String, &str)> {
    let (key, value) = match line.chars().next()? {
        mark @ ('"' | '\'') => {
            let close = line[1..].find(mark)? + 1;
            (&line[1..close], line[close + 1..].trim_start().strip_prefix('=')?)
        }
        _ => line.split_once('=')?,
    };
    let key = key.trim();
    (!key.is_empty()).then(|| (key.to_lowercase(), value.trim_start()))
}

/// A value on one line, and the comment behind it.
fn value(raw: &str) -> std::result::Result<(Value, String), &'static str> {
    let mut items = Vec::new();
    let mut rest = raw.trim();
    if let Some(after) = rest.strip_prefix(',') {
        return Ok((Value::Many(items), comment(after)?));
    }
    let mut is_list = false;
    loop {
        let (item, after) = match rest.chars().next() {
            None | Some('#') if is_list => return Ok((Value::Many(items), comment(rest)?)),
            None | Some('#') => return Ok((Value::One(String::new()), comment(rest)?)),
            Some(mark @ ('"' | '\'')) => quoted(rest, mark).ok_or("the value is quoted wrongly")?,
            Some(',') => return Err("an item of the list is missing"),
            Some(_) => {
                let end = rest.find([',', '#']).unwrap_or(rest.len());
                (rest[..end].trim_end().to_owned(), &rest[end..])
            }
        };
        items.push(item);
        match after.strip_prefix(',') {
            Some(next) => {
                is_list = true;
                rest = next.trim_start();
            }
            None => {
                let inline = comment(after)?;
                let value = match items.pop() {
                    Some(one) if !is_list => Value::One(one),
                    Some(last) => {
                        items.push(last);
                        Value::Many(items)
                    }
                    None => Value::Many(items),
                };
                return Ok((value, inline));
            }
        }
    }
}

/// A quoted item: it ends at the first quote that a comma, a comment or the end of the line follows.
fn quoted(text: &str, mark: char) -> Option<(String, &str)> {
    let inner = &text[1..];
    inner.match_indices(mark).find_map(|(at, _)| {
        let after = inner[at + 1..].trim_start();
        let ends = after.is_empty() || after.starts_with([',', '#']);
        ends.then(|| (inner[..at].to_owned(), after))
    })
}

/// A text in triple quotes, what stands behind it, and how many further lines it takes.
fn triple<'t>(first: &'t str, mark: &str, more: &[&'t str]) -> Option<(String, &'t str, usize)> {
    let mut text = String::new();
    for (used, line) in std::iter::once(&first).chain(more).enumerate() {
        if used > 0 {
            text.push('\n');
        }
        let ends = |at: &usize| {
            let after = line[at + mark.len()..].trim_start();
            after.is_empty() || after.starts_with('#')
        };
        let starts = line.char_indices().map(|(at, _)| at).filter(|at| line[*at..].starts_with(mark));
        if let Some(at) = starts.into_iter().find(ends) {
            text.push_str(&line[..at]);
            return Some((text, &line[at + mark.len()..], used));
        }
        text.push_str(line);
    }
    None
}

/// `value` as ConfigObj writes it; several lines are allowed for values only.
fn quote(value: &str, several_lines: bool) -> Result<String> {
    let (single, double) = (value.contains('\''), value.contains('"'));
    let unsafe_value = || Error::config(format!("the value {value:?} cannot be written safely"));
    if value.is_empty() {
        return Ok("\"\"".to_owned());
    }
    if several_lines && ((single && double) || value.contains('\n')) {
        return match (value.contains("'''"), value.contains("\"\"\"")) {
            (true, true) => Err(unsafe_value()),
            (false, _) => Ok(format!("'''{value}'''")),
            (true, false) => Ok(format!("\"\"\"{value}\"\"\"")),
        };
    }
    if value.contains('\n') {
        return Err(unsafe_value());
    }
    let special =
        |ch: Option<char>| ch.is_some_and(|ch| matches!(ch, ' ' | '\r' | '\n' | '\u{b}' | '\t' | '\'' | '"'));
    let edges = special(value.chars().next()) || special(value.chars().next_back());
    if !edges && !value.contains([',', '#']) {
        return Ok(value.to_owned());
    }
    match (single, double) {
        (true, true) => Err(unsafe_value()),
        (_, true) => Ok(format!("'{value}'")),
        (_, false) => Ok(format!("\"{value}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        Document::parse(text, "config").expect("reads").render().expect("writes")
    }

    #[test]
    fn files_that_dvc_wrote_stay_as_they_are() {
        let text = "[core]\n    remote = one\n[cache]\n    type = \"hardlink,copy\"\n['remote \"one\"']\n    url = s3://bucket/pa th\n    secret_access_key = \"a#b,c\"\n";
        assert_eq!(again(text), text);
    }

    #[test]
    fn named_sections_come_last_and_empty_ones_go() {
        assert_eq!(
            again("['remote \"R\"']\nurl=x\n\n[Core]\nRemote = r\n[plots]\n"),
            "[core]\n    remote = r\n['remote \"r\"']\n    url = x\n"
        );
    }

    #[test]
    fn comments_stay_with_their_lines() {
        let text = "# head\n[core]\n    # why\n    remote = one    # here\n# tail\n";
        assert_eq!(again(text), text);
    }

    #[test]
    fn lists_and_quotes_are_read_as_configobj_does() {
        let read = |raw: &str| value(raw).expect("reads").0;
        let many = |items: &[&str]| Value::Many(items.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(read("reflink, copy # links"), many(&["reflink", "copy"]));
        assert_eq!(read("copy,"), many(&["copy"]));
        assert_eq!(read(","), many(&[]));
        assert_eq!(read("\"a,b\""), Value::One("a,b".into()));
        assert_eq!(read("'a' , \"b\""), many(&["a", "b"]));
        assert_eq!(read("it's"), Value::One("it's".into()));
        assert_eq!(read(""), Value::One(String::new()));
        assert!(value("\"a\" b").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["a", " a ", "a,b", "#", "\"", "'", "it's", "\"q\"", "'a' \"b\"", "x\ny", "", "a'b,c"] {
            let written = quote(text, true).expect("writes");
            let line = format!("[s]\nk = {written}\n");
            let document = Document::parse(&line, "config").expect("reads");
            assert_eq!(document.sections["s"].text("k"), Some(text), "{written}");
        }
    }

    #[test]
    fn broken_lines_are_named() {
        for text in ["[core", "x = 1", "[core]\nx", "[core]\na=1\na=2", "[a]\n[a]", "[[a]]", "[a]\nk = '''x"]
        {
            let error = Document::parse(text, ".dvc/config").expect_err(text).to_string();
            assert!(error.contains(".dvc/config:"), "{error}");
        }
    }
}
