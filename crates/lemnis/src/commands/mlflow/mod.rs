//! `mlflow import` and `mlflow export`: a whole MLflow store into the project's, and back.
//!
//! `lemnis import mlflow …` is the same command: DVC's `import URL PATH` keeps its meaning, because there `mlflow` would have
//! to be a repository, and where a folder of that name lies in the present directory it is taken as one.

mod places;
mod show;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use lemnis_app::project::Project;
use lemnis_app::transfer::{self, Options, Transfer};
use lemnis_core::{ErrorKind, Principal};

use self::places::{Ours, Outside};
use crate::context::Context;
use crate::output::{Failure, io_failure};
use crate::place::Place;
use crate::wiring;

#[derive(Subcommand, Debug)]
pub enum Mlflow {
    /// Bring an MLflow store into the project's: experiments, runs, models, traces, artifacts; again for what is new
    #[command(after_help = "\
Examples:
  lemnis import mlflow sqlite:///mlflow.db
  lemnis import mlflow sqlite:///mlflow.db --artifacts mlartifacts     artifacts of `mlflow server`
  lemnis import mlflow postgresql://mlflow@db/mlflow --artifacts s3://models/mlflow
  lemnis import mlflow mlruns --experiment churn --dry-run

A second import copies what is new or changed, so that MLflow may be used until the move is done. Ids, times and whole
histories are kept. Passwords come from PGPASSWORD, PGPASSFILE or ~/.pgpass.
Exit codes: 0 everything is here and verified, 1 something differs, 2 wrong usage.")]
    Import(Import),
    /// Write the project's store into an MLflow database, which `mlflow db upgrade URL` made
    #[command(after_help = "\
Examples:
  mlflow db upgrade sqlite:///mlflow.db && lemnis export mlflow sqlite:///mlflow.db
  lemnis export mlflow sqlite:///mlflow.db --artifacts mlartifacts --artifact-uri mlflow-artifacts:/
  lemnis export mlflow postgresql://mlflow@db/mlflow --artifacts s3://models/mlflow --overwrite

Without --artifact-uri, artifacts are found by clients on this machine; with mlflow-artifacts:/ by those of
`mlflow server --artifacts-destination DIR`.
Exit codes: 0 everything is there and verified, 1 something differs, 2 wrong usage.")]
    Export(Export),
}

#[derive(Args, Debug)]
pub struct Import {
    /// sqlite:///FILE, postgresql://…, a database file or an mlruns/ folder
    pub source: String,
    /// Where `mlflow server` keeps artifacts, or where they were moved to (default: mlartifacts beside the database)
    #[arg(long, value_name = "DIR|URL")]
    pub artifacts: Option<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Args, Debug)]
pub struct Export {
    /// sqlite:///FILE or postgresql://…
    pub target: String,
    /// Where artifacts go (default: mlartifacts beside the database)
    #[arg(long, value_name = "DIR|URL")]
    pub artifacts: Option<String>,
    /// How the database names that place (default: its path or URL)
    #[arg(long, value_name = "URI")]
    pub artifact_uri: Option<String>,
    #[command(flatten)]
    pub how: How,
}

/// How to move: what `import` and `export` share.
#[derive(Args, Debug)]
pub struct How {
    /// Only this experiment, with the registered models that come from it; may be repeated
    #[arg(long, value_name = "NAME")]
    pub experiment: Vec<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take experiments of the same name for the same one
    #[arg(long)]
    pub merge: bool,
    /// Replace what differs, whoever changed it
    #[arg(long)]
    pub overwrite: bool,
    /// Leave artifacts where they are: runs then show none
    #[arg(long)]
    pub no_artifacts: bool,
}

impl How {
    fn options(&self) -> Options {
        Options {
            experiments: self.experiment.iter().cloned().collect(),
            dry_run: self.dry_run,
            merge: self.merge,
            overwrite: self.overwrite,
            without_artifacts: self.no_artifacts,
        }
    }
}

/// `import mlflow` and `export mlflow` turned round, as the command line knows them. `dir` is the present directory.
pub fn turned(mut words: Vec<OsString>, dir: &Path) -> Vec<OsString> {
    let mut at = 1;
    while words.get(at).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-")) {
        // These two take the next word along.
        let takes = words.get(at).is_some_and(|word| word == "--cd" || word == "--server");
        at += if takes { 2 } else { 1 };
    }
    let (Some(verb), Some(noun)) = (words.get(at), words.get(at + 1)) else { return words };
    let turns = noun == "mlflow" && (verb == "export" || verb == "import" && !dir.join("mlflow").exists());
    if turns {
        words.swap(at, at + 1);
    }
    words
}

pub fn mlflow(context: &Context, command: &Mlflow) -> Result<u8, Failure> {
    if context.server.is_some() {
        return Err(Failure::usage(
            "--server does not go with this command: it works on the project's store itself",
        )
        .with_hint("run it where the server runs; the server may go on meanwhile"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(io_failure("starting the runtime"))?;
    runtime.block_on(async {
        let project = Project::discover(&context.dir).unwrap_or_else(|| Project::at(&context.dir));
        let place = Place::of(context, Place::default(), project.settings_if_any()?.as_ref())?;
        let lock = alone(&project)?;
        let (store, artifacts) = wiring::stores(&project, &place).await?;
        let store_name = match &place.database {
            Some(_) => "the project's database".to_owned(),
            None => project.database().display().to_string(),
        };
        let ours = Ours::new(artifacts);
        let transfer = match command {
            Mlflow::Import(arguments) => {
                let source = lemnis_store::open_mlflow(&arguments.source, &context.dir).await?;
                // An mlruns/ folder that was moved still names its old place.
                let inside = source.files.as_ref().map(|path| path.display().to_string());
                let root = arguments.artifacts.as_deref().or(inside.as_deref());
                let places = Outside::new(&context.dir, source.folder.clone(), root, None)?;
                Transfer {
                    from: source.archive,
                    from_name: source.name,
                    from_places: Arc::new(places),
                    to: store.clone(),
                    to_name: store_name,
                    to_places: Arc::new(ours),
                    artifact_base: "mlflow-artifacts:/".to_owned(),
                    events: store.clone(),
                    clock: context.clock.clone(),
                    act: "store.imported",
                    options: arguments.how.options(),
                }
            }
            Mlflow::Export(arguments) => {
                let (target, name) =
                    lemnis_store::open_mlflow_target(&arguments.target, &context.dir).await?;
                let folder = Path::new(&name).parent().filter(|_| !name.contains("://"));
                let root = match (&arguments.artifacts, folder) {
                    (Some(root), _) => root.clone(),
                    (None, Some(folder)) => folder.join("mlartifacts").display().to_string(),
                    (None, None) => {
                        return Err(Failure::usage(
                            "a database server says nothing about where artifacts go",
                        )
                        .with_hint("name a folder or an object store with --artifacts"));
                    }
                };
                let base = arguments.artifact_uri.clone();
                let places =
                    Outside::new(&context.dir, folder.map(Path::to_path_buf), Some(&root), base.clone())?;
                Transfer {
                    from: store.clone(),
                    from_name: store_name,
                    from_places: Arc::new(ours),
                    to: target,
                    to_name: name,
                    artifact_base: base.unwrap_or_else(|| places.root_uri()),
                    to_places: Arc::new(places),
                    events: store.clone(),
                    clock: context.clock.clone(),
                    act: "store.exported",
                    options: arguments.how.options(),
                }
            }
        };
        let bar = show::Bar::new(context);
        let moved = transfer::run(&Principal::local(&context.user), &transfer, &bar).await;
        bar.end();
        drop(transfer);
        if let Ok(store) = Arc::try_unwrap(store) {
            store.close().await;
        }
        drop(lock);
        show::report(context, &moved?)
    })
}

/// Two transfers at once would take each other's half-done work for changes.
fn alone(project: &Project) -> Result<std::fs::File, Failure> {
    let dir = project.state_dir();
    std::fs::create_dir_all(&dir).map_err(io_failure(format!("creating {}", dir.display())))?;
    let path = dir.join("transfer.lock");
    let file = std::fs::File::create(&path).map_err(io_failure(format!("creating {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new(ErrorKind::Conflict, "another import or export of this project is at work")
                .with_hint("wait until it ends, then start this one again"))
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(io_failure(format!("locking {}", path.display()))(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(words: &str, dir: &Path) -> String {
        let words = words.split(' ').map(OsString::from).collect();
        let words: Vec<String> =
            turned(words, dir).into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn import_mlflow_is_mlflow_import_unless_a_repository_has_that_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(turn("lemnis import mlflow mlruns", dir.path()), "lemnis mlflow import mlruns");
        assert_eq!(
            turn("lemnis --cd x --json export mlflow a", dir.path()),
            "lemnis --cd x --json mlflow export a"
        );
        assert_eq!(turn("lemnis import ../data mlflow", dir.path()), "lemnis import ../data mlflow");
        assert_eq!(turn("lemnis import", dir.path()), "lemnis import");
        std::fs::create_dir(dir.path().join("mlflow")).unwrap();
        assert_eq!(turn("lemnis import mlflow data.csv", dir.path()), "lemnis import mlflow data.csv");
    }
}
