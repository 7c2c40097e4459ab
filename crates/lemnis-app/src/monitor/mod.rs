//! Watching what serves: the newest predictions against the training rows, and against the truth when it arrives.

mod check;
mod due;
mod feedback;
mod labels;
mod performance;
mod react;
mod reference;
mod window;

pub use check::{Check, Checked, check};
pub use due::check_due;
pub use feedback::{Feedback, FeedbackTaken, Label, feedback};
pub(crate) use labels::Labels;
pub(crate) use window::{Wanted, labelled, newest};

use lemnis_core::{Action, Principal};
use lemnis_quality::{Verdict, VerdictKind};

use crate::{App, Context, Error, authorise};

/// The longest id of a verdict, in bytes.
const MAX_ID_BYTES: usize = 80;

/// Keeps a validation verdict that was made in the working tree. The same data and suite make one verdict.
///
/// Only verdicts on data are taken: those on endpoints start automatic acts, and only the server gives them.
pub async fn keep_validation(app: &App, who: &Principal, verdict: &Verdict) -> Result<(), Error> {
    authorise(who, Action::Write)?;
    check_id(&verdict.id)?;
    let on_data = verdict.subject.strip_prefix("data/").is_some_and(|path| !path.is_empty());
    if verdict.kind != VerdictKind::Validation || !on_data {
        return Err(Error::invalid(format!(
            "a {} verdict on {:?} is no validation of data",
            verdict.kind.as_str(),
            verdict.subject
        )));
    }
    app.verdicts.insert(verdict).await.context("keeping the verdict")?;
    let data =
        serde_json::json!({ "verdict": verdict.id, "summary": verdict.summary, "inputs": verdict.inputs });
    app.record(verdict.id.clone(), who, "data.validated", verdict.subject.clone(), data).await
}

/// Fails unless `id` can be a verdict's id: it names files, so it must not lead anywhere.
pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.starts_with('.') || !id.bytes().all(plain) {
        return Err(Error::invalid_with(
            format!("{id:?} is no id of a verdict"),
            format!("letters, digits, '.', '_' and '-', no leading dot, at most {MAX_ID_BYTES} bytes"),
        ));
    }
    Ok(())
}
