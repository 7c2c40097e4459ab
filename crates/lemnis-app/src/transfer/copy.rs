//! The order of a transfer: experiments, then what belongs to them, then the model registry.

use std::collections::{HashMap, HashSet};

use lemnis_tracking::Experiment;
use lemnis_tracking::transfer::{Kind, Receipt, Record};

use super::moves::Moves;
use super::{Progress, Report, Transfer, artifacts, experiments};
use crate::{Context as _, Error};

/// Records that are read, compared and written together.
const BATCH: usize = 200;

pub(super) async fn everything(transfer: &Transfer, progress: &dyn Progress) -> Result<Report, Error> {
    let reading = || format!("reading {}", transfer.from_name);
    let mut report = Report {
        source: transfer.from_name.clone(),
        target: transfer.to_name.clone(),
        schema: transfer.from.schema().await.context(reading())?,
        dry_run: transfer.options.dry_run,
        left_out: transfer.from.left_out().await.context(reading())?,
        ..Report::default()
    };
    let chosen = chosen(transfer, transfer.from.experiments().await.context(reading())?)?;
    let mut moves = Moves::default();
    experiments::prepare(transfer, &chosen, &mut moves, &mut report).await?;
    let mut moved = HashSet::new();
    for kind in [Kind::Run, Kind::LoggedModel, Kind::Trace] {
        let mut ids = Vec::new();
        for experiment in &chosen {
            ids.extend(transfer.from.ids(kind, Some(experiment.experiment_id)).await.context(reading())?);
        }
        progress.begin(&format!("{}s", kind.as_str()), ids.len() as u64);
        for batch in ids.chunks(BATCH) {
            records(transfer, kind, batch, &mut moves, &mut report).await?;
            progress.advance(batch.len() as u64);
        }
        moved.extend(ids);
    }
    let mut names = transfer.from.ids(Kind::Model, None).await.context(reading())?;
    if !transfer.options.experiments.is_empty() {
        names = of_chosen(transfer, names, &moved).await?;
    }
    progress.begin("registered models", names.len() as u64);
    for batch in names.chunks(BATCH) {
        records(transfer, Kind::Model, batch, &mut moves, &mut report).await?;
        progress.advance(batch.len() as u64);
    }
    report.judge();
    Ok(report)
}

fn chosen(transfer: &Transfer, all: Vec<Experiment>) -> Result<Vec<Experiment>, Error> {
    let wanted = &transfer.options.experiments;
    if wanted.is_empty() {
        return Ok(all);
    }
    if let Some(name) = wanted.iter().find(|name| all.iter().all(|one| one.name != **name)) {
        return Err(Error::Missing { what: "experiment", name: name.clone() });
    }
    Ok(all.into_iter().filter(|one| wanted.contains(&one.name)).collect())
}

/// The registered models of which a version comes from a run or a logged model that is moved.
async fn of_chosen(
    transfer: &Transfer,
    names: Vec<String>,
    moved: &HashSet<String>,
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for record in transfer.from.records(Kind::Model, &names).await.context("reading the model registry")? {
        let Record::Model(family) = &record else { continue };
        let comes = family.versions.iter().any(|version| {
            let run = version.run_id.as_ref().is_some_and(|id| moved.contains(id.as_str()));
            run || version.model_id.as_ref().is_some_and(|id| moved.contains(id.as_str()))
        });
        if comes {
            found.push(record.id().to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// What is to be done with a record.
enum Fate {
    New,
    Changed,
    Same,
    Kept,
    Conflict,
}

async fn records(
    transfer: &Transfer,
    kind: Kind,
    ids: &[String],
    moves: &mut Moves,
    report: &mut Report,
) -> Result<(), Error> {
    let word = kind.as_str();
    let what = |end: &str| format!("moving {word}s: {end}");
    let found = transfer.from.records(kind, ids).await.context(what(&transfer.from_name))?;
    report.counts(word).source += found.len() as u64;
    let mut wanted = Vec::with_capacity(found.len());
    let mut roots = Vec::new();
    for record in found {
        // What belongs to an experiment that stays is told once, with the experiment.
        let Some((record, root)) = moves.translate(record) else {
            report.counts(word).conflicts += 1;
            continue;
        };
        roots.push(root);
        wanted.push(record);
    }
    let names: Vec<String> = wanted.iter().map(|record| record.id().to_owned()).collect();
    let present = transfer.to.records(kind, &names).await.context(what(&transfer.to_name))?;
    let present: HashMap<String, String> =
        present.iter().map(|record| (record.id().to_owned(), record.digest().to_string())).collect();
    let receipts = transfer.to.receipts(word, &names).await.context(what(&transfer.to_name))?;

    let mut to_write = Vec::new();
    let mut to_note = Vec::new();
    let mut kept_roots = HashSet::new();
    for (place, record) in wanted.into_iter().enumerate() {
        let (id, digest) = (record.id().to_owned(), record.digest().to_string());
        let fate = fate(&digest, present.get(&id), receipts.get(&id), transfer.options.overwrite);
        let counts = report.counts(word);
        match fate {
            Fate::New => counts.new += 1,
            Fate::Changed => counts.changed += 1,
            Fate::Same => {
                counts.same += 1;
                counts.verified += 1;
                if receipts.get(&id) != Some(&digest) {
                    to_note.push(Receipt { kind: word.to_owned(), id, digest });
                }
                continue;
            }
            Fate::Kept => {
                counts.kept += 1;
                continue;
            }
            Fate::Conflict => {
                counts.conflicts += 1;
                kept_roots.insert(place);
                report.conflict(
                    word,
                    &id,
                    format!("{} has it with other content; --overwrite replaces it", transfer.to_name),
                );
                continue;
            }
        }
        to_write.push(record);
    }
    if !transfer.options.without_artifacts {
        let roots = roots.into_iter().enumerate().filter(|(place, _)| !kept_roots.contains(place));
        artifacts::copy(transfer, roots.filter_map(|(_, root)| root).collect(), report).await?;
    }
    if transfer.options.dry_run {
        return Ok(());
    }
    let now = transfer.clock.now_ms();
    transfer.to.note(&to_note, now).await.context(what(&transfer.to_name))?;
    if !to_write.is_empty() {
        transfer.to.put(&to_write, now).await.context(what(&transfer.to_name))?;
        let digests: HashMap<&str, String> =
            to_write.iter().map(|record| (record.id(), record.digest().to_string())).collect();
        let names: Vec<String> = digests.keys().map(|id| (*id).to_owned()).collect();
        for written in transfer.to.records(kind, &names).await.context(what(&transfer.to_name))? {
            if digests.get(written.id()) == Some(&written.digest().to_string()) {
                report.counts(word).verified += 1;
            } else {
                report.conflict(word, written.id(), "what was read back is not what was written");
            }
        }
    }
    Ok(())
}

fn fate(wanted: &String, present: Option<&String>, receipt: Option<&String>, overwrite: bool) -> Fate {
    match (present, receipt) {
        (None, _) => Fate::New,
        (Some(present), _) if present == wanted => Fate::Same,
        // The source is as it was when it was written: the change was made here.
        (_, Some(receipt)) if receipt == wanted && !overwrite => Fate::Kept,
        (Some(present), Some(receipt)) if present == receipt => Fate::Changed,
        _ if overwrite => Fate::Changed,
        _ => Fate::Conflict,
    }
}
