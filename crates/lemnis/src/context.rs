//! The outside world, read once: directory, environment, clock, user. Everything below takes it as an argument.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use lemnis_core::{Clock, Millis};
use lemnis_data::Environment;

use crate::cli::Cli;
use crate::interrupt::Interrupt;
use crate::output::{Failure, io_failure};
use crate::place::{self, Place};

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn now_ms(&self) -> Millis {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as Millis)
    }
}

/// The variables and the command line of this process.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment(wait_for_lock: bool) -> Environment {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Environment::from_vars(std::env::vars_os().filter_map(text))
        .with_command(&command.join(" "))
        .with_wait_for_lock(wait_for_lock)
}

/// What a command knows about where and by whom it was started.
pub struct Context {
    /// The directory to work in, absolute.
    pub dir: PathBuf,
    /// Print JSON.
    pub json: bool,
    /// Print nothing but errors.
    pub quiet: bool,
    /// The server named on the command line.
    pub server: Option<String>,
    /// The token for servers that want one.
    pub token: Option<String>,
    /// The user's name, for tags and events.
    pub user: String,
    /// The pipeline stage that started this process, if one did.
    pub stage: Option<String>,
    /// What data repositories take from the process.
    pub environment: Environment,
    /// Ctrl-C, for commands that must stop something first.
    pub interrupt: Interrupt,
    /// Where the environment says that the state lies.
    pub place: Place,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Reads the environment.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read(cli: &Cli) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(io_failure("the present directory cannot be read"))?;
        let dir = match cli.cd.as_deref() {
            Some(cd) => here.join(cd).canonicalize().map_err(io_failure(format!("--cd {}", cd.display())))?,
            None => here,
        };
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Self {
            dir,
            json: cli.json,
            quiet: cli.quiet,
            server: cli.server.clone(),
            token: read("LEMNIS_TOKEN").or_else(|| read("MLFLOW_TRACKING_TOKEN")),
            user: read("USER").or_else(|| read("LOGNAME")).unwrap_or_else(|| "local".to_owned()),
            stage: read("DVC_STAGE"),
            environment: environment(cli.wait_for_lock),
            interrupt: Interrupt::default(),
            place: Place {
                database: read(place::DATABASE),
                artifacts: read(place::ARTIFACTS),
                direct_artifacts: read(place::DIRECT_ARTIFACTS).is_some_and(|value| {
                    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no")
                }),
            },
            clock: Arc::new(SystemClock),
        })
    }

    /// The program's name and the words behind it, in the order in which the command line knows them.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn command_line() -> Vec<OsString> {
        let here = std::env::current_dir().unwrap_or_default();
        crate::commands::mlflow::turned(std::env::args_os().collect(), &here)
    }

    /// `path` as the user meant it, from the directory to work in.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// Where temporary files go.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    /// Runs `work` on a runtime of this thread.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(io_failure("starting the runtime"))?;
        runtime.block_on(work)
    }

    /// The environment, for the clients of clouds.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn variables() -> std::collections::BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// `PATH` with this program's own folder first, so that stages find `lemnis`.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn path_for_stages() -> Result<(PathBuf, String), Failure> {
        let program = std::env::current_exe().map_err(io_failure("finding this program"))?;
        let folder = program.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut folders = vec![folder];
        if let Some(path) = std::env::var_os("PATH") {
            folders.extend(std::env::split_paths(&path));
        }
        let joined = std::env::join_paths(folders)
            .map_err(|error| Failure::usage(format!("PATH cannot be extended: {error}")))?;
        Ok((program, joined.to_string_lossy().into_owned()))
    }
}
