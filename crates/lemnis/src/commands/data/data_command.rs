//! `data`: the verbs on tracked data as a whole.

use clap::Subcommand;

use super::{data_branch, data_diff, data_log, data_merge, data_status, data_switch};
use crate::context::Context;
use crate::output::Failure;

#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Say what changed since the last commit, in the records and in the workspace
    Status(data_status::DataStatusArgs),
    /// List branches with the data that each holds, make one, delete one
    Branch(data_branch::DataBranch),
    /// Switch to another branch: Git's files and the data together
    Switch(data_switch::DataSwitch),
    /// Merge a branch: tracked directories by path, everything else as Git does
    Merge(data_merge::DataMerge),
    /// Say which commits changed a tracked path
    Log(data_log::DataLog),
    /// Say which files changed between two revisions, and for tables what changed in them
    Diff(data_diff::DataDiff),
}

pub fn run(context: &Context, command: &DataCommand) -> Result<u8, Failure> {
    match command {
        DataCommand::Status(arguments) => data_status::run(context, arguments),
        DataCommand::Branch(arguments) => data_branch::run(context, arguments),
        DataCommand::Switch(arguments) => data_switch::run(context, arguments),
        DataCommand::Merge(arguments) => data_merge::run(context, arguments),
        DataCommand::Log(arguments) => data_log::run(context, arguments),
        DataCommand::Diff(arguments) => data_diff::run(context, arguments),
    }
}
