//! What a table and a target say about the project to make: the task, the columns to leave out, the names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use lemnis_table::{Column, Kind, Table};
use serde::{Deserialize, Serialize};

use crate::settings::Task;
use crate::{Context, Error};

/// More classes than this are not a classification that a baseline can serve.
const MAX_CLASSES: usize = 50;
/// A whole-number target with at most this many values is a class, with more a number.
const MAX_WHOLE_NUMBER_CLASSES: usize = 10;

/// Everything that the files of a new project depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The data's file name inside `data/raw/`.
    pub data_name: String,
    /// The column to predict.
    pub target: String,
    /// What kind of prediction it is.
    pub task: Task,
    /// For a binary task, the class whose probability is scored.
    pub positive: Option<String>,
    /// Columns that no model may see, with the reason.
    pub drop: Vec<(String, String)>,
    /// The model's and the endpoint's name.
    pub model: String,
    /// For a classification, the share of the largest class.
    pub majority_share: Option<f64>,
    /// Rows of the data.
    pub rows: usize,
    /// Columns of the data.
    pub columns: usize,
}

impl Plan {
    /// The data's path inside the project.
    pub fn data_path(&self) -> PathBuf {
        Path::new("data/raw").join(&self.data_name)
    }

    /// The metric that the gate compares versions by.
    pub fn metric(&self) -> &'static str {
        match self.task {
            Task::Binary => "roc_auc",
            Task::Multiclass => "accuracy",
            Task::Regression => "rmse",
        }
    }
}

/// Judges `table`, the contents of `data`. Without `target` the last column is predicted.
pub fn plan(data: &Path, table: &Table, target: Option<&str>) -> Result<Plan, Error> {
    let names = table.names();
    let target = match target {
        Some(name) if table.has(name) => name.to_owned(),
        Some(name) => {
            let close = names.iter().find(|column| column.eq_ignore_ascii_case(name));
            let hint = match close {
                Some(close) => format!("did you mean --target {close:?}?"),
                None => format!("its columns are {}", names.join(", ")),
            };
            return Err(Error::invalid_with(format!("{} has no column {name:?}", data.display()), hint));
        }
        None => names.last().map(|name| (*name).to_owned()).unwrap_or_default(),
    };
    if names.len() < 2 {
        return Err(Error::invalid_with(
            format!("{} has a single column, so there is nothing to predict {target:?} from", data.display()),
            "give a table with at least one column beside the target",
        ));
    }
    if table.rows() < 50 {
        return Err(Error::invalid_with(
            format!("{} has {} rows", data.display(), table.rows()),
            "give at least 50 rows: fewer cannot be split into training, holdout and live rows",
        ));
    }
    let (task, positive, majority_share) = judge_target(table, &target)?;
    let drop = judge_columns(table, &target)?;
    if drop.len() + 1 >= names.len() {
        return Err(Error::invalid_with(
            format!("{} has no column that a model could learn from", data.display()),
            "every column beside the target is empty, constant or an identifier",
        ));
    }
    let data_name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Plan {
        data_name: safe_file_name(&data_name),
        model: slug(&target),
        target,
        task,
        positive,
        drop,
        majority_share,
        rows: table.rows(),
        columns: names.len(),
    })
}

/// A name that is safe in URLs, files and MLflow: lower-case letters, digits and dashes.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches('-').to_owned();
    if slug.is_empty() { "model".to_owned() } else { slug.chars().take(60).collect() }
}

fn safe_file_name(name: &str) -> String {
    let cleaned: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    cleaned.trim_start_matches('.').to_owned()
}

fn judge_target(table: &Table, target: &str) -> Result<(Task, Option<String>, Option<f64>), Error> {
    let kind = table.kind(target).context("reading the target")?;
    let values: Vec<String> =
        table.texts(target).context("reading the target")?.into_iter().flatten().collect();
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for value in &values {
        *counts.entry(value).or_default() += 1;
    }
    if counts.len() < 2 {
        let found = counts.keys().next().map_or("no value".to_owned(), |value| format!("only {value:?}"));
        return Err(Error::invalid_with(
            format!("the target {target:?} holds {found}, so there is nothing to learn"),
            "choose a column with at least two values as --target",
        ));
    }
    if let Some((class, _)) = counts.iter().find(|(_, count)| **count < 5).filter(|_| counts.len() == 2) {
        return Err(Error::invalid_with(
            format!("class {class:?} of the target {target:?} has fewer than 5 rows"),
            "give more rows of the rare class",
        ));
    }
    let largest = counts.values().copied().max().unwrap_or_default();
    let majority = Some(largest as f64 / values.len() as f64);
    if counts.len() == 2 && kind != Kind::Date && kind != Kind::Timestamp {
        return Ok((Task::Binary, Some(positive_class(&counts)), majority));
    }
    match kind {
        Kind::Text if counts.len() <= MAX_CLASSES => Ok((Task::Multiclass, None, majority)),
        Kind::Text => Err(Error::invalid_with(
            format!("the target {target:?} is text with {} different values", counts.len()),
            format!("choose a number, or a text column with at most {MAX_CLASSES} classes, as --target"),
        )),
        Kind::Int if counts.len() <= MAX_WHOLE_NUMBER_CLASSES => Ok((Task::Multiclass, None, majority)),
        Kind::Int | Kind::Float => Ok((Task::Regression, None, None)),
        _ => Err(Error::invalid_with(
            format!("the target {target:?} is a date"),
            "choose a number or a class as --target",
        )),
    }
}

/// The class that a person means by "positive": by its name, else the rarer one.
fn positive_class(counts: &std::collections::BTreeMap<&str, usize>) -> String {
    let by_name = counts.keys().find(|class| {
        ["yes", "true", "1", "y", "positive", "churned", "fraud", "bad", "up"]
            .contains(&class.to_ascii_lowercase().as_str())
    });
    let rarer = || counts.iter().min_by_key(|(_, count)| **count).map(|(class, _)| class);
    by_name.or_else(rarer).map(|class| (*class).to_owned()).unwrap_or_default()
}

fn judge_columns(table: &Table, target: &str) -> Result<Vec<(String, String)>, Error> {
    let mut drop = Vec::new();
    for (name, kind) in table.kinds() {
        if name == target {
            continue;
        }
        let values = table.texts(name).context("judging columns")?;
        let present: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
        let distinct = present.iter().collect::<HashSet<_>>().len();
        let reason = if present.is_empty() {
            Some("it is empty".to_owned())
        } else if distinct == 1 && present.len() == values.len() {
            Some("it has a single value".to_owned())
        } else if kind == Kind::Text && distinct * 2 > present.len() {
            Some("nearly every row has a value of its own".to_owned())
        } else if kind == Kind::Int && distinct == values.len() && is_running_number(table, name)? {
            Some("it numbers the rows".to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            drop.push((name.to_owned(), reason));
        }
    }
    Ok(drop)
}

fn is_running_number(table: &Table, name: &str) -> Result<bool, Error> {
    let Column::Int(values) = table.column(name).context("judging columns")? else { return Ok(false) };
    let steps =
        values.windows(2).filter(|pair| pair[0].zip(pair[1]).is_some_and(|(a, b)| b == a + 1)).count();
    Ok(steps * 10 > values.len() * 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(target: Vec<&str>) -> Table {
        let rows = target.len();
        Table::from_columns(vec![
            ("id".to_owned(), Column::Int((0..rows as i64).map(Some).collect())),
            ("x".to_owned(), Column::Float((0..rows).map(|row| Some((row % 7) as f64 * 0.5)).collect())),
            ("y".to_owned(), Column::Text(target.into_iter().map(|value| Some(value.to_owned())).collect())),
        ])
        .unwrap()
    }

    #[test]
    fn two_classes_make_a_binary_task_with_a_named_positive() {
        let table = table((0..60).map(|row| if row % 3 == 0 { "Yes" } else { "No" }).collect());
        let plan = plan(Path::new("a/My data.csv"), &table, Some("y")).unwrap();
        assert_eq!(plan.task, Task::Binary);
        assert_eq!(plan.positive.as_deref(), Some("Yes"));
        assert_eq!(plan.data_name, "My_data.csv");
        assert_eq!(plan.drop, vec![("id".to_owned(), "it numbers the rows".to_owned())]);
    }

    #[test]
    fn one_class_is_refused_with_a_remedy() {
        let error = plan(Path::new("d.csv"), &table(vec!["a"; 60]), Some("y")).unwrap_err();
        assert!(error.to_string().contains("only \"a\""), "{error}");
    }

    #[test]
    fn a_missing_target_names_the_near_miss() {
        use lemnis_core::Classify;
        let table = table((0..60).map(|row| if row % 3 == 0 { "Yes" } else { "No" }).collect());
        let error = plan(Path::new("d.csv"), &table, Some("Y")).unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean --target \"y\"?");
    }

    #[test]
    fn slugs_are_safe_in_urls() {
        assert_eq!(slug("Customer Churn?"), "customer-churn");
        assert_eq!(slug("§§"), "model");
    }
}
