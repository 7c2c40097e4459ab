//! Numbers with significant digits, as Python's `format(number, ".5g")` writes them.

use crate::compare::python_str;
use crate::yaml::Value;

/// The text of a cell: floats, also those inside lists and mappings, have `digits` significant digits. As DVC has it,
/// those inside are texts then, in quotation marks.
pub(crate) fn rounded(value: &Value, digits: Option<usize>) -> String {
    match digits.filter(|digits| *digits > 0) {
        Some(digits) => python_str(&shortened(value, digits)),
        None => python_str(value),
    }
}

fn shortened(value: &Value, digits: usize) -> Value {
    match value {
        Value::Float(number) if number.is_finite() => Value::Str(significant(*number, digits)),
        Value::Float(_) => Value::Str(python_str(value)),
        Value::Seq(items) => Value::Seq(items.iter().map(|item| shortened(item, digits)).collect()),
        Value::Map(map) => {
            Value::Map(map.iter().map(|(key, value)| (key.clone(), shortened(value, digits))).collect())
        }
        other => other.clone(),
    }
}

fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.into();
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let after = (digits as i32 - 1 - exponent).max(0) as usize;
    trim(&format!("{number:.after$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_significant_digits_as_in_python() {
        let cases = [
            (0.256789, "0.25679"),
            (1e-7, "1e-07"),
            (12345678.9, "1.2346e+07"),
            (100.0, "100"),
            (0.5, "0.5"),
            (-0.0, "-0"),
            (f64::NAN, "nan"),
        ];
        for (number, text) in cases {
            assert_eq!(rounded(&Value::Float(number), Some(5)), text);
        }
    }

    #[test]
    fn numbers_inside_lists_are_texts_when_they_are_rounded() {
        let list = Value::Seq(vec![Value::Int(1), Value::Float(2.5)]);
        assert_eq!(rounded(&list, Some(5)), "[1, '2.5']");
        assert_eq!(rounded(&list, None), "[1, 2.5]");
        assert_eq!(rounded(&list, Some(0)), "[1, 2.5]");
    }
}
