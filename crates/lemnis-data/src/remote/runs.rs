//! The run-cache's entries on a remote: small files below `runs/`, the same tree as in the cache.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Place, Remote};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::holder::Holder;
use crate::repo::umask;

const FOLDER: &str = "runs";

impl Remote {
    /// Sends the entries that the remote lacks; returns how many.
    pub(crate) fn upload_runs(&self, cache: &Cache) -> Result<u64> {
        let ours = local_runs(&cache.runs_dir())?;
        let theirs = self.list_runs()?;
        let mut sent = 0;
        for entry in ours.difference(&theirs) {
            let from = cache.runs_dir().join(entry);
            match &self.place {
                Place::Dir(dir) => copy(&from, &dir.join(FOLDER).join(entry), &fsx::create_dirs)?,
                Place::Store(cloud) => drop(cloud.send_file(&from, &format!("{FOLDER}/{entry}"))?),
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Brings the entries that the cache lacks; returns how many.
    pub(crate) fn download_runs(&self, cache: &Cache) -> Result<u64> {
        let ours = local_runs(&cache.runs_dir())?;
        let theirs = self.list_runs()?;
        let mut fetched = 0;
        for entry in theirs.difference(&ours) {
            let to = cache.runs_dir().join(entry);
            match &self.place {
                Place::Dir(dir) => {
                    copy(&dir.join(FOLDER).join(entry), &to, &|dir| cache.make_dirs(dir))?;
                }
                Place::Store(cloud) => {
                    let holder = Holder::new(cache.dir())?;
                    let temp = holder.path().join("run");
                    cloud.receive_file(&format!("{FOLDER}/{entry}"), &temp)?;
                    copy(&temp, &to, &|dir| cache.make_dirs(dir))?;
                }
            }
            fetched += 1;
        }
        Ok(fetched)
    }

    fn list_runs(&self) -> Result<BTreeSet<String>> {
        match &self.place {
            Place::Dir(dir) => local_runs(&dir.join(FOLDER)),
            Place::Store(cloud) => {
                let paths = cloud.list(FOLDER)?;
                let below = paths.iter().filter_map(|path| path.strip_prefix("runs/"));
                Ok(below.filter(|entry| is_entry(entry)).map(str::to_owned).collect())
            }
        }
    }
}

/// `<2 of key>/<key>/<value>`, all hex: nothing else becomes a path.
fn is_entry(text: &str) -> bool {
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = text.split('/');
    let shape = (parts.next(), parts.next(), parts.next(), parts.next());
    matches!(shape, (Some(shard), Some(key), Some(value), None)
        if hex(shard, 2) && hex(key, 64) && hex(value, 64) && key.starts_with(shard))
}

fn local_runs(dir: &Path) -> Result<BTreeSet<String>> {
    let names = |dir: &Path| -> Result<Vec<String>> {
        match fs::read_dir(dir) {
            Ok(entries) => Ok(entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect()),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(Error::io("list", dir)(error)),
        }
    };
    let mut found = BTreeSet::new();
    for shard in names(dir)? {
        for key in names(&dir.join(&shard))? {
            for value in names(&dir.join(&shard).join(&key))? {
                let entry = format!("{shard}/{key}/{value}");
                if is_entry(&entry) {
                    found.insert(entry);
                }
            }
        }
    }
    Ok(found)
}

fn copy(from: &Path, to: &Path, make_dirs: &dyn Fn(&Path) -> Result<()>) -> Result<()> {
    let Some(dir) = to.parent() else { return Ok(()) };
    make_dirs(dir)?;
    let io = |error| Error::io("write", to)(error);
    let mut temp = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(0o666 & !umask()))
        .tempfile_in(dir)
        .map_err(io)?;
    let mut source = fs::File::open(from).map_err(Error::io("read", from))?;
    std::io::copy(&mut source, temp.as_file_mut()).map_err(io)?;
    temp.as_file().sync_all().map_err(io)?;
    temp.persist(to).map_err(|error| io(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_run_cache_become_paths() {
        let (key, value) = ("ab".repeat(32), "cd".repeat(32));
        assert!(is_entry(&format!("ab/{key}/{value}")));
        assert!(!is_entry(&format!("ac/{key}/{value}")));
        assert!(!is_entry(&format!("ab/{key}/../{value}")));
        assert!(!is_entry(&format!("../ab/{key}/{value}")));
    }
}
