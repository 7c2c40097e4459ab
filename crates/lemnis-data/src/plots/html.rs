//! A page of plots that needs nothing from the network: charts as SVG, their specification beside them.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::{Chart, vega};
use crate::pyjson;
use crate::yaml::Value;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 14.0;
/// What tells revisions apart, here and in specifications.
pub(super) const COLORS: [&str; 7] =
    ["#945dd6", "#13adc7", "#f46837", "#48bb78", "#4299e1", "#ed8936", "#f56565"];
const STYLE: &str = "\
body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:76rem;color:#222;background:#fff}\
main{display:flex;flex-wrap:wrap;gap:2rem}h2{font-size:1rem;margin:.2rem 0}svg{max-width:100%;height:auto}\
figure{margin:0}figcaption,.key{font-size:.85rem;color:#555}.key span{margin-right:1rem}img{max-width:35rem}\
text{font-size:11px;fill:#555}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}text{fill:#aaa}}";

/// The whole page. A template of the user's has `{plot_divs}` where the plots belong.
pub(super) fn page(body: &str, template: Option<&str>) -> String {
    match template {
        Some(template) => template
            .replace("{scripts}", &format!("<style>{STYLE}</style>"))
            .replace("{plot_divs}", body)
            .replace("{refresh_tag}", ""),
        None => format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Plots</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        ),
    }
}

/// A chart with its specification.
pub(super) fn chart_section(id: &str, chart: &Chart) -> String {
    let spec = pyjson::text(&vega::filled(chart, false).spec).replace("</", "<\\/");
    let drawn = drawing(chart);
    section(
        id,
        &chart.title,
        &format!("{drawn}<script type=\"application/json\" class=\"vega-lite\">{spec}</script>\n"),
    )
}

/// Images side by side: revision and file.
pub(super) fn image_section(id: &str, images: &[(String, String)]) -> String {
    let figure = |(revision, file): &(String, String)| {
        let (revision, file) = (escape(revision), escape(file));
        format!(
            "<figure><img src=\"{file}\" alt=\"{revision}\"><figcaption>{revision}</figcaption></figure>\n"
        )
    };
    section(id, id, &images.iter().map(figure).collect::<String>())
}

fn section(id: &str, title: &str, inner: &str) -> String {
    format!("<section id=\"{}\">\n<h2>{}</h2>\n{inner}</section>\n", escape(id), escape(title))
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

fn drawing(chart: &Chart) -> String {
    let mut series: IndexMap<String, Vec<(f64, f64)>> = IndexMap::new();
    let y_name = chart.axes.y.as_deref().unwrap_or_default();
    for (step, point) in chart.points.iter().enumerate() {
        let Some(y) = number(point.get(y_name)) else { continue };
        let x = number(point.get(chart.axes.x.as_str())).unwrap_or(step as f64);
        series.entry(vega::series_name(chart, point)).or_default().push((x, y));
    }
    let all = || series.values().flatten();
    let (x0, x1) = range(all().map(|(x, _)| *x));
    let (y0, y1) = range(all().map(|(_, y)| *y));
    let across = |x: f64| LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let down = |y: f64| HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\">\n");
    for tick in ticks(x0, x1) {
        let x = across(tick);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#8883\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            label(tick)
        );
    }
    for tick in ticks(y0, y1) {
        let y = down(tick);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#8883\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            label(tick)
        );
    }
    let mut key = String::from("<div class=\"key\">");
    for (at, (name, points)) in series.iter().enumerate() {
        let color = COLORS[at % COLORS.len()];
        let dots = chart.is_scattered || points.len() == 1;
        if !dots {
            let path: Vec<String> =
                points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), down(*y))).collect();
            let path = path.join(" ");
            let _ = writeln!(
                out,
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
            );
        }
        if dots || points.len() <= 200 {
            for (x, y) in points {
                let (cx, cy) = (across(*x), down(*y));
                let _ = writeln!(
                    out,
                    "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{color}\"><title>{}: {} , {}</title></circle>",
                    escape(name),
                    label(*x),
                    label(*y)
                );
            }
        }
        let _ = write!(key, "<span><b style=\"color:{color}\">●</b> {}</span>", escape(name));
    }
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n</svg>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        escape(&chart.axes.x_label),
        (TOP + HEIGHT - BOTTOM) / 2.0,
        escape(chart.axes.y_label.as_deref().unwrap_or_default())
    );
    out + &key + "</div>\n"
}

/// The smallest and largest value, a little apart where they are one.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    if high - low > 0.0 { (low, high) } else { (low - 0.5, high + 0.5) }
}

fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step).ceil();
    (0..12).map(|at| (first + f64::from(at)) * step).take_while(|tick| *tick <= high + step * 1e-9).collect()
}

fn label(number: f64) -> String {
    let text = format!("{:.6}", number);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match number {
        number if number != 0.0 && (number.abs() < 1e-4 || number.abs() >= 1e7) => format!("{number:.2e}"),
        _ if text == "-0" => "0".into(),
        _ => text.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!(ticks(-0.5, 0.5).len() >= 5);
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let chart = Chart { title: "<script>".into(), ..Chart::default() };
        assert!(!chart_section("a\"><x", &chart).contains("<script>"));
        assert!(!image_section("a\"><x", &[("<x".into(), "\"><x".into())]).contains("<x"));
    }

    #[test]
    fn a_template_of_the_users_holds_the_plots() {
        assert_eq!(page("P", Some("<body>{plot_divs}</body>")), "<body>P</body>");
    }
}
