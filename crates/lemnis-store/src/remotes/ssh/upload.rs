//! A file on its way to an SSH server, in parts that may arrive in any order.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use russh_sftp::client::fs::File;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::{Session, TEMP_PREFIX, absolute, broken, failed, status};

pub(super) struct Upload {
    session: Arc<Session>,
    temp: String,
    target: String,
    /// Where the next part begins.
    at: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({})", self.target)
    }
}

impl Upload {
    /// Creates the file under a temporary name, and its folder.
    pub(super) async fn begin(session: Arc<Session>, location: &Path) -> Result<Self> {
        let target = absolute(location);
        let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let temp = format!("{folder}/{TEMP_PREFIX}{}.tmp", uuid::Uuid::new_v4().simple());
        let permit = session.open_files.acquire().await.ok();
        let create = async || {
            let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
            session.sftp.open_with_flags_and_attributes(&temp, flags, FileAttributes::empty()).await
        };
        let file = match create().await {
            Err(error) if status(&error) == Some(StatusCode::NoSuchFile) => {
                session.make_dirs(&folder).await?;
                create().await
            }
            created => created,
        };
        let mut file = file.map_err(|error| failed(&temp, error))?;
        file.shutdown().await.map_err(broken)?;
        drop(permit);
        Ok(Self { session, temp, target, at: 0 })
    }
}

async fn write(file: &mut File, at: u64, data: PutPayload) -> std::io::Result<()> {
    if at > 0 {
        file.seek(std::io::SeekFrom::Start(at)).await?;
    }
    for piece in data {
        file.write_all(&piece).await?;
    }
    // Waits for every write to be answered, and for the disk where the server offers that.
    file.flush().await
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let at = self.at;
        self.at += data.content_length() as u64;
        let (session, temp) = (Arc::clone(&self.session), self.temp.clone());
        Box::pin(async move {
            let _permit = session.open_files.acquire().await.ok();
            let opened = session.sftp.open_with_flags(&temp, OpenFlags::WRITE).await;
            let mut file = opened.map_err(|error| failed(&temp, error))?;
            let written = write(&mut file, at, data).await;
            let closed = file.shutdown().await;
            written.and(closed).map_err(broken)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if let Err(error) = self.session.rename(&self.temp, &self.target).await {
            let _ = self.abort().await;
            return Err(error);
        }
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        self.session.sftp.remove_file(&self.temp).await.map_err(|error| failed(&self.temp, error))
    }
}
