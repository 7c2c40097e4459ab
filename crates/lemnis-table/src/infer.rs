//! What a column of text values is: the narrowest kind that holds every value of the file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};

/// The spellings that stand for a missing value.
const MISSING: [&str; 9] = ["NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "#N/A"];

/// The trimmed values of one column, one after the other; a missing value is one without text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    text: String,
    ends: Vec<u32>,
}

impl Cells {
    /// Appends a value of at most 2 GB of text in all.
    pub(crate) fn push(&mut self, field: &str) {
        if !MISSING.contains(&field) {
            self.text.push_str(field);
        }
        self.ends.push(self.text.len() as u32);
    }

    fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let value = self.text.get(start..end).filter(|value| !value.is_empty());
            start = end;
            value
        })
    }
}

/// The column that `cells` are. With `decimal_comma`, `3,14` is a number where every value of the column can be one.
pub(crate) fn array(cells: Cells, decimal_comma: bool) -> ArrayRef {
    let kinds = Candidates::of(&cells);
    if decimal_comma
        && kinds.only_text()
        && let Some(with_points) = points_for_commas(&cells)
    {
        return array(with_points, false);
    }
    kinds.build(&cells)
}

/// What a column is, found value by value, for files that are read in parts.
#[derive(Clone)]
pub(crate) struct Inference {
    kinds: Candidates,
    /// Every value so far can be a number with a decimal comma.
    commas: bool,
}

impl Inference {
    pub(crate) fn new(decimal_comma: bool) -> Self {
        Self { kinds: Candidates::any(), commas: decimal_comma }
    }

    pub(crate) fn see(&mut self, field: &str) {
        if field.is_empty() || MISSING.contains(&field) {
            return;
        }
        if !self.kinds.only_text() {
            self.kinds.see(field);
        }
        self.commas = self.commas && comma_number(field).is_some();
    }

    /// The array of a part of the column, of the kind that the whole column has.
    pub(crate) fn array(&self, cells: &Cells) -> ArrayRef {
        if self.commas
            && self.kinds.only_text()
            && let Some(with_points) = points_for_commas(cells)
        {
            return Arc::new(with_points.iter().map(|value| value?.parse().ok()).collect::<Float64Array>());
        }
        self.kinds.build(cells)
    }
}

/// Which kinds every value so far can be.
#[derive(Clone)]
struct Candidates {
    seen: bool,
    boolean: bool,
    whole: bool,
    number: bool,
    date: bool,
    moment: bool,
}

impl Candidates {
    fn any() -> Self {
        Self { seen: false, boolean: true, whole: true, number: true, date: true, moment: true }
    }

    fn of(cells: &Cells) -> Self {
        let mut kinds = Self::any();
        for value in cells.iter().flatten() {
            kinds.see(value);
            if kinds.only_text() {
                break;
            }
        }
        kinds
    }

    fn see(&mut self, text: &str) {
        self.seen = true;
        self.boolean &= matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE");
        self.number = self.number && !is_code(text) && is_number(text);
        self.whole = self.whole && self.number && text.parse::<i64>().is_ok();
        self.date = self.date && day(text).is_some();
        // Days among moments are moments: midnight.
        self.moment = self.moment && moment(text).is_some();
    }

    /// The values of `cells`, all of which the candidates have seen.
    fn build(&self, cells: &Cells) -> ArrayRef {
        let kinds = self;
        let values = cells.iter();
        // Nothing is known of a column without values; numbers are what every tool takes it for.
        if !kinds.seen || (kinds.number && !kinds.whole) {
            Arc::new(values.map(|value| value?.parse().ok()).collect::<Float64Array>())
        } else if kinds.whole {
            Arc::new(values.map(|value| value?.parse().ok()).collect::<Int64Array>())
        } else if kinds.boolean {
            Arc::new(values.map(|value| Some(value?.eq_ignore_ascii_case("true"))).collect::<BooleanArray>())
        } else if kinds.date {
            Arc::new(values.map(|value| day(value?)).collect::<Date32Array>())
        } else if kinds.moment {
            Arc::new(values.map(|value| moment(value?)).collect::<TimestampMicrosecondArray>())
        } else {
            Arc::new(values.collect::<StringArray>())
        }
    }

    fn only_text(&self) -> bool {
        self.seen && !self.boolean && !self.number && !self.date && !self.moment
    }
}

/// A leading zero marks a code, such as a postcode, whose zeros must survive.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    matches!(digits, [b'0', b'0'..=b'9', ..]) && !text.contains('.')
}

/// Digits, sign, point, exponent; `inf` only when spelt so. Words such as `infinity` in a text column stay text.
pub(crate) fn is_number(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let infinite = matches!(text, "inf" | "-inf" | "+inf" | "Inf" | "-Inf");
    let plain = starts && !text.ends_with(|c: char| c.is_ascii_alphabetic());
    (plain || infinite) && text.parse::<f64>().is_ok()
}

/// The same values with points for decimal commas; nothing where one of them is no such number.
fn points_for_commas(cells: &Cells) -> Option<Cells> {
    let mut converted = Cells::default();
    for value in cells.iter() {
        match value {
            Some(value) => converted.push(&comma_number(value)?),
            None => converted.push(""),
        }
    }
    Some(converted)
}

/// `3,14` with a point for its comma; nothing where it is no such number.
fn comma_number(value: &str) -> Option<String> {
    let number = value.replacen(',', ".", 1);
    (!value.contains('.') && !is_code(&number) && is_number(&number)).then_some(number)
}

/// `2026-01-31` in days since 1970-01-01.
fn day(text: &str) -> Option<i32> {
    let shaped = matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _]);
    if !shaped {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Some(date.since((jiff::Unit::Day, epoch)).ok()?.get_days())
}

/// `2026-01-31T12:00:00`, with a blank for the `T`, a fraction and an offset, in microseconds; without one it is UTC.
fn moment(text: &str) -> Option<i64> {
    if let Some(days) = day(text) {
        return Some(i64::from(days) * 86_400_000_000);
    }
    let shaped = matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', _, _, b':', ..]);
    if !shaped {
        return None;
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn of(values: &[&str]) -> Column {
        with_comma(values, false)
    }

    fn with_comma(values: &[&str], decimal_comma: bool) -> Column {
        let mut cells = Cells::default();
        values.iter().for_each(|value| cells.push(value));
        Column::of_array(&array(cells, decimal_comma)).unwrap()
    }

    fn text(values: &[&str]) -> Column {
        Column::Text(values.iter().map(|value| Some((*value).to_owned())).collect())
    }

    #[test]
    fn the_narrowest_kind_that_holds_every_value_is_taken() {
        assert_eq!(of(&["1", "0", "NA"]), Column::Int(vec![Some(1), Some(0), None]));
        assert_eq!(of(&["1", "2.5", ""]), Column::Float(vec![Some(1.0), Some(2.5), None]));
        assert_eq!(of(&["true", "False"]), Column::Bool(vec![Some(true), Some(false)]));
        assert_eq!(of(&["1970-01-02", "?"]), Column::Date(vec![Some(1), None]));
        assert_eq!(of(&["a", "1"]), text(&["a", "1"]));
        assert_eq!(of(&["true", "1"]), text(&["true", "1"]));
    }

    #[test]
    fn moments_are_utc_unless_they_say_otherwise() {
        let second = Column::Timestamp(vec![Some(1_000_000)]);
        for value in ["1970-01-01T00:00:01Z", "1970-01-01 00:00:01", "1970-01-01T01:00:01+01:00"] {
            assert_eq!(of(&[value]), second, "{value}");
        }
        assert_eq!(
            of(&["1970-01-02", "1970-01-01 00:00"]),
            Column::Timestamp(vec![Some(86_400_000_000), Some(0)])
        );
        assert_eq!(of(&["2026-02-30"]), text(&["2026-02-30"]));
    }

    #[test]
    fn codes_with_leading_zeros_stay_text() {
        assert_eq!(of(&["00501", "10001"]), text(&["00501", "10001"]));
        assert_eq!(of(&["0.5", "-0.25"]), Column::Float(vec![Some(0.5), Some(-0.25)]));
    }

    #[test]
    fn numbers_beyond_64_bits_become_floats() {
        assert_eq!(of(&["99999999999999999999"]), Column::Float(vec![Some(1e20)]));
    }

    #[test]
    fn an_empty_column_is_a_number_column_of_missing_values() {
        assert_eq!(of(&["", "NA"]), Column::Float(vec![None, None]));
    }

    #[test]
    fn a_decimal_comma_counts_only_where_the_whole_column_has_them() {
        assert_eq!(with_comma(&["3,5", "2", ""], true), Column::Float(vec![Some(3.5), Some(2.0), None]));
        assert_eq!(with_comma(&["3,5", "x"], true), text(&["3,5", "x"]));
        assert_eq!(with_comma(&["1,2,3"], true), text(&["1,2,3"]));
        assert_eq!(of(&["3,5"]), text(&["3,5"]));
    }
}
