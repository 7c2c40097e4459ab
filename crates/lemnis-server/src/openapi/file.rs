//! The `.api` files: one line for each type, a few for each call.
//!
//! ```text
//! prefix /api/2.0/mlflow            before the paths that follow
//! types Mlflow                      before the names of the types that follow
//! refuses MlflowError 400 404       how the calls that follow say no, and with which statuses
//! tag Runs                          the group of the calls that follow
//! type Tag = key! value             a component, in the notation
//!
//! POST /runs/set-tag setTag         a call: method, path, operation id
//!     Sets a tag.                   what it does
//!     asks run_id key! value        in the notation; for a GET fields are parameters of the query
//!     takes text/csv                another media type of the body
//!     answers run!:Run              in the notation, or `as MEDIA/TYPE`
//!     refuses 501                   further statuses of refusals
//!     plain 415                     statuses of refusals that are plain text
//!     also 404                      further statuses with the same answer
//! ```

use serde_json::Value;

use super::Malformed;
use super::notation::{Shape, shape};

/// What a file says.
#[derive(Default)]
pub(super) struct File {
    pub(super) operations: Vec<Operation>,
    pub(super) types: Vec<(String, Value)>,
}

/// One call.
pub(super) struct Operation {
    /// In lower case, as the document has it.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) does: String,
    pub(super) asks: Shape,
    pub(super) takes: Vec<String>,
    pub(super) answers: Answer,
    /// Statuses beside 200 that carry the answer.
    pub(super) also: Vec<u16>,
    /// The component that says no, and its statuses.
    pub(super) refusal: String,
    pub(super) refuses: Vec<u16>,
    /// Statuses of refusals that are plain text.
    pub(super) plain: Vec<u16>,
}

/// What a call answers.
pub(super) enum Answer {
    Json(Value),
    /// Something that is no JSON, in this media type.
    Media(String),
}

/// What holds for the calls that follow.
#[derive(Default)]
struct Around {
    prefix: String,
    types: String,
    tag: String,
    refusal: String,
    refuses: Vec<u16>,
}

/// Reads the file `name`.
pub(super) fn read(name: &'static str, text: &str) -> Result<File, Malformed> {
    let mut file = File::default();
    let mut around = Around::default();
    for (index, line) in text.lines().enumerate() {
        let told = match line.strip_prefix("    ") {
            Some(inner) => match file.operations.last_mut() {
                Some(operation) => detail(operation, inner, &around.types),
                None => Err("a call is missing before it".to_owned()),
            },
            None => outer(&mut file, &mut around, line),
        };
        told.map_err(|why| Malformed { file: name, line: index + 1, why })?;
    }
    Ok(file)
}

fn outer(file: &mut File, around: &mut Around, line: &str) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" | "#" => {}
        "prefix" => around.prefix = rest.to_owned(),
        "types" => around.types = rest.to_owned(),
        "tag" => around.tag = rest.to_owned(),
        "refuses" => {
            let (component, codes) = rest.split_once(' ').ok_or("refuses names a component and statuses")?;
            around.refusal = component.to_owned();
            around.refuses = statuses(codes)?;
        }
        "type" => {
            let (name, notation) = rest.split_once(" = ").ok_or("a type is NAME = FIELDS")?;
            file.types.push((format!("{}{name}", around.types), shape(notation, &around.types)?.schema()));
        }
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" => {
            let (path, id) = rest.split_once(' ').ok_or("a call has a path and an id")?;
            file.operations.push(Operation {
                method: word.to_lowercase(),
                path: format!("{}{path}", around.prefix),
                id: id.to_owned(),
                tag: around.tag.clone(),
                does: String::new(),
                asks: Shape::default(),
                takes: Vec::new(),
                answers: Answer::Media(String::new()),
                also: Vec::new(),
                refusal: around.refusal.clone(),
                refuses: around.refuses.clone(),
                plain: Vec::new(),
            });
        }
        other => return Err(format!("{other:?} begins no line")),
    }
    Ok(())
}

fn detail(operation: &mut Operation, line: &str, types: &str) -> Result<(), String> {
    if operation.does.is_empty() {
        operation.does = line.to_owned();
        return Ok(());
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "asks" => operation.asks = shape(rest, types)?,
        "takes" => operation.takes.push(rest.to_owned()),
        "answers" => {
            operation.answers = match rest.strip_prefix("as ") {
                Some(media) => Answer::Media(media.to_owned()),
                None => Answer::Json(shape(rest, types)?.schema()),
            };
        }
        "refuses" => operation.refuses.extend(statuses(rest)?),
        "plain" => operation.plain = statuses(rest)?,
        "also" => {
            operation.also = statuses(rest)?;
            operation.refuses.retain(|status| !operation.also.contains(status));
        }
        other => return Err(format!("{other:?} says nothing about a call")),
    }
    Ok(())
}

fn statuses(text: &str) -> Result<Vec<u16>, String> {
    text.split(' ').map(|code| code.parse().map_err(|_| format!("{code:?} is no status"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_what_stands_around_it() {
        let text = "prefix /a\ntypes X\nrefuses XError 400 404\ntag Things\ntype Tag = key!\n\
                    GET /b getB\n    Says b.\n    asks key!\n    answers Tag\n    refuses 501\n    also 404\n";
        let file = read("test", text).unwrap();
        let [operation] = file.operations.as_slice() else { panic!("one call") };
        assert_eq!((operation.path.as_str(), operation.tag.as_str()), ("/a/b", "Things"));
        assert_eq!((&operation.refuses, &operation.also), (&vec![400, 501], &vec![404]));
        assert_eq!(file.types[0].0, "XTag");
        let Answer::Json(answer) = &operation.answers else { panic!("no answer") };
        assert_eq!(answer["$ref"], "#/components/schemas/XTag");
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for text in ["\nfetch /a b", "\nGET /a", "\ntype A", "\n    asks key!", "\nrefuses A x"] {
            assert_eq!(read("test", text).err().unwrap().line, 2, "{text}");
        }
    }
}
