//! The prediction log: what every endpoint answered, as Parquet files.
//!
//! A request hands its row over and goes on; when the writer cannot follow, rows are dropped and counted. One thread
//! turns rows into columns and replaces each endpoint's open file at short intervals, so that a file is always whole
//! and readable, and a crash costs at most the last interval.

mod buffer;
mod columns;
mod read;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use lemnis_core::{Clock, Millis};
use lemnis_model::Frame;
use lemnis_table::Table;
use tokio::sync::oneshot;

use crate::{ArmName, Error, Result};

pub use columns::{feature_column, output_column};

/// Rows that wait for the writer before further ones are dropped.
const WAITING: usize = 8_192;

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

pub(crate) enum Message {
    Row(Row),
    Flush(oneshot::Sender<Result<()>>),
}

/// Writes and reads what endpoints answered.
pub struct PredictionLog {
    dir: PathBuf,
    sender: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    waker: Thread,
    dropped: AtomicU64,
}

impl PredictionLog {
    /// A log below `dir`, with a folder for each endpoint. Files that are there stay.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let failed = |source: std::io::Error| Error::Log {
            path: dir.to_owned(),
            action: "created",
            source: Box::new(source),
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let (sender, receiver) = sync_channel(WAITING);
        let writer = writer::Writer::new(dir.to_owned(), clock);
        let writer = std::thread::Builder::new()
            .name("prediction-log".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(failed)?;
        let waker = writer.thread().clone();
        let dropped = AtomicU64::new(0);
        Ok(Self { dir: dir.to_owned(), sender: Some(sender), writer: Some(writer), waker, dropped })
    }

    /// Returns once every prediction that was answered before the call is in a file.
    pub async fn flush(&self) -> Result<()> {
        let Some(sender) = self.sender.clone() else { return Err(Error::LogStopped) };
        let (done, written) = oneshot::channel();
        let sent = tokio::task::spawn_blocking(move || sender.send(Message::Flush(done)).is_ok()).await;
        if !sent.unwrap_or(false) {
            return Err(Error::LogStopped);
        }
        self.waker.unpark();
        written.await.map_err(|_| Error::LogStopped)?
    }

    /// The newest `limit` rows of `endpoint` that are not older than `since_ms`, oldest first, whatever was answered
    /// before the call included. An endpoint without predictions gives a table without columns.
    ///
    /// Columns: `request_id`, `row`, `at_us`, `model_version`, `arm`, `status`, `latency_us`, the features (named by
    /// [`feature_column`]) and the outputs (named by [`output_column`]). Where versions differ in their columns, those
    /// that a row does not have are missing.
    pub async fn read(&self, endpoint: &str, since_ms: Millis, limit: usize) -> Result<Table> {
        self.flush().await?;
        let folder = self.dir.join(folder_name(endpoint));
        let path = folder.clone();
        tokio::task::spawn_blocking(move || read::read(&folder, since_ms, limit))
            .await
            .map_err(|source| Error::Log { path, action: "read", source: Box::new(source) })?
    }

    /// Requests whose rows were dropped because the writer could not follow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Hands a row over without waiting.
    pub(crate) fn write(&self, row: Row) {
        let taken = self.sender.as_ref().is_some_and(|sender| sender.try_send(Message::Row(row)).is_ok());
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use lemnis_core::FixedClock;
    use lemnis_model::Column;

    fn row(
        endpoint: &str,
        id: &str,
        at_ms: Millis,
        features: Vec<(&str, Column)>,
        output: Option<f64>,
    ) -> Row {
        let named = |columns: Vec<(&str, Column)>| {
            Arc::new(
                Frame::new(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect())
                    .unwrap(),
            )
        };
        let rows = features.first().map_or(0, |(_, column)| column.len());
        Row {
            endpoint: Arc::from(endpoint),
            request_id: id.to_owned(),
            at_ms,
            version: 3,
            arm: ArmName::Champion,
            status: if output.is_some() { Status::Ok } else { Status::Error },
            latency: Duration::from_micros(42),
            features: named(features),
            outputs: output.map(|value| named(vec![("probability", Column::Float(vec![value; rows]))])),
        }
    }

    fn log(dir: &Path) -> PredictionLog {
        PredictionLog::open(dir, Arc::new(FixedClock::new(1_000))).unwrap()
    }

    #[tokio::test]
    async fn what_was_answered_is_read_back_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = log(dir.path());
        let features = || {
            vec![
                ("age", Column::Float(vec![30.5, f64::NAN])),
                ("city", Column::Text(vec!["Köln".to_owned(), String::new()])),
                ("n", Column::Int(vec![1, 2])),
            ]
        };
        first.write(row("churn", "a", 10, features(), Some(0.25)));
        let seen = first.read("churn", 0, 100).await.unwrap();
        assert_eq!(
            seen.names(),
            [
                "request_id",
                "row",
                "at_us",
                "model_version",
                "arm",
                "status",
                "latency_us",
                "age",
                "city",
                "n",
                "out_probability"
            ]
        );
        assert_eq!(seen.texts("city").unwrap(), [Some("Köln".to_owned()), None]);
        assert_eq!(seen.column("age").unwrap(), lemnis_table::Column::Float(vec![Some(30.5), None]));
        assert_eq!(seen.column("at_us").unwrap(), lemnis_table::Column::Timestamp(vec![Some(10_000); 2]));
        assert_eq!(seen.floats("row").unwrap(), [0.0, 1.0]);
        drop(first);
        let second = log(dir.path());
        second.write(row("churn", "b", 20, features(), Some(0.5)));
        let ids = second.read("churn", 0, 3).await.unwrap().texts("request_id").unwrap();
        assert_eq!(ids.into_iter().flatten().collect::<Vec<_>>(), ["a", "b", "b"]);
        let newer = second.read("churn", 11, 100).await.unwrap();
        assert_eq!(newer.rows(), 2);
        assert_eq!(second.read("other", 0, 10).await.unwrap().rows(), 0);
        assert_eq!(second.dropped(), 0);
    }

    #[tokio::test]
    async fn versions_with_other_columns_are_merged() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        log.write(row(
            "e",
            "a",
            1,
            vec![("x", Column::Int(vec![1])), ("status", Column::Int(vec![7]))],
            Some(0.1),
        ));
        log.write(row("e", "b", 2, vec![("x", Column::Float(vec![1.5])), ("y", Column::Int(vec![9]))], None));
        log.write(row("e", "c", 3, vec![("x", Column::Text(vec!["t".to_owned()]))], Some(0.2)));
        let seen = log.read("e", 0, 10).await.unwrap();
        assert_eq!(
            seen.texts("request_id").unwrap().into_iter().flatten().collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        assert_eq!(seen.texts("x").unwrap().into_iter().flatten().collect::<Vec<_>>(), ["1", "1.5", "t"]);
        assert_eq!(seen.texts("y").unwrap(), [None, Some("9".to_owned()), None]);
        assert_eq!(seen.texts("feature_status").unwrap()[0].as_deref(), Some("7"));
        assert_eq!(seen.texts("status").unwrap()[1].as_deref(), Some("error"));
        assert_eq!(seen.texts("out_probability").unwrap()[1], None);
    }

    #[tokio::test]
    async fn a_full_file_is_closed_and_the_next_one_begun() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let rows = buffer::FILE_ROWS;
        log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1; rows]))], Some(0.1)));
        log.flush().await.unwrap();
        log.write(row("e", "b", 2, vec![("x", Column::Int(vec![2; 3]))], Some(0.1)));
        log.flush().await.unwrap();
        log.write(row("e", "c", 3, vec![("x", Column::Int(vec![3; 2]))], Some(0.1)));
        let seen = log.read("e", 0, rows + 4).await.unwrap();
        assert_eq!(seen.rows(), rows + 4);
        let files = std::fs::read_dir(dir.path().join("e")).unwrap().count();
        assert_eq!(files, 2);
    }

    #[tokio::test]
    async fn a_broken_file_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1]))], Some(0.1)));
        log.flush().await.unwrap();
        std::fs::write(dir.path().join("e").join("0000000000000-0-0.parquet"), b"PAR1 broken").unwrap();
        assert_eq!(log.read("e", 0, 10).await.unwrap().rows(), 1);
    }

    #[test]
    fn an_endpoint_name_cannot_leave_the_log() {
        assert_eq!(folder_name("churn-v1.2"), "churn-v1.2");
        assert_eq!(folder_name("../etc"), "%2e.%2fetc");
        assert_eq!(folder_name(".."), "%2e.");
        assert_ne!(folder_name("ä"), folder_name("a"));
    }
}
