//! Where artifacts lie: in our own store, and wherever MLflow's URIs point.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use lemnis_app::transfer::{Place, Places};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use tokio::sync::Mutex;

use crate::context::Context;
use crate::output::Failure;

/// The artifacts that our own server keeps.
pub struct Ours {
    store: Arc<dyn ObjectStore>,
    elsewhere: Stores,
}

impl Ours {
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, elsewhere: Stores::default() }
    }
}

#[async_trait]
impl Places for Ours {
    async fn open(&self, uri: &str) -> Result<Place, String> {
        if uri.starts_with("mlflow-artifacts:") {
            let path = lemnis_app::artifact::object_path(uri).map_err(|error| error.to_string())?;
            return Ok(Place { store: self.store.clone(), path });
        }
        self.elsewhere.open(uri, None).await
    }
}

/// The artifacts of an MLflow store.
pub struct Outside {
    stores: Stores,
    /// What relative paths are meant from.
    folder: Option<PathBuf>,
    /// What lies behind `mlflow-artifacts:` and behind folders that are not there any more.
    root: Option<String>,
    /// The URI that the root has in the database, where it is another than its own.
    base: Option<String>,
}

impl Outside {
    /// Artifacts below `root`, a folder from `dir` or a URL; without one, `mlartifacts` in `folder` where that is there.
    pub fn new(
        dir: &Path,
        folder: Option<PathBuf>,
        root: Option<&str>,
        base: Option<String>,
    ) -> Result<Self, Failure> {
        let root = match root {
            Some(url) if url.contains("://") && !url.starts_with("file://") => {
                Some(url.trim_end_matches('/').to_owned())
            }
            Some(path) => {
                let path = dir.join(path.strip_prefix("file://").unwrap_or(path));
                let path = std::path::absolute(&path).unwrap_or(path);
                Some(file_uri(&path))
            }
            None => {
                let beside = folder.as_ref().map(|folder| folder.join("mlartifacts"));
                beside.filter(|path| path.is_dir()).map(|path| file_uri(&path))
            }
        };
        if base.as_deref().is_some_and(|base| !base.contains(':')) {
            return Err(Failure::usage("--artifact-uri is no URI")
                .with_hint("for `mlflow server --artifacts-destination DIR` it is mlflow-artifacts:/"));
        }
        Ok(Self { stores: Stores::default(), folder, root, base })
    }

    /// The URI of the root.
    pub fn root_uri(&self) -> String {
        self.root.clone().unwrap_or_default()
    }

    /// The folder of a record in the root, by the last parts of a path that is not there any more.
    fn moved(&self, path: &Path) -> Option<String> {
        let root = self.root.as_ref()?;
        let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        // experiment/run/artifacts, or experiment/models/model/artifacts.
        let models = parts.len() > 3 && matches!(parts[parts.len() - 3].as_ref(), "models" | "traces");
        let count = if models { 4 } else { 3 };
        let tail = parts.get(parts.len().checked_sub(count)?..)?.join("/");
        Some(format!("{root}/{tail}"))
    }
}

#[async_trait]
impl Places for Outside {
    async fn open(&self, uri: &str) -> Result<Place, String> {
        let behind = match &self.base {
            Some(base) => uri.strip_prefix(base.trim_end_matches('/')),
            None => uri.strip_prefix("mlflow-artifacts:").map(without_host),
        };
        if let Some(rest) = behind {
            let root = self.root.as_ref().ok_or_else(|| {
                "they lie behind an MLflow server; name its --artifacts-destination with --artifacts"
                    .to_owned()
            })?;
            if rest.split('/').any(|part| part == "..") {
                return Err("the path leads out of its folder".to_owned());
            }
            return self.stores.open(&format!("{root}/{}", rest.trim_start_matches('/')), None).await;
        }
        let place = self.stores.open(uri, self.folder.as_deref()).await?;
        let local = local_path(uri, self.folder.as_deref());
        match local.filter(|path| !path.exists()).and_then(|path| self.moved(&path)) {
            Some(elsewhere) => self.stores.open(&elsewhere, None).await,
            None => Ok(place),
        }
    }
}

fn without_host(rest: &str) -> &str {
    match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    }
}

fn file_uri(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), |url| url.to_string())
}

/// The local path that `uri` names, if it names one.
fn local_path(uri: &str, folder: Option<&Path>) -> Option<PathBuf> {
    if uri.starts_with("file:") {
        return url::Url::parse(uri).ok()?.to_file_path().ok();
    }
    if uri.contains("://") {
        return None;
    }
    let path = Path::new(uri);
    if path.is_absolute() { Some(path.to_path_buf()) } else { Some(folder?.join(path)) }
}

/// Stores that were opened, one for each bucket.
#[derive(Default)]
struct Stores(Mutex<HashMap<String, Arc<dyn ObjectStore>>>);

impl Stores {
    async fn open(&self, uri: &str, folder: Option<&Path>) -> Result<Place, String> {
        if let Some(path) = local_path(uri, folder) {
            let path = std::path::absolute(&path).map_err(|error| error.to_string())?;
            let path = ObjectPath::from_absolute_path(&path).map_err(|error| error.to_string())?;
            return Ok(Place { store: Arc::new(LocalFileSystem::new()), path });
        }
        let parsed = url::Url::parse(uri).map_err(|error| format!("{uri} is no URI: {error}"))?;
        let bucket = format!("{}://{}", parsed.scheme(), parsed.host_str().unwrap_or_default());
        let path = url_path(&parsed)?;
        let mut opened = self.0.lock().await;
        if let Some(store) = opened.get(&bucket) {
            return Ok(Place { store: store.clone(), path });
        }
        let environment =
            lemnis_store::CloudEnvironment { variables: Context::variables(), ask_secret: None };
        let url = bucket.clone();
        // Asking a bucket for its region waits.
        let ended = tokio::task::spawn_blocking(move || {
            lemnis_store::open_remote(&url, &Default::default(), &environment)
        });
        let (store, _) =
            ended.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        opened.insert(bucket, store.clone());
        Ok(Place { store, path })
    }
}

fn url_path(url: &url::Url) -> Result<ObjectPath, String> {
    ObjectPath::from_url_path(url.path()).map_err(|error| error.to_string())
}
