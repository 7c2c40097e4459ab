//! The artifact proxy: bytes stream through it both ways, so its memory does not depend on their size.

use std::io::{Seek as _, SeekFrom};

use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use lemnis_tracking::Error;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::{ReaderStream, StreamReader};

use super::Answer;
use super::artifact_paths::safe;
use super::failure::{self, Failure};
use super::fields::Fields;
use super::wire::{self, Reply};
use crate::Server;

/// Bytes of a download in memory at a time.
const READ_BYTES: usize = 256 << 10;
/// Bytes of an upload in memory at a time: the smallest part that every object store takes, and a little more.
const PART_BYTES: usize = 6 << 20;
/// Parts of an upload on their way to the store at a time.
const PARTS_AT_ONCE: usize = 3;

pub(super) async fn upload(
    State(server): State<Server>,
    UrlPath(path): UrlPath<String>,
    request: Request,
) -> Answer<Value> {
    let path = safe(&path)?;
    if path.is_root() {
        return Err(Error::invalid("Invalid path").into());
    }
    let mut reader = StreamReader::new(request.into_body().into_data_stream().map_err(std::io::Error::other));
    let mut writer = BufWriter::with_capacity(server.app.artifacts.clone(), path, PART_BYTES)
        .with_max_concurrency(PARTS_AT_ONCE);
    if let Err(error) = copy(&mut reader, &mut writer).await {
        // Nothing of a broken upload becomes visible.
        let _ = writer.abort().await;
        return Err(error);
    }
    // The writer aborts by itself what it cannot finish.
    writer.shutdown().await.map_err(store_failure)?;
    Ok(wire::nothing())
}

async fn copy(reader: &mut (impl AsyncRead + Unpin), writer: &mut BufWriter) -> Result<(), Failure> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let broken = |error| Error::invalid(format!("The upload broke off: {error}"));
        let read = reader.read(&mut buffer).await.map_err(broken)?;
        if read == 0 {
            return Ok(());
        }
        writer.write_all(&buffer[..read]).await.map_err(store_failure)?;
    }
}

/// The object store's error inside the I/O error of its writer.
fn store_failure(error: std::io::Error) -> Failure {
    Failure::Artifacts(match error.downcast::<object_store::Error>() {
        Ok(error) => error,
        Err(error) => object_store::Error::Generic { store: "artifacts", source: Box::new(error) },
    })
}

pub(super) async fn download(
    State(server): State<Server>,
    UrlPath(path): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    send(server.app.artifacts.as_ref(), &safe(&path)?, &headers).await
}

/// The artifact at `path` as an answer, or the range of it that is asked for.
pub(crate) async fn send(
    store: &dyn ObjectStore,
    path: &Path,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    if path.is_root() {
        return Err(Error::missing("No such artifact: ''").into());
    }
    let meta = store.head(path).await?;
    let range = headers.get(header::RANGE).and_then(|value| byte_range(value.to_str().ok()?, meta.size));
    let mut answer = match range {
        Some(None) => {
            let why = format!("The file has {} bytes and none in the range.", meta.size);
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let mut refusal = failure::answer(status, "INVALID_PARAMETER_VALUE", &why);
            insert(refusal.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", meta.size));
            return Ok(refusal);
        }
        Some(Some((start, end))) => {
            let options = GetOptions { range: Some(GetRange::Bounded(start..end)), ..GetOptions::default() };
            let mut answer = body(store.get_opts(path, options).await?)?.into_response();
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{}", end - 1, meta.size);
            insert(answer.headers_mut(), header::CONTENT_RANGE, &range);
            insert(answer.headers_mut(), header::CONTENT_LENGTH, &(end - start).to_string());
            answer
        }
        None => {
            let mut answer = body(store.get_opts(path, GetOptions::default()).await?)?.into_response();
            insert(answer.headers_mut(), header::CONTENT_LENGTH, &meta.size.to_string());
            answer
        }
    };
    describe(answer.headers_mut(), path, &meta);
    Ok(answer)
}

fn body(found: GetResult) -> Result<Body, Failure> {
    let length = found.range.end - found.range.start;
    match found.payload {
        GetResultPayload::File(mut file, _) => {
            let unreadable = |error: std::io::Error| object_store::Error::Generic {
                store: "artifacts",
                source: Box::new(error),
            };
            file.seek(SeekFrom::Start(found.range.start)).map_err(unreadable)?;
            let part = tokio::fs::File::from_std(file).take(length);
            Ok(Body::from_stream(ReaderStream::with_capacity(part, READ_BYTES)))
        }
        GetResultPayload::Stream(stream) => Ok(Body::from_stream(stream)),
    }
}

/// The first range of `bytes=…`: start and end (excluded). `None` is no range that we know, `Some(None)` one outside.
fn byte_range(text: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if last.contains(',') {
        return None;
    }
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => (size.saturating_sub(last.parse().ok()?), size),
        (false, true) => (first.parse().ok()?, size),
        (false, false) => (first.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    Some((start < end).then_some((start, end)))
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn describe(headers: &mut HeaderMap, path: &Path, meta: &ObjectMeta) {
    let name = path.filename().unwrap_or_default();
    insert(headers, header::CONTENT_TYPE, content_type(name));
    insert(headers, header::CONTENT_DISPOSITION, &disposition(name));
    insert(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert(headers, header::ACCEPT_RANGES, "bytes");
    if let Some(tag) = &meta.e_tag {
        insert(headers, header::ETAG, &format!("\"{}\"", tag.trim_matches('"')));
    }
}

/// `attachment; filename=…`, in the form of RFC 5987 where the name needs it.
fn disposition(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!$&+-.^_`|~".contains(&byte);
    if name.bytes().all(plain) {
        return format!("attachment; filename={name}");
    }
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\%".contains(&byte)) {
        return format!("attachment; filename=\"{name}\"");
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        match plain(byte) {
            true => encoded.push(byte as char),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// The media type by extension; texts of every kind are plain, so that no browser runs them.
fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "txt" | "log" | "err" | "cfg" | "conf" | "cnf" | "cf" | "ini" | "properties" | "prop" | "hocon"
        | "toml" | "yaml" | "yml" | "xml" | "json" | "js" | "py" | "py3" | "csv" | "tsv" | "md" | "rst"
        | "mlmodel" | "mlproject" | "html" | "svg" => "text/plain",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

pub(super) async fn list(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let folder = safe(&fields.text("path")?.unwrap_or_default())?;
    let entries = entries(server.app.artifacts.as_ref(), &folder).await?;
    Ok(files(entries, ""))
}

/// One entry of a folder: name, and the size of a file.
pub(super) type Entry = (String, Option<u64>);

/// What lies in `folder`, by name; nothing where there is no such folder.
pub(super) async fn entries(store: &dyn ObjectStore, folder: &Path) -> Result<Vec<Entry>, Failure> {
    let found = store.list_with_delimiter(Some(folder)).await?;
    let depth = folder.parts_count();
    let name =
        |path: &Path| (path.parts_count() > depth).then(|| path.filename().unwrap_or_default().to_owned());
    let mut entries: Vec<Entry> = Vec::new();
    for meta in &found.objects {
        entries.extend(name(&meta.location).map(|name| (name, Some(meta.size))));
    }
    for prefix in &found.common_prefixes {
        entries.extend(name(prefix).map(|name| (name, None)));
    }
    entries.sort();
    Ok(entries)
}

/// The answer that lists `entries`, each below `prefix`.
pub(super) fn files(entries: Vec<Entry>, prefix: &str) -> Reply<Value> {
    let mut out = Map::new();
    let files: Vec<Value> = entries
        .into_iter()
        .map(|(name, size)| {
            let path =
                if prefix.is_empty() { name } else { format!("{}/{name}", prefix.trim_end_matches('/')) };
            match size {
                Some(size) => json!({"path": path, "is_dir": false, "file_size": size}),
                None => json!({"path": path, "is_dir": true}),
            }
        })
        .collect();
    if !files.is_empty() {
        out.insert("files".into(), files.into());
    }
    Reply(out.into())
}

pub(super) async fn delete(State(server): State<Server>, UrlPath(path): UrlPath<String>) -> Answer<Value> {
    let path = safe(&path)?;
    if path.is_root() {
        return Err(Error::invalid("Invalid path").into());
    }
    let store = server.app.artifacts.as_ref();
    match store.head(&path).await {
        Ok(_) => store.delete(&path).await?,
        Err(object_store::Error::NotFound { .. }) => {
            let mut found = store.list(Some(&path));
            let mut any = false;
            while let Some(meta) = found.try_next().await? {
                any = true;
                store.delete(&meta.location).await?;
            }
            if !any {
                return Err(Error::missing(format!("No such artifact: '{path}'")).into());
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(wire::nothing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_http_says() {
        assert_eq!(byte_range("bytes=0-3", 10), Some(Some((0, 4))));
        assert_eq!(byte_range("bytes=8-99", 10), Some(Some((8, 10))));
        assert_eq!(byte_range("bytes=-3", 10), Some(Some((7, 10))));
        assert_eq!(byte_range("bytes=10-", 10), Some(None));
        assert_eq!(byte_range("bytes=0-1,3-4", 10), None);
        assert_eq!(byte_range("lines=1-2", 10), None);
    }

    #[test]
    fn a_name_is_quoted_or_encoded_where_it_must_be() {
        assert_eq!(disposition("model.onnx"), "attachment; filename=model.onnx");
        assert_eq!(disposition("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(disposition("größe.txt"), "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt");
    }
}
