//! `status`: which data and stages are not up to date.

use clap::Args;
use lemnis_core::ErrorKind;
use lemnis_data::Repo;

use super::transfer;
use crate::context::Context;
use crate::output::{self, Failure, STRONG};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis status\n  lemnis status --cloud        what a push or a pull would move"
)]
pub struct Status {
    #[command(flatten)]
    pub options: transfer::Options,
    /// Compare the cache with the remote instead of the workspace with what is recorded
    #[arg(short, long)]
    pub cloud: bool,
}

pub fn run(context: &Context, arguments: &Status) -> Result<u8, Failure> {
    if arguments.cloud || arguments.options.remote.is_some() {
        return transfer::cloud_status(context, &arguments.options);
    }
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let status = lemnis_data::status(&repo, &arguments.options.targets)?;
    let value = serde_json::to_value(&status)
        .map_err(|error| Failure::new(ErrorKind::Internal, format!("the status is not JSON: {error}")))?;
    let stages = value.as_object().cloned().unwrap_or_default();
    if context.quiet {
        return Ok(u8::from(!stages.is_empty()));
    }
    if context.json {
        output::json_line(&value)?;
        return Ok(0);
    }
    if stages.is_empty() {
        output::line("Data and pipelines are up to date.");
    }
    for (stage, changes) in &stages {
        output::line(format!("{STRONG}{stage}{STRONG:#}"));
        for change in changes.as_array().into_iter().flatten() {
            match change {
                serde_json::Value::Object(groups) => {
                    for (group, entries) in groups {
                        output::line(format!("  {group}:"));
                        for (path, state) in entries.as_object().into_iter().flatten() {
                            let state = state.as_str().map_or_else(|| state.to_string(), str::to_owned);
                            output::line(format!("    {state:<10} {path}"));
                        }
                    }
                }
                other => output::line(format!("  {}", other.as_str().unwrap_or_default())),
            }
        }
    }
    Ok(0)
}
