//! `version`: this program, the system, and what the data repository here uses.

use clap::Args;
use lemnis_core::ErrorKind;
use lemnis_data::{Error, Repo};
use serde_json::json;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  lemnis version        worth adding to a report of a defect")]
pub struct Version {}

pub fn run(context: &Context, _: &Version) -> Result<u8, Failure> {
    let program = env!("CARGO_PKG_VERSION");
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let repo = match Repo::discover(&context.dir, &context.environment) {
        Ok(repo) => Some(repo.describe()?),
        Err(Error::NotARepo { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if context.json {
        let repo = serde_json::to_value(&repo)
            .map_err(|error| Failure::new(ErrorKind::Internal, format!("the answer is not JSON: {error}")))?;
        output::json_line(&json!({ "version": program, "platform": platform, "repository": repo }))?;
        return Ok(0);
    }
    let title = format!("Lemnis version: {program}");
    output::line(&title);
    output::line("-".repeat(title.len()));
    output::line(format!("Platform: {platform}"));
    output::line("Formats: DVC 3 (.dvc, dvc.yaml, dvc.lock, cache files/md5), DVC 2 for reading");
    if let Some(repo) = repo {
        output::line(format!("Cache types: {}", repo.link_types.join(", ")));
        output::line(format!("Cache directory: {}", repo.cache_dir));
        let remotes: Vec<&str> = repo.remotes.iter().map(String::as_str).collect();
        output::line(format!(
            "Remotes: {}",
            if remotes.is_empty() { "None".into() } else { remotes.join(", ") }
        ));
        output::line(format!("Repo: {}", if repo.git { "dvc, git" } else { "dvc (no_scm)" }));
    }
    Ok(0)
}
