//! A new project: from a table and a target to files that the user keeps and edits.

mod files;
mod plan;
mod sample;

pub use files::write_files;
pub use plan::{Plan, plan, slug};
pub use sample::{SAMPLE_NAME, SAMPLE_TARGET, write_sample};
