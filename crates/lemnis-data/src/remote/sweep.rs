//! What lies on a remote, and its removal.

use std::collections::BTreeSet;
use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStoreExt, path::Path as Key};
use rayon::prelude::*;

use super::{Object, Place, Remote};
use crate::cache::Cache;
use crate::error::Result;
use crate::fsx;
use crate::hash::{HashName, is_oid};

impl Remote {
    /// All objects; what bears no object's name is not looked at.
    pub(crate) fn objects(&self) -> Result<Vec<Object>> {
        let mut found = Vec::new();
        match &self.place {
            Place::Dir(dir) => {
                let cache = Cache::loose(dir, Path::new("/"));
                for name in [HashName::Md5, HashName::Dos2Unix] {
                    found.extend(cache.objects(name)?.into_iter().map(|oid| Object { name, oid }));
                }
            }
            Place::Store(cloud) => {
                let under = |name, path: &str| {
                    let oid = path.replacen('/', "", 1);
                    let object = Object { name, oid };
                    (is_oid(&object.oid) && object.key().ends_with(path)).then_some(object)
                };
                for path in cloud.list("files/md5")? {
                    let path = path.strip_prefix("files/md5/").unwrap_or_default();
                    found.extend(under(HashName::Md5, path));
                }
                for shard in cloud.legacy_shards()? {
                    let paths = cloud.list(&shard)?;
                    found.extend(paths.iter().filter_map(|path| under(HashName::Dos2Unix, path)));
                }
            }
        }
        Ok(found)
    }

    /// Removes objects; one that is gone already is no failure.
    pub(crate) fn remove(&self, objects: &[Object]) -> Result<()> {
        match &self.place {
            Place::Dir(dir) => objects.par_iter().try_for_each(|object| fsx::remove(&dir.join(object.key()))),
            Place::Store(cloud) => cloud.runtime.block_on(async {
                let removed = stream::iter(objects).map(|object| async move {
                    let below = object.key();
                    match cloud.store.delete(&cloud.key(&below)?).await {
                        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                        Err(error) => Err(cloud.failed("removing", &below)(error)),
                    }
                });
                removed.buffer_unordered(self.jobs).try_collect::<Vec<()>>().await.map(drop)
            }),
        }
    }
}

impl super::cloud::Cloud {
    /// The folders of two hex digits at the top, where objects of DVC 2.x lie.
    fn legacy_shards(&self) -> Result<Vec<String>> {
        let top = Key::from(self.prefix.as_str());
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&top)));
        let listed = listed.map_err(self.failed("listing", ""))?;
        let names = listed.common_prefixes.iter().filter_map(|key| key.filename().map(str::to_owned));
        let shards: BTreeSet<String> = names.filter(|name| is_oid_shard(name)).collect();
        Ok(shards.into_iter().collect())
    }
}

fn is_oid_shard(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use object_store::PutPayload;

    use super::*;
    use crate::remote::memory::Memory;

    #[test]
    fn objects_of_a_store_are_found_and_removed_and_nothing_else() {
        let memory = Memory::default();
        let remote =
            Remote::at("r", "s3://bucket/some/prefix", &BTreeMap::new(), &memory, None).expect("opens");
        let oid = |at: usize| format!("{at:032x}");
        let mut objects = vec![
            Object { name: HashName::Md5, oid: oid(1) },
            Object { name: HashName::Md5, oid: format!("{}.dir", oid(2)) },
            Object { name: HashName::Dos2Unix, oid: oid(3) },
            Object { name: HashName::Dos2Unix, oid: format!("{}.dir", oid(4)) },
        ];
        let Place::Store(cloud) = &remote.place else { panic!("a store") };
        let put = |key: &Key| {
            let put = cloud.store.put(key, PutPayload::from_static(b"x"));
            cloud.runtime.block_on(put).expect("puts");
        };
        for object in &objects {
            put(&cloud.key(&object.key()).expect("key"));
        }
        let others =
            ["some/prefix/runs/00/x", "some/prefix/00/short", "some/prefix/files/md5/00/short", "00/else"];
        others.iter().for_each(|other| put(&Key::from(*other)));
        let mut found = remote.objects().expect("lists");
        found.sort_by_key(Object::key);
        objects.sort_by_key(Object::key);
        assert_eq!(found, objects);
        remote.remove(&objects).expect("removes");
        remote.remove(&objects).expect("they are gone already");
        assert!(remote.objects().expect("lists").is_empty());
        for other in others {
            cloud.runtime.block_on(memory.0.head(&Key::from(other))).expect("stays");
        }
    }
}
