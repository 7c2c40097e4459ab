//! Sets parameters of a Python file: replaces the literal that is assigned, and nothing else.

use crate::compare::python_repr;
use crate::error::{Error, Result};
use crate::pyparams;
use crate::yaml::{Map, Value};

/// `text` edited so that its parameters are `wanted`, which differ from the present ones at `parts`.
pub(super) fn set(file: &str, text: &str, parts: &[&str], wanted: &Map) -> Result<String> {
    let whole = Value::Map(wanted.clone());
    // The assigned name may stand for a dictionary that the rest of the path leads into.
    for length in (1..=parts.len()).rev() {
        let (path, Some(name)) = (&parts[..length], parts.get(length - 1)) else { continue };
        let value = path.iter().try_fold(&whole, |at, part| match at {
            Value::Map(map) => map.iter().find(|(key, _)| key.text == *part).map(|(_, value)| value),
            _ => None,
        });
        let Some(value) = value else { continue };
        for span in pyparams::literals_of(text, name) {
            let edited = format!("{}{}{}", &text[..span.start], python_repr(value), &text[span.end..]);
            if pyparams::parse(&edited).is_ok_and(|found| Value::Map(found).same(&whole)) {
                return Ok(edited);
            }
        }
    }
    Err(Error::hinted(
        format!("'{}' of {file} is not a literal that can be replaced", parts.join(".")),
        "only parameters that are assigned once can be set, and none can be added or removed; edit the file",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, parts: &[&str], value: Value) -> Result<String> {
        let mut wanted = pyparams::parse(text).expect("parses");
        let mut at = &mut wanted;
        for part in &parts[..parts.len() - 1] {
            let Some(Value::Map(inner)) = at.get_mut(*part) else { panic!("{part} is no mapping") };
            at = inner;
        }
        at.insert(parts[parts.len() - 1].into(), value);
        set("p.py", text, parts, &wanted)
    }

    #[test]
    fn only_the_literal_changes() {
        let text = "LR = 0.1  # rate\nNAME: str = 'a'\nclass Net:\n    LR = 3\n    def __init__(self):\n        self.n = [1,\n            2]\nD = {'a': 1}\n";
        let set = |parts: &[&str], value: Value| after(text, parts, value).expect("sets");
        assert_eq!(set(&["LR"], Value::Float(0.5)), text.replace("0.1", "0.5"));
        assert_eq!(set(&["NAME"], "b'c".into()), text.replace("'a'\n", "\"b'c\"\n"));
        assert_eq!(set(&["Net", "LR"], Value::Int(4)), text.replace("LR = 3", "LR = 4"));
        assert_eq!(set(&["Net", "n"], true.into()), text.replace("[1,\n            2]", "True"));
        assert_eq!(set(&["D", "a"], Value::Int(2)), text.replace("{'a': 1}", "{'a': 2}"));
    }

    #[test]
    fn names_inside_strings_and_comments_are_left_alone() {
        let text = "'''\nLR = 1\n'''\n# LR = 1\nLR = 1\n";
        assert_eq!(
            after(text, &["LR"], Value::Int(2)).expect("sets"),
            "'''\nLR = 1\n'''\n# LR = 1\nLR = 2\n"
        );
        assert!(after("LR = 1\n", &["NEW"], Value::Int(2)).is_err());
    }
}
