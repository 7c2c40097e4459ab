//! Artifacts by run, logged model or version, and what this server says about itself.

use std::collections::HashMap;

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use lemnis_tracking::{Error, LoggedModelId, RunId};
use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};

use super::Answer;
use super::artifact_paths::{of_uri, safe};
use super::artifact_proxy::{entries, files, send};
use super::failure::Failure;
use super::fields::Fields;
use super::model_versions::{named, version_number};
use super::wire::{Reply, nothing};
use crate::Server;

/// The largest file a browser uploads in one piece.
const MAX_UPLOAD_BYTES: usize = 10 << 20;

pub(super) async fn list(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let path = fields.text("path")?.unwrap_or_default();
    safe(&path)?;
    let info = server.app.runs.info(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    list_below(&server, &info.artifact_uri, &path).await
}

pub(super) async fn list_logged_model(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let id = LoggedModelId::from(id);
    let path = fields.text("artifact_directory_path")?.unwrap_or_default();
    safe(&path)?;
    let model = server.app.logged_models.get(&id).await?.ok_or_else(|| Error::no_logged_model(&id))?;
    list_below(&server, &model.artifact_uri, &path).await
}

async fn list_below(server: &Server, root: &str, path: &str) -> Answer<Value> {
    let entries = entries(server.app.artifacts.as_ref(), &of_uri(root, Some(path))?).await?;
    let Reply(mut answer) = files(entries, path);
    answer["root_uri"] = root.into();
    Ok(Reply(answer))
}

/// `/get-artifact?run_id=…&path=…`
pub(super) async fn get_artifact(
    State(server): State<Server>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    let path = fields.required("path")?;
    safe(&path)?;
    let id = fields.run_id()?;
    let info = server.app.runs.info(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    send(server.app.artifacts.as_ref(), &of_uri(&info.artifact_uri, Some(&path))?, &headers).await
}

/// `/model-versions/get-artifact?name=…&version=…&path=…`
pub(super) async fn get_version_artifact(
    State(server): State<Server>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    let path = fields.required("path")?;
    safe(&path)?;
    let (name, number) = (named(&fields)?, version_number(&fields)?);
    let version = server.app.registry.get_version(&name, number).await?;
    let version = version.ok_or_else(|| Error::no_version(&name, number))?;
    send(server.app.artifacts.as_ref(), &of_uri(version.artifact_uri(), Some(&path))?, &headers).await
}

/// `/logged-models/{id}/artifacts/files?artifact_file_path=…`
pub(super) async fn get_logged_model_artifact(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    let path = fields.required("artifact_file_path")?;
    let id = LoggedModelId::from(id);
    let model = server.app.logged_models.get(&id).await?.ok_or_else(|| Error::no_logged_model(&id))?;
    send(server.app.artifacts.as_ref(), &of_uri(&model.artifact_uri, Some(&path))?, &headers).await
}

/// `/upload-artifact?run_uuid=…&path=…`: a small file of a run, from a browser.
pub(super) async fn upload(State(server): State<Server>, request: Request) -> Answer<Value> {
    let (parts, body) = request.into_parts();
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let given = |name: &str| {
        let value = query.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::invalid(format!("Request must specify {name}.")))
    };
    let id = RunId::from(given("run_uuid")?.as_str());
    let path = given("path")?;
    safe(path)?;
    let data = axum::body::to_bytes(body, MAX_UPLOAD_BYTES)
        .await
        .map_err(|_| Error::invalid("Artifact size is too large. Max size is 10MB."))?;
    if data.is_empty() {
        return Err(Error::invalid("Request must specify data.").into());
    }
    let info = server.app.runs.info(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    server.app.artifacts.put(&of_uri(&info.artifact_uri, Some(path))?, data.into()).await?;
    Ok(nothing())
}

pub(super) async fn server_info(State(server): State<Server>) -> Reply<Value> {
    let direct = server.app.direct.as_ref();
    Reply(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": direct.is_some_and(|direct| direct.takes_parts()),
        "multipart_downloads_enabled": direct.is_some(),
        "presigned_upload_run_id_supported": direct.is_some(),
        "presigned_upload_model_id_supported": direct.is_some(),
        "features_enabled": {"gateway": false},
    }))
}
