//! What the pages of runs and models work out from their read models: charts.

use askama::filters::Safe;
use lemnis_app::view::{MetricSeries, ModelDetail};

use super::html::{Markup, number, plain};
use super::plot::{Axis, Chart, Series, lines};

/// A chart for each metric with a history; training and validation curves of one name share a chart.
pub(super) fn charts(metrics: &[MetricSeries]) -> Vec<(String, Markup)> {
    let mut charts: Vec<(String, Vec<&MetricSeries>)> = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.points.len() > 1) {
        let stem = stem(&metric.key);
        match charts.iter_mut().find(|(name, series)| *name == stem && series.len() < 4) {
            Some((_, series)) => series.push(metric),
            None => charts.push((stem, vec![metric])),
        }
    }
    charts
        .into_iter()
        .map(|(stem, group)| {
            let name = if let [only] = group.as_slice() { only.key.clone() } else { stem };
            let drawn = history(&name, &group);
            (name, Safe(drawn))
        })
        .collect()
}

/// `train_loss`, `val_loss` and `validation-loss` are all about `loss`.
fn stem(key: &str) -> String {
    for prefix in ["train", "training", "val", "valid", "validation", "test", "eval", "holdout"] {
        if let Some(rest) = key.strip_prefix(prefix)
            && let Some(stem) = rest.strip_prefix(['_', '-', '.', '/'])
            && !stem.is_empty()
        {
            return stem.to_owned();
        }
    }
    key.to_owned()
}

fn history(name: &str, group: &[&MetricSeries]) -> String {
    let classes = ["a", "b", "c", "d"];
    let longest = group.iter().copied().max_by_key(|metric| metric.points.len());
    let title = |place: usize| {
        let Some(at) = longest.and_then(|metric| metric.points.get(place)) else { return String::new() };
        let values: Vec<String> = group
            .iter()
            .filter_map(|metric| {
                let point = metric.points.iter().find(|point| point.step == at.step)?;
                Some(format!("{} {}", metric.key, number(point.value)))
            })
            .collect();
        format!("step {}: {}", at.step, values.join(", "))
    };
    lines(&Chart {
        label: &format!("{name} by step"),
        series: group
            .iter()
            .zip(classes)
            .map(|(metric, class)| Series {
                name: &metric.key,
                class,
                points: metric.points.iter().map(|point| (point.step as f64, point.value)).collect(),
                dots: metric.points.len() <= 12,
                alarms: Vec::new(),
            })
            .collect(),
        axis: Axis::Number,
        format: plain,
        include: Vec::new(),
        threshold: None,
        title: &title,
    })
}

/// The model's first metric over its versions, where at least two have it.
pub(super) fn by_version(view: &ModelDetail, metric: &str) -> Option<Markup> {
    let mut versions: Vec<_> =
        view.model.versions.iter().filter(|one| one.metrics.contains_key(metric)).collect();
    versions.sort_by_key(|version| version.version);
    if versions.len() < 2 {
        return None;
    }
    let value = |place: usize| versions[place].metrics.get(metric).copied().unwrap_or(f64::NAN);
    let title = |place: usize| {
        versions.get(place).map_or_else(String::new, |one| {
            let gate = if one.gate.is_empty() { String::new() } else { format!(", gate {}", one.gate) };
            format!("version {}: {metric} {}{gate}", one.version, number(value(place)))
        })
    };
    let alarms =
        versions.iter().enumerate().filter(|(_, one)| one.gate == "failed").map(|(place, _)| place).collect();
    Some(Safe(lines(&Chart {
        label: &format!("{metric} by version"),
        series: vec![Series {
            name: metric,
            class: "a",
            points: (0..versions.len()).map(|place| (place as f64, value(place))).collect(),
            dots: true,
            alarms,
        }],
        axis: Axis::Slots(versions.iter().map(|one| format!("v{}", one.version)).collect()),
        format: plain,
        include: Vec::new(),
        threshold: None,
        title: &title,
    })))
}

/// The metrics that the table of versions shows: the model's first one, then the commonest, five at most.
pub(super) fn version_metrics(view: &ModelDetail, first: &str) -> Vec<String> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for version in &view.model.versions {
        for name in version.metrics.keys() {
            match names.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => names.push((name.clone(), 1)),
            }
        }
    }
    names.sort_by_key(|(name, count)| (name != first, usize::MAX - count));
    names.into_iter().map(|(name, _)| name).take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_one_name_share_a_chart() {
        assert_eq!(stem("train_loss"), "loss");
        assert_eq!(stem("validation-loss"), "loss");
        assert_eq!(stem("training"), "training");
        assert_eq!(stem("test_"), "test_");
    }
}
