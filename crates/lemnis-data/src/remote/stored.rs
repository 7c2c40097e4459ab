//! Single files and folders of a store, for data that is imported from a URL.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use lemnis_core::ErrorKind;
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
    /// What the store calls the content.
    pub(crate) tag: Option<String>,
    /// What the store calls this version, if it keeps versions. A folder's files have none until they are asked for.
    pub(crate) version: Option<String>,
    /// Its URL, for people.
    pub(crate) place: String,
    below: String,
}

impl Remote {
    /// The file `name`, or the files of the folder `name`, or of all of a bucket for no name; empty when there are none.
    pub(crate) fn stored(&self, name: &str) -> Result<Vec<StoredFile>> {
        match &self.place {
            Place::Dir(_) => Ok(Vec::new()),
            Place::Store(cloud) => cloud.stored(name),
        }
    }

    /// The file `below` in one version, called `relpath` here; `None` when there is none such.
    pub(crate) fn stored_version(
        &self,
        below: &str,
        relpath: String,
        version: &str,
    ) -> Result<Option<StoredFile>> {
        match &self.place {
            Place::Dir(_) => Ok(None),
            Place::Store(cloud) => {
                let found = cloud.runtime.block_on(cloud.look(below, Some(version)))?;
                Ok(found.map(|meta| StoredFile {
                    version: Some(version.to_owned()),
                    ..cloud.file(meta, relpath, below.to_owned())
                }))
            }
        }
    }

    /// A version of the file `below` that was recorded; it is not looked at.
    pub(crate) fn stored_as(&self, below: &str, relpath: String, size: u64, version: String) -> StoredFile {
        let place = format!("{}/{below}", self.url);
        StoredFile { relpath, size, tag: None, version: Some(version), place, below: below.to_owned() }
    }

    /// Asks for the versions of files that [`Remote::stored`] found without.
    pub(crate) fn name_versions(&self, files: &mut [StoredFile]) -> Result<()> {
        let Place::Store(cloud) = &self.place else { return Ok(()) };
        let ask = async |file: &mut StoredFile| -> Result<()> {
            if file.version.is_none() {
                let gone = || Error::invalid(format!("'{}' went away while it was read", file.place));
                let meta = cloud.look(&file.below, None).await?.ok_or_else(gone)?;
                *file = cloud.file(meta, std::mem::take(&mut file.relpath), std::mem::take(&mut file.below));
            }
            Ok(())
        };
        let asked = stream::iter(files).map(ask).buffer_unordered(self.jobs).try_collect::<Vec<()>>();
        cloud.runtime.block_on(asked).map(drop)
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

    /// Writes what [`Remote::stored`] found: a file to `to`, or the files of a folder below it. From a versioned
    /// remote each comes in its version.
    pub(crate) fn receive_all(&self, files: &[StoredFile], to: &Path, progress: &dyn Progress) -> Result<()> {
        progress.expect("download", files.len() as u64);
        match &self.place {
            Place::Dir(_) => Ok(()),
            Place::Store(cloud) => cloud.receive_all(files, to, self.jobs, self.versioned, progress),
        }
    }
}

impl Cloud {
    fn file(&self, meta: ObjectMeta, relpath: String, below: String) -> StoredFile {
        StoredFile {
            relpath,
            size: meta.size,
            tag: meta.e_tag,
            // a bucket whose versioning is off
            version: meta.version.filter(|id| id != "null"),
            place: format!("{}/{below}", self.url),
            below,
        }
    }

    fn stored(&self, name: &str) -> Result<Vec<StoredFile>> {
        let key = self.key(name)?;
        self.runtime.block_on(async {
            if !name.is_empty() {
                match self.store.head(&key).await {
                    Ok(meta) => return Ok(vec![self.file(meta, String::new(), name.to_owned())]),
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(self.failed("looking at", name)(error)),
                }
            }
            let listed = self.store.list(Some(&key)).try_collect::<Vec<_>>().await;
            let listed = match listed {
                Ok(listed) => listed,
                // servers of plain files cannot list
                Err(_) if self.url.starts_with("http") => return Ok(Vec::new()),
                Err(error) => {
                    return match self.failed("listing", name)(error) {
                        Error::Store { kind: ErrorKind::NotFound, .. } => Ok(Vec::new()),
                        error => Err(error),
                    };
                }
            };
            let mut files = Vec::new();
            for meta in listed {
                let location = meta.location.to_string();
                let inside = match key.as_ref() {
                    "" => Some(location.as_str()),
                    key => location.strip_prefix(key).and_then(|rest| rest.strip_prefix('/')),
                };
                let Some(relpath) = inside else { continue };
                if relpath.split('/').any(|part| matches!(part, "" | "." | "..")) {
                    return Err(Error::invalid(format!("'{location}' is no path that can be written here")));
                }
                let relpath = relpath.to_owned();
                let below = if name.is_empty() { relpath.clone() } else { format!("{name}/{relpath}") };
                files.push(self.file(meta, relpath, below));
            }
            Ok(files)
        })
    }

    fn receive_all(
        &self,
        files: &[StoredFile],
        to: &Path,
        jobs: usize,
        versioned: bool,
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
                let version = file.version.clone().filter(|_| versioned);
                let (bytes, _) = self.receive_version(&file.below, version, &to).await?;
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
