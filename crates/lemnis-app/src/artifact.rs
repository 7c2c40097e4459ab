//! Artifacts as local files: models are loaded from a folder, wherever the artifact store keeps them.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use lemnis_core::ErrorKind;
use lemnis_model::Model;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{App, Context, Error, blocking};

/// The object path behind an `mlflow-artifacts:/…` URI.
pub fn object_path(uri: &str) -> Result<ObjectPath, Error> {
    let rest = uri
        .strip_prefix("mlflow-artifacts:")
        .ok_or_else(|| Error::invalid(format!("artifacts at {uri:?} are not kept by this server")))?;
    ObjectPath::parse(rest.trim_matches('/'))
        .map_err(|error| Error::invalid(format!("{uri:?} is no artifact: {error}")))
}

/// The files below `uri` in a local folder, fetched once. `key` names the folder and must be unique to the content.
pub async fn local_copy(app: &App, uri: &str, key: &str) -> Result<PathBuf, Error> {
    let cache = app.project.state_dir().join("cache");
    let folder = cache.join(safe_key(key)?);
    if folder.is_dir() {
        return Ok(folder);
    }
    let prefix = object_path(uri)?;
    let files: Vec<_> =
        app.artifacts.list(Some(&prefix)).try_collect().await.map_err(|error| store_error(uri, error))?;
    if files.is_empty() {
        return Err(Error::Missing { what: "artifact", name: uri.to_owned() });
    }
    std::fs::create_dir_all(&cache).map_err(Error::file(&cache, "created"))?;
    let scratch = cache.join(format!(".{}.{}", safe_key(key)?, uuid::Uuid::new_v4().simple()));
    for file in files {
        let Some(parts) = file.location.prefix_match(&prefix) else { continue };
        let mut path = scratch.clone();
        path.extend(parts.map(|part| part.as_ref().to_owned()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::file(parent, "created"))?;
        }
        let content = app.artifacts.get(&file.location).await.map_err(|error| store_error(uri, error))?;
        let bytes = content.bytes().await.map_err(|error| store_error(uri, error))?;
        std::fs::write(&path, &bytes).map_err(Error::file(&path, "written"))?;
    }
    match std::fs::rename(&scratch, &folder) {
        Ok(()) => Ok(folder),
        // Someone else was faster; theirs is the same.
        Err(_) if folder.is_dir() => {
            std::fs::remove_dir_all(&scratch).ok();
            Ok(folder)
        }
        Err(error) => Err(Error::file(&folder, "created")(error)),
    }
}

/// The model below `uri`, checked against `digest`.
pub async fn load_model(app: &App, uri: &str, digest: &str) -> Result<Model, Error> {
    let folder = local_copy(app, uri, digest).await?;
    let path = folder.clone();
    let model = blocking(move || load_dir(&path)).await?;
    if model.digest().as_str() != digest {
        return Err(Error::conflict(
            format!(
                "the model at {uri} is not the one that was registered: its digest is {}",
                model.digest()
            ),
            format!("remove {} and try again; if it stays, the artifact was changed", folder.display()),
        ));
    }
    Ok(model)
}

/// The model in a folder.
pub fn load_dir(folder: &Path) -> Result<Model, Error> {
    Model::load(folder).context(format!("loading the model in {}", folder.display()))
}

fn safe_key(key: &str) -> Result<String, Error> {
    let name = key.replace(':', "-");
    let safe = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if safe && !name.starts_with('.') {
        Ok(name)
    } else {
        Err(Error::invalid(format!("{key:?} is no digest")))
    }
}

pub(crate) fn store_error(uri: &str, source: object_store::Error) -> Error {
    let kind = match source {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::Domain { context: format!("reading {uri}"), kind, hint: None, source: Box::new(source) }
}

/// The bytes of one artifact.
pub async fn read(app: &App, uri: &str) -> Result<Vec<u8>, Error> {
    let content = app.artifacts.get(&object_path(uri)?).await.map_err(|error| store_error(uri, error))?;
    let bytes = content.bytes().await.map_err(|error| store_error(uri, error))?;
    Ok(bytes.to_vec())
}
