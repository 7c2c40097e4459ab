//! Sets parameters of a TOML file and keeps its comments, order and spacing.

use toml_edit::{DocumentMut, InlineTable, Item, TableLike};

use crate::error::{Error, Result};
use crate::yaml::Value;

/// `text` with the value at `parts` set, or removed without one.
pub(super) fn set(file: &str, text: &str, parts: &[&str], value: Option<&Value>) -> Result<String> {
    let wrong = |what: String| Error::invalid(format!("{file}: {what}"));
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| wrong(error.message().to_owned()))?;
    let value = value.map(to_toml).transpose().map_err(wrong)?;
    change(document.as_table_mut(), parts, value)
        .ok_or_else(|| wrong(format!("'{}' cannot be set", parts.join("."))))?;
    Ok(document.to_string())
}

fn change(table: &mut dyn TableLike, parts: &[&str], value: Option<toml_edit::Value>) -> Option<()> {
    let (first, rest) = parts.split_first()?;
    if !rest.is_empty() {
        if let Some(array) = table.get_mut(first).and_then(Item::as_array_mut)
            && let ([at], Some(value)) = (rest, &value)
        {
            return replace(array.get_mut(at.parse().ok()?)?, value.clone());
        }
        if table.get(first).is_none() {
            table.insert(first, Item::Table(toml_edit::Table::new()));
        }
        return change(table.get_mut(first)?.as_table_like_mut()?, rest, value);
    }
    match (value, table.get_mut(first)) {
        (None, _) => table.remove(first).map(drop),
        (Some(value), Some(Item::Value(old))) => replace(old, value),
        (Some(value), _) => {
            table.insert(first, Item::Value(value));
            Some(())
        }
    }
}

/// The new value with the blanks and comments around the old one.
fn replace(old: &mut toml_edit::Value, mut new: toml_edit::Value) -> Option<()> {
    *new.decor_mut() = old.decor().clone();
    *old = new;
    Some(())
}

fn to_toml(value: &Value) -> Result<toml_edit::Value, String> {
    Ok(match value {
        Value::Null => return Err("TOML has no null".into()),
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => {
            i64::try_from(*number).map_err(|_| format!("{number} is too large for TOML"))?.into()
        }
        Value::Float(number) => (*number).into(),
        Value::Str(text) | Value::Date(text) => text.as_str().into(),
        Value::Seq(items) => {
            let items: Vec<toml_edit::Value> = items.iter().map(to_toml).collect::<Result<_, _>>()?;
            toml_edit::Value::Array(items.into_iter().collect())
        }
        Value::Map(map) => {
            let mut table = InlineTable::new();
            for (key, value) in map {
                table.insert(&key.text, to_toml(value)?);
            }
            table.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stays_as_it_was() {
        let text = "# head\nlr   =  0.1 # rate\n\n[net]\nlayers = [1, 2] # two\ndeep = { a = 1 }\n";
        let set =
            |parts: &[&str], value: Option<Value>| set("p.toml", text, parts, value.as_ref()).expect("sets");
        assert_eq!(set(&["lr"], Some(Value::Float(0.5))), text.replace("0.1", "0.5"));
        assert_eq!(set(&["net", "layers", "1"], Some(Value::Int(9))), text.replace("[1, 2]", "[1, 9]"));
        assert_eq!(set(&["net", "deep", "a"], Some("x".into())), text.replace("a = 1", "a = \"x\""));
        assert_eq!(set(&["new"], Some(true.into())).replace("new = true\n", ""), text);
        assert!(!set(&["net", "layers"], None).contains("layers"));
    }
}
