//! Which labels an endpoint's answers can have.
//!
//! One label that means nothing to the task would stop the live metric and every later training, so labels are checked
//! where they arrive, and again where they are used: the log may hold older ones.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lemnis_tracking::ModelVersion;

use super::reference;
use crate::settings::{ModelSettings, Task};
use crate::{App, Context, Error, blocking, frame};

/// The most distinct values that the training rows' target may have to count as classes.
const MAX_CLASSES: usize = 10_000;

/// The labels that the task takes.
#[derive(Clone, Debug)]
pub(crate) enum Labels {
    /// Finite numbers.
    Numbers,
    /// These classes; any name where none is known.
    Classes(BTreeSet<String>),
}

impl Labels {
    /// What `version` of the endpoint's model was trained to tell apart, with what its canary adds: as its model says
    /// it, or as the training rows do.
    pub(crate) async fn of(
        app: &App,
        endpoint: &str,
        model: &ModelSettings,
        version: Option<&ModelVersion>,
    ) -> Result<Self, Error> {
        if model.task == Task::Regression {
            return Ok(Labels::Numbers);
        }
        let mut classes = BTreeSet::new();
        if let Some(live) = app.endpoints.get(endpoint) {
            let canary = live.rollout().map(|rollout| rollout.to_version);
            for (_, model) in [None, canary].into_iter().filter_map(|wanted| live.model_of(wanted)) {
                classes.extend(model.classes().iter().cloned());
            }
        }
        if classes.is_empty()
            && let Some(version) = version
            && let Some((path, _)) = reference::of(app, version).await?
        {
            let target = model.target.clone();
            classes = blocking(move || distinct(path, &target)).await?;
        }
        if !classes.is_empty() {
            classes.extend(model.positive.clone());
        }
        Ok(Labels::Classes(classes))
    }

    /// The label as training data names it; nothing where it means nothing here. `1.0` is the class `1`.
    pub(crate) fn read(&self, label: &str) -> Option<String> {
        match self {
            Labels::Numbers => number(label).map(|_| label.trim().to_owned()),
            Labels::Classes(classes) if classes.is_empty() => {
                (!label.trim().is_empty()).then(|| label.to_owned())
            }
            Labels::Classes(classes) => match classes.get(label) {
                Some(class) => Some(class.clone()),
                None => {
                    let value = number(label)?;
                    classes.iter().find(|class| number(class) == Some(value)).cloned()
                }
            },
        }
    }

    /// What is wanted, in words.
    pub(crate) fn wanted(&self) -> String {
        match self {
            Labels::Numbers => "a finite number is wanted".to_owned(),
            Labels::Classes(classes) if classes.is_empty() => "a class is wanted".to_owned(),
            Labels::Classes(classes) => {
                let named: Vec<&str> = classes.iter().take(10).map(String::as_str).collect();
                let more = if classes.len() > named.len() { ", …" } else { "" };
                format!("the classes are {}{more}", named.join(", "))
            }
        }
    }
}

/// The finite number that `text` writes.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn distinct(path: PathBuf, target: &str) -> Result<BTreeSet<String>, Error> {
    let table = frame::read_table(&path)?;
    if !table.has(target) {
        return Ok(BTreeSet::new());
    }
    let classes: BTreeSet<String> =
        table.texts(target).context("reading the known classes")?.into_iter().flatten().collect();
    Ok(if classes.len() > MAX_CLASSES { BTreeSet::new() } else { classes })
}
