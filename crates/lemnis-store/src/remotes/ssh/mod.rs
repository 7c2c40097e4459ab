//! A directory of an SSH server as an object store, over SFTP.
//!
//! One connection carries all requests, many at once. A file is written under a temporary name beside its own and
//! renamed, so that nobody sees a part of it; an interrupted upload leaves a file that no listing shows.

mod config;
mod known_hosts;
mod login;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use russh::client::Handle;
use russh_sftp::client::{Config, RawSftpSession, SftpSession, error::Error as SftpError};
use russh_sftp::protocol::{FileAttributes, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::Semaphore;

use super::{CloudEnvironment, Options};
use login::{Address, Checker};

/// What one read brings.
const READ_BYTES: usize = 256 << 10;
/// A request that takes longer has failed.
const REQUEST_SECONDS: u64 = 120;
/// Servers limit how many files are open.
const OPEN_FILES: usize = 32;
/// So many folders are listed at once.
const LISTINGS: usize = 8;
/// The name of a file that is not complete starts so.
const TEMP_PREFIX: &str = ".lemnis-";

/// Opens the server of an `ssh://` URL; the path of a store is the path from the server's root.
pub(super) async fn open(
    url: &url::Url,
    options: &Options,
    environment: &CloudEnvironment,
) -> std::result::Result<Arc<dyn ObjectStore>, String> {
    let address = Address::of(url, options, environment)?;
    let connection = address.connect().await?;
    let place = address.shown();
    let failed = |error: String| format!("{place} offers no SFTP: {error}");
    let channel = async || {
        let channel = connection.channel_open_session().await.map_err(|error| failed(error.to_string()))?;
        channel.request_subsystem(true, "sftp").await.map_err(|error| failed(error.to_string()))?;
        Ok::<_, String>(channel.into_stream())
    };
    let config = || Config { request_timeout_secs: REQUEST_SECONDS, ..Config::default() };
    let sftp = SftpSession::new_with_config(channel().await?, config());
    let sftp = sftp.await.map_err(|error| failed(error.to_string()))?;
    let renames = RawSftpSession::new_with_config(channel().await?, config());
    let version = renames.init().await.map_err(|error| failed(error.to_string()))?;
    let replaces = version.extensions.contains_key(POSIX_RENAME);
    let session =
        Session { sftp, renames, replaces, open_files: Semaphore::new(OPEN_FILES), _connection: connection };
    Ok(Arc::new(SshStore { place, session: Arc::new(session) }))
}

const POSIX_RENAME: &str = "posix-rename@openssh.com";

struct Session {
    sftp: SftpSession,
    /// For the rename that replaces, which the other one does not offer.
    renames: RawSftpSession,
    replaces: bool,
    open_files: Semaphore,
    _connection: Handle<Checker>,
}

/// A server's files.
struct SshStore {
    place: String,
    session: Arc<Session>,
}

impl fmt::Display for SshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssh({})", self.place)
    }
}

impl fmt::Debug for SshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn absolute(path: &Path) -> String {
    format!("/{path}")
}

fn status(error: &SftpError) -> Option<StatusCode> {
    match error {
        SftpError::Status(status) => Some(status.status_code),
        _ => None,
    }
}

fn failed(path: &str, error: SftpError) -> object_store::Error {
    let path = path.trim_start_matches('/').to_owned();
    match status(&error) {
        Some(StatusCode::NoSuchFile) => object_store::Error::NotFound { path, source: Box::new(error) },
        Some(StatusCode::PermissionDenied) => {
            object_store::Error::PermissionDenied { path, source: Box::new(error) }
        }
        _ => object_store::Error::Generic { store: "SSH", source: Box::new(error) },
    }
}

fn broken(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "SSH", source: Box::new(error) }
}

fn missing(path: &str) -> object_store::Error {
    let source = std::io::Error::from(std::io::ErrorKind::NotFound);
    object_store::Error::NotFound { path: path.trim_start_matches('/').to_owned(), source: Box::new(source) }
}

fn meta(location: Path, attributes: &FileAttributes) -> ObjectMeta {
    let seconds = i64::from(attributes.mtime.unwrap_or(0));
    let last_modified = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let size = attributes.size.unwrap_or(0);
    ObjectMeta { location, last_modified, size, e_tag: None, version: None }
}

impl Session {
    async fn look(&self, location: &Path) -> Result<ObjectMeta> {
        let path = absolute(location);
        let attributes = self.sftp.metadata(&path).await.map_err(|error| failed(&path, error))?;
        if !attributes.file_type().is_file() {
            return Err(missing(&path));
        }
        Ok(meta(location.clone(), &attributes))
    }

    /// Makes the folder and those above it.
    async fn make_dirs(&self, folder: &str) -> Result<()> {
        let mut lacking = Vec::new();
        let mut at = folder.trim_end_matches('/');
        while !at.is_empty() {
            match self.sftp.metadata(at).await {
                Ok(_) => break,
                Err(error) if status(&error) == Some(StatusCode::NoSuchFile) => lacking.push(at),
                Err(error) => return Err(failed(at, error)),
            }
            at = at.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for folder in lacking.into_iter().rev() {
            if let Err(error) = self.sftp.create_dir(folder).await
                // Another job, or another person, may have made it meanwhile.
                && self.sftp.metadata(folder).await.is_err()
            {
                return Err(failed(folder, error));
            }
        }
        Ok(())
    }

    /// Puts a complete file under its name, also where one stands.
    async fn rename(&self, from: &str, to: &str) -> Result<()> {
        if self.replaces {
            let mut data = Vec::with_capacity(from.len() + to.len() + 8);
            for text in [from, to] {
                data.extend((text.len() as u32).to_be_bytes());
                data.extend(text.as_bytes());
            }
            return match self.renames.extended(POSIX_RENAME, data).await {
                Ok(russh_sftp::protocol::Packet::Status(status)) if status.status_code == StatusCode::Ok => {
                    Ok(())
                }
                Ok(russh_sftp::protocol::Packet::Status(status)) => {
                    Err(failed(to, SftpError::Status(status)))
                }
                Ok(_) => Err(failed(to, SftpError::UnexpectedPacket)),
                Err(error) => Err(failed(to, error)),
            };
        }
        match self.sftp.rename(from, to).await {
            Ok(()) => Ok(()),
            Err(_) if self.sftp.metadata(to).await.is_ok() => {
                self.sftp.remove_file(to).await.map_err(|error| failed(to, error))?;
                self.sftp.rename(from, to).await.map_err(|error| failed(to, error))
            }
            Err(error) => Err(failed(to, error)),
        }
    }

    /// What a folder holds: files, then folders. One that is not there holds nothing.
    async fn list_folder(&self, folder: &Path) -> Result<(Vec<ObjectMeta>, Vec<Path>)> {
        let path = absolute(folder);
        let listed = match self.sftp.read_dir(&path).await {
            Ok(listed) => listed,
            Err(error) => {
                let there = self.sftp.metadata(&path).await;
                return match there {
                    Ok(found) if found.file_type().is_dir() => Err(failed(&path, error)),
                    _ => Ok((Vec::new(), Vec::new())),
                };
            }
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in listed {
            let name = entry.file_name();
            // A name that is no part of a path, or of a file in the making, is not ours.
            let Ok(part) = object_store::path::PathPart::parse(&name) else { continue };
            if name.starts_with(TEMP_PREFIX) || matches!(name.as_str(), "" | "." | "..") {
                continue;
            }
            let location = folder.clone().join(part);
            let mut attributes = entry.metadata();
            if attributes.file_type().is_symlink() {
                match self.sftp.metadata(absolute(&location)).await {
                    // Links to folders are not followed: they may lead in a circle.
                    Ok(target) if target.file_type().is_file() => attributes = target,
                    _ => continue,
                }
            }
            if attributes.file_type().is_dir() {
                folders.push(location);
            } else if attributes.file_type().is_file() {
                files.push(meta(location, &attributes));
            }
        }
        Ok((files, folders))
    }

    async fn list_below(&self, top: Path) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut waiting = vec![top];
        while !waiting.is_empty() {
            let listed = stream::iter(std::mem::take(&mut waiting))
                .map(async |folder| self.list_folder(&folder).await)
                .buffer_unordered(LISTINGS);
            let listed: Vec<(Vec<ObjectMeta>, Vec<Path>)> = listed.try_collect().await?;
            for (files, folders) in listed {
                found.extend(files);
                waiting.extend(folders);
            }
        }
        Ok(found)
    }

    async fn delete(&self, location: &Path) -> Result<()> {
        let path = absolute(location);
        self.sftp.remove_file(&path).await.map_err(|error| failed(&path, error))
    }

    /// The bytes of `range`, piece by piece.
    async fn read(
        self: Arc<Self>,
        path: String,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        struct Reading {
            session: Arc<Session>,
            file: russh_sftp::client::fs::File,
            left: u64,
        }
        let mut file = self.sftp.open(&path).await.map_err(|error| failed(&path, error))?;
        if range.start > 0 {
            file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(broken)?;
        }
        let reading = Reading { session: self, file, left: range.end - range.start };
        let pieces = stream::try_unfold(reading, move |mut reading| async move {
            if reading.left == 0 {
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut reading.file).await;
                return Ok(None);
            }
            let mut piece = vec![0; READ_BYTES.min(reading.left as usize)];
            let permit = reading.session.open_files.acquire().await.ok();
            let length = reading.file.read(&mut piece).await.map_err(broken)?;
            drop(permit);
            if length == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            piece.truncate(length);
            reading.left -= length as u64;
            Ok(Some((Bytes::from(piece), reading)))
        });
        Ok(pieces.boxed())
    }
}

#[async_trait]
impl ObjectStore for SshStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode != PutMode::Overwrite {
            return Err(object_store::Error::NotImplemented {
                operation: "a conditional write".into(),
                implementer: self.to_string(),
            });
        }
        let mut upload = upload::Upload::begin(Arc::clone(&self.session), location).await?;
        let written = upload.put_part(payload).await;
        match written {
            Ok(()) => upload.complete().await,
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(upload::Upload::begin(Arc::clone(&self.session), location).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.session.look(location).await?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range
                .as_range(meta.size)
                .map_err(|error| object_store::Error::Generic { store: "SSH", source: Box::new(error) })?,
        };
        let stream = match options.head {
            true => stream::empty().boxed(),
            false => Arc::clone(&self.session).read(absolute(location), range.clone()).await?,
        };
        let payload = GetResultPayload::Stream(stream);
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let session = Arc::clone(&self.session);
        let deleted = locations.map(move |location| {
            let session = Arc::clone(&session);
            async move {
                let location = location?;
                session.delete(&location).await?;
                Ok(location)
            }
        });
        deleted.buffered(LISTINGS).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let session = Arc::clone(&self.session);
        let top = prefix.cloned().unwrap_or_default();
        let listed = async move {
            let found = session.list_below(top).await?;
            Ok::<_, object_store::Error>(stream::iter(found.into_iter().map(Ok)))
        };
        stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let top = prefix.cloned().unwrap_or_default();
        let (objects, common_prefixes) = self.session.list_folder(&top).await?;
        Ok(ListResult { objects, common_prefixes })
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(object_store::Error::NotImplemented {
            operation: "a copy on the server".into(),
            implementer: self.to_string(),
        })
    }
}
