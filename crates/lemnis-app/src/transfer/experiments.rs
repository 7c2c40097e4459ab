//! Which experiment of the target each of the source's is.
//!
//! An id that is free is kept; one that another experiment has is replaced by the next free one. An experiment of the
//! same name is the same one where an earlier transfer from this source made it, or where the user says so.

use std::collections::HashMap;

use lemnis_core::Digest;
use lemnis_tracking::transfer::{Kind, Receipt};
use lemnis_tracking::{Experiment, ExperimentId};

use super::moves::{Moves, below};
use super::{ExperimentMove, Report, Transfer};
use crate::{Context as _, Error};

const KIND: &str = "experiment";

/// Makes the experiments at the target, or says why not.
pub(super) async fn prepare(
    transfer: &Transfer,
    chosen: &[Experiment],
    moves: &mut Moves,
    report: &mut Report,
) -> Result<(), Error> {
    let reading = || format!("reading the experiments of {}", transfer.to_name);
    let present = transfer.to.experiments().await.context(reading())?;
    let ids: Vec<String> = present.iter().map(|one| one.experiment_id.to_string()).collect();
    let receipts = transfer.to.receipts(KIND, &ids).await.context(reading())?;
    let mut target: HashMap<ExperimentId, Experiment> =
        present.into_iter().map(|one| (one.experiment_id, one)).collect();
    report.counts(KIND).source = chosen.len() as u64;
    for experiment in chosen {
        let placed = place(transfer, experiment, &mut target, &receipts, report).await?;
        report.experiments.push(ExperimentMove {
            name: experiment.name.clone(),
            source_id: experiment.experiment_id.to_string(),
            target_id: placed.as_ref().map(|there| there.experiment_id.to_string()),
        });
        if let Some(there) = placed {
            moves.experiment(experiment.experiment_id, there);
        }
    }
    Ok(())
}

async fn place(
    transfer: &Transfer,
    experiment: &Experiment,
    target: &mut HashMap<ExperimentId, Experiment>,
    receipts: &HashMap<String, String>,
    report: &mut Report,
) -> Result<Option<Experiment>, Error> {
    let named = target.values().find(|there| there.name == experiment.name).cloned();
    let Some(there) = named else {
        let taken = target.contains_key(&experiment.experiment_id)
            || experiment.experiment_id > transfer.to.largest_experiment();
        let id = if taken { free(target) } else { experiment.experiment_id };
        let new = at(experiment, id, below(&transfer.artifact_base, &[&id.to_string()]));
        report.counts(KIND).new += 1;
        put(transfer, &new, report).await?;
        target.insert(id, new.clone());
        return Ok(Some(new));
    };
    let receipt = receipts.get(&there.experiment_id.to_string());
    let (origin, written) = receipt.and_then(|text| text.split_once(' ')).unzip();
    let wanted = at(experiment, there.experiment_id, there.artifact_location.clone());
    let default = there.experiment_id == ExperimentId::DEFAULT;
    let known = default
        || origin == Some(origin_of(transfer).as_str())
        || wanted == there
        || transfer.options.merge
        || transfer.options.overwrite;
    if !known {
        report.counts(KIND).conflicts += 1;
        report.conflict(
            KIND,
            &experiment.name,
            format!(
                "{} has another experiment of this name (id {}); rename one of them, or join them with --merge",
                transfer.to_name, there.experiment_id
            ),
        );
        return Ok(None);
    }
    let untouched = written == Some(digest(&there).as_str());
    let pristine = default && there.tags.is_empty() && is_empty(transfer, there.experiment_id).await?;
    if wanted == there {
        report.counts(KIND).same += 1;
        report.counts(KIND).verified += 1;
        return Ok(Some(there));
    }
    if untouched || pristine || transfer.options.overwrite {
        report.counts(KIND).changed += 1;
        put(transfer, &wanted, report).await?;
        target.insert(wanted.experiment_id, wanted.clone());
        return Ok(Some(wanted));
    }
    report.counts(KIND).kept += 1;
    Ok(Some(there))
}

async fn put(transfer: &Transfer, experiment: &Experiment, report: &mut Report) -> Result<(), Error> {
    if transfer.options.dry_run {
        return Ok(());
    }
    let what = || format!("writing experiment {:?}", experiment.name);
    transfer.to.put_experiment(experiment).await.context(what())?;
    let receipt = Receipt {
        kind: KIND.to_owned(),
        id: experiment.experiment_id.to_string(),
        digest: format!("{} {}", origin_of(transfer), digest(experiment)),
    };
    transfer.to.note(&[receipt], transfer.clock.now_ms()).await.context(what())?;
    let there = transfer.to.experiments().await.context(what())?;
    if there.contains(experiment) {
        report.counts(KIND).verified += 1;
    }
    Ok(())
}

/// `experiment` as it is at the target.
fn at(experiment: &Experiment, id: ExperimentId, artifact_location: String) -> Experiment {
    Experiment { experiment_id: id, artifact_location, ..experiment.clone() }
}

fn free(target: &HashMap<ExperimentId, Experiment>) -> ExperimentId {
    ExperimentId(target.keys().map(|id| id.0).max().unwrap_or_default() + 1)
}

/// The source in receipts: names may hold blanks.
fn origin_of(transfer: &Transfer) -> String {
    Digest::sha256(transfer.from_name.as_bytes()).as_str().to_owned()
}

fn digest(experiment: &Experiment) -> String {
    Digest::sha256(&serde_json::to_vec(experiment).unwrap_or_default()).as_str().to_owned()
}

async fn is_empty(transfer: &Transfer, id: ExperimentId) -> Result<bool, Error> {
    for kind in Kind::ALL {
        if !transfer.to.ids(kind, Some(id)).await.context("reading the default experiment")?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
