//! `queue`: experiments that wait, run, or have ended.

mod logs;
mod worker;

use clap::{Args, Subcommand};
use lemnis_core::rfc3339;
use lemnis_data::{Repo, TaskState};

pub use worker::run_all;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp run --queue -S lr=0.1,0.2    puts two experiments into the queue
  lemnis queue start -j 2                 runs them in the background, two at a time
  lemnis queue status
  lemnis queue logs -f TASK")]
pub enum QueueCommand {
    /// Show the tasks of the queue and the workers
    Status,
    /// Start workers in the background
    Start {
        /// How many there are to be
        #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        jobs: u16,
    },
    /// Let workers end after their present task
    Stop {
        /// Kill what runs
        #[arg(long)]
        kill: bool,
    },
    /// Print what a task printed
    Logs {
        /// The task's name or commit
        task: String,
        /// Go on as long as it runs
        #[arg(short, long)]
        follow: bool,
        /// Output is printed as it is in any case
        #[arg(short, long, hide = true)]
        encoding: Option<String>,
    },
    /// Take tasks out of the queue
    Remove(Remove),
    /// Interrupt running tasks
    Kill {
        /// Their names or commits
        #[arg(required = true)]
        tasks: Vec<String>,
        /// At once and for good
        #[arg(short, long)]
        force: bool,
    },
    /// A worker: what `start` starts
    #[command(hide = true)]
    Worker { number: usize },
    /// One task: what a worker starts
    #[command(hide = true)]
    RunTask { commit: String },
}

#[derive(Args, Debug)]
pub struct Remove {
    /// Their names or commits
    #[arg(required_unless_present_any = ["all", "queued", "success", "failed"])]
    pub tasks: Vec<String>,
    /// Everything that does not run
    #[arg(long, conflicts_with = "tasks")]
    pub all: bool,
    /// What waits
    #[arg(long, conflicts_with = "tasks")]
    pub queued: bool,
    /// What made an experiment; the experiments stay
    #[arg(long, conflicts_with = "tasks")]
    pub success: bool,
    /// What failed
    #[arg(long, conflicts_with = "tasks")]
    pub failed: bool,
}

pub fn run(context: &Context, command: &QueueCommand) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    match command {
        QueueCommand::Status => status(context, &repo)?,
        QueueCommand::Start { jobs } => worker::start(context, &repo, (*jobs).into())?,
        QueueCommand::Stop { kill } => {
            lemnis_data::stop_workers(&repo)?;
            let text = match kill {
                true => {
                    lemnis_data::kill_tasks(&repo, &[], true, &now(context))?;
                    "All running tasks in the queue have been killed. Queue workers are stopping."
                }
                false => "Queue workers will stop after running tasks finish.",
            };
            say(context, text);
        }
        QueueCommand::Logs { task, follow, .. } => logs::print(context, &repo, task, *follow)?,
        QueueCommand::Remove(arguments) => remove(context, &repo, arguments)?,
        QueueCommand::Kill { tasks, force } => {
            for name in lemnis_data::kill_tasks(&repo, tasks, *force, &now(context))? {
                say(context, &format!("{name} has been killed."));
            }
        }
        QueueCommand::Worker { number } => worker::work(context, &repo, *number)?,
        QueueCommand::RunTask { commit } => return worker::run_task(context, &repo, commit),
    }
    Ok(0)
}

/// The present moment as results carry it.
fn now(context: &Context) -> String {
    rfc3339(context.clock.now_ms())
}

fn say(context: &Context, text: &str) {
    if !context.json && !context.quiet {
        output::line(text);
    }
}

fn status(context: &Context, repo: &Repo) -> Result<(), Failure> {
    let tasks = lemnis_data::queue_tasks(repo)?;
    let alive = lemnis_data::workers(repo).alive;
    let active = tasks.iter().filter(|task| task.state == TaskState::Running).count().min(alive);
    if context.json {
        let workers = serde_json::json!({"active": active, "idle": alive - active});
        return output::json_line(&serde_json::json!({"tasks": tasks, "workers": workers}));
    }
    if tasks.is_empty() {
        output::line("No experiment tasks in the queue.");
    } else {
        let row = |task: &lemnis_data::QueueTask| {
            let created = task.created.replace('T', " ");
            vec![task.rev[..7].to_owned(), task.name.clone(), created, task.state.to_string()]
        };
        let rows: Vec<_> = tasks.iter().map(row).collect();
        output::line(output::plain_table(&["Task", "Name", "Created", "Status"], &rows, false));
    }
    output::line("");
    output::line(format!("Worker status: {active} active, {} idle", alive - active));
    Ok(())
}

fn remove(context: &Context, repo: &Repo, arguments: &Remove) -> Result<(), Failure> {
    let Remove { tasks, all, queued, success, failed } = arguments;
    let states = [(queued, TaskState::Queued), (success, TaskState::Success), (failed, TaskState::Failed)];
    let states: Vec<TaskState> =
        states.into_iter().filter(|(asked, _)| **asked || *all).map(|(_, state)| state).collect();
    let removed = lemnis_data::remove_tasks(repo, tasks, &states)?;
    if context.json {
        return output::json_line(&removed);
    }
    match removed.is_empty() {
        true => say(context, "No tasks to remove."),
        false => say(context, &format!("Removed tasks in queue: {}", removed.join(", "))),
    }
    Ok(())
}
