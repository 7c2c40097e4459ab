//! Values as a reader wants them: short, in fixed widths where they stand in columns, and escaped.
//!
//! Whatever comes from a user goes through askama's escaping or through [`escape`]; only markup made here is [`Safe`].

use askama::filters::Safe;
use lemnis_app::view::Moment;
use lemnis_core::{Millis, rfc3339};

/// Markup made here.
pub(super) type Markup = Safe<String>;

/// `text` for HTML and SVG texts and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// One segment of a path, or one value of a query.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A `<time>` that reads `5 min ago` and has the exact moment in its title.
pub(super) fn when(moment: Moment, now: Millis) -> Markup {
    let exact = rfc3339(moment.0);
    Safe(format!("<time datetime=\"{exact}\" title=\"{exact}\">{}</time>", ago(moment.0, now)))
}

/// `just now`, `5 min ago`, `2 h ago`, `3 days ago`, then the date.
pub(super) fn ago(moment: Millis, now: Millis) -> String {
    let seconds = (now - moment).max(0) / 1000;
    match seconds {
        0..=9 => "just now".to_owned(),
        10..=59 => format!("{seconds} s ago"),
        60..=3599 => format!("{} min ago", seconds / 60),
        3600..=86_399 => format!("{} h ago", seconds / 3600),
        86_400..=1_209_599 => match seconds / 86_400 {
            1 => "1 day ago".to_owned(),
            days => format!("{days} days ago"),
        },
        _ => rfc3339(moment).get(..10).unwrap_or_default().to_owned(),
    }
}

/// `14:05:09`, the time of day in UTC.
pub(super) fn clock(moment: Moment) -> String {
    rfc3339(moment.0).get(11..19).unwrap_or_default().to_owned()
}

/// `14:05`, the time of day in UTC without seconds.
pub(super) fn minutes(moment: Moment) -> String {
    rfc3339(moment.0).get(11..16).unwrap_or_default().to_owned()
}

/// `Jan 31 14:05` in UTC, for axes that span days.
pub(super) fn day_clock(moment: Moment) -> String {
    let text = rfc3339(moment.0);
    let month = match text.get(5..7) {
        Some("01") => "Jan",
        Some("02") => "Feb",
        Some("03") => "Mar",
        Some("04") => "Apr",
        Some("05") => "May",
        Some("06") => "Jun",
        Some("07") => "Jul",
        Some("08") => "Aug",
        Some("09") => "Sep",
        Some("10") => "Oct",
        Some("11") => "Nov",
        _ => "Dec",
    };
    let day = text.get(8..10).unwrap_or_default().trim_start_matches('0');
    format!("{month} {day} {}", text.get(11..16).unwrap_or_default())
}

/// `350 ms`, `4.2 s`, `3 min 5 s`, `2 h 4 min`.
pub(super) fn duration(milliseconds: i64) -> String {
    let ms = milliseconds.max(0);
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=59_999 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..=3_599_999 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A latency: `740 µs`, `3.2 ms`, `1.40 s`.
pub(super) fn latency(micros: f64) -> String {
    if !micros.is_finite() {
        "–".to_owned()
    } else if micros < 1000.0 {
        format!("{micros:.0} µs")
    } else if micros < 100_000.0 {
        format!("{:.1} ms", micros / 1000.0)
    } else if micros < 1_000_000.0 {
        format!("{:.0} ms", micros / 1000.0)
    } else {
        format!("{:.2} s", micros / 1_000_000.0)
    }
}

/// `812 B`, `3.4 kB`, `12 MB`.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" || value >= 10.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// A metric: four significant decimals, no noise behind whole numbers.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() || value.abs() >= f64::MAX {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    let magnitude = value.abs();
    let text = if value == 0.0 || (value.fract() == 0.0 && magnitude < 1e9) {
        return group(&format!("{value:.0}"));
    } else if !(1e-4..1e6).contains(&magnitude) {
        format!("{value:.3e}")
    } else if magnitude >= 1000.0 {
        return group(&format!("{value:.1}"));
    } else if magnitude >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    };
    text.replace('-', "−")
}

/// A number without zeros at its end, for axes and thresholds.
pub(super) fn plain(value: f64) -> String {
    let text = number(value);
    if !text.contains('.') || text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A p-value: `< 0.0001` instead of a long row of zeros.
pub(super) fn probability(value: f64) -> String {
    if value < 0.0001 { "< 0.0001".to_owned() } else { format!("{value:.4}") }
}

/// A share: `6.3 %`, `100 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (percent - percent.round()).abs() < 0.05 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// Basis points of traffic as a share.
pub(super) fn weight(basis_points: u32) -> String {
    percent(f64::from(basis_points) / 10_000.0)
}

/// A whole number with thin spaces between thousands.
pub(super) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// The first characters of a digest's hex, without its algorithm.
pub(super) fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.chars().take(10).collect()
}

fn group(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) =
        rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && whole.len() > 4 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_is_disarmed() {
        assert_eq!(escape("<b a='1' c=\"2\">&"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
        assert_eq!(segment("a b/ü%"), "a%20b%2F%C3%BC%25");
    }

    #[test]
    fn a_number_shows_what_matters() {
        assert_eq!(number(0.846_311), "0.8463");
        assert_eq!(number(42.0), "42");
        assert_eq!([plain(0.1), plain(0.85), plain(100.0), plain(1e-7)], ["0.1", "0.85", "100", "1.000e−7"]);
        assert_eq!(number(-0.00001), "−1.000e−5");
        assert_eq!(number(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::MAX), "∞");
    }

    #[test]
    fn units_grow_with_the_value() {
        assert_eq!([latency(12.4), latency(3_210.0), latency(2e6)], ["12 µs", "3.2 ms", "2.00 s"]);
        assert_eq!([bytes(12), bytes(3_400), bytes(12_000_000)], ["12 B", "3.4 kB", "12 MB"]);
        assert_eq!([duration(80), duration(4_200), duration(185_000)], ["80 ms", "4.2 s", "3 min 5 s"]);
        assert_eq!([weight(10_000), weight(1_000), weight(650)], ["100 %", "10 %", "6.5 %"]);
    }

    #[test]
    fn age_is_told_in_words_until_it_is_a_date() {
        let now = 1_700_000_000_000;
        assert_eq!(ago(now - 3_000, now), "just now");
        assert_eq!(ago(now - 300_000, now), "5 min ago");
        assert_eq!(ago(now - 86_400_000 * 3, now), "3 days ago");
        assert_eq!(ago(now - 86_400_000 * 60, now), "2023-09-15");
        assert_eq!(ago(now + 5_000, now), "just now");
    }
}
