//! Bars: overlaid histograms in the same bins, the traffic split, and a bootstrap interval on its number line.

use std::fmt::Write as _;

use lemnis_app::view::{ArmShare, BootstrapRow, FeatureBin, FeatureDrift};

use super::html::{escape, number, percent, weight};

/// Bins that a histogram of categories lists; the rest are summed up.
const MAX_CATEGORIES: usize = 10;

/// The histogram of one feature, reference behind, present values in front.
pub(super) fn histogram(feature: &FeatureDrift) -> String {
    if feature.bins.is_empty() {
        return "<p class=\"none\">no histogram was kept</p>".to_owned();
    }
    if feature.kind == "categorical" { categories(feature) } else { intervals(feature) }
}

fn highest(bins: &[FeatureBin]) -> f64 {
    bins.iter().flat_map(|bin| [bin.reference, bin.current]).fold(1e-9, f64::max)
}

fn bin_title(bin: &FeatureBin) -> String {
    format!("{}: reference {}, now {}", bin.label, percent(bin.reference), percent(bin.current))
}

fn intervals(feature: &FeatureDrift) -> String {
    let bins = &feature.bins;
    let mut html = format!(
        "<figure class=\"hist\" role=\"img\" aria-label=\"{}\">{}",
        escape(&format!("histogram of {}: reference and now", feature.column)),
        columns(bins)
    );
    let first = bins.first().map(|bin| bin.label.as_str()).unwrap_or_default();
    let last = bins.last().map(|bin| bin.label.as_str()).unwrap_or_default();
    let _ = write!(
        html,
        "<figcaption aria-hidden=\"true\"><span>{}</span><span>{}</span></figcaption></figure>",
        escape(first),
        escape(last)
    );
    html
}

/// The bars alone, small enough for a cell of a table.
pub(super) fn columns(bins: &[FeatureBin]) -> String {
    let highest = highest(bins);
    let width = 1000.0 / bins.len().max(1) as f64;
    let mut svg =
        String::from("<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for (place, bin) in bins.iter().enumerate() {
        let left = place as f64 * width;
        let bar = |share: f64, class: &str, inset: f64| {
            let height = 960.0 * share / highest;
            format!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                left + width * inset,
                1000.0 - height,
                width * (1.0 - 2.0 * inset)
            )
        };
        svg.push_str(&bar(bin.reference, "reference", 0.04));
        svg.push_str(&bar(bin.current, "current", 0.24));
        let _ = write!(
            svg,
            "<rect class=\"hit\" x=\"{left:.1}\" y=\"0\" width=\"{width:.1}\" height=\"1000\"><title>{}</title></rect>",
            escape(&bin_title(bin))
        );
    }
    svg.push_str("<path class=\"base\" d=\"M0 1000H1000\"/></svg>");
    svg
}

fn categories(feature: &FeatureDrift) -> String {
    let mut order: Vec<&FeatureBin> = feature.bins.iter().collect();
    order.sort_by(|a, b| (b.reference + b.current).total_cmp(&(a.reference + a.current)));
    let rest = order.split_off(order.len().min(MAX_CATEGORIES));
    let highest = highest(&feature.bins);
    let mut html = String::from("<dl class=\"cats\">");
    for bin in order {
        let mark = if feature.new_categories.contains(&bin.label) {
            " <span class=\"chip attention\">new</span>"
        } else if feature.gone_categories.contains(&bin.label) {
            " <span class=\"chip idle\">gone</span>"
        } else {
            ""
        };
        let _ = write!(
            html,
            "<dt title=\"{0}\">{0}{mark}</dt><dd title=\"{1}\"><i class=\"reference\" style=\"width:{2:.1}%\"></i>\
             <i class=\"current\" style=\"width:{3:.1}%\"></i></dd>",
            escape(&bin.label),
            escape(&bin_title(bin)),
            bin.reference / highest * 100.0,
            bin.current / highest * 100.0,
        );
    }
    html.push_str("</dl>");
    if !rest.is_empty() {
        let (reference, current) =
            rest.iter().fold((0.0, 0.0), |sum, bin| (sum.0 + bin.reference, sum.1 + bin.current));
        let _ = write!(
            html,
            "<p class=\"hint\">{} more categories: reference {}, now {}</p>",
            rest.len(),
            percent(reference),
            percent(current)
        );
    }
    html
}

/// Who gets which share of the traffic, as one bar.
pub(super) fn split(shares: &[ArmShare]) -> String {
    let words: Vec<String> = shares
        .iter()
        .map(|share| format!("{} version {} {}", share.arm, share.version, weight(share.weight_bp)))
        .collect();
    let mut html = format!(
        "<div class=\"split\" role=\"img\" aria-label=\"{}\">",
        escape(&format!("traffic: {}", words.join(", ")))
    );
    for share in shares.iter().filter(|share| share.weight_bp > 0) {
        let _ = write!(
            html,
            "<span class=\"arm {}\" style=\"flex-grow:{}\" title=\"{}\"><b>v{}</b> {}</span>",
            if share.arm == "champion" { "champion" } else { "canary" },
            share.weight_bp,
            escape(&format!("{} version {}: {}", share.arm, share.version, weight(share.weight_bp))),
            share.version,
            weight(share.weight_bp)
        );
    }
    html.push_str("</div>");
    html
}

/// A share of a threshold as a bar: full width is twice the threshold or the largest value of the column.
pub(super) fn meter(value: f64, largest: f64, threshold: f64, alarming: bool) -> String {
    let full = largest.max(threshold * 2.0).max(1e-9);
    format!(
        "<span class=\"meter{}\"><i style=\"width:{:.1}%\"></i><u style=\"left:{:.1}%\"></u></span>",
        if alarming { " attention" } else { "" },
        (value / full * 100.0).clamp(0.0, 100.0),
        (threshold / full * 100.0).clamp(0.0, 100.0)
    )
}

/// The interval of the challenger's advantage, with zero and the margin marked.
pub(super) fn interval(seen: &BootstrapRow) -> String {
    let ends = [seen.low, seen.high, 0.0, seen.margin, seen.difference];
    let low = ends.into_iter().fold(f64::INFINITY, f64::min);
    let high = ends.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let pad = (high - low).max(1e-9) * 0.12;
    let place = |value: f64| 100.0 * (value - low + pad) / (high - low + 2.0 * pad);
    let good = seen.low > seen.margin;
    let label = format!(
        "{}: challenger {} against champion {}, better by {} with interval {} to {}",
        seen.metric,
        number(seen.challenger),
        number(seen.champion),
        signed(seen.difference),
        signed(seen.low),
        signed(seen.high)
    );
    let mut html = format!(
        "<figure class=\"interval {}\" role=\"img\" aria-label=\"{}\"><div class=\"rail\" title=\"{1}\">",
        if good { "ok" } else { "attention" },
        escape(&label)
    );
    let _ = write!(html, "<u class=\"zero\" style=\"left:{:.2}%\"></u>", place(0.0));
    if seen.margin != 0.0 {
        let _ = write!(html, "<u class=\"margin\" style=\"left:{:.2}%\"></u>", place(seen.margin));
    }
    let _ = write!(
        html,
        "<i style=\"left:{:.2}%;width:{:.2}%\"></i><b style=\"left:{:.2}%\"></b></div>",
        place(seen.low),
        place(seen.high) - place(seen.low),
        place(seen.difference)
    );
    let _ = write!(
        html,
        "<figcaption aria-hidden=\"true\"><span style=\"left:{:.2}%\">{}</span><span style=\"left:{:.2}%\">{}</span>\
         </figcaption></figure>",
        place(seen.low),
        signed(seen.low),
        place(seen.high),
        signed(seen.high)
    );
    html
}

/// A number that says that it is a difference.
pub(super) fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", number(value)) } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(kind: &str) -> FeatureDrift {
        let bin =
            |label: &str, reference, current| FeatureBin { label: label.to_owned(), reference, current };
        FeatureDrift {
            column: "tenure".to_owned(),
            kind: kind.to_owned(),
            bins: vec![bin("<b>", 0.5, 0.1), bin("c", 0.5, 0.9)],
            new_categories: vec!["c".to_owned()],
            ..FeatureDrift::default()
        }
    }

    #[test]
    fn a_histogram_shares_its_bins_and_escapes_labels() {
        for kind in ["numeric", "categorical"] {
            let drawn = histogram(&feature(kind));
            assert!(drawn.contains("&lt;b&gt;") && !drawn.contains("<b>"), "{drawn}");
            assert!(drawn.contains("reference 50 %, now 10 %"));
        }
        assert!(histogram(&feature("categorical")).contains("new"));
    }

    #[test]
    fn an_arm_without_traffic_takes_no_room_but_is_told() {
        let arm = |arm: &str, version, weight_bp| ArmShare { arm: arm.to_owned(), version, weight_bp };
        let drawn = split(&[arm("champion", 1, 10_000), arm("canary", 2, 0)]);
        assert!(drawn.contains("canary version 2 0 %"));
        assert_eq!(drawn.matches("class=\"arm").count(), 1);
    }

    #[test]
    fn an_interval_above_the_margin_is_good() {
        let mut seen = BootstrapRow {
            metric: "roc_auc".to_owned(),
            champion: 0.84,
            challenger: 0.85,
            difference: 0.01,
            low: 0.002,
            high: 0.02,
            margin: 0.0,
            p_better: 0.99,
            resamples: 1000,
            seed: 7,
            rows: 1400,
        };
        assert!(interval(&seen).contains("interval ok"));
        seen.low = -0.002;
        assert!(interval(&seen).contains("interval attention"));
    }
}
