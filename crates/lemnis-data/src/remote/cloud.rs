//! A remote behind the object store port: many requests at once, each streamed, so that memory is bounded
//! by the number of jobs and not by the size of a file.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use lemnis_core::ErrorKind;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutPayload, PutResult, WriteMultipart};
use tokio::runtime::Runtime;

use super::{Landing, Moved, Object, OpenError, OpenStore, Progress, Tally};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, Hasher};

/// Bigger files are sent in parts.
const PART_BYTES: u64 = 8 << 20;
/// Stores take at most 10,000 parts.
const MAX_PARTS: u64 = 9_000;
const PARTS_AT_ONCE: usize = 2;
/// So many objects become visible together.
const CHUNK: usize = 1_000;
/// Fewer objects than this are asked for one by one.
const ASK_EACH: usize = 300;
/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(120);
/// What one request lists.
const PAGE: usize = 1_000;
/// Where objects lie, and in how many folders.
const OBJECTS: &str = "files/md5/";
const SHARDS: usize = 256;

pub(super) struct Cloud {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: String,
    pub(super) url: String,
    pub(super) runtime: Runtime,
}

impl Cloud {
    pub(super) fn open(
        url: &str,
        options: &BTreeMap<String, String>,
        stores: &dyn OpenStore,
    ) -> Result<Self> {
        let cannot = |error: OpenError| Error::invalid(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .enable_all()
            .build()
            .map_err(|error| cannot(error.into()))?;
        let opened = {
            let _entered = runtime.enter();
            stores.open(url, options).map_err(cannot)?
        };
        Ok(Self {
            store: opened.store,
            prefix: opened.prefix.trim_matches('/').to_owned(),
            url: url.to_owned(),
            runtime,
        })
    }

    pub(super) fn key(&self, below: &str) -> Result<Key> {
        let text = if self.prefix.is_empty() { below.to_owned() } else { format!("{}/{below}", self.prefix) };
        Key::parse(&text).map_err(|error| Error::invalid(format!("{}/{below}: {error}", self.url)))
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        below: &str,
    ) -> impl FnOnce(object_store::Error) -> Error {
        let place = format!("{}/{below}", self.url.trim_end_matches('/'));
        move |error| Error::store(action, place, &error)
    }

    pub(super) fn present(&self, objects: &[Object], jobs: usize) -> Result<HashSet<Object>> {
        self.runtime.block_on(async {
            if objects.len() > ASK_EACH
                && let Ok(Some(present)) = self.list_shards(objects, jobs).await
            {
                return Ok(present);
            }
            let asked = stream::iter(objects).map(|object| async move {
                let below = object.key();
                match self.store.head(&self.key(&below)?).await {
                    Ok(_) => Ok(Some(object.clone())),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(self.failed("looking at", &below)(error)),
                }
            });
            asked.buffer_unordered(jobs).try_filter_map(|found| async move { Ok(found) }).try_collect().await
        })
    }

    /// Lists the folders of the objects, where that takes fewer requests than asking for each; a store that
    /// cannot list fails here and is asked for each.
    async fn list_shards(&self, objects: &[Object], jobs: usize) -> Result<Option<HashSet<Object>>> {
        let folder = |object: &Object| {
            let key = object.key();
            key.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default()
        };
        let wanted: HashSet<String> = objects
            .iter()
            .map(|object| self.key(&object.key()).map(|key| key.to_string()))
            .collect::<Result<_>>()?;
        let folders: BTreeSet<String> = objects.iter().map(folder).collect();
        let list = async |folder: &str| -> Result<(usize, Vec<String>)> {
            let key = self.key(folder)?;
            let mut listed = self.store.list(Some(&key));
            let (mut seen, mut found) = (0, Vec::new());
            while let Some(meta) = listed.try_next().await.map_err(self.failed("listing", folder))? {
                seen += 1;
                let path = meta.location.to_string();
                if wanted.contains(&path) {
                    found.push(path);
                }
            }
            Ok((seen, found))
        };
        let mut rest = folders.iter();
        let Some(first) = rest.next() else { return Ok(Some(HashSet::new())) };
        let (seen, mut found) = list(first).await?;
        let pages = 1 + seen * SHARDS / PAGE;
        if folders.iter().all(|folder| folder.starts_with(OBJECTS)) && pages * jobs < folders.len() {
            // one list of everything, page after page, is shorter than one of each folder
            found = list(OBJECTS.trim_end_matches('/')).await?.1;
        } else if folders.len() * (1 + seen / PAGE) > objects.len() {
            return Ok(None);
        } else {
            let listed = stream::iter(rest).map(|folder| list(folder)).buffer_unordered(jobs);
            let lists: Vec<(usize, Vec<String>)> = listed.try_collect().await?;
            found.extend(lists.into_iter().flat_map(|(_, found)| found));
        }
        let found: HashSet<String> = found.into_iter().collect();
        let mut present = HashSet::new();
        for object in objects {
            if found.contains(self.key(&object.key())?.as_ref()) {
                present.insert(object.clone());
            }
        }
        Ok(Some(present))
    }

    pub(super) fn upload(
        &self,
        cache: &Cache,
        objects: &[Object],
        jobs: usize,
        progress: &dyn Progress,
    ) -> Result<Moved> {
        let tally = Tally::new(progress);
        let failed = self.each(objects, jobs, &tally, |object| async move {
            let path = cache.object_path(object.name, &object.oid);
            self.send(&path, &object.key()).await
        });
        Ok(tally.moved(failed))
    }

    pub(super) fn download(
        &self,
        cache: &Cache,
        objects: &[Object],
        jobs: usize,
        progress: &dyn Progress,
        landing: &Landing<'_>,
    ) -> Result<Moved> {
        let tally = Tally::new(progress);
        let mut failed = Vec::new();
        for chunk in objects.chunks(CHUNK) {
            failed.extend(self.each(chunk, jobs, &tally, |object| async move {
                let below = object.key();
                let temp = landing.temp();
                let (bytes, mut md5) = self.receive(&below, &temp).await?;
                if object.name == HashName::Dos2Unix && !object.is_dir() {
                    md5 = hash::md5_file(&temp, HashName::Dos2Unix)?;
                }
                if md5 != object.oid.trim_end_matches(".dir") {
                    let _ = std::fs::remove_file(&temp);
                    return Err(Error::Corrupt { place: format!("{}/{below}", self.url), md5 });
                }
                landing.take(temp, cache.object_path(object.name, &object.oid), bytes)?;
                Ok(bytes)
            }));
            landing.settle()?;
        }
        Ok(tally.moved(failed))
    }

    /// Runs `work` for all objects, `jobs` at a time, and returns those that failed.
    fn each<'o, F>(
        &self,
        objects: &'o [Object],
        jobs: usize,
        tally: &Tally<'_>,
        work: impl Fn(&'o Object) -> F,
    ) -> Vec<(Object, Error)>
    where
        F: Future<Output = Result<u64>>,
    {
        let run = stream::iter(objects).map(|object| {
            let moving = work(object);
            async move { (object, moving.await) }
        });
        self.runtime.block_on(async {
            let mut running = run.buffer_unordered(jobs);
            let mut failed = Vec::new();
            while let Some((object, result)) = running.next().await {
                match result {
                    Ok(bytes) => tally.count(bytes),
                    Err(error) => failed.push((object.clone(), error)),
                }
            }
            failed
        })
    }

    async fn send(&self, path: &std::path::Path, below: &str) -> Result<u64> {
        self.send_as(path, below).await.map(|(bytes, _)| bytes)
    }

    /// Sends the file; the store shows it only when all of it is there. Returns its size and what the store calls it.
    pub(super) async fn send_as(&self, path: &std::path::Path, below: &str) -> Result<(u64, PutResult)> {
        let key = self.key(below)?;
        let io = |error| Error::io("read", path)(error);
        let mut file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        if bytes <= PART_BYTES {
            let mut content = Vec::with_capacity(bytes as usize);
            file.read_to_end(&mut content).map_err(io)?;
            let payload = PutPayload::from(content);
            let put = self.store.put(&key, payload).await.map_err(self.failed("writing", below))?;
            return Ok((bytes, put));
        }
        let part = PART_BYTES.max(bytes / MAX_PARTS + 1) as usize;
        let upload = self.store.put_multipart(&key).await.map_err(self.failed("writing", below))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, part);
        loop {
            let mut content = vec![0; part];
            let length = match hash::fill(&mut file, &mut content) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) => {
                    let _ = upload.abort().await;
                    return Err(io(error));
                }
            };
            content.truncate(length);
            if let Err(error) = upload.wait_for_capacity(PARTS_AT_ONCE).await {
                let _ = upload.abort().await;
                return Err(self.failed("writing", below)(error));
            }
            upload.put(content.into());
        }
        let put = upload.finish().await.map_err(self.failed("writing", below))?;
        Ok((bytes, put))
    }

    /// A download may take long, but not stand still.
    async fn in_time<T>(&self, below: &str, work: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(STALL, work).await.map_err(|_| Error::Store {
            action: "reading",
            place: format!("{}/{below}", self.url.trim_end_matches('/')),
            kind: ErrorKind::Unavailable,
            message: format!("nothing came for {} s", STALL.as_secs()),
        })
    }

    /// Writes an object to a new file and returns its size and MD5.
    pub(super) async fn receive(&self, below: &str, to: &std::path::Path) -> Result<(u64, String)> {
        self.receive_version(below, None, to).await
    }

    /// The same, of one version of it.
    pub(super) async fn receive_version(
        &self,
        below: &str,
        version: Option<String>,
        to: &std::path::Path,
    ) -> Result<(u64, String)> {
        let key = self.key(below)?;
        let options = GetOptions { version, ..GetOptions::default() };
        let got = self.in_time(below, self.store.get_opts(&key, options)).await?;
        let got = got.map_err(self.failed("reading", below))?;
        let mut content = got.into_stream();
        let mut file = fsx::create_new(to).map_err(Error::io("write", to))?;
        let (mut hasher, mut bytes) = (Hasher::default(), 0);
        loop {
            let next = self.in_time(below, content.try_next()).await?;
            let Some(chunk) = next.map_err(self.failed("reading", below))? else { break };
            file.write_all(&chunk).map_err(Error::io("write", to))?;
            hasher.update(&chunk);
            bytes += chunk.len() as u64;
        }
        Ok((bytes, hasher.finish()))
    }

    /// The MD5 of what an object holds.
    pub(super) async fn md5_of(&self, below: &str) -> Result<String> {
        let key = self.key(below)?;
        let got = self.in_time(below, self.store.get(&key)).await?.map_err(self.failed("reading", below))?;
        let mut content = got.into_stream();
        let mut hasher = Hasher::default();
        loop {
            let next = self.in_time(below, content.try_next()).await?;
            let Some(chunk) = next.map_err(self.failed("reading", below))? else {
                return Ok(hasher.finish());
            };
            hasher.update(&chunk);
        }
    }

    /// The paths below `folder`, relative to the remote; `None` when the store cannot list.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>> {
        let key = self.key(folder)?;
        let skip = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        self.runtime.block_on(async {
            let listed = self.store.list(Some(&key));
            let paths = listed.map_ok(|meta| meta.location.to_string()).try_collect::<Vec<_>>().await;
            let paths = paths.map_err(self.failed("listing", folder))?;
            Ok(paths.into_iter().filter_map(|path| path.get(skip..).map(str::to_owned)).collect())
        })
    }

    pub(super) fn send_file(&self, path: &std::path::Path, below: &str) -> Result<u64> {
        self.runtime.block_on(self.send(path, below))
    }

    pub(super) fn receive_file(&self, below: &str, to: &std::path::Path) -> Result<(u64, String)> {
        self.runtime.block_on(self.receive(below, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::memory::Memory;

    #[test]
    fn what_is_there_is_found_however_many_lists_it_takes() {
        let memory = Memory::default();
        let cloud = Cloud::open("s3://bucket", &BTreeMap::new(), &memory).expect("opens");
        let object = |at: usize| Object { name: HashName::Md5, oid: format!("{:02x}{at:030x}", at % SHARDS) };
        let put = |object: &Object| {
            let key = cloud.key(&object.key()).expect("key");
            let put = cloud.store.put(&key, PutPayload::from_static(b"x"));
            cloud.runtime.block_on(put).expect("puts");
        };
        let asked: Vec<Object> = (0..4 * ASK_EACH).map(object).collect();
        assert!(cloud.present(&asked, 8).expect("lists nothing").is_empty());
        let there: HashSet<Object> = asked.iter().step_by(3).cloned().collect();
        there.iter().for_each(put);
        (10_000..12_000).map(object).for_each(|other| put(&other));
        // together for one job, folder by folder for many
        for jobs in [1, SHARDS] {
            assert_eq!(cloud.present(&asked, jobs).expect("lists"), there, "{jobs}");
        }
    }
}
