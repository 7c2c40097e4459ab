//! DVC's verbs, with DVC's names, arguments and meaning: one file each, listed once here.

mod add;
mod artifacts;
mod cache;
mod cache_migrate;
mod check_ignore;
mod checkout;
mod commit;
mod config;
mod dag;
mod data_branch;
mod data_command;
mod data_diff;
mod data_log;
mod data_merge;
mod data_status;
mod data_switch;
mod destroy;
mod diff;
mod du;
mod exp;
mod fetch;
mod freeze;
mod gc;
mod get;
mod git_hook;
mod import;
mod import_url;
mod init;
mod install;
mod lineage;
mod ls;
mod ls_url;
mod place;
mod plots;
mod progress;
mod prompt;
mod pull;
mod push;
mod queue;
mod relocate;
mod remote;
mod remove;
mod repro;
mod root;
mod stage;
mod status;
mod transfer;
mod unprotect;
mod update;
mod values;
mod version;
pub mod watcher;

use clap::Subcommand;

use crate::context::Context;
use crate::output::Failure;

#[derive(Subcommand, Debug)]
pub enum Data {
    /// Make this directory a data repository
    Init(init::Init),
    /// Version files or folders: a .dvc file for Git, the bytes in the cache
    Add(add::Add),
    /// Run the pipeline's stages whose inputs changed
    Repro(repro::Repro),
    /// Look at the pipeline's stages, and add some
    #[command(subcommand)]
    Stage(stage::Stage),
    /// Draw the pipelines
    Dag(dag::DagArgs),
    /// Say which data and stages are not up to date
    Status(status::Status),
    /// Bring data back from the cache
    Checkout(checkout::Checkout),
    /// Record data and stages as they are, without running anything
    Commit(commit::Commit),
    /// Rename or move tracked data
    #[command(alias = "mv")]
    Move(relocate::Move),
    /// Stop tracking data, or take stages out of the pipeline
    #[command(alias = "rm")]
    Remove(remove::Remove),
    /// Cut stages from what they depend on
    Freeze(freeze::Freeze),
    /// Let frozen stages follow what they depend on again
    Unfreeze(freeze::Freeze),
    /// Make linked data writable without harm to the cache
    Unprotect(unprotect::Unprotect),
    /// Remove cache objects that nothing uses
    Gc(gc::Gc),
    /// Read or change configuration
    Config(config::Config),
    /// Look after the remotes that data is pushed to
    Remote(remote::Remote),
    /// Look after the cache
    Cache(cache::Cache),
    /// Print the way to the data repository's root
    Root(root::Root),
    /// Describe this program, the system and the data repository
    #[command(alias = "doctor")]
    Version(version::Version),
    /// Say which paths .dvcignore leaves out
    CheckIgnore(check_ignore::CheckIgnore),
    /// Let Git call this program from its hooks
    Install(install::Install),
    /// What the hooks call
    #[command(hide = true)]
    GitHook(git_hook::GitHook),
    /// Stop versioning data here; the data stays
    Destroy(destroy::Destroy),
    /// Send data to a remote
    Push(push::Push),
    /// Bring data from a remote into the cache and the workspace
    Pull(pull::Pull),
    /// Bring data from a remote into the cache
    Fetch(fetch::Fetch),
    /// Bring data of another repository and record where it comes from
    Import(import::Import),
    /// Bring data behind a path or URL and record where it comes from
    ImportUrl(import_url::ImportUrl),
    /// Bring imports to the newest version
    Update(update::Update),
    /// Download data of another repository
    Get(get::Get),
    /// Download models and data sets by their names in a Git repository's registry
    #[command(subcommand)]
    Artifacts(artifacts::ArtifactsCommand),
    /// Download data behind a path or URL
    GetUrl(get::GetUrl),
    /// Look at tracked data as a whole: branches of it, their merges, its history and changes
    #[command(subcommand, name = "data")]
    DataCommand(data_command::DataCommand),
    /// Say which tracked data changed between two commits, or since one
    Diff(diff::Diff),
    /// List the files of a repository: those in Git and tracked data
    #[command(visible_alias = "ls")]
    List(ls::List),
    /// List the files behind a path or URL
    #[command(visible_alias = "ls-url")]
    ListUrl(ls_url::ListUrl),
    /// Say how much room the files of a repository take
    Du(du::Du),
    /// Show metrics and how they changed
    #[command(subcommand)]
    Metrics(values::MetricsCommand),
    /// Show how parameters changed
    #[command(subcommand)]
    Params(values::ParamsCommand),
    /// Draw what stages recorded over time
    #[command(subcommand)]
    Plots(plots::PlotsCommand),
    /// Run experiments, compare them, bring them back
    #[command(subcommand, visible_alias = "experiments")]
    Exp(exp::ExpCommand),
    /// Look after experiments that wait to be run
    #[command(subcommand)]
    Queue(queue::QueueCommand),
}

impl Data {
    /// Whether `--quiet` keeps back all that the verb prints, as in DVC. Otherwise it keeps back its own part: what
    /// commands of stages print is theirs, and an answer that was asked for by an option is given.
    pub fn is_silenced(&self, json: bool) -> bool {
        match self {
            // tables of values are shown all the same
            Data::Metrics(_) | Data::Params(_) | Data::Exp(exp::ExpCommand::Diff(_)) => json,
            Data::Exp(command) => !matches!(command, exp::ExpCommand::Run(_)),
            Data::Stage(verb) => matches!(verb, stage::Stage::List(_)),
            Data::Queue(command) => {
                !matches!(command, queue::QueueCommand::Worker { .. } | queue::QueueCommand::RunTask { .. })
            }
            Data::Repro(_) | Data::GitHook(_) | Data::Version(_) | Data::Get(_) | Data::Artifacts(_) => false,
            _ => true,
        }
    }

    /// Runs the verb and returns the exit code.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        self.dispatch(context).map_err(|failure| match failure.dvc_code {
            None if self.ends_with_one() => failure.with_dvc_code(1),
            _ => failure,
        })
    }

    /// Whether DVC's verb of that name ends with 1 after most failures, and not with 255.
    fn ends_with_one(&self) -> bool {
        matches!(
            self,
            Data::Add(_)
                | Data::Status(_)
                | Data::Commit(_)
                | Data::Move(_)
                | Data::Remove(_)
                | Data::Freeze(_)
                | Data::Unfreeze(_)
                | Data::Unprotect(_)
                | Data::Install(_)
                | Data::Destroy(_)
                | Data::Push(_)
                | Data::Pull(_)
                | Data::Fetch(_)
                | Data::Import(_)
                | Data::ImportUrl(_)
                | Data::Update(_)
                | Data::Get(_)
                | Data::GetUrl(_)
                | Data::Artifacts(_)
                | Data::List(_)
        )
    }

    fn dispatch(&self, context: &Context) -> Result<u8, Failure> {
        match self {
            Data::Init(arguments) => init::run(context, arguments),
            Data::Add(arguments) => add::run(context, arguments),
            Data::Repro(arguments) => repro::run(context, arguments),
            Data::Stage(verb) => stage::run(context, verb),
            Data::Dag(arguments) => dag::run(context, arguments),
            Data::Status(arguments) => status::run(context, arguments),
            Data::Checkout(arguments) => checkout::run(context, arguments),
            Data::Commit(arguments) => commit::run(context, arguments),
            Data::Move(arguments) => relocate::run(context, arguments),
            Data::Remove(arguments) => remove::run(context, arguments),
            Data::Freeze(arguments) => freeze::run(context, arguments, true),
            Data::Unfreeze(arguments) => freeze::run(context, arguments, false),
            Data::Unprotect(arguments) => unprotect::run(context, arguments),
            Data::Gc(arguments) => gc::run(context, arguments),
            Data::Config(arguments) => config::run(context, arguments),
            Data::Remote(arguments) => remote::run(context, arguments),
            Data::Cache(arguments) => cache::run(context, arguments),
            Data::Root(arguments) => root::run(context, arguments),
            Data::Version(arguments) => version::run(context, arguments),
            Data::CheckIgnore(arguments) => check_ignore::run(context, arguments),
            Data::Install(arguments) => install::run(context, arguments),
            Data::GitHook(arguments) => git_hook::run(context, arguments),
            Data::Destroy(arguments) => destroy::run(context, arguments),
            Data::Push(arguments) => push::run(context, arguments),
            Data::Pull(arguments) => pull::run(context, arguments),
            Data::Fetch(arguments) => fetch::run(context, arguments),
            Data::Import(arguments) => import::run(context, arguments),
            Data::ImportUrl(arguments) => import_url::run(context, arguments),
            Data::Update(arguments) => update::run(context, arguments),
            Data::Get(arguments) => get::run(context, arguments),
            Data::Artifacts(command) => artifacts::run(context, command),
            Data::GetUrl(arguments) => get::run_url(context, arguments),
            Data::DataCommand(command) => data_command::run(context, command),
            Data::Diff(arguments) => diff::run(context, arguments),
            Data::List(arguments) => ls::run(context, arguments),
            Data::ListUrl(arguments) => ls_url::run(context, arguments),
            Data::Du(arguments) => du::run(context, arguments),
            Data::Metrics(command) => values::metrics(context, command),
            Data::Params(command) => values::params(context, command),
            Data::Plots(command) => plots::run(context, command),
            Data::Exp(command) => exp::run(context, command),
            Data::Queue(command) => queue::run(context, command),
        }
    }
}
