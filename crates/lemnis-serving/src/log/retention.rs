//! How much of the log is kept: the oldest files go first, and a file that still grows never goes.

use std::path::Path;

use lemnis_core::Millis;

use super::read::{File, files};

const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

/// What is kept of each endpoint's predictions. Whole files are deleted, so a little more than this may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How old the newest row of a file may become, in days.
    pub days: u32,
    /// How many bytes the files of an endpoint may take together.
    pub size_bytes: u64,
}

impl Default for Retention {
    /// 90 days and 4 GiB.
    fn default() -> Self {
        Self { days: 90, size_bytes: 4 << 30 }
    }
}

/// Deletes the files of `folder` that are beyond `retention` at `now`, except those that `is_open`.
pub(super) fn prune(folder: &Path, retention: Retention, now: Millis, is_open: impl Fn(&Path) -> bool) {
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, "old predictions cannot be looked for");
            return;
        }
    };
    let oldest_ms = now.saturating_sub(Millis::from(retention.days).saturating_mul(DAY_MS));
    let mut size_bytes: u64 = 0;
    // Newest first: once a file is too much, every older one is.
    for File { path, changed_ms } in files {
        size_bytes = size_bytes.saturating_add(path.metadata().map_or(0, |metadata| metadata.len()));
        if (size_bytes <= retention.size_bytes && changed_ms >= oldest_ms) || is_open(&path) {
            continue;
        }
        match std::fs::remove_file(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "old predictions have been deleted"),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "old predictions cannot be deleted");
            }
        }
    }
}

/// As [`prune`], for every endpoint of the log in `dir`, of which none has an open file.
pub(super) fn prune_all(dir: &Path, retention: Retention, now: Millis) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        prune(&folder, retention, now, |_| false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Files of 10 bytes, named after their age in days.
    fn folder(ages: &[u64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for age in ages {
            let path = dir.path().join(format!("{age}.parquet"));
            std::fs::write(&path, [0; 10]).unwrap();
            let changed = UNIX_EPOCH + Duration::from_secs((100 - age) * 24 * 60 * 60);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
        }
        dir
    }

    fn left(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    const NOW: Millis = 100 * DAY_MS;

    #[test]
    fn files_older_than_the_retention_go() {
        let dir = folder(&[1, 30, 31, 80]);
        std::fs::write(dir.path().join("note.txt"), "not ours").unwrap();
        prune(dir.path(), Retention { days: 30, size_bytes: 1_000 }, NOW, |path| {
            path.ends_with("80.parquet")
        });
        assert_eq!(left(dir.path()), ["1.parquet", "30.parquet", "80.parquet", "note.txt"]);
    }

    #[test]
    fn the_oldest_files_go_when_there_are_too_many_bytes() {
        let dir = folder(&[1, 2, 3, 4]);
        prune(dir.path(), Retention { days: 30, size_bytes: 25 }, NOW, |_| false);
        assert_eq!(left(dir.path()), ["1.parquet", "2.parquet"]);
    }
}
