//! The thread that turns handed-over rows into files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use lemnis_core::Clock;

use super::account::Account;
use super::buffer::Buffer;
use super::retention::{self, Retention};
use super::{Message, OpenFile, Row, folder_name};
use crate::{Error, Result};

/// How long the thread rests between two looks at the channel while rows come in: it wakes up once for many rows.
const REST: Duration = Duration::from_millis(10);
/// How old unwritten rows become at most.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Files that one endpoint keeps open: versions with different columns take turns.
const OPEN_FILES: usize = 4;

pub(super) struct Writer {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    retention: Retention,
    account: Arc<Account>,
    open: HashMap<Arc<str>, Vec<Buffer>>,
    /// Tells the files of one process apart that were begun in the same millisecond.
    files: u64,
    unwritten_since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        dir: PathBuf,
        clock: Arc<dyn Clock>,
        retention: Retention,
        account: Arc<Account>,
    ) -> Self {
        Self { dir, clock, retention, account, open: HashMap::new(), files: 0, unwritten_since: None }
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, receiver: Receiver<Message>) {
        retention::prune_all(&self.dir, self.retention, self.clock.now_ms());
        'awake: while let Ok(first) = receiver.recv() {
            self.take(first);
            // Rows are waiting to be written: look again at short intervals until they are.
            loop {
                loop {
                    match receiver.try_recv() {
                        Ok(message) => self.take(message),
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => break 'awake,
                    }
                }
                match self.unwritten_since {
                    None => continue 'awake,
                    Some(since) if since.elapsed() >= WRITE_EVERY => self.write_or_warn(),
                    Some(_) => {}
                }
                std::thread::park_timeout(REST);
            }
        }
        self.write_or_warn();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Row(row) => {
                let bytes = row.bytes();
                self.push(row);
                self.account.give_back(bytes);
            }
            Message::Flush(done) => {
                let written = self.write();
                // Whoever asked may have gone.
                done.send(written).ok();
            }
            Message::Open(endpoint, done) => {
                done.send(self.open_files(&endpoint)).ok();
            }
        }
    }

    fn open_files(&self, endpoint: &str) -> Vec<OpenFile> {
        let buffers = self.open.get(endpoint).into_iter().flatten();
        buffers.map(|buffer| OpenFile { path: buffer.path.clone(), rows: buffer.table() }).collect()
    }

    fn push(&mut self, row: Row) {
        self.unwritten_since.get_or_insert_with(Instant::now);
        let endpoint = row.endpoint.clone();
        if !self.open.get(&endpoint).is_some_and(|buffers| buffers.iter().any(|buffer| buffer.fits(&row))) {
            let path = self.next_path(&endpoint, row.at_ms);
            let buffers = self.open.entry(endpoint.clone()).or_default();
            if buffers.len() >= OPEN_FILES {
                let oldest = buffers.remove(0);
                close(oldest, &self.account);
            }
            buffers.push(Buffer::new(path, &row));
            let is_open = |path: &Path| buffers.iter().any(|buffer| buffer.path == path);
            let folder = self.dir.join(folder_name(&endpoint));
            retention::prune(&folder, self.retention, self.clock.now_ms(), is_open);
        }
        let Some(buffers) = self.open.get_mut(&endpoint) else { return };
        let Some(place) = buffers.iter().position(|buffer| buffer.fits(&row)) else { return };
        let Some(buffer) = buffers.get_mut(place) else { return };
        buffer.push(row);
        if buffer.is_full() {
            let full = buffers.remove(place);
            close(full, &self.account);
        }
    }

    /// Names are the time of the first row, so that sorting them sorts by time.
    fn next_path(&mut self, endpoint: &str, at_ms: i64) -> PathBuf {
        self.files += 1;
        let (started, files) = (self.clock.now_ms(), self.files);
        let name = format!("{at_ms:013}-{}-{started:x}-{files}.parquet", std::process::id());
        self.dir.join(folder_name(endpoint)).join(name)
    }

    fn write_or_warn(&mut self) {
        if let Err(error) = self.write() {
            tracing::error!(%error, "predictions cannot be written");
        }
    }

    /// Writes every open file that has news. Rows that cannot be written are tried again with the next ones.
    fn write(&mut self) -> Result<()> {
        let mut result = Ok(());
        for buffer in self.open.values_mut().flatten().filter(|buffer| buffer.unwritten > 0) {
            if let Err(error) = save(buffer) {
                result = Err(error);
            }
        }
        self.unwritten_since = result.is_err().then(Instant::now);
        result
    }
}

fn close(mut buffer: Buffer, account: &Account) {
    if buffer.unwritten > 0
        && let Err(error) = save(&mut buffer)
    {
        account.lost(buffer.unwritten_requests, buffer.unwritten);
        tracing::error!(%error, rows = buffer.unwritten, "predictions are lost");
    }
}

fn save(buffer: &mut Buffer) -> Result<()> {
    let folder = buffer.path.parent().map(Path::to_owned).unwrap_or_default();
    std::fs::create_dir_all(&folder).map_err(|source| Error::Log {
        path: folder,
        action: "created",
        source: Box::new(source),
    })?;
    buffer.write().map_err(|source| Error::Log {
        path: buffer.path.clone(),
        action: "written",
        source: Box::new(source),
    })
}
