//! Points of one metric as bytes: column by column, each as short as its values allow.
//!
//! Timestamps and steps are kept as what changes in their growth, so that a regular series costs a few bytes however long
//! it is. Values are kept as whole numbers where all have few decimal places, as 32-bit floats where all are such, and
//! as they are otherwise. Every value comes back to the last bit.

use std::cmp::Ordering;

/// A logged value. NaN is one value, whatever its bits were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) timestamp: i64,
    pub(crate) step: i64,
    pub(crate) value: f64,
}

impl Point {
    /// The order of a history: timestamp, step, value; NaN after numbers.
    pub(crate) fn cmp(&self, other: &Self) -> Ordering {
        (self.timestamp, self.step).cmp(&(other.timestamp, other.step)).then_with(|| self.cmp_value(other))
    }

    pub(crate) fn cmp_value(&self, other: &Self) -> Ordering {
        match (self.value.is_nan(), other.value.is_nan()) {
            (false, false) => self.value.partial_cmp(&other.value).unwrap_or(Ordering::Equal),
            (mine, others) => mine.cmp(&others),
        }
    }
}

/// The first byte: how the rest is laid out.
const LAYOUT: u8 = 1;
const DOUBLES: u8 = 0;
const FLOATS: u8 = 1;
const DECIMALS: u8 = 2;
/// Decimal places that are tried.
const MOST_PLACES: u8 = 15;
/// Whole numbers up to here are exact as doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Points that one part may claim to hold.
const MOST_POINTS: u64 = 1 << 24;

pub(crate) fn encode(points: &[Point]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + points.len() * 10);
    out.push(LAYOUT);
    put(&mut out, points.len() as u64);
    put_series(&mut out, points.iter().map(|point| point.timestamp));
    put_series(&mut out, points.iter().map(|point| point.step));
    put_values(&mut out, points);
    out
}

/// Appends the points in `bytes` to `points`; `None` where they are damaged.
pub(crate) fn decode(bytes: &[u8], points: &mut Vec<Point>) -> Option<()> {
    let mut bytes = bytes;
    if take_byte(&mut bytes)? != LAYOUT {
        return None;
    }
    let count = take(&mut bytes)?;
    if count > MOST_POINTS {
        return None;
    }
    let count = usize::try_from(count).ok()?;
    let first = points.len();
    points.resize(first + count, Point { timestamp: 0, step: 0, value: f64::NAN });
    let new = &mut points[first..];
    take_series(&mut bytes, count, |place, timestamp| new[place].timestamp = timestamp)?;
    take_series(&mut bytes, count, |place, step| new[place].step = step)?;
    take_values(&mut bytes, new)
}

fn put_values(out: &mut Vec<u8>, points: &[Point]) {
    let doubles = points.len() * 8;
    if let Some(places) = places(points) {
        let start = out.len();
        out.extend([DECIMALS, places]);
        let scale = 10f64.powi(i32::from(places));
        put_series(out, points.iter().map(|point| (point.value * scale).round() as i64));
        if out.len() - start <= doubles {
            return;
        }
        out.truncate(start);
    }
    if points.iter().all(|point| point.value.is_nan() || f64::from(point.value as f32) == point.value) {
        out.push(FLOATS);
        out.extend(points.iter().flat_map(|point| (point.value as f32).to_le_bytes()));
        return;
    }
    out.push(DOUBLES);
    out.extend(points.iter().flat_map(|point| point.value.to_le_bytes()));
}

/// The fewest decimal places with which every value comes back as it is.
fn places(points: &[Point]) -> Option<u8> {
    let mut places = 0;
    for point in points {
        while !comes_back(point.value, places) {
            places += 1;
            if places > MOST_PLACES {
                return None;
            }
        }
    }
    // A value that came back with few places may not with many.
    points.iter().all(|point| comes_back(point.value, places)).then_some(places)
}

fn comes_back(value: f64, places: u8) -> bool {
    let scale = 10f64.powi(i32::from(places));
    let whole = (value * scale).round();
    whole.abs() < EXACT && ((whole as i64) as f64 / scale).to_bits() == value.to_bits()
}

fn take_values(bytes: &mut &[u8], points: &mut [Point]) -> Option<()> {
    match take_byte(bytes)? {
        DECIMALS => {
            let places = take_byte(bytes).filter(|places| *places <= MOST_PLACES)?;
            let scale = 10f64.powi(i32::from(places));
            let count = points.len();
            take_series(bytes, count, |place, whole| points[place].value = whole as f64 / scale)
        }
        FLOATS => {
            let (values, rest) = bytes.split_at_checked(points.len() * 4)?;
            for (point, value) in points.iter_mut().zip(values.chunks_exact(4)) {
                point.value = f64::from(f32::from_le_bytes(value.try_into().ok()?));
            }
            *bytes = rest;
            Some(())
        }
        DOUBLES => {
            let (values, rest) = bytes.split_at_checked(points.len() * 8)?;
            for (point, value) in points.iter_mut().zip(values.chunks_exact(8)) {
                point.value = f64::from_le_bytes(value.try_into().ok()?);
            }
            *bytes = rest;
            Some(())
        }
        _ => None,
    }
}

/// Numbers as the changes of their differences; a 0 is followed by how many there are in a row.
fn put_series(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let (mut before, mut growth, mut same) = (0i64, 0i64, 0u64);
    for number in numbers {
        let now = number.wrapping_sub(before);
        let change = now.wrapping_sub(growth);
        (before, growth) = (number, now);
        if change == 0 {
            same += 1;
            continue;
        }
        put_same(out, &mut same);
        put(out, zigzag(change));
    }
    put_same(out, &mut same);
}

fn put_same(out: &mut Vec<u8>, same: &mut u64) {
    if *same > 0 {
        out.push(0);
        put(out, *same);
        *same = 0;
    }
}

fn take_series(bytes: &mut &[u8], count: usize, mut give: impl FnMut(usize, i64)) -> Option<()> {
    let (mut before, mut growth, mut place) = (0i64, 0i64, 0);
    while place < count {
        let token = take(bytes)?;
        let times = if token == 0 { usize::try_from(take(bytes)?).ok()? } else { 1 };
        if times == 0 || times > count - place {
            return None;
        }
        growth = growth.wrapping_add(unzigzag(token));
        for _ in 0..times {
            before = before.wrapping_add(growth);
            give(place, before);
            place += 1;
        }
    }
    Some(())
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

/// Seven bits a byte, the lowest first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: i64, step: i64, value: f64) -> Point {
        Point { timestamp, step, value }
    }

    /// The bytes of `points`, after what they hold was compared with them bit by bit.
    fn bytes_of(points: &[Point]) -> usize {
        let bytes = encode(points);
        let mut back = Vec::new();
        decode(&bytes, &mut back).unwrap();
        assert_eq!(back.len(), points.len());
        for (point, back) in points.iter().zip(&back) {
            assert_eq!((point.timestamp, point.step), (back.timestamp, back.step));
            let same = point.value.to_bits() == back.value.to_bits();
            assert!(same || point.value.is_nan() && back.value.is_nan(), "{point:?} {back:?}");
        }
        bytes.len()
    }

    #[test]
    fn every_point_comes_back_to_the_last_bit() {
        let odd = [0.0, -0.0, 0.1, 1.0 / 3.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::NAN, 1e300, 5e-324];
        for value in odd {
            bytes_of(&[point(i64::MAX, i64::MIN, value)]);
            bytes_of(&[point(-1, 0, value), point(i64::MIN, i64::MAX, 0.5), point(7, 7, value)]);
        }
        bytes_of(&odd.map(|value| point(0, 0, value)));
        bytes_of(&[]);
    }

    #[test]
    fn a_regular_series_costs_little_more_than_its_values() {
        let series = |value: fn(i64) -> f64| -> Vec<Point> {
            (0..1000).map(|n| point(1_700_000_000_000 + 50 * n, n, value(n))).collect()
        };
        assert!(bytes_of(&series(|_| 0.25)) < 40);
        assert!(
            bytes_of(&series(|n| ((n * 7919) % 1000) as f64 / 1000.0)) < 2100,
            "two bytes for three decimals"
        );
        assert!(bytes_of(&series(|n| f64::from(1.0 / (n + 3) as f32))) < 4050, "32-bit floats stay such");
        assert!(bytes_of(&series(|n| 1.0 / (n + 3) as f64)) < 8050);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = encode(&[point(1, 2, 0.1), point(2, 3, 1.0 / 3.0)]);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], &mut Vec::new()).is_none(), "{length}");
        }
        assert!(decode(&[LAYOUT, 0xff, 0xff, 0xff, 0xff, 0x7f], &mut Vec::new()).is_none());
        assert!(decode(&[9, 0], &mut Vec::new()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_points_come_back(given in proptest::collection::vec((proptest::num::i64::ANY, proptest::num::i64::ANY, proptest::num::f64::ANY), 0..40)) {
            let points: Vec<Point> = given.into_iter().map(|(t, s, v)| point(t, s, v)).collect();
            bytes_of(&points);
        }
    }
}
