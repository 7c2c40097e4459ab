//! Signed URLs of artifacts and uploads in parts: where the server's keeper allows it, large files do not pass through
//! the server.
//!
//! Where that is off, or the object store cannot do it, the answer is 501 with the words that make MLflow's client go
//! through the proxy.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::direct::{Access, DirectTransfers, MAX_PARTS};
use lemnis_tracking::{Error, LoggedModelId, Result};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::{Value, json};

use super::Answer;
use super::artifact_paths::{of_uri, safe};
use super::failure::Failure;
use super::fields::Fields;
use super::wire::{Reply, nothing};
use crate::Server;

/// How long a URL is valid where the request does not say: MLflow's defaults.
const READ_SECONDS: i64 = 300;
const WRITE_SECONDS: i64 = 900;
/// The longest time that the clouds sign for, 7 days.
const LONGEST_SECONDS: i64 = 604_800;

fn direct(server: &Server, what: &'static str) -> Result<Arc<dyn DirectTransfers>, Failure> {
    server.app.direct.clone().ok_or(Failure::NotDirect { what })
}

fn parted(server: &Server) -> Result<Arc<dyn DirectTransfers>, Failure> {
    let refusal = || Failure::NotDirect { what: "Multipart upload" };
    server.app.direct.clone().filter(|direct| direct.takes_parts()).ok_or_else(refusal)
}

/// `GET …/presigned/PATH`
pub(super) async fn presigned(State(server): State<Server>, UrlPath(path): UrlPath<String>) -> Answer<Value> {
    let direct = direct(&server, "Multipart download")?;
    let path = safe(&path)?;
    let meta = server.app.artifacts.head(&path).await?;
    let url = direct.signed_url(Access::Read, path.as_ref(), seconds(READ_SECONDS)).await?;
    Ok(Reply(json!({"url": url, "headers": {}, "file_size": meta.size})))
}

/// `POST artifacts/presigned-download-url`
pub(super) async fn download_url(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let direct = direct(&server, "Presigned download")?;
    let (id, path) = (fields.run_id()?, fields.required("path")?);
    let valid = valid(&fields, READ_SECONDS)?;
    safe(&path)?;
    let info = server.app.runs.info(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    let path = of_uri(&info.artifact_uri, Some(&path))?;
    let meta = server.app.artifacts.head(&path).await?;
    let url = direct.signed_url(Access::Read, path.as_ref(), valid).await?;
    Ok(Reply(json!({"presigned_url": url, "headers": {}, "file_size": meta.size})))
}

/// `POST artifacts/presigned-upload-url`
pub(super) async fn upload_url(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let direct = direct(&server, "Presigned upload")?;
    let (run, model) = (fields.filled("run_id")?, fields.filled("model_id")?);
    let path = fields.required("path")?;
    let valid = valid(&fields, WRITE_SECONDS)?;
    safe(&path)?;
    let root = match (run, model) {
        (Some(_), None) => {
            let id = fields.run_id()?;
            server.app.runs.info(&id).await?.ok_or_else(|| Error::no_run(&id))?.artifact_uri
        }
        (None, Some(id)) => {
            let id = LoggedModelId::from(id);
            let model = server.app.logged_models.get(&id).await?;
            model.ok_or_else(|| Error::no_logged_model(&id))?.artifact_uri
        }
        _ => return Err(Error::invalid("Exactly one of run_id and model_id must be provided.").into()),
    };
    let path = of_uri(&root, Some(&path))?;
    let url = direct.signed_url(Access::Write, path.as_ref(), valid).await?;
    Ok(Reply(json!({"presigned_url": url, "headers": {}})))
}

/// `POST …/mpu/create/FOLDER`
pub(super) async fn begin(
    State(server): State<Server>,
    UrlPath(folder): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let direct = parted(&server)?;
    let path = file_in(&folder, &fields)?;
    let parts = fields.int("num_parts")?.unwrap_or(1);
    let parts = u32::try_from(parts).ok().filter(|parts| (1..=MAX_PARTS).contains(parts));
    let parts = parts.ok_or_else(|| Error::invalid(format!("num_parts must be 1 to {MAX_PARTS}.")))?;
    let upload = direct.begin_upload(path.as_ref(), parts).await?;
    let credentials: Vec<Value> = upload
        .part_urls
        .into_iter()
        .zip(1..)
        .map(|(url, number)| json!({"url": url, "part_number": number, "headers": {}}))
        .collect();
    Ok(Reply(json!({"upload_id": upload.id, "credentials": credentials})))
}

/// `POST …/mpu/complete/FOLDER`
pub(super) async fn complete(
    State(server): State<Server>,
    UrlPath(folder): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let direct = parted(&server)?;
    let path = file_in(&folder, &fields)?;
    let mut parts = Vec::new();
    for part in fields.objects("parts")? {
        let number = part.int("part_number")?.ok_or_else(|| part.missing("part_number"))?;
        parts.push((number, part.required("etag")?));
    }
    parts.sort();
    if parts.is_empty() || parts.iter().zip(1..).any(|((number, _), expected)| *number != expected) {
        return Err(Error::invalid("The parts must be numbered from 1 without a gap.").into());
    }
    let tags = parts.into_iter().map(|(_, tag)| tag).collect();
    direct.complete_upload(path.as_ref(), &fields.required("upload_id")?, tags).await?;
    Ok(nothing())
}

/// `POST …/mpu/abort/FOLDER`
pub(super) async fn abort(
    State(server): State<Server>,
    UrlPath(folder): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let direct = parted(&server)?;
    let path = file_in(&folder, &fields)?;
    direct.abort_upload(path.as_ref(), &fields.required("upload_id")?).await?;
    Ok(nothing())
}

/// The artifact in `folder` with the name of the client's own file, whose path may be of any system.
fn file_in(folder: &str, fields: &Fields) -> Result<Path> {
    let local = fields.required("path")?;
    let name = local.rsplit(['/', '\\']).next().unwrap_or_default();
    let (folder, name) = (safe(folder)?, safe(name)?);
    if name.is_root() {
        return Err(Error::invalid("Invalid path"));
    }
    Ok(folder.parts().chain(name.parts()).collect())
}

fn valid(fields: &Fields, default: i64) -> Result<Duration> {
    let given = fields.int("expiration")?.unwrap_or(default);
    if !(1..=LONGEST_SECONDS).contains(&given) {
        return Err(Error::invalid(format!(
            "expiration must be between 1 and {LONGEST_SECONDS} seconds (got {given})."
        )));
    }
    Ok(seconds(given))
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}
