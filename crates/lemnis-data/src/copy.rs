//! Copies of file content: shared blocks where the file system can, else one pass over the bytes, which are hashed on
//! the way where the hash is wanted.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::hash::{CHUNK, Hasher, fill};

/// Chunks of a big file that are on their way between the threads.
const IN_FLIGHT: usize = 4;
/// So much of a file is written before it is sent to the disk, which then works while the rest is hashed.
const FLUSH_BYTES: u64 = 64 << 20;

/// Copies between two places, which may or may not be able to share blocks.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    /// The file system refused; asking for every file would cost.
    refused: AtomicBool,
}

impl Copier {
    /// Always copies.
    pub(crate) fn plain() -> Self {
        Self { refused: AtomicBool::new(true) }
    }

    /// Whether it is worth trying to share blocks.
    pub(crate) fn may_share(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    /// Makes `to`, which is empty, share the blocks of `from`; `false` when that is impossible.
    pub(crate) fn share(&self, from: &File, to: &File) -> bool {
        if !self.may_share() {
            return false;
        }
        let shared = rustix::fs::ioctl_ficlone(to, from).is_ok();
        if !shared {
            self.refused.store(true, Ordering::Relaxed);
        }
        shared
    }

    /// Fills `to` with the content of `from` and returns its length.
    pub(crate) fn copy(&self, from: &File, to: &File) -> io::Result<u64> {
        let bytes = from.metadata()?.len();
        if self.share(from, to) {
            return Ok(bytes);
        }
        if bytes <= CHUNK as u64 {
            let content = read_whole(from, bytes)?;
            return write(to, &content);
        }
        io::copy(&mut &*from, &mut &*to)
    }

    /// Fills `to` with the content of `from`, which is `content`.
    pub(crate) fn copy_read(&self, from: &File, content: &[u8], to: &File) -> io::Result<()> {
        if self.share(from, to) { Ok(()) } else { write(to, content).map(drop) }
    }

    /// Fills `to` with the content of `from`; returns its length and its MD5.
    pub(crate) fn copy_hashed(&self, from: &File, to: &File) -> io::Result<(u64, String)> {
        let size = from.metadata()?.len();
        if self.share(from, to) {
            return pass(to, None);
        }
        if size <= CHUNK as u64 {
            let content = read_whole(from, size)?;
            let length = write(to, &content)?;
            return Ok((length, crate::hash::md5_bytes(&content)));
        }
        pass(from, Some(to))
    }
}

/// The whole content of a file of about `size` bytes.
pub(crate) fn read_whole(mut file: &File, size: u64) -> io::Result<Vec<u8>> {
    // one byte more tells the end without another call
    let mut content = vec![0; size as usize + 1];
    let length = fill(&mut file, &mut content)?;
    if length < content.len() {
        content.truncate(length);
    } else {
        file.read_to_end(&mut content)?;
    }
    Ok(content)
}

fn write(mut to: &File, content: &[u8]) -> io::Result<u64> {
    to.write_all(content)?;
    Ok(content.len() as u64)
}

/// Reads a big file once: writes it from this thread, hashes it on a second and syncs it on a third one.
fn pass(mut from: &File, to: Option<&File>) -> io::Result<(u64, String)> {
    thread::scope(|scope| {
        let (full, chunks) = sync_channel::<Vec<u8>>(IN_FLIGHT);
        let (empty, spare) = channel();
        let hashing = scope.spawn(move || {
            let mut hasher = Hasher::default();
            for chunk in chunks {
                hasher.update(&chunk);
                let _ = empty.send(chunk);
            }
            hasher.finish()
        });
        let (flush, wanted) = sync_channel::<()>(1);
        if let Some(to) = to {
            // a failure comes back with the sync that makes the file durable
            scope.spawn(move || wanted.into_iter().for_each(|()| drop(to.sync_data())));
        }
        let (mut length, mut flushed) = (0, 0);
        let mut made = 0;
        loop {
            let mut chunk = match spare.try_recv() {
                Ok(chunk) => chunk,
                Err(_) if made < IN_FLIGHT => {
                    made += 1;
                    Vec::new()
                }
                Err(_) => spare.recv().map_err(io::Error::other)?,
            };
            chunk.resize(CHUNK, 0);
            let read = fill(&mut from, &mut chunk)?;
            if read == 0 {
                break;
            }
            chunk.truncate(read);
            if let Some(mut to) = to {
                to.write_all(&chunk)?;
            }
            length += read as u64;
            if length - flushed >= FLUSH_BYTES && flush.try_send(()).is_ok() {
                flushed = length;
            }
            full.send(chunk).map_err(|_| io::Error::other("the hashing thread ended early"))?;
        }
        drop((full, flush));
        let md5 = hashing.join().map_err(|_| io::Error::other("the hashing thread failed"))?;
        Ok((length, md5))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsx;

    #[test]
    fn a_copy_holds_what_was_hashed_at_every_size() {
        let dir = tempfile::tempdir().expect("temp dir");
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 9 * CHUNK + 7] {
            let content: Vec<u8> = (0..size).map(|at| (at / 7 + at) as u8).collect();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            std::fs::write(&from, &content).expect("writes");
            for hashed in [false, true] {
                let (source, target) =
                    (File::open(&from).expect("opens"), fsx::create_new(&to).expect("creates"));
                let copier = Copier::default();
                let length = if hashed {
                    let (length, md5) = copier.copy_hashed(&source, &target).expect("copies");
                    assert_eq!(md5, crate::hash::md5_bytes(&content), "{size}");
                    length
                } else {
                    copier.copy(&source, &target).expect("copies")
                };
                assert_eq!(length, size as u64);
                assert_eq!(std::fs::read(&to).expect("reads"), content, "{size}");
                std::fs::remove_file(&to).expect("removes");
            }
        }
    }
}
