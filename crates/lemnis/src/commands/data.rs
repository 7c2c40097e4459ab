//! `add`, `repro`, `status`: DVC's verbs in the working tree.

use std::collections::BTreeMap;

use lemnis_app::project::Project;
use lemnis_core::ErrorKind;
use lemnis_data::{AddOptions, Observer, Outcome, Repo, Reproduce, StageOutcome};

use crate::cli::{Add, Repro, Status};
use crate::client::running_server;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD, STRONG};
use crate::serve::Ephemeral;

pub fn add(context: &Context, arguments: &Add) -> Result<(), Failure> {
    let repo = Repo::discover(&context.dir)?;
    let targets: Vec<_> = arguments.targets.iter().map(|target| context.path(target)).collect();
    let added = lemnis_data::add(&repo, &targets, &AddOptions::default())?;
    if context.json {
        return output::json(&added);
    }
    for one in &added {
        let count = one.nfiles.map(|count| format!(", {count} files")).unwrap_or_default();
        output::line(format!(
            "{GOOD}✓{GOOD:#} {}  {}{count}  {FAINT}{}{FAINT:#}",
            one.path,
            output::size(one.size_bytes),
            one.dvc_file
        ));
    }
    output::line(format!("{FAINT}commit the .dvc files and .gitignore to Git{FAINT:#}"));
    Ok(())
}

pub fn status(context: &Context, arguments: &Status) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir)?;
    let status = lemnis_data::status(&repo, &arguments.targets)?;
    let value = serde_json::to_value(&status)
        .map_err(|error| Failure::new(ErrorKind::Internal, format!("the status is not JSON: {error}")))?;
    let stages = value.as_object().cloned().unwrap_or_default();
    if arguments.quiet {
        return Ok(u8::from(!stages.is_empty()));
    }
    if context.json {
        output::json(&value)?;
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

pub fn repro(context: &Context, arguments: &Repro) -> Result<(), Failure> {
    let repo = Repo::discover(&context.dir)?;
    let request =
        Reproduce { targets: arguments.targets.clone(), force: arguments.force, ..Reproduce::default() };
    let mut watcher = Watcher::new(context, repo.root().to_path_buf());
    let started = std::time::Instant::now();
    let outcomes = watcher.reproduce(&repo, &request)?;
    if context.json {
        return output::json(&outcomes);
    }
    let ran = ran(&outcomes);
    let took = output::duration(started.elapsed());
    if ran == 0 {
        output::line(format!("Data and pipelines are up to date. {FAINT}{took}{FAINT:#}"));
    } else {
        output::line(format!("{ran} of {} stages ran in {took}", outcomes.len()));
    }
    Ok(())
}

/// Takes a stage's name and a line that it printed.
pub type Echo<'a> = Box<dyn FnMut(&str, &str) + 'a>;

/// Prints the stages as they run, and starts a tracking server when the first one does and none runs yet.
pub struct Watcher<'a> {
    context: &'a Context,
    root: std::path::PathBuf,
    environment: Option<Vec<(String, String)>>,
    ephemeral: Option<Ephemeral>,
    /// Shows each line of a stage's output; without it the last lines are kept for the error.
    pub echo: Option<Echo<'a>>,
    last_lines: BTreeMap<String, Vec<String>>,
    running: Option<String>,
}

impl<'a> Watcher<'a> {
    pub fn new(context: &'a Context, root: std::path::PathBuf) -> Self {
        let quiet = context.json;
        let echo: Option<Echo<'a>> = if quiet {
            None
        } else {
            Some(Box::new(|stage: &str, line: &str| {
                output::line(format!("{FAINT}{stage} |{FAINT:#} {line}"))
            }))
        };
        Self {
            context,
            root,
            environment: None,
            ephemeral: None,
            echo,
            last_lines: BTreeMap::new(),
            running: None,
        }
    }

    /// Reproduces; a failure carries the last lines of the stage that failed.
    pub fn reproduce(&mut self, repo: &Repo, request: &Reproduce) -> Result<Vec<StageOutcome>, Failure> {
        lemnis_data::reproduce(repo, request, self).map_err(|error| {
            let mut failure = Failure::from(error);
            if self.echo.is_none()
                && let Some(lines) = self.running.as_ref().and_then(|stage| self.last_lines.get(stage))
            {
                failure.messages.extend(lines.iter().cloned());
            }
            failure
        })
    }

    /// Uses the tracking server at `url` instead of looking for one.
    pub fn with_tracking(mut self, url: &str) -> Result<Self, Failure> {
        self.environment = Some(self.stage_environment(url)?);
        Ok(self)
    }

    fn stage_environment(&self, url: &str) -> Result<Vec<(String, String)>, Failure> {
        let (_, path) = Context::path_for_stages()?;
        let mut environment =
            vec![("PATH".to_owned(), path), ("MLFLOW_TRACKING_URI".to_owned(), url.to_owned())];
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
                self.context.block_on(async { Ok(running_server(&project).await.map(|file| file.url)) })?
            }
        };
        let url = match named {
            Some(url) => url,
            None => {
                let ephemeral = Ephemeral::start(Project::at(&self.root), self.context.clock.clone())?;
                let url = ephemeral.url().to_owned();
                self.ephemeral = Some(ephemeral);
                url
            }
        };
        self.stage_environment(&url)
    }
}

impl Observer for Watcher<'_> {
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
        self.running = Some(stage.to_owned());
        if let Some(echo) = &mut self.echo {
            echo(stage, &format!("runs: {why}"));
        }
        Ok(self.environment.clone().unwrap_or_default())
    }

    fn stage_line(&mut self, stage: &str, line: &str) {
        if let Some(echo) = &mut self.echo {
            echo(stage, line);
        }
        let lines = self.last_lines.entry(stage.to_owned()).or_default();
        lines.push(line.to_owned());
        if lines.len() > 20 {
            lines.remove(0);
        }
    }

    fn stage_done(&mut self, outcome: &StageOutcome) {
        if let Some(echo) = &mut self.echo {
            let mark = if outcome.outcome == Outcome::Ran {
                format!("{GOOD}done{GOOD:#}")
            } else {
                format!("{FAINT}up to date{FAINT:#}")
            };
            echo(&outcome.stage, &mark);
        }
    }
}

/// How many stages ran their command.
pub fn ran(outcomes: &[StageOutcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.outcome == Outcome::Ran).count()
}
