//! Models on their way to serve: registered, compared, let through or not.

mod alias;
mod approve;
mod compare;
mod diff;
mod findings;
mod gate;
mod openlineage;
mod promote;
mod rollback;
mod submit;

pub use alias::set_alias;
pub use approve::{Approvals, Approve, approve};
pub(crate) use compare::against_bound;
pub use diff::{Diff, Difference, Fact, diff, facts_of};
pub use gate::gate;
pub(crate) use gate::{load, version};
pub use openlineage::open_lineage;
pub use promote::{Promote, Promoted, promote};
pub use rollback::{Restored, Rollback, rollback};
pub use submit::{Submit, Submitted, submit};

/// The alias of the version that serves.
pub const CHAMPION: &str = "champion";
/// The alias of the version that was submitted last and does not serve.
pub const CHALLENGER: &str = "challenger";
/// The tag, on runs and versions, with the SHA-256 of `model.onnx`.
pub const MODEL_DIGEST: &str = "lemnis.model_digest";
/// The tag with the digest of the data that the run trained on.
pub const DATA_DIGEST: &str = "lemnis.data_digest";
/// The tag with the Git commit of the code.
pub const GIT_COMMIT: &str = "lemnis.git_commit";
