//! Which reader a file gets: by its first bytes, then by its extension.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::{Error, Result, Table, csv_read, parquet_io};

/// What a file may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// The most bytes of the file; CSV stops at 2 GiB whatever stands here.
    pub max_bytes: u64,
    /// The most columns.
    pub max_columns: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_columns: 10_000 }
    }
}

pub(crate) fn read(path: &Path, limits: &ReadLimits) -> Result<Table> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.to_path_buf() },
        _ => Error::Io { path: path.to_path_buf(), action: "read", source },
    };
    let unknown = |found| Error::UnknownFormat { path: path.to_path_buf(), found };
    // Asked before it is opened: opening a pipe would wait for its writer.
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(unknown(if about.is_dir() { "a directory" } else { "not a regular file" }));
    }
    let (size_bytes, limit_bytes) = (about.len(), limits.max_bytes);
    let too_large = |size_bytes| Error::TooLarge { path: path.to_path_buf(), size_bytes, limit_bytes };
    if size_bytes > limit_bytes {
        return Err(too_large(size_bytes));
    }
    let mut file = File::open(path).map_err(io)?;
    let mut first = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut first).map_err(io)?;
    if first == b"PAR1" {
        file.rewind().map_err(io)?;
        return parquet_io::read(path, file, limits);
    }
    if let Some(found) = foreign(&first) {
        return Err(unknown(found));
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let delimiter = match extension.as_deref() {
        Some("csv" | "txt" | "data") | None => None,
        Some("tsv" | "tab") => Some(b'\t'),
        Some("parquet" | "pq") => {
            let problem = "it does not start as one".to_owned();
            return Err(Error::Parquet { path: path.to_path_buf(), problem });
        }
        Some(_) => return Err(unknown("of a type that is not known")),
    };
    let mut bytes = first;
    bytes.reserve_exact(usize::try_from(size_bytes).unwrap_or_default());
    // The file may have grown since it was measured.
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    csv_read::read(path, &bytes, delimiter, limits.max_columns)
}

/// What starts with `first` and is often taken for CSV.
pub(crate) fn foreign(first: &[u8]) -> Option<&'static str> {
    match first {
        [0x1f, 0x8b, ..] => Some("compressed with gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("compressed with zstd"),
        [b'P', b'K', 3, 4] => Some("a zip archive or an Excel workbook"),
        [0xd0, 0xcf, 0x11, 0xe0] => Some("an old Excel workbook"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("text in UTF-16"),
        _ => None,
    }
}
