//! The thread that turns handed-over rows into files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use lemnis_core::Clock;

use super::buffer::Buffer;
use super::{Message, Row, folder_name};
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
    open: HashMap<Arc<str>, Vec<Buffer>>,
    /// Tells the files of one process apart that were begun in the same millisecond.
    files: u64,
    unwritten_since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { dir, clock, open: HashMap::new(), files: 0, unwritten_since: None }
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, receiver: Receiver<Message>) {
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
            Message::Row(row) => self.push(row),
            Message::Flush(done) => {
                let written = self.write();
                // Whoever asked may have gone.
                done.send(written).ok();
            }
        }
    }

    fn push(&mut self, row: Row) {
        self.unwritten_since.get_or_insert_with(Instant::now);
        let endpoint = row.endpoint.clone();
        if !self.open.get(&endpoint).is_some_and(|buffers| buffers.iter().any(|buffer| buffer.fits(&row))) {
            let path = self.next_path(&endpoint, row.at_ms);
            let buffers = self.open.entry(endpoint.clone()).or_default();
            if buffers.len() >= OPEN_FILES {
                let oldest = buffers.remove(0);
                close(oldest);
            }
            buffers.push(Buffer::new(path, &row));
        }
        let Some(buffers) = self.open.get_mut(&endpoint) else { return };
        let Some(place) = buffers.iter().position(|buffer| buffer.fits(&row)) else { return };
        let Some(buffer) = buffers.get_mut(place) else { return };
        buffer.push(row);
        if buffer.is_full() {
            let full = buffers.remove(place);
            close(full);
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

fn close(mut buffer: Buffer) {
    if buffer.unwritten > 0
        && let Err(error) = save(&mut buffer)
    {
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
