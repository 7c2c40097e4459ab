//! What a reproduction shows and gives to its stages: their output, and a tracking server to log to.

use std::collections::BTreeMap;

use lemnis_app::project::Project;
use lemnis_data::{Observer, Outcome, Repo, Reproduce, StageOutcome};

use crate::client::running_server;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};
use crate::serve::Ephemeral;

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
        let cancel = request.cancel.clone().unwrap_or_else(|| self.context.interrupt.flag());
        let request = &Reproduce { cancel: Some(cancel), ..request.clone() };
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
        self.environment = Some(self.stage_environment(Some(url))?);
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
        self.stage_environment(url.as_deref())
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
