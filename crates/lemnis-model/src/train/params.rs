//! The trainer's parameters, with defaults that suit tables of a few thousand to a few hundred thousand rows.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Parameters of [`train`](super::train).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The most trees per class; early stopping may keep fewer.
    pub trees: usize,
    /// How much of each tree's correction is taken, above 0, at most 1.
    pub learning_rate: f64,
    /// The most leaves of a tree, at least 2.
    pub leaves: usize,
    /// The most comparisons from a tree's root to a leaf; 0 is no limit.
    pub max_depth: usize,
    /// The fewest training rows in a leaf.
    pub min_child_rows: usize,
    /// Penalty on the squared leaf values.
    pub l2: f64,
    /// The share of rows that each tree sees, above 0, at most 1.
    pub subsample_rows: f64,
    /// The share of columns that each tree sees, above 0, at most 1.
    pub subsample_columns: f64,
    /// The most bins that a column's values are put in, 2 to 255.
    pub bins: usize,
    /// Seed of the sampling.
    pub seed: u64,
    /// Training ends after so many trees without a lower loss on the validation rows; 0 never ends it early.
    pub early_stopping_rounds: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            trees: 600,
            learning_rate: 0.08,
            leaves: 31,
            max_depth: 0,
            min_child_rows: 20,
            l2: 1.0,
            subsample_rows: 0.8,
            subsample_columns: 0.8,
            bins: 255,
            seed: 0,
            early_stopping_rounds: 30,
        }
    }
}

impl Params {
    pub(crate) fn check(&self) -> Result<()> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let checks = [
            ("trees", self.trees.to_string(), (1..=100_000).contains(&self.trees), "1 to 100000"),
            (
                "learning_rate",
                self.learning_rate.to_string(),
                share(self.learning_rate),
                "above 0, at most 1",
            ),
            ("leaves", self.leaves.to_string(), (2..=65_536).contains(&self.leaves), "2 to 65536"),
            ("max_depth", self.max_depth.to_string(), self.max_depth <= 1_000, "0 to 1000"),
            ("min_child_rows", self.min_child_rows.to_string(), self.min_child_rows >= 1, "at least 1"),
            ("l2", self.l2.to_string(), self.l2 >= 0.0 && self.l2.is_finite(), "0 or more"),
            (
                "subsample_rows",
                self.subsample_rows.to_string(),
                share(self.subsample_rows),
                "above 0, at most 1",
            ),
            (
                "subsample_columns",
                self.subsample_columns.to_string(),
                share(self.subsample_columns),
                "above 0, at most 1",
            ),
            ("bins", self.bins.to_string(), (2..=255).contains(&self.bins), "2 to 255"),
        ];
        match checks.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((name, value, _, allowed)) => Err(Error::Param { name, value, allowed }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_refused() {
        assert!(serde_json::from_str::<Params>(r#"{"tress": 3}"#).is_err());
        assert_eq!(serde_json::from_str::<Params>(r#"{"trees": 3}"#).unwrap().trees, 3);
    }

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let params = Params { subsample_rows: f64::NAN, ..Params::default() };
        let error = params.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "training parameter subsample_rows is NaN, it must be above 0, at most 1"
        );
    }
}
