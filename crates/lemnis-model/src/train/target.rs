//! What is to be predicted: the caller's target and the trainer's view of it.

use crate::error::{Error, Result};
use crate::mlmodel::Task;

const MAX_CLASSES: usize = 256;

/// What to predict, one value a training row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One of two classes.
    Binary {
        /// Whether the row is of the positive class.
        labels: Vec<bool>,
        /// The name of the negative class.
        negative: String,
        /// The name of the positive class, whose probability is predicted.
        positive: String,
    },
    /// One of several classes.
    Multiclass {
        /// Positions in `classes`.
        labels: Vec<u32>,
        /// The names of the classes.
        classes: Vec<String>,
    },
    /// A number.
    Regression(Vec<f64>),
}

impl Target {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Target::Binary { labels, .. } => labels.len(),
            Target::Multiclass { labels, .. } => labels.len(),
            Target::Regression(values) => values.len(),
        }
    }

    /// The names of the model's outputs.
    pub(crate) fn output_names(&self) -> Vec<String> {
        match self {
            Target::Binary { .. } => vec!["label".to_owned(), "probability".to_owned()],
            Target::Multiclass { classes, .. } => std::iter::once("label".to_owned())
                .chain(classes.iter().map(|class| format!("probability_{class}")))
                .collect(),
            Target::Regression(_) => vec!["prediction".to_owned()],
        }
    }

    pub(crate) fn check(&self, rows: usize) -> Result<()> {
        if self.rows() != rows {
            return Err(Error::training(format!("there are {rows} rows and {} targets", self.rows()), None));
        }
        if rows == 0 {
            return Err(Error::training("there are no rows", None));
        }
        match self {
            Target::Binary { labels, negative, positive } => {
                let positives = labels.iter().filter(|label| **label).count();
                if positives == 0 || positives == rows {
                    let only = if positives == 0 { negative } else { positive };
                    return Err(one_class(only));
                }
                if negative == positive {
                    return Err(Error::training(format!("both classes are called {negative:?}"), None));
                }
            }
            Target::Multiclass { labels, classes } => {
                if classes.len() > MAX_CLASSES {
                    return Err(Error::training(
                        format!("the target has {} classes, more than {MAX_CLASSES}", classes.len()),
                        Some("predict it as a number, or group rare classes"),
                    ));
                }
                let mut names: Vec<&String> = classes.iter().collect();
                names.sort_unstable();
                names.dedup();
                if names.len() != classes.len() || labels.iter().any(|label| *label as usize >= classes.len())
                {
                    return Err(Error::training("the classes of the target are not consistent", None));
                }
                let first = labels.first().copied().unwrap_or_default();
                if labels.iter().all(|label| *label == first) {
                    return Err(one_class(&classes[first as usize]));
                }
            }
            Target::Regression(values) => {
                let missing = values.iter().filter(|value| !value.is_finite()).count();
                if missing > 0 {
                    return Err(Error::training(
                        format!("the target is missing or not finite in {missing} of {rows} rows"),
                        Some("drop the rows without a target"),
                    ));
                }
                if values.iter().all(|value| Some(value) == values.first()) {
                    return Err(Error::training(
                        "the target has the same value in every row",
                        Some("choose another target column"),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn one_class(class: &str) -> Error {
    Error::training(
        format!("the target has only one class, {class:?}"),
        Some("choose another target column, or add rows of the other class"),
    )
}

/// The target as the booster sees it.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) task: Task,
    pub(crate) values: Values,
    /// Negative and positive, or all classes; empty for regression.
    pub(crate) classes: Vec<String>,
    /// A regression target is learnt as (value − mean) / scale.
    pub(crate) mean: f64,
    pub(crate) scale: f64,
}

/// Target values in training form.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// 0 or 1 for two classes, a standardised number for regression.
    Number(Vec<f64>),
    /// Class positions.
    Class(Vec<u32>),
}

impl Goal {
    pub(crate) fn of(target: &Target) -> Result<Self> {
        let (mut mean, mut scale) = (0.0, 1.0);
        let (task, values, classes) = match target {
            Target::Binary { labels, negative, positive } => (
                Task::Binary,
                Values::Number(labels.iter().map(|label| f64::from(u8::from(*label))).collect()),
                vec![negative.clone(), positive.clone()],
            ),
            Target::Multiclass { labels, classes } => {
                (Task::Multiclass, Values::Class(labels.clone()), classes.clone())
            }
            Target::Regression(values) => {
                let count = values.len() as f64;
                mean = values.iter().sum::<f64>() / count;
                let variance =
                    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
                scale = variance.sqrt();
                if !scale.is_finite() || scale == 0.0 {
                    return Err(Error::training(
                        "the target's values are too large or too alike to be scaled",
                        Some("rescale the target column"),
                    ));
                }
                (Task::Regression, Values::Number(standardise(values, mean, scale)), Vec::new())
            }
        };
        Ok(Self { task, values, classes, mean, scale })
    }

    /// Trees a round.
    pub(crate) fn outputs(&self) -> usize {
        if self.task == Task::Multiclass { self.classes.len() } else { 1 }
    }

    /// The validation target in training form, with the rows that have a class known from training. `None` where no
    /// row is left.
    pub(crate) fn align(&self, target: &Target, rows: usize) -> Result<Option<(Vec<u32>, Values)>> {
        if target.rows() != rows {
            return Err(Error::training(
                format!("there are {rows} validation rows and {} targets", target.rows()),
                None,
            ));
        }
        let all = || (0..rows as u32).collect::<Vec<u32>>();
        let (rows, values) = match (target, self.task) {
            (Target::Binary { labels, positive, negative }, Task::Binary) => {
                if [negative, positive] != [&self.classes[0], &self.classes[1]] {
                    return Err(Error::training("the validation target has other classes", None));
                }
                (all(), Values::Number(labels.iter().map(|label| f64::from(u8::from(*label))).collect()))
            }
            (Target::Regression(values), Task::Regression) => {
                let kept: Vec<u32> =
                    all().into_iter().filter(|row| values[*row as usize].is_finite()).collect();
                let values: Vec<f64> = kept.iter().map(|row| values[*row as usize]).collect();
                (kept, Values::Number(standardise(&values, self.mean, self.scale)))
            }
            (Target::Multiclass { labels, classes }, Task::Multiclass) => {
                // a small validation part may lack classes, so that its numbers differ: names decide
                let known: Vec<Option<u32>> = classes
                    .iter()
                    .map(|name| self.classes.iter().position(|class| class == name).map(|at| at as u32))
                    .collect();
                let label = |row: &u32| known.get(labels[*row as usize] as usize).copied().flatten();
                let kept: Vec<u32> = all().into_iter().filter(|row| label(row).is_some()).collect();
                let values = kept.iter().filter_map(label).collect();
                (kept, Values::Class(values))
            }
            _ => return Err(Error::training("the validation target is of another kind", None)),
        };
        Ok((!rows.is_empty()).then_some((rows, values)))
    }
}

fn standardise(values: &[f64], mean: f64, scale: f64) -> Vec<f64> {
    values.iter().map(|value| (value - mean) / scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_with_one_class_is_refused_by_name() {
        let target =
            Target::Binary { labels: vec![true; 3], negative: "No".to_owned(), positive: "Yes".to_owned() };
        let error = target.check(3).unwrap_err();
        assert_eq!(error.to_string(), "training: the target has only one class, \"Yes\"");
    }

    #[test]
    fn validation_classes_are_matched_by_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let target = Target::Multiclass { labels: vec![0, 1, 2], classes: names(&["a", "b", "c"]) };
        let goal = Goal::of(&target).unwrap();
        let part = Target::Multiclass { labels: vec![0, 1], classes: names(&["c", "unknown"]) };
        let (rows, values) = goal.align(&part, 2).unwrap().unwrap();
        assert_eq!(rows, vec![0]);
        assert!(matches!(values, Values::Class(labels) if labels == vec![2]));
    }
}
