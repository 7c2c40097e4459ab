//! Which files `list` and `du` look at: those of a repository, or of a path in it, at a revision.

use clap::{Args, ValueHint};
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
    /// The remote that is asked for directories which the cache lacks
    #[arg(long, value_name = "NAME")]
    pub remote: Option<String>,
    /// An option of that remote
    #[arg(long, num_args = 1.., value_name = "OPTION=VALUE")]
    pub remote_config: Vec<String>,
    /// A configuration file whose settings hold there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
}

impl Place {
    /// Opens the repository.
    pub fn open(&self, context: &Context) -> Result<Source, Failure> {
        let (rev, scratch) = (self.rev.as_deref(), context.temp_dir());
        let source = lemnis_data::open_source(&context.dir, &self.url, rev, &scratch, &context.environment)?;
        let mut options = Vec::new();
        for option in &self.remote_config {
            let wrong = || Failure::usage(format!("--remote-config wants OPTION=VALUE, not '{option}'"));
            let (name, value) = option.split_once('=').ok_or_else(wrong)?;
            options.push((name.to_owned(), value.to_owned()));
        }
        let config = self.config.as_ref().map(|file| context.dir.join(file));
        Ok(source.configured(config.as_deref(), self.remote.as_deref(), options)?)
    }
}
