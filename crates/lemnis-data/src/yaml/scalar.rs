//! Which type a plain scalar has under YAML 1.2 as DVC's loader (ruamel.yaml) applies it, and Python's
//! spelling of floats. Reader and writer share these rules: a string is quoted exactly when its plain
//! form would be read as something else.

use super::value::Value;

/// The type that the loader gives to an unquoted scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Str,
    Bool,
    Float,
    Int,
    Merge,
    Null,
    Timestamp,
    /// The lone `=`, a string that must be quoted.
    Default,
}

pub(crate) fn tag_of(text: &str) -> Tag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Tag::Bool,
        "<<" => return Tag::Merge,
        "=" => return Tag::Default,
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return Tag::Str;
    }
    if is_float(text) {
        Tag::Float
    } else if is_int(text) {
        Tag::Int
    } else if is_timestamp(text) {
        Tag::Timestamp
    } else {
        Tag::Str
    }
}

/// The value of a plain scalar; malformed numbers that the grammar lets through stay text.
pub(crate) fn resolve(text: &str) -> Result<Value, String> {
    Ok(match tag_of(text) {
        Tag::Null => Value::Null,
        Tag::Bool => Value::Bool(text.eq_ignore_ascii_case("true")),
        Tag::Float => float(text).map_or_else(|| Value::from(text), Value::Float),
        Tag::Int => match int(text) {
            Ok(number) => number.map_or_else(|| Value::from(text), Value::Int),
            Err(()) => return Err(format!("the integer {text} is too large")),
        },
        Tag::Timestamp => Value::Date(text.to_owned()),
        Tag::Str | Tag::Merge | Tag::Default => Value::from(text),
    })
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || allowed(byte))
}

fn is_int(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return false;
    }
    let body = unsigned(text);
    if let Some(digits) = body.strip_prefix("0b") {
        return all(digits, |b| matches!(b, b'0' | b'1'));
    }
    if let Some(digits) = body.strip_prefix("0x") {
        return all(digits, |b| b.is_ascii_hexdigit());
    }
    if let Some(digits) = body.strip_prefix("0o") {
        return all(digits, |b| matches!(b, b'0'..=b'7'));
    }
    all(body, |b| b.is_ascii_digit())
}

fn int(text: &str) -> Result<Option<i128>, ()> {
    let clean = text.replace('_', "");
    let body = unsigned(&clean);
    let (digits, radix) = match body.get(..2) {
        Some("0b") => (&body[2..], 2),
        Some("0x") => (&body[2..], 16),
        Some("0o") => (&body[2..], 8),
        _ => (body, 10),
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let number = i128::from_str_radix(digits, radix).map_err(|_| ())?;
    Ok(Some(if clean.starts_with('-') { -number } else { number }))
}

fn exponent(text: &str, sign_needed: bool) -> bool {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return text.is_empty() };
    let digits = unsigned(rest);
    (!sign_needed || digits.len() < rest.len())
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let digit = |b: u8| b.is_ascii_digit() || b == b'_';
    if let Some(rest) = body.strip_prefix('.') {
        let end = rest.bytes().position(|b| !digit(b)).unwrap_or(rest.len());
        return end > 0 && exponent(&rest[end..], true);
    }
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let end = body.bytes().position(|b| !digit(b)).unwrap_or(body.len());
    let rest = &body[end..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.bytes().position(|b| !digit(b)).unwrap_or(fraction.len());
        return exponent(&fraction[end..], false);
    }
    !rest.is_empty() && exponent(rest, false)
}

fn float(text: &str) -> Option<f64> {
    let clean = text.replace('_', "").to_ascii_lowercase();
    match unsigned(&clean) {
        ".nan" => return Some(f64::NAN),
        ".inf" => return Some(if clean.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    clean.parse().ok()
}

fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        bytes.len() >= from + count && bytes[from..from + count].iter().all(u8::is_ascii_digit)
    };
    if !digits(0, 4) || bytes.get(4) != Some(&b'-') {
        return false;
    }
    if bytes.len() == 10 && digits(5, 2) && bytes[7] == b'-' && digits(8, 2) {
        return true;
    }
    let mut at = 5;
    let one_or_two = |after: &mut usize| {
        let count = if digits(*after, 2) { 2 } else { usize::from(digits(*after, 1)) };
        *after += count;
        count > 0
    };
    if !one_or_two(&mut at) || bytes.get(at) != Some(&b'-') {
        return false;
    }
    at += 1;
    if !one_or_two(&mut at) {
        return false;
    }
    match bytes.get(at) {
        Some(b'T' | b't') => at += 1,
        Some(b' ' | b'\t') => {
            while matches!(bytes.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
        }
        _ => return false,
    }
    if !one_or_two(&mut at) || bytes.get(at) != Some(&b':') || !digits(at + 1, 2) {
        return false;
    }
    if bytes.get(at + 3) != Some(&b':') || !digits(at + 4, 2) {
        return false;
    }
    at += 6;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
    }
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    match bytes.get(at) {
        None => true,
        Some(b'Z') => at + 1 == bytes.len(),
        Some(b'-' | b'+') => {
            at += 1;
            one_or_two(&mut at)
                && (at == bytes.len()
                    || (bytes.get(at) == Some(&b':') && digits(at + 1, 2) && at + 3 == bytes.len()))
        }
        _ => false,
    }
}

/// Python's `repr` of a float: the shortest digits that read back, in scientific form outside 1e-4..1e16.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_yaml_1_2() {
        assert_eq!(resolve("017"), Ok(Value::Int(17)));
        assert_eq!(resolve("0o17"), Ok(Value::Int(15)));
        assert_eq!(resolve("yes"), Ok(Value::from("yes")));
        assert_eq!(resolve("1e3"), Ok(Value::Float(1000.0)));
        assert_eq!(resolve("1_000"), Ok(Value::Int(1000)));
        assert_eq!(resolve("1:30"), Ok(Value::from("1:30")));
        assert_eq!(resolve("2020-01-01"), Ok(Value::Date("2020-01-01".into())));
        assert_eq!(resolve("-.inf"), Ok(Value::Float(f64::NEG_INFINITY)));
    }

    #[test]
    fn floats_are_spelt_as_in_python() {
        for (number, text) in
            [(0.1, "0.1"), (1e-5, "1e-05"), (1e16, "1e+16"), (1e10, "10000000000.0"), (-0.0, "-0.0")]
        {
            assert_eq!(python_float(number), text);
        }
    }
}
