//! What a reproduction shows and gives to its stages: their output, and a tracking server to log to.

use std::collections::BTreeMap;

use lemnis_app::project::Project;
use lemnis_data::{Error, Observer, OpenStore, Outcome, Repo, Reproduce, StageOutcome, Stream};

use super::lineage;
use crate::client::running_server;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, WARN};
use crate::serve::Ephemeral;
use crate::wiring::Clouds;

/// How stages are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Not at all: the end of a failed stage's log is part of the error.
    Nothing,
    /// Only what their commands print.
    Output,
    /// As DVC does: a heading, the commands, their output as it is.
    Plain,
    /// Several at once: each line after its stage's name.
    Named,
}

/// Prints the stages as they run, and starts a tracking server when the first one does and none runs yet.
pub struct Watcher<'a> {
    context: &'a Context,
    clouds: Clouds,
    root: std::path::PathBuf,
    environment: Option<Vec<(String, String)>>,
    ephemeral: Option<Ephemeral>,
    /// The tracking server, once one was looked for and found.
    url: Option<String>,
    /// Ids of the stages that run, then of those that ran.
    running: BTreeMap<String, String>,
    ran: Vec<(String, StageOutcome)>,
    pub show: Show,
    /// Also say why a stage runs, and why one is skipped.
    pub explain: bool,
}

impl<'a> Watcher<'a> {
    pub fn new(context: &'a Context, root: std::path::PathBuf) -> Self {
        let show = match (context.json, context.quiet) {
            (true, _) => Show::Nothing,
            (_, true) => Show::Output,
            _ => Show::Plain,
        };
        Self {
            context,
            clouds: Clouds::new(),
            root,
            environment: None,
            ephemeral: None,
            url: None,
            running: BTreeMap::new(),
            ran: Vec::new(),
            show,
            explain: false,
        }
    }

    /// Reproduces; a failure carries the last lines of the stage that failed.
    pub fn reproduce(&mut self, repo: &Repo, request: &Reproduce) -> Result<Vec<StageOutcome>, Failure> {
        if request.jobs > 1 && matches!(self.show, Show::Plain) {
            self.show = Show::Named;
        }
        let cancel = request.cancel.clone().unwrap_or_else(|| self.context.interrupt.flag());
        let request = &Reproduce { cancel: Some(cancel), ..request.clone() };
        let outcomes = lemnis_data::reproduce(repo, request, self).map_err(Failure::from);
        if let Some(url) = self.url.as_ref().filter(|_| !self.ran.is_empty())
            && let Err(failure) = lineage::record(self.context, repo, url, &self.ran)
        {
            // The stages ran and are recorded in dvc.lock; their lineage alone is lost.
            tracing::warn!(messages = ?failure.messages, "the lineage of the stages cannot be recorded");
        }
        self.ran.clear();
        outcomes
    }

    fn shows(&self) -> bool {
        matches!(self.show, Show::Plain | Show::Named)
    }

    /// Uses the tracking server at `url` instead of looking for one.
    pub fn with_tracking(mut self, url: &str) -> Result<Self, Failure> {
        self.environment = Some(self.stage_environment(Some(url))?);
        self.url = Some(url.to_owned());
        Ok(self)
    }

    fn stage_environment(&self, url: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
        let (_, path) = Context::path_for_stages()?;
        let mut environment = vec![("PATH".to_owned(), path)];
        let Some(url) = url else { return Ok(environment) };
        environment.push(("MLFLOW_TRACKING_URI".to_owned(), url.to_owned()));
        if let Some(token) = &self.context.token {
            environment.push(("MLFLOW_TRACKING_TOKEN".to_owned(), token.clone()));
        }
        Ok(environment)
    }

    fn find_tracking(&mut self) -> Result<Vec<(String, String)>, Failure> {
        let named = match &self.context.server {
            Some(server) => Some(server.clone()),
            None => {
                let project = Project::at(&self.root);
                self.context.block_on(async {
                    Ok(running_server(&project, self.context.token.as_deref()).await.map(|file| file.url))
                })?
            }
        };
        let url = match named {
            Some(url) => Some(url),
            // A repository that is no project of ours is left as it is: no state, no server.
            None if Project::discover(&self.root).is_none() => None,
            None => {
                let ephemeral = Ephemeral::start(Project::at(&self.root), self.context)?;
                let url = ephemeral.url().to_owned();
                self.ephemeral = Some(ephemeral);
                Some(url)
            }
        };
        let environment = self.stage_environment(url.as_deref());
        self.url = url;
        environment
    }
}

impl Observer for Watcher<'_> {
    fn stores(&self) -> Option<&dyn OpenStore> {
        Some(&self.clouds)
    }

    fn fetch_failed(&self, what: &str, error: &Error) {
        if self.shows() {
            anstream::eprintln!("{WARN}warning:{WARN:#} {what} cannot be pulled: {error}");
        }
    }

    fn stage_will_run(
        &mut self,
        stage: &str,
        why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
        if self.environment.is_none() {
            match self.find_tracking() {
                Ok(environment) => self.environment = Some(environment),
                Err(failure) => {
                    let message = failure.messages.join(": ");
                    return Err(format!("the tracking server cannot be started: {message}").into());
                }
            }
        }
        if self.shows() {
            heading(stage, self.explain.then_some(why));
        }
        let mut environment = self.environment.clone().unwrap_or_default();
        if self.url.is_some() {
            let id = uuid::Uuid::now_v7().simple().to_string();
            environment.push(lineage::run_context(stage, &id));
            self.running.insert(stage.to_owned(), id);
        }
        Ok(environment)
    }

    fn stage_would_run(&mut self, stage: &str, why: &str, cached: bool, commands: &[&str]) {
        if !self.shows() {
            return;
        }
        if cached {
            output::line(format!("Stage '{stage}' is cached - skipping run, checking out outputs"));
        }
        heading(stage, self.explain.then_some(why));
        for command in commands {
            output::line(format!("> {command}"));
        }
    }

    fn confirm(&mut self, stage: &str) -> bool {
        output::confirm(&format!("Going to reproduce stage '{stage}'. Continue?"))
    }

    fn stage_command(&mut self, stage: &str, command: &str) {
        match self.show {
            Show::Plain => output::line(format!("> {command}")),
            Show::Named => output::line(format!("{FAINT}{stage} |{FAINT:#} > {command}")),
            Show::Nothing | Show::Output => {}
        }
    }

    fn stage_output(&mut self, _stage: &str, stream: Stream, bytes: &[u8]) {
        match (self.show, stream) {
            (Show::Plain | Show::Output, Stream::Out) => output::raw(std::io::stdout(), bytes),
            (Show::Plain | Show::Output, Stream::Err) => output::raw(std::io::stderr(), bytes),
            _ => {}
        }
    }

    fn stage_line(&mut self, stage: &str, line: &str) {
        if self.show == Show::Named {
            output::line(format!("{FAINT}{stage} |{FAINT:#} {line}"));
        }
    }

    fn stage_failed(&mut self, stage: &str, error: &Error, skipped: &[String]) {
        if matches!(self.show, Show::Nothing) {
            return;
        }
        output::warning(error);
        if !skipped.is_empty() {
            let names = skipped.join(", ");
            output::note(format!("{FAINT}not run, for they need '{stage}': {names}{FAINT:#}"));
        }
    }

    fn stage_done(&mut self, outcome: &StageOutcome) {
        if let Some(id) = self.running.remove(&outcome.stage)
            && outcome.outcome == Outcome::Ran
        {
            self.ran.push((id, outcome.clone()));
        }
        let stage = &outcome.stage;
        if !self.shows() {
            return;
        }
        let name = if stage.ends_with(".dvc") { format!("'{stage}'") } else { format!("Stage '{stage}'") };
        let text = match outcome.outcome {
            Outcome::Skipped => format!("{name} didn't change, skipping"),
            Outcome::Restored if stage.ends_with(".dvc") => format!("{name} was checked out"),
            Outcome::Restored => format!("{name} is cached - skipping run, checking out outputs"),
            Outcome::Imported => format!("{name} was imported again"),
            Outcome::Pulled => format!("{name} was pulled"),
            Outcome::Frozen => format!("{name} is frozen, its outputs were recorded as they are"),
            Outcome::Committed => format!("{name} was recorded as it is"),
            Outcome::Planned if stage.ends_with(".dvc") => format!("{name} would be recorded as it is"),
            Outcome::Ran | Outcome::Planned | Outcome::Failed => String::new(),
        };
        if !text.is_empty() {
            output::line(&text);
        }
        if self.explain && !matches!(outcome.outcome, Outcome::Ran | Outcome::Skipped) && !text.is_empty() {
            output::line(format!("  {FAINT}because {}{FAINT:#}", outcome.reason));
        }
    }
}

fn heading(stage: &str, why: Option<&str>) {
    output::line(format!("Running stage '{stage}':"));
    for reason in why.into_iter().flat_map(|why| why.split("; ")) {
        output::line(format!("  {FAINT}because {reason}{FAINT:#}"));
    }
}

/// How many stages ran their command.
pub fn ran(outcomes: &[StageOutcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.outcome == Outcome::Ran).count()
}
