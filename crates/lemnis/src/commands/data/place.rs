//! Which files `list` and `du` look at: those of a repository, or of a path in it, at a revision.

use clap::Args;
use lemnis_data::Source;

use crate::context::Context;
use crate::output::Failure;

#[derive(Args, Debug)]
pub struct Place {
    /// A directory or Git URL
    pub url: String,
    /// A path inside it
    pub path: Option<String>,
    /// A commit, branch or tag
    #[arg(long, value_name = "COMMIT")]
    pub rev: Option<String>,
}

impl Place {
    /// Opens the repository.
    pub fn open(&self, context: &Context) -> Result<Source, Failure> {
        let (rev, scratch) = (self.rev.as_deref(), context.temp_dir());
        Ok(lemnis_data::open_source(&context.dir, &self.url, rev, &scratch, &context.environment)?)
    }
}
