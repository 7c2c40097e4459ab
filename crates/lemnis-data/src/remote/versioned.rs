//! A remote that keeps versions: files lie under their own names, and the store remembers what each of them held.
//!
//! What a push sends is found again by the version that the store gave it, never by the name alone, since anybody may
//! write there. A file whose content the store shows already is not sent: so an interrupted push goes on where it ended.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, ObjectMeta, ObjectStore};

use super::cloud::Cloud;
use super::{Landing, Place, Progress, Remote, StoredFile, Tally};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::versions::{Version, VersionedFile};

/// A file of the remote that is wanted there or here.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its path below the remote.
    pub(crate) key: String,
    pub(crate) file: VersionedFile,
}

/// What became of an item.
pub(crate) enum Fate {
    /// The version that holds it now; `sent` is how many bytes went, if any did.
    Kept {
        version: Version,
        size: u64,
        sent: Option<u64>,
    },
    /// Neither the remote nor the cache has it.
    Nowhere,
    Failed(Error),
}

impl Remote {
    /// Brings the content of the items to the remote and says what it is called there.
    pub(crate) fn keep(&self, cache: &Cache, items: &[Item], progress: &dyn Progress) -> Result<Vec<Fate>> {
        let cloud = self.cloud()?;
        progress.expect("push", items.len() as u64);
        let keep = async |item: &Item| {
            let fate = cloud.keep(&self.name, cache, item).await;
            progress.done(if let Ok(Fate::Kept { sent, .. }) = &fate { sent.unwrap_or(0) } else { 0 });
            fate.unwrap_or_else(Fate::Failed)
        };
        let all = stream::iter(items).map(keep).buffered(self.jobs).collect();
        Ok(cloud.runtime.block_on(all))
    }

    /// Brings the versions of the items into the cache; returns those that failed, and why.
    pub(crate) fn bring(
        &self,
        cache: &Cache,
        items: &[Item],
        progress: &dyn Progress,
    ) -> Result<(super::Moved, Vec<(usize, Error)>)> {
        let cloud = self.cloud()?;
        let make_dirs = |dir: &Path| cache.make_dirs(dir);
        let landing = Landing::new(cache.dir(), &make_dirs)?;
        progress.expect("fetch", items.len() as u64);
        let tally = Tally::new(progress);
        let bring = async |(at, item)| (at, cloud.bring(cache, item, &landing).await);
        let failed = cloud.runtime.block_on(async {
            let mut running = stream::iter(items.iter().enumerate()).map(bring).buffer_unordered(self.jobs);
            let mut failed = Vec::new();
            while let Some((at, brought)) = running.next().await {
                match brought {
                    Ok(bytes) => tally.count(bytes),
                    Err(error) => failed.push((at, error)),
                }
            }
            failed
        });
        landing.settle()?;
        Ok((tally.moved(Vec::new()), failed))
    }

    /// What the store shows now of the file or folder `name`. `known` says which files need not be read; the
    /// others come into the cache.
    pub(crate) fn take(
        &self,
        cache: &Cache,
        name: &str,
        known: &dyn Fn(&StoredFile) -> Option<VersionedFile>,
        progress: &dyn Progress,
    ) -> Result<Vec<VersionedFile>> {
        let cloud = self.cloud()?;
        let shown = self.stored(name)?;
        let make_dirs = |dir: &Path| cache.make_dirs(dir);
        let landing = Landing::new(cache.dir(), &make_dirs)?;
        progress.expect("fetch", shown.len() as u64);
        let take = async |file: &StoredFile| {
            let taken = match known(file) {
                Some(known) => Ok(known),
                None => cloud.take(&self.name, cache, name, file, &landing).await,
            };
            progress.done(file.size);
            taken
        };
        let taken = stream::iter(&shown).map(take).buffered(self.jobs).try_collect();
        let taken: Vec<VersionedFile> = cloud.runtime.block_on(taken)?;
        landing.settle()?;
        Ok(taken)
    }

    fn cloud(&self) -> Result<&Cloud> {
        match &self.place {
            Place::Store(cloud) => Ok(cloud),
            Place::Dir(_) => Err(Error::invalid(format!(
                "the remote '{}' is a directory, which keeps no versions",
                self.name
            ))),
        }
    }
}

/// An entity tag as DVC records it.
fn bare(tag: Option<String>) -> Option<String> {
    tag.map(|tag| tag.trim_matches('"').to_owned())
}

impl Cloud {
    async fn keep(&self, name: &str, cache: &Cache, item: &Item) -> Result<Fate> {
        let kept = |version: Version, size, sent| Ok(Fate::Kept { version, size, sent });
        if let Some(version) = item.file.version.as_ref().filter(|version| version.remote == name)
            && let Some(id) = &version.id
            && let Some(meta) = self.look(&item.key, Some(id)).await?
        {
            return kept(version.clone(), meta.size, None);
        }
        if let Some(meta) = self.look(&item.key, None).await?
            && bare(meta.e_tag.clone()).as_deref() == Some(item.file.md5.as_str())
            && let Some(version) = self.version(name, meta.e_tag, meta.version)
        {
            return kept(version, meta.size, None);
        }
        if !cache.has(HashName::Md5, &item.file.md5)? {
            return Ok(Fate::Nowhere);
        }
        let path = cache.object_path(HashName::Md5, &item.file.md5);
        let (bytes, put) = self.send_as(&path, &item.key).await?;
        let version = self.version(name, put.e_tag, put.version).ok_or_else(|| {
            Error::hinted(
                format!("the bucket of '{}' keeps no versions", self.url),
                format!(
                    "switch its versioning on, or unset version_aware and worktree of the remote '{name}'"
                ),
            )
        })?;
        kept(version, bytes, Some(bytes))
    }

    /// A store without versions names none, or `null`.
    fn version(&self, remote: &str, etag: Option<String>, id: Option<String>) -> Option<Version> {
        let id = id.filter(|id| id != "null")?;
        Some(Version { remote: remote.to_owned(), etag: bare(etag), id: Some(id) })
    }

    pub(super) async fn look(&self, below: &str, version: Option<&str>) -> Result<Option<ObjectMeta>> {
        let options = GetOptions { head: true, version: version.map(str::to_owned), ..GetOptions::default() };
        match self.store.get_opts(&self.key(below)?, options).await {
            Ok(found) => Ok(Some(found.meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("looking at", below)(error)),
        }
    }

    async fn take(
        &self,
        remote: &str,
        cache: &Cache,
        name: &str,
        file: &StoredFile,
        landing: &Landing<'_>,
    ) -> Result<VersionedFile> {
        let below =
            if file.relpath.is_empty() { name.to_owned() } else { format!("{name}/{}", file.relpath) };
        let gone = || Error::invalid(format!("'{}' went away while it was read", file.place));
        let meta = self.look(&below, None).await?.ok_or_else(gone)?;
        let version = self.version(remote, meta.e_tag, meta.version).ok_or_else(gone)?;
        let temp = landing.temp();
        let (bytes, md5) = self.receive_version(&below, version.id.clone(), &temp).await?;
        landing.take(temp, cache.object_path(HashName::Md5, &md5), bytes)?;
        let (relpath, size, version) = (file.relpath.clone(), Some(bytes), Some(version));
        Ok(VersionedFile { relpath, md5, size, isexec: false, version })
    }

    async fn bring(&self, cache: &Cache, item: &Item, landing: &Landing<'_>) -> Result<u64> {
        let version = item.file.version.as_ref().and_then(|version| version.id.clone());
        let temp = landing.temp();
        let (bytes, md5) = self.receive_version(&item.key, version, &temp).await?;
        if md5 != item.file.md5 {
            let _ = std::fs::remove_file(&temp);
            return Err(Error::Corrupt { place: format!("{}/{}", self.url, item.key), md5 });
        }
        landing.take(temp, cache.object_path(HashName::Md5, &md5), bytes)?;
        Ok(bytes)
    }
}
