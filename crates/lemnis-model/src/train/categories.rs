//! Text as numbers: categories in the order of their smoothed target mean, so that one cut separates low from high.
//!
//! Rare categories say more about their few rows than about the world: below a few rows they count as missing, like
//! the unknown ones that serving will meet. Shrinking the means towards the overall mean puts uncertain categories in
//! the middle of the order.

use std::collections::HashMap;

use super::target::{Goal, Values};

/// Fewer training rows than this, and a category counts as missing.
const MIN_ROWS: u32 = 5;
/// The most categories that are told apart; the most frequent are kept.
const MAX_CATEGORIES: usize = 10_000;
/// The weight of the overall mean, in rows.
const SMOOTHING: f64 = 10.0;
const POWER_STEPS: usize = 50;

/// The categories of `texts` in target order; a category's code is its position. Empty text is missing.
pub(crate) fn ordered(texts: &[String], goal: &Goal) -> Vec<String> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut counts: Vec<u32> = Vec::new();
    let of_row: Vec<Option<usize>> = texts
        .iter()
        .map(|text| {
            if text.is_empty() {
                return None;
            }
            let number = *numbers.entry(text).or_insert_with(|| {
                names.push(text);
                counts.push(0);
                names.len() - 1
            });
            counts[number] += 1;
            Some(number)
        })
        .collect();

    let mut kept: Vec<usize> = (0..names.len()).filter(|number| counts[*number] >= MIN_ROWS).collect();
    kept.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then_with(|| names[*a].cmp(names[*b])));
    kept.truncate(MAX_CATEGORIES);

    let scores = match &goal.values {
        Values::Number(values) => {
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let mut sums = vec![0.0; names.len()];
            for (number, value) in of_row.iter().zip(values) {
                if let Some(number) = number {
                    sums[*number] += value;
                }
            }
            smoothed(&sums, &counts, mean)
        }
        Values::Class(labels) => class_scores(&of_row, labels, goal.classes.len(), &counts),
    };
    kept.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then_with(|| names[*a].cmp(names[*b])));
    kept.into_iter().map(|number| names[number].to_owned()).collect()
}

fn smoothed(sums: &[f64], counts: &[u32], mean: f64) -> Vec<f64> {
    sums.iter()
        .zip(counts)
        .map(|(sum, count)| (sum + SMOOTHING * mean) / (f64::from(*count) + SMOOTHING))
        .collect()
}

/// With several classes there is no one mean: categories are ordered along the first principal component of their
/// smoothed class shares (Coppersmith, Hong, Hosking 1999), found by power iteration.
fn class_scores(of_row: &[Option<usize>], labels: &[u32], classes: usize, counts: &[u32]) -> Vec<f64> {
    let mut shares = vec![vec![0.0; counts.len()]; classes];
    for (number, label) in of_row.iter().zip(labels) {
        if let (Some(number), Some(share)) = (number, shares.get_mut(*label as usize)) {
            share[*number] += 1.0;
        }
    }
    let rows = labels.len().max(1) as f64;
    for (class, share) in shares.iter_mut().enumerate() {
        let prior = labels.iter().filter(|label| **label as usize == class).count() as f64 / rows;
        *share = smoothed(share, counts, prior).into_iter().map(|value| value - prior).collect();
    }
    let covariance = |a: &[f64], b: &[f64]| {
        a.iter().zip(b).zip(counts).map(|((a, b), count)| a * b * f64::from(*count)).sum::<f64>()
    };
    let matrix: Vec<Vec<f64>> =
        shares.iter().map(|a| shares.iter().map(|b| covariance(a, b)).collect()).collect();
    let mut direction: Vec<f64> = (0..classes).map(|class| 1.0 / (class + 1) as f64).collect();
    for _ in 0..POWER_STEPS {
        let next: Vec<f64> =
            matrix.iter().map(|row| row.iter().zip(&direction).map(|(a, b)| a * b).sum()).collect();
        let length = next.iter().map(|value: &f64| value * value).sum::<f64>().sqrt();
        if length == 0.0 {
            break;
        }
        direction = next.into_iter().map(|value| value / length).collect();
    }
    (0..counts.len())
        .map(|number| shares.iter().zip(&direction).map(|(share, weight)| share[number] * weight).sum())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::*;

    fn repeat(parts: &[(&str, usize)]) -> Vec<String> {
        parts.iter().flat_map(|(text, count)| std::iter::repeat_n((*text).to_owned(), *count)).collect()
    }

    #[test]
    fn categories_stand_in_target_order_and_rare_ones_are_missing() {
        let texts = repeat(&[("high", 10), ("low", 10), ("", 3), ("rare", 4)]);
        let values = texts.iter().map(|text| if text == "high" { 2.0 } else { 1.0 }).collect();
        let goal = Goal::of(&Target::Regression(values)).unwrap();
        assert_eq!(ordered(&texts, &goal), vec!["low", "high"]);
    }

    #[test]
    fn classes_order_categories_along_their_main_difference() {
        let texts = repeat(&[("p", 10), ("q", 10), ("r", 10)]);
        let labels = texts.iter().enumerate().map(|(row, text)| match text.as_str() {
            "p" => 0,
            "q" => (row % 2) as u32,
            _ => 1,
        });
        let classes = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let goal = Goal::of(&Target::Multiclass { labels: labels.collect(), classes }).unwrap();
        let order = ordered(&texts, &goal);
        assert_eq!(order[1], "q");
    }
}
