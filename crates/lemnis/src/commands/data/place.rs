//! Which files `list` and `du` look at: those of a repository, or of a path in it, at a revision.

use clap::{Args, ValueHint};
use lemnis_data::Source;

use super::import_url::option;
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
    /// Taken for DVC's sake, as are the next two: a listing asks no remote
    #[arg(long, value_name = "NAME")]
    pub remote: Option<String>,
    /// A configuration file to lay over that repository's own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
    /// Options for the remote
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = option)]
    pub remote_config: Vec<(String, String)>,
}

impl Place {
    /// Opens the repository.
    pub fn open(&self, context: &Context) -> Result<Source, Failure> {
        let (rev, scratch) = (self.rev.as_deref(), context.temp_dir());
        let source = lemnis_data::open_source(&context.dir, &self.url, rev, &scratch, &context.environment)?;
        if let Some(name) =
            self.remote.as_ref().filter(|_| self.config.is_none() && self.remote_config.is_empty())
        {
            source.check_remote(name)?;
        }
        Ok(source)
    }
}
