//! What surrounds every page, and the words in which templates show values.
//!
//! Methods take references because that is how templates pass what they loop over.

use askama::filters::Safe;
use lemnis_app::view::{ArmShare, BootstrapRow, FeatureBin, FeatureDrift, Moment};
use lemnis_core::Millis;

use super::html::{self, Markup};
use super::{assets, bars};

/// The frame of a page.
#[derive(Clone, Debug)]
pub(crate) struct Chrome {
    /// The project's name.
    pub(crate) project: String,
    /// The present moment, which ages are told from.
    pub(crate) now_ms: Millis,
    /// Only the inside of `<main>` is wanted, to be swapped into an open page.
    pub(crate) fragment: bool,
}

impl Chrome {
    /// The sections of the navigation: path and name.
    pub(super) fn sections(&self) -> [(&'static str, &'static str); 7] {
        [
            ("/", "Overview"),
            ("/data", "Data"),
            ("/runs", "Runs"),
            ("/models", "Models"),
            ("/endpoints", "Endpoints"),
            ("/flows", "Flows"),
            ("/events", "Events"),
        ]
    }

    /// Where the style sheet is; the address changes with its content.
    pub(super) fn style_href(&self) -> String {
        format!("/assets/lemnis.css?v={}", assets::version())
    }

    /// Where the script is; the address changes with its content.
    pub(super) fn script_href(&self) -> String {
        format!("/assets/lemnis.js?v={}", assets::version())
    }

    /// Where a script of one page is; the address changes with its content.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("/assets/{name}?v={}", assets::version())
    }

    pub(super) fn when(&self, moment: &Moment) -> Markup {
        html::when(*moment, self.now_ms)
    }

    pub(super) fn moment(&self, at_ms: &Millis) -> Markup {
        html::when(Moment(*at_ms), self.now_ms)
    }

    pub(super) fn duration(&self, milliseconds: &i64) -> String {
        html::duration(*milliseconds)
    }

    pub(super) fn number(&self, value: &f64) -> String {
        html::number(*value)
    }

    pub(super) fn plain(&self, value: &f64) -> String {
        html::plain(*value)
    }

    /// A population stability index.
    pub(super) fn psi(&self, value: &f64) -> String {
        format!("{value:.3}")
    }

    /// The usual sign of a statistical test.
    pub(super) fn test(&self, name: &str) -> String {
        match name {
            "ks" => "KS".to_owned(),
            "chi2" => "χ²".to_owned(),
            other => other.to_owned(),
        }
    }

    pub(super) fn signed(&self, value: &f64) -> String {
        bars::signed(*value)
    }

    pub(super) fn probability(&self, value: &f64) -> String {
        html::probability(*value)
    }

    pub(super) fn percent(&self, share: &f64) -> String {
        html::percent(*share)
    }

    pub(super) fn weight(&self, basis_points: &u32) -> String {
        html::weight(*basis_points)
    }

    pub(super) fn latency(&self, micros: &u64) -> String {
        html::latency(*micros as f64)
    }

    pub(super) fn bytes(&self, count: &u64) -> String {
        html::bytes(*count)
    }

    pub(super) fn count(&self, value: &u64) -> String {
        html::count(*value)
    }

    pub(super) fn short(&self, digest: &str) -> String {
        html::short(digest)
    }

    pub(super) fn segment(&self, text: &str) -> String {
        html::segment(text)
    }

    /// A name that may break after its own separators.
    pub(super) fn soft(&self, name: &str) -> Markup {
        let mut html = String::with_capacity(name.len() + 20);
        for part in name.split_inclusive(['_', '.', '/', '-', ':']) {
            html.push_str(&html::escape(part));
            html.push_str("<wbr>");
        }
        Safe(html)
    }

    pub(super) fn words(&self, identifier: &str) -> String {
        identifier.replace('_', " ")
    }

    pub(super) fn split(&self, shares: &[ArmShare]) -> Markup {
        Safe(bars::split(shares))
    }

    pub(super) fn interval(&self, seen: &BootstrapRow) -> Markup {
        Safe(bars::interval(seen))
    }

    pub(super) fn histogram(&self, feature: &FeatureDrift) -> Markup {
        Safe(bars::histogram(feature))
    }

    pub(super) fn columns(&self, bins: &[FeatureBin]) -> Markup {
        Safe(bars::columns(bins))
    }

    /// The evidence of an event as the first few of its plain values.
    pub(super) fn gist(&self, data: &serde_json::Value) -> String {
        let mut parts = Vec::new();
        for (name, value) in data.as_object().into_iter().flatten() {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number
                    .as_f64()
                    .filter(|_| number.is_f64())
                    .map_or_else(|| number.to_string(), html::number),
                serde_json::Value::Bool(true) => "yes".to_owned(),
                serde_json::Value::Bool(false) => "no".to_owned(),
                _ => continue,
            };
            let long = text.chars().count() > 40;
            let text: String = if long { text.chars().take(12).chain(['…']).collect() } else { text };
            parts.push(format!("{} {text}", name.replace('_', " ")));
            if parts.len() == 4 {
                break;
            }
        }
        parts.join(" · ")
    }

    /// A value of a table's cell, not endlessly long.
    pub(super) fn cell(&self, value: &str) -> String {
        const MOST: usize = 300;
        if value.len() <= MOST { value.to_owned() } else { value.chars().take(MOST).chain(['…']).collect() }
    }

    /// JSON for a reader.
    pub(super) fn pretty(&self, value: &serde_json::Value) -> String {
        serde_json::to_string_pretty(value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gist_of_evidence_is_a_few_plain_values() {
        let ui = Chrome { project: String::new(), now_ms: 0, fragment: false };
        let data = serde_json::json!({
            "version": 2, "checks": [1, 2], "to_weight": 0.1234567, "digest": "sha256:".to_owned() + &"a".repeat(64),
            "ok": true, "more": "not shown",
        });
        assert_eq!(ui.gist(&data), "version 2 · to weight 0.1235 · digest sha256:aaaaa… · ok yes");
        assert_eq!(ui.gist(&serde_json::Value::Null), "");
    }
}
