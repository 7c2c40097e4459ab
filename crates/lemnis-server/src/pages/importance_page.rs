//! The page of parameter importance: shares as bars, and how the metric lies over each important param.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::Safe;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use lemnis_app::suggest::{Explain, Explained, importance};
use serde::Deserialize;

use super::chrome::Chrome;
use super::handlers::{chrome, page};
use super::html::{Markup, escape, number, percent, plain, segment};
use super::plot::ticks;
use super::render::Rendered;
use crate::Server;

/// Params that get a picture.
const PICTURES: usize = 6;
/// Texts of a param that get a column of their own.
const COLUMNS: usize = 12;
/// From this ratio on, a param is drawn over its logarithm.
const LOG_RATIO: f64 = 100.0;

/// The query of the page.
#[derive(Deserialize)]
pub(super) struct AskedImportance {
    #[serde(default)]
    metric: String,
    #[serde(default)]
    fragment: String,
}

pub(super) async fn show(
    State(server): State<Server>,
    Path(experiment): Path<String>,
    Query(asked): Query<AskedImportance>,
) -> Response {
    let ui = chrome(&server, !asked.fragment.is_empty());
    let cmd = Explain { experiment, metric: Some(asked.metric).filter(|metric| !metric.is_empty()) };
    let found = importance(&server.app, &server.principal, &cmd).await;
    page(&ui, found.map(|view| render(&ui, &view)))
}

#[derive(Template)]
#[template(path = "importance.html")]
struct ImportancePage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a Explained,
    bars: Vec<Bar<'a>>,
    pairs: Vec<Bar<'a>>,
    pictures: Vec<(String, Markup)>,
}

/// A share as a bar.
struct Bar<'a> {
    names: Vec<&'a str>,
    share: String,
    spread: String,
    width: String,
}

impl<'a> Bar<'a> {
    fn new(names: Vec<&'a str>, share: f64, spread: String) -> Self {
        Self { names, share: percent(share), spread, width: format!("{:.1}", share * 100.0) }
    }
}

/// The page of one experiment and metric.
pub(crate) fn render(ui: &Chrome, view: &Explained) -> Rendered {
    let (mut bars, mut pairs) = (Vec::new(), Vec::new());
    if let Some(found) = &view.importance {
        bars.extend(
            found.effects.iter().map(|one| {
                Bar::new(vec![&one.param], one.importance, format!("± {}", percent(one.deviation)))
            }),
        );
        let told = found.interactions.iter().filter(|one| one.importance >= 0.01);
        pairs.extend(told.map(|one| {
            Bar::new(one.params.iter().map(String::as_str).collect(), one.importance, String::new())
        }));
    }
    let names = view.importance.iter().flat_map(|found| &found.effects).take(PICTURES);
    let pictures = names.map(|effect| (effect.param.clone(), Safe(scatter(view, &effect.param)))).collect();
    ImportancePage { ui, section: "/runs", live_ms: 0, view, bars, pairs, pictures }.render()
}

/// From a param's text to where it stands.
type Place = dyn Fn(&str) -> Option<f64>;

/// Where a param's values stand, between 0 and 1, and the labels below.
struct Scale {
    place: Box<Place>,
    labels: Vec<(f64, String)>,
}

fn scale(texts: &[&str]) -> Option<Scale> {
    let numbers: Option<Vec<f64>> =
        texts.iter().map(|text| text.parse().ok().filter(|value: &f64| value.is_finite())).collect();
    let Some(numbers) = numbers else {
        let mut different: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        different.sort_unstable();
        different.dedup();
        let count = different.len();
        if count > COLUMNS {
            return None;
        }
        let at = move |place: usize| (place as f64 + 0.5) / count as f64;
        let labels = different.iter().enumerate().map(|(place, text)| (at(place), text.clone())).collect();
        let place = move |text: &str| different.iter().position(|one| one == text).map(at);
        return Some(Scale { place: Box::new(place), labels });
    };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = low > 0.0 && high / low >= LOG_RATIO;
    let on = move |value: f64| if log { value.log10() } else { value };
    let span = on(high) - on(low);
    if !span.is_finite() || span <= 0.0 {
        return None;
    }
    // Dots at the edges stay whole.
    let share = move |value: f64| 0.03 + 0.94 * (on(value) - on(low)) / span;
    let labels = [low, high].iter().map(|value| (share(*value), plain(*value))).collect();
    Some(Scale { place: Box::new(move |text| Some(share(text.parse().ok()?))), labels })
}

/// The metric over one param, a dot for each run.
fn scatter(view: &Explained, param: &str) -> String {
    let seen: Vec<(&str, f64, &str)> = view
        .seen
        .iter()
        .filter_map(|run| Some((run.params.get(param)?.as_str(), run.value, run.run_id.as_str())))
        .collect();
    let texts: Vec<&str> = seen.iter().map(|(text, ..)| *text).collect();
    let Some(scale) = scale(&texts) else {
        return "<p class=\"none\">too many different values for a picture</p>".to_owned();
    };
    let low = seen.iter().map(|(_, value, _)| *value).fold(f64::INFINITY, f64::min);
    let high = seen.iter().map(|(_, value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
    let marks = ticks(low, high, 3);
    let (bottom, top) = (marks.first().copied().unwrap_or(low), marks.last().copied().unwrap_or(high));
    let height = |value: f64| 100.0 * (top - value) / (top - bottom).max(f64::MIN_POSITIVE);
    let label = escape(&format!("{} over {param}, {} runs", view.metric, seen.len()));
    let mut html = format!(
        "<figure class=\"plot\" role=\"img\" aria-label=\"{label}\"><div class=\"plot-box\">\
         <div class=\"plot-y\" aria-hidden=\"true\">"
    );
    for mark in &marks {
        let _ = write!(html, "<span style=\"top:{:.2}%\">{}</span>", height(*mark), plain(*mark));
    }
    html.push_str("</div><svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for mark in &marks {
        let _ = write!(html, "<path class=\"gridline\" d=\"M0 {:.2}H100\"/>", height(*mark));
    }
    for (text, value, run) in &seen {
        let Some(place) = (scale.place)(text) else { continue };
        let _ = write!(
            html,
            "<a href=\"/runs/{}\" tabindex=\"-1\"><path class=\"dot a\" d=\"M{:.2} {:.2}h0\"><title>{}</title></path></a>",
            segment(run),
            place * 100.0,
            height(*value),
            escape(&format!("{param} {text}: {} {}", view.metric, number(*value)))
        );
    }
    html.push_str("</svg><div class=\"plot-x\" aria-hidden=\"true\">");
    for (place, label) in &scale.labels {
        let side = match place {
            place if *place < 0.06 => " class=\"start\"",
            place if *place > 0.94 => " class=\"end\"",
            _ => "",
        };
        let _ = write!(html, "<span style=\"left:{:.2}%\"{side}>{}</span>", place * 100.0, escape(label));
    }
    html.push_str("</div></div></figure>");
    html
}
