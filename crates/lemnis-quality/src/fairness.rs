//! Fairness of decisions between groups of rows: which share each group is chosen, and how often rightly.
//!
//! Measures are those of fairlearn, but what has no data is left undefined instead of becoming 0: a group without
//! positive rows has no true positive rate, and a group with few rows is listed and not judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What is compared between groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The share of rows that are chosen.
    DemographicParity,
    /// The share of positive rows that are chosen.
    EqualOpportunity,
    /// The worse of the shares of positive and of negative rows that are chosen.
    EqualizedOdds,
}

/// The decisions on the rows of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The group's value in its column.
    pub name: String,
    /// Its rows.
    pub rows: usize,
    /// Whether it has enough rows to be compared.
    pub judged: bool,
    /// The share of its rows that are chosen.
    pub selection_rate: f64,
    /// The share of its positive rows that are chosen; none without positive rows.
    pub true_positive_rate: Option<f64>,
    /// The share of its negative rows that are chosen; none without negative rows.
    pub false_positive_rate: Option<f64>,
}

/// How far apart the groups are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The greatest rate less the smallest; none with fewer than two groups to compare.
    pub difference: Option<f64>,
    /// The smallest rate over the greatest, 1 where both are 0; none with fewer than two groups to compare.
    pub ratio: Option<f64>,
    /// The groups, by name.
    pub groups: Vec<Group>,
}

/// Compares the decisions between groups. Rows without a group are left out; groups with fewer than `min_rows` rows are
/// listed but not judged. All three lists have a value for each row.
pub fn gap(
    measure: Measure,
    labels: &[bool],
    chosen: &[bool],
    group: &[Option<String>],
    min_rows: usize,
) -> Result<Gap> {
    for (what, found) in [("the decisions", chosen.len()), ("the groups", group.len())] {
        if found != labels.len() {
            return Err(Error::Length { what, found, wanted: labels.len() });
        }
    }
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for ((label, chosen), group) in labels.iter().zip(chosen).zip(group) {
        if let Some(group) = group {
            counts.entry(group).or_default().add(*label, *chosen);
        }
    }
    let groups: Vec<Group> = counts.into_iter().map(|(name, counts)| counts.group(name, min_rows)).collect();
    let spread = |rate: fn(&Group) -> Option<f64>| {
        let rates: Vec<f64> = groups.iter().filter(|group| group.judged).filter_map(rate).collect();
        (rates.len() > 1).then(|| {
            let (low, high) = rates
                .iter()
                .fold((f64::INFINITY, 0.0f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
            (high - low, if high > 0.0 { low / high } else { 1.0 })
        })
    };
    let chosen_of_positive = spread(|group| group.true_positive_rate);
    let found = match measure {
        Measure::DemographicParity => spread(|group| Some(group.selection_rate)),
        Measure::EqualOpportunity => chosen_of_positive,
        Measure::EqualizedOdds => match (chosen_of_positive, spread(|group| group.false_positive_rate)) {
            (Some(one), Some(other)) => Some((one.0.max(other.0), one.1.min(other.1))),
            (one, other) => one.or(other),
        },
    };
    Ok(Gap { difference: found.map(|found| found.0), ratio: found.map(|found| found.1), groups })
}

#[derive(Default)]
struct Counts {
    /// Rows that are negative and positive.
    rows: [usize; 2],
    /// Those of them that are chosen.
    chosen: [usize; 2],
}

impl Counts {
    fn add(&mut self, label: bool, chosen: bool) {
        self.rows[usize::from(label)] += 1;
        self.chosen[usize::from(label)] += usize::from(chosen);
    }

    fn group(&self, name: &str, min_rows: usize) -> Group {
        let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let rows = self.rows.iter().sum();
        Group {
            name: name.to_owned(),
            rows,
            judged: rows >= min_rows,
            selection_rate: share(self.chosen.iter().sum(), rows).unwrap_or(0.0),
            true_positive_rate: share(self.chosen[1], self.rows[1]),
            false_positive_rate: share(self.chosen[0], self.rows[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of group, label, decision, and how many of them.
    fn rows(counts: &[(&str, bool, bool, usize)]) -> (Vec<bool>, Vec<bool>, Vec<Option<String>>) {
        let all = counts.iter().flat_map(|one| std::iter::repeat_n(one, one.3));
        let group = |one: &(&str, bool, bool, usize)| (one.0 != "none").then(|| one.0.to_owned());
        (
            all.clone().map(|one| one.1).collect(),
            all.clone().map(|one| one.2).collect(),
            all.map(group).collect(),
        )
    }

    fn of(measure: Measure, counts: &[(&str, bool, bool, usize)], min_rows: usize) -> Gap {
        let (labels, chosen, group) = rows(counts);
        gap(measure, &labels, &chosen, &group, min_rows).unwrap()
    }

    const TABLE: &[(&str, bool, bool, usize)] = &[
        ("a", true, true, 30),
        ("a", true, false, 10),
        ("a", false, true, 12),
        ("a", false, false, 48),
        ("b", true, true, 12),
        ("b", true, false, 12),
        ("b", false, true, 4),
        ("b", false, false, 22),
    ];

    #[test]
    fn measures_follow_their_definitions() {
        // a: 42 of 100 chosen, 30 of 40, 12 of 60. b: 16 of 50 chosen, 12 of 24, 4 of 26.
        let parity = of(Measure::DemographicParity, TABLE, 0);
        assert!((parity.difference.unwrap() - (0.42 - 0.32)).abs() < 1e-12);
        assert!((parity.ratio.unwrap() - 0.32 / 0.42).abs() < 1e-12);
        let opportunity = of(Measure::EqualOpportunity, TABLE, 0);
        assert!((opportunity.difference.unwrap() - 0.25).abs() < 1e-12);
        let odds = of(Measure::EqualizedOdds, TABLE, 0);
        assert!((odds.difference.unwrap() - 0.25).abs() < 1e-12, "the true positives are further apart");
        assert!((odds.ratio.unwrap() - 0.5 / 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_small_group_is_listed_and_not_judged() {
        let mut table = TABLE.to_vec();
        table.push(("c", false, true, 2));
        table.push(("none", false, true, 500));
        let found = of(Measure::EqualizedOdds, &table, 30);
        assert_eq!(found.difference, of(Measure::EqualizedOdds, TABLE, 30).difference);
        let names: Vec<(&str, bool)> =
            found.groups.iter().map(|group| (group.name.as_str(), group.judged)).collect();
        assert_eq!(names, [("a", true), ("b", true), ("c", false)]);
        assert_eq!(found.groups[2].true_positive_rate, None, "no positive rows, no rate");
    }

    #[test]
    fn one_group_has_no_gap() {
        let found = of(Measure::DemographicParity, &TABLE[..4], 0);
        assert_eq!((found.difference, found.ratio), (None, None));
    }
}
