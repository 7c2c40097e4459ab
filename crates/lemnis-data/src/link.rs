//! From the cache into the workspace: reflink, hard link, symlink or copy, the first configured one that works.
//!
//! A workspace file appears complete or not at all: a link is made by one system call, a copy is made under
//! a temporary name and renamed over what stands there. Nothing is ever written through an existing file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags, linkat, open};

use crate::cache::{Cache, prepare};
use crate::config::LinkType;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::HashName;
use crate::lanes::Lanes;
use crate::progress::Task;

/// The MD5 of nothing.
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

impl Cache {
    /// Whether the workspace file at `path` is already linked as the configuration wants. A copy is good enough where
    /// copies are allowed at all, or with `strict` only where nothing that stands before them in the list works.
    pub(crate) fn is_linked(&self, name: HashName, md5: &str, path: &Path, strict: bool) -> Result<bool> {
        let meta = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
        let object = self.object_path(name, md5);
        let symlink = meta.file_type().is_symlink();
        let hardlink = !symlink && meta.nlink() > 1;
        for kind in self.link_types() {
            match kind {
                LinkType::Copy | LinkType::Reflink if !symlink && !hardlink => {
                    return Ok(!(strict && self.wants_link(md5) && self.can_link(&meta)?));
                }
                LinkType::Hardlink if hardlink => {
                    return Ok(fsx::metadata(&object)?.is_some_and(|object| object.ino() == meta.ino()));
                }
                LinkType::Symlink if symlink => {
                    return Ok(fs::read_link(path).is_ok_and(|target| target == object));
                }
                LinkType::Hardlink if meta.len() == 0 && !symlink && !self.wants_link(EMPTY) => {
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Whether a link to the cache can stand in the place of the file: a hard link only on the cache's file system.
    fn can_link(&self, file: &fs::Metadata) -> Result<bool> {
        let symlinks =
            matches!(self.link_types(), [LinkType::Symlink, ..] | [LinkType::Reflink, LinkType::Symlink, ..]);
        let cache = fsx::metadata(self.dir())?;
        Ok(symlinks || cache.is_some_and(|cache| cache.dev() == file.dev()))
    }

    /// Whether a file with this content is to be a link: where blocks cannot be shared, the next type of the list counts.
    fn wants_link(&self, md5: &str) -> bool {
        match self.link_types() {
            [LinkType::Reflink, next, ..] | [next, ..] => match next {
                LinkType::Symlink => true,
                // an empty file that is linked would make all empty files of the workspace one
                LinkType::Hardlink => md5 != EMPTY,
                LinkType::Copy | LinkType::Reflink => false,
            },
            [] => false,
        }
    }

    /// Puts one object at `path`.
    pub(crate) fn link(&self, name: HashName, md5: &str, path: &Path) -> Result<()> {
        self.link_all(name, &[(md5, path.to_path_buf())], &Task::silent())
    }

    /// Puts objects at their paths, several at a time.
    pub(crate) fn link_all(
        &self,
        name: HashName,
        files: &[(impl AsRef<str> + Sync, PathBuf)],
        task: &Task<'_>,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let holder = prepare(self.scratch(), "link-")?;
        let lanes = Lanes::new(holder.path());
        let mut parents = HashSet::new();
        for (_, path) in files {
            if let Some(parent) = path.parent().filter(|parent| parents.insert(parent.to_path_buf())) {
                fsx::create_dirs(parent)?;
            }
        }
        let objects = open_dir(&self.root_of(name));
        let siblings: Vec<_> = files.chunk_by(|(_, one), (_, next)| one.parent() == next.parent()).collect();
        siblings.par_iter().try_for_each(|siblings| {
            let parent = siblings.first().and_then(|(_, path)| path.parent()).and_then(open_dir);
            siblings.par_iter().with_min_len(8).try_for_each(|(md5, path)| {
                let between = Between { objects: objects.as_ref(), parent: parent.as_ref() };
                self.link_one((name, md5.as_ref()), path, between, &lanes)?;
                task.advance(1);
                Ok(())
            })
        })
    }

    fn link_one(
        &self,
        (name, md5): (HashName, &str),
        path: &Path,
        between: Between<'_>,
        lanes: &Lanes,
    ) -> Result<()> {
        let mut failure = io::Error::other("no link type is configured");
        for kind in self.link_types() {
            // an empty file that is linked would make all empty files of the workspace one
            let kind = if md5 == EMPTY && *kind == LinkType::Hardlink { &LinkType::Copy } else { kind };
            if *kind == LinkType::Hardlink && between.hard_link(md5, path) {
                return Ok(());
            }
            let temp = lanes.next();
            match self.make(*kind, &self.object_path(name, md5), path, &temp) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let _ = fs::remove_file(&temp);
                    failure = error;
                }
            }
        }
        Err(Error::io("link or copy from the cache to", path)(failure))
    }

    fn make(&self, kind: LinkType, object: &Path, path: &Path, temp: &Path) -> io::Result<()> {
        match kind {
            LinkType::Hardlink => return hard_link(object, path, temp),
            LinkType::Symlink => std::os::unix::fs::symlink(object, temp)?,
            LinkType::Reflink if !self.copier().may_share() => return Err(io::ErrorKind::Unsupported.into()),
            LinkType::Reflink => {
                if !self.copier().share(&File::open(object)?, &fsx::create_new(temp)?) {
                    return Err(io::ErrorKind::Unsupported.into());
                }
            }
            LinkType::Copy => drop(self.copier().copy(&File::open(object)?, &fsx::create_new(temp)?)?),
        }
        fsx::replace(temp, path)
    }
}

/// The directory of the objects and that of a workspace file, open: a link between the two need not walk down to them.
#[derive(Clone, Copy)]
struct Between<'a> {
    objects: Option<&'a OwnedFd>,
    parent: Option<&'a OwnedFd>,
}

impl Between<'_> {
    /// Makes a hard link in the one case that is the usual one: nothing stands at `path`. Returns whether it did.
    fn hard_link(self, md5: &str, path: &Path) -> bool {
        let (Some(objects), Some(parent), Some(file)) = (self.objects, self.parent, path.file_name()) else {
            return false;
        };
        let (head, tail) = md5.split_at(2);
        linkat(objects, format!("{head}/{tail}"), parent, file, AtFlags::empty()).is_ok()
    }
}

fn open_dir(path: &Path) -> Option<OwnedFd> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Makes a hard link at `path`; one that has to replace something goes through `temp`.
fn hard_link(object: &Path, path: &Path, temp: &Path) -> io::Result<()> {
    match fs::hard_link(object, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::hard_link(object, temp)?;
            fsx::replace(temp, path)?;
            // renaming one name of a file over another name of it does nothing
            let _ = fs::remove_file(temp);
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn cache(dir: &Path, kind: &str) -> Cache {
        let dvc = dir.join(".dvc");
        fs::create_dir_all(&dvc).expect("dir");
        fs::write(dvc.join("config"), format!("[cache]\n    type = {kind}\n")).expect("writes");
        Cache::new(
            &Config::load(&dvc, &crate::Environment::default()).expect("config"),
            dvc.join("tmp/lemnis"),
        )
    }

    fn object(cache: &Cache, bytes: &[u8]) -> String {
        let md5 = crate::hash::md5_bytes(bytes);
        let mut batch = cache.batch();
        batch.add_bytes(&md5, bytes).expect("adds");
        batch.commit().expect("commits");
        md5
    }

    #[test]
    fn a_link_replaces_what_stands_there_and_leaves_nothing_behind() {
        for kind in
            ["copy", "hardlink", "symlink", "\"reflink,copy\"", "\"hardlink,copy\"", "\"symlink,copy\""]
        {
            let dir = tempfile::tempdir().expect("temp dir");
            let cache = cache(dir.path(), kind);
            let (one, empty) = (object(&cache, b"one"), object(&cache, b""));
            let (path, void) = (dir.path().join("a/f"), dir.path().join("a/void"));
            for _ in 0..2 {
                cache.link(HashName::Md5, &one, &path).expect("links");
                cache.link(HashName::Md5, &empty, &void).expect("links");
                assert_eq!(fs::read(&path).expect("reads"), b"one", "{kind}");
                assert!(cache.is_linked(HashName::Md5, &one, &path, true).expect("looks"), "{kind}");
                assert!(cache.is_linked(HashName::Md5, &empty, &void, true).expect("looks"), "{kind}");
            }
            assert_eq!(fs::metadata(&void).expect("stat").nlink(), 1, "{kind}");
            assert_eq!(fs::read_dir(cache.scratch()).expect("lists").count(), 0, "{kind}");
        }
    }

    #[test]
    fn a_copy_is_enough_only_where_nothing_before_it_works() {
        for (kind, linked) in [("hardlink,copy", false), ("symlink,copy", false), ("copy,hardlink", true)] {
            let dir = tempfile::tempdir().expect("temp dir");
            let cache = cache(dir.path(), &format!("\"{kind}\""));
            let one = object(&cache, b"one");
            let path = dir.path().join("f");
            fs::write(&path, "one").expect("writes");
            let is = |strict| cache.is_linked(HashName::Md5, &one, &path, strict).expect("looks");
            assert_eq!((is(false), is(true)), (true, linked), "{kind}");
        }
    }

    #[test]
    fn a_directory_gives_way_to_a_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let cache = cache(dir.path(), "copy");
        let one = object(&cache, b"one");
        let path = dir.path().join("f");
        fs::create_dir_all(path.join("sub")).expect("dir");
        cache.link(HashName::Md5, &one, &path).expect("links");
        assert_eq!(fs::read(&path).expect("reads"), b"one");
    }
}
