//! Single files and folders of a store, for data that is imported from a URL.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};

use super::cloud::Cloud;
use super::{Place, Progress, Remote};
use crate::error::{Error, Result};
use crate::fsx;

/// A file of a store.
pub(crate) struct StoredFile {
    /// Its path below the folder that was asked for; empty when it is what was asked for.
    pub(crate) relpath: String,
    pub(crate) size: u64,
    /// What the store calls this version of the content.
    pub(crate) tag: Option<String>,
    /// Its URL, for people.
    pub(crate) place: String,
    below: String,
}

impl Remote {
    /// The file `name`, or the files of the folder `name`; empty when there is neither.
    pub(crate) fn stored(&self, name: &str) -> Result<Vec<StoredFile>> {
        match &self.place {
            Place::Dir(_) => Ok(Vec::new()),
            Place::Store(cloud) => cloud.stored(name),
        }
    }

    /// The MD5 of what each of the files holds; all of it is read.
    pub(crate) fn md5_of(&self, files: &[StoredFile]) -> Result<Vec<String>> {
        match &self.place {
            Place::Dir(_) => Ok(Vec::new()),
            Place::Store(cloud) => cloud.runtime.block_on(
                stream::iter(files).map(|file| cloud.md5_of(&file.below)).buffered(self.jobs).try_collect(),
            ),
        }
    }

    /// Writes what [`Remote::stored`] found: a file to `to`, or the files of a folder below it.
    pub(crate) fn receive_all(&self, files: &[StoredFile], to: &Path, progress: &dyn Progress) -> Result<()> {
        progress.expect("download", files.len() as u64);
        match &self.place {
            Place::Dir(_) => Ok(()),
            Place::Store(cloud) => cloud.receive_all(files, to, self.jobs, progress),
        }
    }
}

impl Cloud {
    fn stored(&self, name: &str) -> Result<Vec<StoredFile>> {
        let key = self.key(name)?;
        let file = |meta: ObjectMeta, relpath: String, below: String| StoredFile {
            relpath,
            size: meta.size,
            tag: meta.e_tag,
            place: format!("{}/{below}", self.url),
            below,
        };
        self.runtime.block_on(async {
            match self.store.head(&key).await {
                Ok(meta) => return Ok(vec![file(meta, String::new(), name.to_owned())]),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed("looking at", name)(error)),
            }
            let listed = self.store.list(Some(&key)).try_collect::<Vec<_>>().await;
            let Ok(listed) = listed else { return Ok(Vec::new()) };
            let mut files = Vec::new();
            for meta in listed {
                let location = meta.location.to_string();
                let Some(relpath) =
                    location.strip_prefix(key.as_ref()).and_then(|rest| rest.strip_prefix('/'))
                else {
                    continue;
                };
                if relpath.split('/').any(|part| matches!(part, "" | "." | "..")) {
                    return Err(Error::invalid(format!("'{location}' is no path that can be written here")));
                }
                let relpath = relpath.to_owned();
                let below = format!("{name}/{relpath}");
                files.push(file(meta, relpath, below));
            }
            Ok(files)
        })
    }

    fn receive_all(
        &self,
        files: &[StoredFile],
        to: &Path,
        jobs: usize,
        progress: &dyn Progress,
    ) -> Result<()> {
        let whole = files.iter().all(|file| file.relpath.is_empty());
        for file in files.iter().filter(|_| !whole) {
            if let Some(dir) = to.join(&file.relpath).parent() {
                fsx::create_dirs(dir)?;
            }
        }
        self.runtime.block_on(async {
            let received = stream::iter(files).map(|file| async move {
                let to = if whole { to.to_path_buf() } else { to.join(&file.relpath) };
                let (bytes, _) = self.receive(&file.below, &to).await?;
                if bytes != file.size {
                    return Err(Error::invalid(format!(
                        "{} has {} bytes, of which {bytes} came",
                        file.place, file.size
                    )));
                }
                progress.done(bytes);
                Ok(())
            });
            received.buffer_unordered(jobs).try_collect::<Vec<()>>().await.map(drop)
        })
    }
}
