//! Line charts as SVG, made on the server: no script, no library, sharp at every width.
//!
//! The drawing is stretched to its container while strokes and texts keep their size: lines do not scale, axis labels
//! are HTML placed in percent, and dots are strokes without length. Colours are classes that the style sheet names.

use std::fmt::Write as _;

use super::html::escape;

/// The drawing's own units, in both directions.
const SIZE: f64 = 1000.0;

/// One line of a chart.
pub(super) struct Series<'a> {
    /// Its name in the legend.
    pub(super) name: &'a str,
    /// Its colour: `a`, `b`, `warn` …
    pub(super) class: &'a str,
    /// `(x, y)`; a NaN leaves a gap.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point gets a dot.
    pub(super) dots: bool,
    /// Points, by place, that are marked as alarming.
    pub(super) alarms: Vec<usize>,
}

/// What the horizontal axis means.
pub(super) enum Axis {
    /// A number such as a training step.
    Number,
    /// Evenly spaced slots with a label each; `x` of a point is its slot.
    Slots(Vec<String>),
}

/// A chart.
pub(super) struct Chart<'a> {
    /// What it shows, for those who do not see it.
    pub(super) label: &'a str,
    /// The lines.
    pub(super) series: Vec<Series<'a>>,
    /// The horizontal axis.
    pub(super) axis: Axis,
    /// How a value on the vertical axis reads.
    pub(super) format: fn(f64) -> String,
    /// Values that the vertical axis must reach.
    pub(super) include: Vec<f64>,
    /// A dashed line and its label.
    pub(super) threshold: Option<(f64, String)>,
    /// The text shown when the pointer rests on the point with this `x`.
    pub(super) title: &'a dyn Fn(usize) -> String,
}

/// Steps of 1, 2 or 5 times a power of ten that cover `low..high` with about `count` intervals.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    if !(low.is_finite() && high.is_finite()) {
        return vec![0.0, 1.0];
    }
    // A single value stands in the middle.
    let (low, high) = if high > low {
        (low, high)
    } else {
        (low - low.abs().max(1.0) * 0.05, low + low.abs().max(1.0) * 0.05)
    };
    let span = high - low;
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step + 1e-9).floor() as i64;
    let last = ((high / step - 1e-9).ceil() as i64).max(first + 1);
    (first..=last.min(first + 50)).map(|place| place as f64 * step).collect()
}

/// The chart as a `<figure>`; without any point a sentence that says so.
pub(super) fn lines(chart: &Chart<'_>) -> String {
    let finite = |value: &f64| value.is_finite();
    let all =
        || chart.series.iter().flat_map(|series| series.points.iter()).filter(|point| point.1.is_finite());
    if all().next().is_none() {
        return "<p class=\"none\">no points yet</p>".to_owned();
    }
    let threshold = chart.threshold.as_ref().map(|(value, _)| *value);
    let ys = all().map(|point| point.1).chain(chart.include.iter().copied()).chain(threshold).filter(finite);
    let (low, high) = ys.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let y_ticks = ticks(low, high, 4);
    let (bottom, top) = (y_ticks[0], y_ticks[y_ticks.len() - 1]);
    let y = |value: f64| SIZE * (1.0 - (value - bottom) / (top - bottom));

    let (left, right) = match &chart.axis {
        Axis::Slots(slots) => (-0.5, slots.len() as f64 - 0.5),
        Axis::Number => all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.0), high.max(point.0))
        }),
    };
    let right = if right > left { right } else { left + 1.0 };
    let x = |value: f64| SIZE * (value - left) / (right - left);

    let mut svg = String::new();
    for tick in &y_ticks {
        let _ = write!(svg, "<path class=\"gridline\" d=\"M0 {0:.1}H{SIZE}\"/>", y(*tick));
    }
    if let Some((value, _)) = &chart.threshold {
        let _ = write!(svg, "<path class=\"threshold\" d=\"M0 {0:.1}H{SIZE}\"/>", y(*value));
    }
    for series in &chart.series {
        let _ = write!(svg, "<path class=\"line {}\" d=\"{}\"/>", series.class, path(&series.points, &x, &y));
        for (place, point) in series.points.iter().enumerate().filter(|(_, point)| point.1.is_finite()) {
            let alarm = series.alarms.contains(&place);
            if series.dots || alarm || series.points.len() == 1 {
                let class = if alarm { "alarm" } else { series.class };
                let _ =
                    write!(svg, "<path class=\"dot {class}\" d=\"M{:.1} {:.1}h0\"/>", x(point.0), y(point.1));
            }
        }
    }
    svg.push_str(&hover_slabs(chart, &x));

    let mut figure = format!("<figure class=\"plot\" role=\"img\" aria-label=\"{}\">", escape(chart.label));
    figure.push_str(&legend(chart));
    figure.push_str("<div class=\"plot-box\"><div class=\"plot-y\" aria-hidden=\"true\">");
    for tick in &y_ticks {
        let place = y(*tick) / SIZE * 100.0;
        let _ = write!(figure, "<span style=\"top:{place:.2}%\">{}</span>", escape(&(chart.format)(*tick)));
    }
    let _ = write!(
        figure,
        "</div><svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{svg}</svg>"
    );
    figure.push_str("<div class=\"plot-x\" aria-hidden=\"true\">");
    for (place, label) in x_labels(&chart.axis, left, right) {
        let share = (x(place) / SIZE * 100.0).clamp(0.0, 100.0);
        let side = if share < 6.0 {
            " start"
        } else if share > 94.0 {
            " end"
        } else {
            ""
        };
        let _ =
            write!(figure, "<span class=\"tick{side}\" style=\"left:{share:.2}%\">{}</span>", escape(&label));
    }
    figure.push_str("</div></div></figure>");
    figure
}

fn legend(chart: &Chart<'_>) -> String {
    let mut legend = String::from("<figcaption class=\"legend\">");
    for series in &chart.series {
        let last = series.points.iter().rev().find(|point| point.1.is_finite());
        let last = last.map(|point| (chart.format)(point.1)).unwrap_or_default();
        let _ = write!(
            legend,
            "<span class=\"key {}\">{} <b>{}</b></span>",
            series.class,
            escape(series.name),
            escape(&last)
        );
    }
    if let Some((_, label)) = &chart.threshold {
        let _ = write!(legend, "<span class=\"key dashed\">{}</span>", escape(label));
    }
    legend.push_str("</figcaption>");
    legend
}

/// A column for each point that shows its title, however small the point is.
fn hover_slabs(chart: &Chart<'_>, x: &dyn Fn(f64) -> f64) -> String {
    let Some(longest) = chart.series.iter().max_by_key(|series| series.points.len()) else {
        return String::new();
    };
    let places: Vec<f64> = longest.points.iter().map(|point| x(point.0)).collect();
    let mut slabs = String::new();
    for (place, at) in places.iter().enumerate() {
        let before = if place == 0 { 0.0 } else { (places[place - 1] + at) / 2.0 };
        let after = places.get(place + 1).map_or(SIZE, |next| (next + at) / 2.0);
        let _ = write!(
            slabs,
            "<rect class=\"hit\" x=\"{before:.1}\" y=\"0\" width=\"{:.1}\" height=\"{SIZE}\"><title>{}</title></rect>",
            (after - before).max(0.0),
            escape(&(chart.title)(place))
        );
    }
    slabs
}

fn path(points: &[(f64, f64)], x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for point in points {
        if !point.1.is_finite() {
            pen_down = false;
            continue;
        }
        let _ = write!(path, "{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, x(point.0), y(point.1));
        pen_down = true;
    }
    path
}

fn x_labels(axis: &Axis, left: f64, right: f64) -> Vec<(f64, String)> {
    match axis {
        Axis::Number => ticks(left, right, 4)
            .into_iter()
            .filter(|tick| *tick >= left - 1e-9 && *tick <= right + 1e-9)
            .map(|tick| (tick, super::html::plain(tick)))
            .collect(),
        Axis::Slots(slots) => {
            let every = slots.len().div_ceil(3).max(1);
            slots
                .iter()
                .enumerate()
                .step_by(every)
                .map(|(place, label)| (place as f64, label.clone()))
                .collect()
        }
    }
}

/// A line without axes, for a cell of a table.
pub(super) fn sparkline(values: &[f64], label: &str) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.len() < 2 {
        return String::new();
    }
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let points: Vec<(f64, f64)> =
        values.iter().enumerate().map(|(place, value)| (place as f64, *value)).collect();
    let width = (values.len() - 1) as f64;
    let drawn = path(&points, &|x| 2.0 + 96.0 * x / width, &|y| 22.0 - 20.0 * (y - low) / span);
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <path class=\"line a\" d=\"{drawn}\"/></svg>",
        escape(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart<'a>(points: Vec<(f64, f64)>, title: &'a dyn Fn(usize) -> String) -> Chart<'a> {
        Chart {
            label: "loss <by> step",
            series: vec![Series { name: "loss", class: "a", points, dots: true, alarms: vec![1] }],
            axis: Axis::Number,
            format: |value| format!("{value:.2}"),
            include: Vec::new(),
            threshold: Some((0.3, "threshold".to_owned())),
            title,
        }
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        assert_eq!(ticks(0.0, 1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 97.0, 4), [0.0, 50.0, 100.0]);
        let around = ticks(0.8431, 0.8467, 4);
        assert!(around[0] <= 0.8431 && *around.last().unwrap() >= 0.8467 && around.len() <= 6, "{around:?}");
        assert!(ticks(5.0, 5.0, 4).len() > 3 && ticks(5.0, 5.0, 4).contains(&5.0));
        assert!(ticks(-1e300, 1e300, 4).len() < 60);
        assert_eq!(ticks(f64::NAN, 1.0, 4), [0.0, 1.0]);
    }

    #[test]
    fn a_gap_lifts_the_pen() {
        let drawn = path(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)], &|x| x, &|y| y);
        assert_eq!(drawn, "M0.0 1.0M2.0 3.0L3.0 4.0");
    }

    #[test]
    fn texts_of_a_chart_are_escaped_and_alarms_marked() {
        let drawn = lines(&chart(vec![(0.0, 0.1), (1.0, 0.5)], &|place| format!("<{place}>")));
        assert!(drawn.contains("loss &lt;by&gt; step"));
        assert!(drawn.contains("<title>&lt;1&gt;</title>"));
        assert!(drawn.contains("dot alarm"));
        assert!(!drawn.contains("NaN"));
    }

    #[test]
    fn a_chart_without_points_says_so() {
        assert!(lines(&chart(vec![(0.0, f64::NAN)], &|_| String::new())).contains("no points yet"));
    }

    #[test]
    fn a_sparkline_needs_two_values() {
        assert_eq!(sparkline(&[1.0], "x"), "");
        assert!(sparkline(&[1.0, 1.0, 1.0], "x").contains("M2.0 22.0"));
    }
}
