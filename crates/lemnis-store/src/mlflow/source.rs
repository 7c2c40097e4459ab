//! Which of MLflow's stores a user's words name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lemnis_tracking::transfer::{Archive, Target};
use lemnis_tracking::{Error, Result};

use super::database::MlflowDatabase;
use super::files::MlflowFiles;

/// An MLflow store that records are read from.
pub struct MlflowStore {
    /// Its records.
    pub archive: Arc<dyn Archive>,
    /// Its name for people and receipts: a URL without a password, or an absolute path.
    pub name: String,
    /// The folder that relative places are meant from; `None` for a database server.
    pub folder: Option<PathBuf>,
    /// The `mlruns/` folder itself, where it is one.
    pub files: Option<PathBuf>,
}

/// Where a database is.
enum Place {
    File(PathBuf),
    Server(String),
}

/// Opens what `source` names: `sqlite:///file.db`, `postgresql://…`, a database file or an `mlruns/` folder. Relative paths
/// are meant from `dir`.
pub async fn open_mlflow(source: &str, dir: &Path) -> Result<MlflowStore> {
    let path = dir.join(source.strip_prefix("file://").unwrap_or(source));
    if path.is_dir() {
        let path = path.canonicalize().unwrap_or(path);
        return Ok(MlflowStore {
            archive: Arc::new(MlflowFiles::open(&path)?),
            name: path.display().to_string(),
            folder: path.parent().map(Path::to_path_buf),
            files: Some(path),
        });
    }
    match place(source, dir)? {
        Place::File(path) => Ok(MlflowStore {
            archive: Arc::new(MlflowDatabase::file(&path, false).await?),
            name: path.display().to_string(),
            folder: path.parent().map(Path::to_path_buf),
            files: None,
        }),
        Place::Server(url) => Ok(MlflowStore {
            archive: Arc::new(MlflowDatabase::server(&url).await?),
            name: crate::postgres::shown(&url),
            folder: None,
            files: None,
        }),
    }
}

/// Opens the MLflow database that `target` names, to write to. It must have MLflow's schema already.
pub async fn open_mlflow_target(target: &str, dir: &Path) -> Result<(Arc<dyn Target>, String)> {
    match place(target, dir)? {
        Place::File(path) => {
            let name = path.display().to_string();
            Ok((Arc::new(MlflowDatabase::file(&path, true).await?), name))
        }
        Place::Server(url) => {
            let name = crate::postgres::shown(&url);
            Ok((Arc::new(MlflowDatabase::server(&url).await?), name))
        }
    }
}

fn place(uri: &str, dir: &Path) -> Result<Place> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return file(dir.join(uri));
    };
    // SQLAlchemy's name of a driver says nothing to us.
    match scheme.split('+').next().unwrap_or_default() {
        "sqlite" => {
            let path = rest.split('?').next().unwrap_or_default();
            file(dir.join(path.strip_prefix('/').unwrap_or(path)))
        }
        "postgresql" | "postgres" => Ok(Place::Server(format!("postgres://{rest}"))),
        "file" => file(PathBuf::from(rest)),
        "mysql" | "mssql" => Err(Error::invalid(format!(
            "MLflow databases on {scheme} are not read; `mlflow` on SQLite or PostgreSQL, or an mlruns/ folder is"
        ))),
        "http" | "https" => Err(Error::invalid(
            "an MLflow server is not read over HTTP: name its --backend-store-uri, which holds ids and times as well",
        )),
        other => Err(Error::invalid(format!("'{other}' is no kind of MLflow store"))),
    }
}

fn file(path: PathBuf) -> Result<Place> {
    if path.is_file() {
        return Ok(Place::File(path.canonicalize().unwrap_or(path)));
    }
    Err(Error::missing(format!("there is no MLflow store at {}", path.display())))
}
