//! Data against its expectation suite.

use std::path::Path;

use lemnis_core::{Digest, Millis};
use lemnis_quality::expectation::{Suite, ValidationResult};
use lemnis_quality::{Outcome, Verdict, VerdictKind};

use crate::frame::read_table;
use crate::{Context, Error};

/// A validation result and the verdict that keeps it.
#[derive(Clone, Debug)]
pub struct Validated {
    /// In Great Expectations' shape.
    pub result: ValidationResult,
    /// What is stored.
    pub verdict: Verdict,
}

/// Checks the data at `root/data` against the suite at `root/suite`.
pub fn validate(root: &Path, data: &Path, suite: &Path, now: Millis) -> Result<Validated, Error> {
    let suite_path = root.join(suite);
    let text = std::fs::read_to_string(&suite_path).map_err(Error::file(&suite_path, "read"))?;
    let parsed = Suite::parse(&text).context(format!("reading the suite {}", suite.display()))?;
    let data_path = root.join(data);
    let bytes = std::fs::read(&data_path).map_err(Error::file(&data_path, "read"))?;
    let digest = Digest::sha256(&bytes);
    drop(bytes);
    let table = read_table(&data_path)?;
    let result = parsed.validate(&table).context(format!("validating {}", data.display()))?;
    let statistics = &result.statistics;
    let summary = if result.success {
        format!("{} satisfies all {} expectations", data.display(), statistics.evaluated_expectations)
    } else {
        format!(
            "{} breaks {} of {} expectations",
            data.display(),
            statistics.unsuccessful_expectations,
            statistics.evaluated_expectations
        )
    };
    let about = format!("{digest}\n{}", Digest::sha256(text.as_bytes()));
    let verdict = Verdict {
        id: format!("validation-{}", Digest::sha256(about.as_bytes()).short()),
        at_ms: now,
        subject: format!("data/{}", data.display()),
        kind: VerdictKind::Validation,
        outcome: if result.success { Outcome::Pass } else { Outcome::Fail },
        summary,
        inputs: serde_json::json!({
            "data": data,
            "data_digest": digest,
            "suite": suite,
            "suite_digest": Digest::sha256(text.as_bytes()),
            "rows": table.rows(),
        }),
        report: serde_json::to_value(&result)
            .map_err(|error| Error::invalid(format!("the result cannot be written: {error}")))?,
    };
    Ok(Validated { result, verdict })
}
