//! The prediction log: what every endpoint answered, as Parquet files.
//!
//! A request hands its row over and goes on; when the writer cannot follow, rows are dropped and counted. What waits is
//! bounded in messages and in bytes, because one request may carry megabytes. One thread turns rows into columns and
//! replaces each endpoint's open file at short intervals, so that a file is always whole and readable, and a crash costs
//! at most the last interval. A reader takes the rows of open files from that thread and not from the disk.

mod account;
mod buffer;
mod columns;
mod read;
mod retention;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use lemnis_core::{Clock, Millis};
use lemnis_model::Frame;
use lemnis_table::Table;
use tokio::sync::oneshot;

use crate::{ArmName, Error, Result};

use account::Account;

pub use columns::{feature_column, output_column};
pub use retention::Retention;

/// Requests that wait for the writer before further ones are dropped.
const WAITING: usize = 8_192;
/// Bytes of rows that wait for the writer before further requests are dropped.
const WAITING_BYTES: usize = 64 << 20;

/// Whether a logged request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Error,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Error => "error",
        }
    }
}

/// One logged request: a row for each row of its features.
pub(crate) struct Row {
    pub(crate) endpoint: Arc<str>,
    pub(crate) request_id: String,
    pub(crate) at_ms: Millis,
    pub(crate) version: u32,
    pub(crate) arm: ArmName,
    pub(crate) status: Status,
    pub(crate) latency: Duration,
    pub(crate) features: Arc<Frame>,
    pub(crate) outputs: Option<Arc<Frame>>,
}

impl Row {
    /// About what the row takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let outputs = self.outputs.as_deref().map_or(0, columns::bytes);
        std::mem::size_of::<Self>() + self.request_id.len() + columns::bytes(&self.features) + outputs
    }
}

pub(crate) enum Message {
    Row(Row),
    Flush(oneshot::Sender<Result<()>>),
    /// The rows of an endpoint's open files, as they are in memory.
    Open(String, oneshot::Sender<Vec<OpenFile>>),
}

/// A file that still grows, with every row that it is to hold so far.
pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    pub(crate) rows: Result<Table, lemnis_table::Error>,
}

/// Writes and reads what endpoints answered.
pub struct PredictionLog {
    dir: PathBuf,
    sender: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    waker: Thread,
    account: Arc<Account>,
}

impl PredictionLog {
    /// A log below `dir`, with a folder for each endpoint, that keeps what [`Retention::default`] says.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_keeping(dir, clock, Retention::default())
    }

    /// As [`PredictionLog::open`], with a retention of the caller's own. Files beyond it are deleted now and whenever a
    /// file is begun; other files that are there stay.
    pub fn open_keeping(dir: &Path, clock: Arc<dyn Clock>, retention: Retention) -> Result<Self> {
        Self::start(dir, clock, retention, WAITING_BYTES)
    }

    fn start(dir: &Path, clock: Arc<dyn Clock>, retention: Retention, waiting_bytes: usize) -> Result<Self> {
        let failed = |source: std::io::Error| Error::Log {
            path: dir.to_owned(),
            action: "created",
            source: Box::new(source),
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let (sender, receiver) = sync_channel(WAITING);
        let account = Arc::new(Account::new(waiting_bytes));
        let writer = writer::Writer::new(dir.to_owned(), clock, retention, account.clone());
        let writer = std::thread::Builder::new()
            .name("prediction-log".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(failed)?;
        let waker = writer.thread().clone();
        Ok(Self { dir: dir.to_owned(), sender: Some(sender), writer: Some(writer), waker, account })
    }

    /// Returns once every prediction that was answered before the call is in a file.
    pub async fn flush(&self) -> Result<()> {
        self.ask(Message::Flush).await?
    }

    /// The newest `limit` rows of `endpoint` that are not older than `since_ms`, oldest first, whatever was answered
    /// before the call included, in a file or not. An endpoint without predictions gives a table without columns.
    ///
    /// Columns: `request_id`, `row`, `at_us`, `model_version`, `arm`, `status`, `latency_us`, the features (named by
    /// [`feature_column`]) and the outputs (named by [`output_column`]). Where versions differ in their columns, those
    /// that a row does not have are missing; where one has whole numbers and another fractions, all are floats.
    pub async fn read(&self, endpoint: &str, since_ms: Millis, limit: usize) -> Result<Table> {
        let name = endpoint.to_owned();
        let open = self.ask(|done| Message::Open(name, done)).await?;
        let folder = self.dir.join(folder_name(endpoint));
        let path = folder.clone();
        tokio::task::spawn_blocking(move || read::read(&folder, open, since_ms, limit))
            .await
            .map_err(|source| Error::Log { path, action: "read", source: Box::new(source) })?
    }

    /// Asks the writer, behind every row that was handed over before.
    async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message + Send + 'static,
    ) -> Result<T> {
        let Some(sender) = self.sender.clone() else { return Err(Error::LogStopped) };
        let (done, answer) = oneshot::channel();
        let message = message(done);
        let sent = tokio::task::spawn_blocking(move || sender.send(message).is_ok()).await;
        if !sent.unwrap_or(false) {
            return Err(Error::LogStopped);
        }
        self.waker.unpark();
        answer.await.map_err(|_| Error::LogStopped)
    }

    /// Requests whose rows were lost: the writer could not follow, or could not write them.
    pub fn dropped(&self) -> u64 {
        self.account.lost_requests()
    }

    /// The rows of those requests.
    pub fn dropped_rows(&self) -> u64 {
        self.account.lost_rows()
    }

    /// Hands a row over without waiting.
    pub(crate) fn write(&self, row: Row) {
        let (rows, bytes) = (row.features.rows(), row.bytes());
        if !self.account.take(bytes) {
            self.account.lost(1, rows);
            return;
        }
        let taken = self.sender.as_ref().is_some_and(|sender| sender.try_send(Message::Row(row)).is_ok());
        if !taken {
            self.account.give_back(bytes);
            self.account.lost(1, rows);
        }
    }
}

impl Drop for PredictionLog {
    fn drop(&mut self) {
        // Without a sender the writer writes what is left and ends.
        self.sender = None;
        self.waker.unpark();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the prediction log's writer broke down");
        }
    }
}

/// The folder of an endpoint: its name, with every byte that could mean something to a file system replaced.
pub(crate) fn folder_name(endpoint: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut folder = String::with_capacity(endpoint.len());
    for (place, byte) in endpoint.bytes().enumerate() {
        if plain(byte) || (byte == b'.' && place > 0) {
            folder.push(char::from(byte));
        } else {
            folder.push_str(&format!("%{byte:02x}"));
        }
    }
    folder
}
