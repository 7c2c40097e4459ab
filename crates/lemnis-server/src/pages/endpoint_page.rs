//! The page of one endpoint: its charts, the heat map of features over verdicts, and the features that changed.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::Safe;
use lemnis_app::view::{EndpointDetail, FeatureDrift, Moment};

use super::bars;
use super::chrome::Chrome;
use super::html::{Markup, clock, day_clock, escape, latency, minutes, number, percent, plain};
use super::plot::{Axis, Chart, Series, lines, sparkline};
use super::render::Rendered;

/// Features whose histograms are drawn.
const SHAPES: usize = 24;
/// A span of time from which on axes show the day.
const DAY_MS: i64 = 86_400_000;
/// A span of time from which on axes leave the seconds out.
const LONG_MS: i64 = 1_200_000;

#[derive(Template)]
#[template(path = "endpoint.html")]
struct EndpointPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a EndpointDetail,
    drift_chart: Markup,
    live_chart: Markup,
    live_metric: Option<&'a str>,
    latency_chart: Markup,
    heat: Markup,
    drifted: Vec<&'a FeatureDrift>,
    largest_psi: f64,
}

impl EndpointPage<'_> {
    fn meter(&self, psi: &f64, alarming: bool) -> Markup {
        Safe(bars::meter(*psi, self.largest_psi, self.view.psi_threshold, alarming))
    }

    /// A feature's index over the verdicts.
    fn trend(&self, column: &str) -> Markup {
        let row = self.view.heat.iter().find(|row| row.column == column);
        let values: Vec<f64> = row
            .into_iter()
            .flat_map(|row| &row.cells)
            .map(|cell| cell.map_or(f64::NAN, |(psi, _)| psi))
            .collect();
        Safe(sparkline(&values, &format!("PSI of {column} over {} verdicts", values.len())))
    }
}

/// One endpoint with all its evidence.
pub(crate) fn endpoint(ui: &Chrome, view: &EndpointDetail) -> Rendered {
    let drifted = view.features.iter().filter(|feature| feature.status == "drift").take(SHAPES).collect();
    EndpointPage {
        ui,
        section: "/endpoints",
        live_ms: 3_000,
        view,
        drift_chart: Safe(drift(view)),
        live_chart: Safe(live(view)),
        live_metric: view.live.last().map(|point| point.metric.as_str()),
        latency_chart: Safe(latencies(view)),
        heat: Safe(heat(view)),
        drifted,
        largest_psi: view.features.iter().filter_map(|feature| feature.psi).fold(0.0, f64::max),
    }
    .render()
}

/// Labels for moments on an axis: with the day where they span more than one.
fn labels(moments: impl Iterator<Item = Moment> + Clone) -> Vec<String> {
    let first = moments.clone().map(|moment| moment.0).min().unwrap_or_default();
    let last = moments.clone().map(|moment| moment.0).max().unwrap_or_default();
    let word = match last - first {
        span if span > DAY_MS => day_clock,
        span if span > LONG_MS => minutes,
        _ => clock,
    };
    moments.map(word).collect()
}

fn drift(view: &EndpointDetail) -> String {
    let points = &view.drift;
    let title = |place: usize| {
        points
            .get(place)
            .map_or_else(String::new, |point| format!("{}: {}", day_clock(point.at), point.summary))
    };
    lines(&Chart {
        label: "share of drifted features by verdict",
        series: vec![Series {
            name: "drifted features",
            class: "a",
            points: points
                .iter()
                .enumerate()
                .map(|(place, point)| {
                    (place as f64, if point.outcome == "not_computed" { f64::NAN } else { point.share })
                })
                .collect(),
            dots: points.len() <= 60,
            alarms: points
                .iter()
                .enumerate()
                .filter(|(_, point)| point.outcome == "drift")
                .map(|(at, _)| at)
                .collect(),
        }],
        axis: Axis::Slots(labels(points.iter().map(|point| point.at))),
        format: percent,
        include: vec![0.0],
        threshold: Some((
            view.drift_share_threshold,
            format!("threshold {}", percent(view.drift_share_threshold)),
        )),
        title: &title,
    })
}

fn live(view: &EndpointDetail) -> String {
    let points = &view.live;
    let expected = points.iter().rev().find_map(|point| point.expected);
    let title = |place: usize| {
        points.get(place).map_or_else(String::new, |point| {
            format!(
                "{}: {} {} on {} rows",
                day_clock(point.at),
                point.metric,
                number(point.value),
                point.rows
            )
        })
    };
    let name = points.last().map(|point| point.metric.replace('_', " ")).unwrap_or_default();
    lines(&Chart {
        label: &format!("live {name} by check"),
        series: vec![Series {
            name: &name,
            class: "b",
            points: points.iter().enumerate().map(|(place, point)| (place as f64, point.value)).collect(),
            dots: points.len() <= 60,
            alarms: Vec::new(),
        }],
        axis: Axis::Slots(labels(points.iter().map(|point| point.at))),
        format: plain,
        include: Vec::new(),
        threshold: expected.map(|value| (value, format!("holdout {}", number(value)))),
        title: &title,
    })
}

fn latencies(view: &EndpointDetail) -> String {
    let points = &view.latency;
    let series = |name, class, value: &dyn Fn(usize) -> f64| Series {
        name,
        class,
        points: (0..points.len()).map(|place| (place as f64, value(place))).collect(),
        dots: points.len() == 1,
        alarms: Vec::new(),
    };
    let title = |place: usize| {
        points.get(place).map_or_else(String::new, |point| {
            format!(
                "{}: p50 {}, p95 {}, {} requests",
                day_clock(point.at),
                latency(point.p50_us),
                latency(point.p95_us),
                point.requests
            )
        })
    };
    lines(&Chart {
        label: "latency p50 and p95 over the newest predictions",
        series: vec![
            series("p95", "c", &|place| points[place].p95_us),
            series("p50", "a", &|place| points[place].p50_us),
        ],
        axis: Axis::Slots(labels(points.iter().map(|point| point.at))),
        format: latency,
        include: vec![0.0],
        threshold: None,
        title: &title,
    })
}

/// Features by verdicts, coloured by the index; a drifted cell has a mark as well as a colour.
fn heat(view: &EndpointDetail) -> String {
    let mut html =
        String::from("<table class=\"heat\"><thead><tr><th scope=\"col\" class=\"stick\">Feature</th>");
    let times = labels(view.drift.iter().map(|point| point.at));
    for (time, point) in times.iter().zip(&view.drift) {
        let _ = write!(
            html,
            "<th scope=\"col\"><span title=\"{}\">{}</span></th>",
            escape(&point.summary),
            escape(time)
        );
    }
    html.push_str("</tr></thead><tbody>");
    for row in &view.heat {
        let _ = write!(html, "<tr><th scope=\"row\" class=\"stick\">{}</th>", escape(&row.column));
        for cell in &row.cells {
            match cell {
                Some((psi, drifted)) => {
                    let level =
                        ((psi / (view.psi_threshold.max(1e-9) * 4.0)).clamp(0.0, 1.0) * 100.0).round();
                    let _ = write!(
                        html,
                        "<td class=\"heat-cell{}\" style=\"--level:{level}%\" title=\"{}\"><span>{}</span></td>",
                        if *drifted { " drifted" } else { "" },
                        escape(&format!("{}: PSI {}", row.column, number(*psi))),
                        if *psi < 0.005 { String::new() } else { format!("{psi:.2}") }
                    );
                }
                None => html.push_str("<td class=\"heat-cell none\" title=\"not computed\"></td>"),
            }
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    html
}
