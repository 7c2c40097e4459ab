//! The loop as a picture: a figure eight with nine stations, the gate where it crosses itself.
//!
//! The left half builds models (data to runs), the right half runs them (registry to monitor); what the monitor sees
//! leads back through the crossing to the data. The curve is a lemniscate of Gerono: x = cos t, y = sin t · cos t.

use std::f64::consts::PI;
use std::fmt::Write as _;

use lemnis_app::view::{Lobe, Overview, State, Station, StationKey};

use super::html::escape;

const CENTRE: (f64, f64) = (540.0, 216.0);
const HALF_WIDTH: f64 = 430.0;
const HEIGHT: f64 = 272.0;

/// Where a station stands on the curve, in degrees of `t`, and whether its label is above it.
fn place(key: StationKey) -> (f64, bool) {
    match key {
        StationKey::Data => (119.0, true),
        StationKey::Validate => (154.0, true),
        StationKey::Pipeline => (206.0, false),
        StationKey::Runs => (241.0, false),
        StationKey::Gate => (270.0, false),
        StationKey::Registry => (299.0, true),
        StationKey::Deploy => (334.0, true),
        StationKey::Serve => (386.0, false),
        StationKey::Monitor => (421.0, false),
    }
}

fn point(degrees: f64) -> (f64, f64) {
    let t = degrees * PI / 180.0;
    (CENTRE.0 + HALF_WIDTH * t.cos(), CENTRE.1 + HEIGHT * t.sin() * t.cos())
}

fn curve(from: f64, to: f64) -> String {
    let steps = ((to - from) / 3.0).ceil().max(1.0) as usize;
    let mut path = String::new();
    for step in 0..=steps {
        let (x, y) = point(from + (to - from) * step as f64 / steps as f64);
        let _ = write!(path, "{}{x:.1} {y:.1}", if step == 0 { 'M' } else { 'L' });
    }
    path
}

/// What a station's circle holds: strokes in a box of 24 by 24.
fn icon(key: StationKey) -> &'static str {
    match key {
        StationKey::Data => {
            "M5 6c0-3.5 14-3.5 14 0s-14 3.5-14 0v12c0 3.5 14 3.5 14 0V6M5 12c0 3.5 14 3.5 14 0"
        }
        StationKey::Validate => "M4 12.5l5 5L20 6.5",
        StationKey::Pipeline => "M4 6h5v4H4zM15 6h5v4h-5zM15 15h5v4h-5zM9 8h6M12 8v9h3",
        StationKey::Runs => "M4 19h16M5 15l4-5 4 3 6-8",
        StationKey::Gate => "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2.2 2.2L15.5 10",
        StationKey::Registry => "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
        StationKey::Deploy => "M12 19V6M6.5 11L12 5.5l5.5 5.5",
        StationKey::Serve => "M13 3L6 13.5h5L10 21l8-11h-5.5z",
        StationKey::Monitor => "M3 12h4l2.5-6 4.5 12 2.5-6H21",
    }
}

/// The picture and, for narrow screens and for those who do not see it, the same stations as a list.
pub(super) fn draw(overview: &Overview) -> String {
    let mut html = String::from("<div class=\"loop\">");
    html.push_str(&picture(overview));
    html.push_str("<ol class=\"stations\">");
    for station in &overview.stations {
        let _ = write!(
            html,
            "<li><a class=\"station-row {0}\" href=\"{1}\"><svg viewBox=\"0 0 24 24\" class=\"glyph\" aria-hidden=\"true\">\
             <path d=\"{2}\"/></svg><span class=\"name\">{3}</span><span class=\"figure\">{4}</span>\
             <span class=\"hidden\">{0}</span></a></li>",
            station.state.as_str(),
            escape(&station.href),
            icon(station.key),
            station.key.as_str(),
            escape(&station.figure),
        );
    }
    html.push_str("</ol></div>");
    html
}

fn picture(overview: &Overview) -> String {
    let mut svg = String::from(
        "<svg class=\"loop-map\" viewBox=\"0 0 1080 432\" role=\"group\" aria-label=\"the loop and how its stations stand\">",
    );
    let _ = write!(svg, "<path class=\"track\" d=\"{}Z\"/>", curve(90.0, 450.0));
    for (at, station) in overview.stations.iter().enumerate() {
        let next = overview.stations.get(at + 1);
        let from = place(station.key).0;
        let to = next.map_or(place(StationKey::Data).0 + 360.0, |next| place(next.key).0);
        let class = leg(station, next.unwrap_or(&overview.stations[0]), next.is_none());
        let _ = write!(svg, "<path class=\"leg {class}\" d=\"{}\"/>", curve(from, to));
        // The last leg crosses the gate, so its middle is there; the arrow stands on the way out of it.
        let middle = if next.is_none() { to - (to - from) * 0.27 } else { (from + to) / 2.0 };
        svg.push_str(&arrow(middle, class));
    }
    svg.push_str(&lobe("build", &overview.build, CENTRE.0 - HALF_WIDTH * 0.66));
    svg.push_str(&lobe("operate", &overview.operate, CENTRE.0 + HALF_WIDTH * 0.66));
    for station in &overview.stations {
        svg.push_str(&node(station));
    }
    svg.push_str("</svg>");
    svg
}

/// The direction of the loop at a point of it.
fn arrow(degrees: f64, class: &str) -> String {
    let (x, y) = point(degrees);
    let (before, after) = (point(degrees - 0.5), point(degrees + 0.5));
    let angle = (after.1 - before.1).atan2(after.0 - before.0) * 180.0 / PI;
    format!(
        "<path class=\"arrow {class}\" d=\"M-4 -6L4 0L-4 6\" transform=\"translate({x:.1} {y:.1}) rotate({angle:.0})\"/>"
    )
}

/// How the way from one station to the next looks: it flows where either end works.
fn leg(from: &Station, to: &Station, closing: bool) -> &'static str {
    match (from.state, to.state) {
        (_, State::Working) => "working",
        (State::Attention, _) if closing => "attention",
        (State::Idle, _) | (_, State::Idle) => "idle",
        _ => "ok",
    }
}

fn lobe(title: &str, lobe: &Lobe, x: f64) -> String {
    format!(
        "<g class=\"lobe\" text-anchor=\"middle\"><text class=\"lobe-title\" x=\"{x:.0}\" y=\"{:.0}\">{title}</text>\
         <text class=\"lobe-figure\" x=\"{x:.0}\" y=\"{:.0}\">{}</text>\
         <text class=\"lobe-caption\" x=\"{x:.0}\" y=\"{:.0}\">{}</text></g>",
        CENTRE.1 - 34.0,
        CENTRE.1 + 8.0,
        escape(&clip(&lobe.figure, 16)),
        CENTRE.1 + 34.0,
        escape(&clip(&lobe.caption, 34)),
    )
}

fn node(station: &Station) -> String {
    let (degrees, above) = place(station.key);
    let (x, y) = point(degrees);
    let radius = if station.key == StationKey::Gate { 30.0 } else { 26.0 };
    let (name_y, figure_y) = if above { (y - 58.0, y - 38.0) } else { (y + 50.0, y + 70.0) };
    let mut svg = format!(
        "<a class=\"station {0}\" href=\"{1}\" aria-label=\"{2}: {0}, {3}\"><title>{4}</title>",
        station.state.as_str(),
        escape(&station.href),
        station.key.as_str(),
        escape(&station.figure),
        escape(&station.detail),
    );
    let _ = write!(svg, "<circle class=\"halo\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.0}\"/>", radius + 7.0);
    let _ = write!(svg, "<circle class=\"disc\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.0}\"/>");
    if station.state == State::Working {
        let _ = write!(svg, "<circle class=\"spin\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.0}\"/>", radius + 5.0);
    }
    let _ = write!(
        svg,
        "<path class=\"glyph\" transform=\"translate({:.1} {:.1})\" d=\"{}\"/>",
        x - 12.0,
        y - 12.0,
        icon(station.key)
    );
    if station.state == State::Attention {
        let (bx, by) = (x + radius * 0.74, y - radius * 0.74);
        let _ = write!(
            svg,
            "<circle class=\"badge\" cx=\"{bx:.1}\" cy=\"{by:.1}\" r=\"9\"/>\
             <text class=\"badge-mark\" x=\"{bx:.1}\" y=\"{:.1}\" text-anchor=\"middle\">!</text>",
            by + 4.5
        );
    }
    let _ = write!(
        svg,
        "<text class=\"name\" x=\"{x:.1}\" y=\"{name_y:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"figure\" x=\"{x:.1}\" y=\"{figure_y:.1}\" text-anchor=\"middle\">{}</text></a>",
        station.key.as_str(),
        escape(&clip(&station.figure, 24)),
    );
    svg
}

fn clip(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(characters - 1).collect();
    clipped.push('…');
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_where_the_loop_crosses_itself() {
        let (x, y) = point(place(StationKey::Gate).0);
        assert!((x - CENTRE.0).abs() < 1e-6 && (y - CENTRE.1).abs() < 1e-6);
    }

    #[test]
    fn stations_follow_one_another_around_the_loop() {
        let places: Vec<f64> = StationKey::ALL.into_iter().map(|key| place(key).0).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(places[8] < places[0] + 360.0);
    }

    #[test]
    fn labels_are_on_the_outer_side() {
        for key in StationKey::ALL.into_iter().filter(|key| *key != StationKey::Gate) {
            let (degrees, above) = place(key);
            assert_eq!(point(degrees).1 < CENTRE.1, above, "{}", key.as_str());
        }
    }

    #[test]
    fn long_figures_are_clipped_by_characters() {
        assert_eq!(clip("äöüäöü", 4), "äöü…");
        assert_eq!(clip("abc", 4), "abc");
    }
}
