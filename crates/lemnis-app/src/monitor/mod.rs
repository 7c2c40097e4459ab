//! Watching what serves: the newest predictions against the training rows, and against the truth when it arrives.

mod check;
mod due;
mod feedback;
mod window;

pub use check::{Check, Checked, check};
pub use due::check_due;
pub use feedback::{Feedback, FeedbackTaken, feedback};
pub(crate) use window::{labelled, newest};

use lemnis_core::{Action, Principal};
use lemnis_quality::Verdict;

use crate::{App, Context, Error, authorise};

/// Keeps a validation verdict that was made in the working tree. The same data and suite make one verdict.
pub async fn keep_validation(app: &App, who: &Principal, verdict: &Verdict) -> Result<(), Error> {
    authorise(who, Action::Write)?;
    app.verdicts.insert(verdict).await.context("keeping the verdict")?;
    let data =
        serde_json::json!({ "verdict": verdict.id, "summary": verdict.summary, "inputs": verdict.inputs });
    app.record(verdict.id.clone(), who, "data.validated", verdict.subject.clone(), data).await
}
