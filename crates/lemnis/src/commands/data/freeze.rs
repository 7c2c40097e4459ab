//! `freeze` and `unfreeze`: stages that do not follow what they depend on.

use clap::Args;
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis freeze prepare            `repro` leaves it as it is
  lemnis unfreeze prepare")]
pub struct Freeze {
    /// Stages or .dvc files
    #[arg(required = true)]
    pub targets: Vec<String>,
}

pub fn run(context: &Context, arguments: &Freeze, frozen: bool) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let changed = lemnis_data::set_frozen(&repo, &arguments.targets, frozen)?;
    if context.json {
        output::json_line(&changed)?;
    } else if !context.quiet {
        for stage in changed {
            output::line(format!("{} {stage}", if frozen { "froze" } else { "unfroze" }));
        }
    }
    Ok(0)
}
