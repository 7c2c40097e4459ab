//! Lineage: what each stage run read and made, and whether a version could be made again.
//!
//! Both are events, appended once and never changed. A run on the tracking server names the stage run that opened it
//! in the tag [`STAGE_RUN`], so that the two are found from one another.

use lemnis_core::{Action, Digest, Principal};
use lemnis_tracking::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{App, Context, Error, authorise};

/// The tag, on runs, with the stage run that opened them.
pub const STAGE_RUN: &str = "lemnis.stage_run";
/// The most bytes that one record may have.
const MAX_RECORD_BYTES: usize = 256 << 10;

/// One execution of a pipeline stage.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct StageRun {
    /// Its own id; the same id is recorded once.
    pub id: String,
    /// The stage.
    pub stage: String,
    /// Why it ran.
    pub reason: String,
    /// How long it took.
    pub seconds: f64,
    /// The Git commit of the code, where there is one.
    pub commit: Option<String>,
    /// Whether files that Git tracks differed from that commit.
    pub is_dirty: bool,
    /// The command.
    pub cmd: Value,
    /// What it read, by digest.
    pub deps: Vec<Content>,
    /// File → parameter → value.
    pub params: Value,
    /// What it made, by digest.
    pub outs: Vec<Content>,
    /// What it ran in: `os`, `interpreter`, and the digests of the dependency lock files.
    pub environment: Value,
}

/// A path and its content.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Content {
    /// As `dvc.lock` has it.
    pub path: String,
    /// Its digest; none where nothing is recorded.
    pub digest: Option<Digest>,
}

/// The outcome of making a version again from what is recorded.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Reproduction {
    /// The version.
    pub version: u32,
    /// The commit that it was made from, both times.
    pub commit: String,
    /// Whether every output has the bytes that are recorded.
    pub identical: bool,
    /// Outputs that were compared.
    pub compared: usize,
    /// The first output, in the pipeline's order, that differs.
    pub first_difference: Option<String>,
}

/// Records a stage run; one that is recorded already stays as it is.
pub async fn keep_stage_run(app: &App, who: &Principal, run: &StageRun) -> Result<(), Error> {
    authorise(who, Action::Write)?;
    let well_formed = |id: &str| {
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !well_formed(&run.id) {
        return Err(Error::invalid(format!("{:?} is no id of a stage run", run.id)));
    }
    let data = as_data(run)?;
    app.record(format!("stage.ran/{}", run.id), who, "stage.ran", format!("stage/{}", run.stage), data).await
}

/// The stage run with `id`, if `stage` recorded it among its newest thousand.
pub async fn stage_run(app: &App, stage: &str, id: &str) -> Result<Option<StageRun>, Error> {
    let subject = format!("stage/{stage}");
    let events = app.events.latest(Some(&subject), 1000).await.context("looking for stage runs")?;
    let event = events.into_iter().find(|event| event.data["id"] == id);
    event
        .map(|event| {
            serde_json::from_value(event.data).map_err(|error| {
                Error::invalid(format!("the record of stage run {id} is not readable: {error}"))
            })
        })
        .transpose()
}

/// The stage run that opened `run`, if one did and it is still found.
pub async fn stage_run_of(app: &App, run: &Run) -> Result<Option<StageRun>, Error> {
    match (run.tag("lemnis.stage"), run.tag(STAGE_RUN)) {
        (Some(stage), Some(id)) => stage_run(app, stage, id).await,
        _ => Ok(None),
    }
}

/// Records whether a version of `model` came out the same again.
pub async fn keep_reproduction(
    app: &App,
    who: &Principal,
    model: &str,
    done: &Reproduction,
) -> Result<(), Error> {
    authorise(who, Action::Write)?;
    let found = app.registry.get_version(model, done.version).await.context("looking for the version")?;
    if found.is_none() {
        return Err(Error::Missing { what: "model version", name: format!("{model}/{}", done.version) });
    }
    let id = format!("model.reproduced/{model}/{}/{}", done.version, app.clock.now_ms());
    app.record(id, who, "model.reproduced", format!("model/{model}"), as_data(done)?).await
}

fn as_data(record: &impl Serialize) -> Result<Value, Error> {
    let value = serde_json::to_value(record).map_err(|error| Error::invalid(error.to_string()))?;
    let bytes = value.to_string().len();
    if bytes > MAX_RECORD_BYTES {
        return Err(Error::invalid(format!("a record of {bytes} bytes is larger than {MAX_RECORD_BYTES}")));
    }
    Ok(value)
}
