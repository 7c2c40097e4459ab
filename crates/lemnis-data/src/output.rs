//! From the workspace into the cache: storing outputs and linking them back.
//!
//! A workspace file is replaced by rename, never written through, so a linked cache object cannot change.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::fsx::{self, EXEC, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::ingest::{SMALL_BYTES, Source};
use crate::repo::umask;
use crate::state::{DirState, Known};
use crate::walk::{Found, fingerprint};
use crate::workspace::{Workspace, not_data};

/// An output that goes into the cache.
pub(crate) struct Output<'a> {
    pub(crate) path: &'a Path,
    /// What it was recorded with: most of it is probably the same.
    pub(crate) before: Option<&'a Recorded>,
}

/// What stands where an output is to be stored.
enum Standing {
    Nothing,
    File { stat: Stat, known: Option<String>, before: Option<String> },
    Dir { files: Vec<Found>, known: DirState, before: HashMap<String, String> },
}

impl Standing {
    fn sources<'a>(&'a self, path: &'a Path) -> Vec<Source<'a>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::File { stat, known, before } => {
                vec![Source { path, stat: *stat, known: known.as_deref(), before: before.as_deref() }]
            }
            Self::Dir { files, known, before } => {
                let source = |file: &'a Found| Source {
                    path: &file.path,
                    stat: file.stat,
                    known: known.get(&file.relpath, &file.stat),
                    before: before.get(&file.relpath).map(String::as_str),
                };
                files.iter().map(source).collect()
            }
        }
    }
}

impl Workspace<'_> {
    /// Puts what stands at `path` into the cache; with `relink` the workspace is linked as configured.
    pub(crate) fn store(&mut self, path: &Path, relink: bool) -> Result<Option<Recorded>> {
        Ok(self.store_all(&[Output { path, before: None }], relink)?.pop().flatten())
    }

    /// Puts several outputs into the cache, all at once; `None` for one that is not there. Nothing is visible in the
    /// cache before everything is durable.
    pub(crate) fn store_all(
        &mut self,
        outputs: &[Output<'_>],
        relink: bool,
    ) -> Result<Vec<Option<Recorded>>> {
        let mut standing = Vec::with_capacity(outputs.len());
        for output in outputs {
            standing.push(self.look(output)?);
        }
        let sources: Vec<Source<'_>> = outputs
            .iter()
            .zip(&standing)
            .flat_map(|(output, standing)| standing.sources(output.path))
            .collect();
        let task = match sources.as_slice() {
            [only] => self.repo.task("Storing MiB", only.stat.size as usize / hash::CHUNK),
            _ => self.repo.task("Storing", sources.len()),
        };
        let mut batch = self.cache.batch();
        let mut hashes = self.in_parallel(|| batch.take(&sources, &task))?.into_iter();
        let known: Vec<bool> = sources.iter().map(|source| source.known.is_some()).collect();
        drop(sources);
        let mut known = known.into_iter();
        let mut stored = Vec::with_capacity(outputs.len());
        for (output, standing) in outputs.iter().zip(standing) {
            match standing {
                Standing::Nothing => stored.push(None),
                Standing::File { stat, .. } => {
                    known.next();
                    let md5 = hashes.next().unwrap_or_default();
                    let known = Known { md5: md5.clone(), stat, nfiles: 1 };
                    self.state.put(&self.key(output.path), known);
                    stored.push(Some(Stored { md5, stat, dir: None }));
                }
                Standing::Dir { files, known: before, .. } => {
                    let all_known = known.by_ref().take(files.len()).filter(|known| *known).count();
                    let tree = files.iter().zip(hashes.by_ref());
                    let mut tree: Vec<TreeFile> =
                        tree.map(|(file, md5)| TreeFile { relpath: file.relpath.clone(), md5 }).collect();
                    if all_known != files.len() || before.len() != files.len() {
                        self.state.put_files(&self.key(output.path), &files, &tree)?;
                    }
                    let bytes = hash::tree_bytes(&mut tree);
                    let md5 = hash::tree_md5(&bytes);
                    batch.add_bytes(&md5, &bytes)?;
                    let stat = fingerprint(&files);
                    stored.push(Some(Stored { md5, stat, dir: Some((files, tree)) }));
                }
            }
        }
        batch.commit()?;
        drop(task);
        let mut recorded = Vec::with_capacity(outputs.len());
        for (output, stored) in outputs.iter().zip(stored) {
            recorded.push(match stored {
                None => None,
                Some(stored) => Some(self.settle(output.path, stored, relink)?),
            });
        }
        Ok(recorded)
    }

    /// What is to be stored at the output's place, and what is known about it.
    fn look(&self, output: &Output<'_>) -> Result<Standing> {
        let Output { path, before } = output;
        let before = before.filter(|before| before.name == HashName::Md5);
        let Some(meta) = fsx::metadata(path)? else { return Ok(Standing::Nothing) };
        let key = self.key(path);
        if !meta.is_dir() {
            if !meta.is_file() {
                return Err(not_data(self.repo, path));
            }
            let stat = Stat::of(&meta);
            let known = self.state.get(&key, &stat).map(|known| known.md5.clone());
            return Ok(Standing::File { stat, known, before: before.map(|before| before.md5.clone()) });
        }
        let files = self.walk(path)?;
        let known = self.state.files_of(&key);
        let big =
            |file: &Found| file.stat.size > SMALL_BYTES && known.get(&file.relpath, &file.stat).is_none();
        let before = match before.filter(|before| before.is_dir() && files.iter().any(big)) {
            Some(before) => self.cache.tree(before.name, &before.md5)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let before = before.into_iter().map(|file| (file.relpath, file.md5)).collect();
        Ok(Standing::Dir { files, known, before })
    }

    /// Links what was stored as configured and says what to record about it.
    fn settle(&mut self, path: &Path, stored: Stored, relink: bool) -> Result<Recorded> {
        let Stored { md5, stat, dir } = stored;
        let size = Some(stat.size);
        let Some((files, tree)) = dir else {
            if relink {
                self.relink_file(path, &md5, stat.is_exec())?;
            }
            return Ok(Recorded { name: HashName::Md5, md5, size, nfiles: None, isexec: stat.is_exec() });
        };
        let nfiles = files.len() as u64;
        self.state.put(&self.key(path), Known { md5: md5.clone(), stat, nfiles });
        if relink {
            self.relink_dir(path, &md5, stat, &files, &tree)?;
        }
        Ok(Recorded { name: HashName::Md5, md5, size, nfiles: Some(nfiles), isexec: false })
    }

    /// Links the file, which holds `md5`, as configured.
    pub(crate) fn relink_file(&mut self, path: &Path, md5: &str, isexec: bool) -> Result<()> {
        if self.cache.is_linked(HashName::Md5, md5, path, true)? {
            if self.cache.copies() {
                plain_mode(path, isexec, self.cache.umask())?;
            }
        } else {
            // what links to it already may have made it a program
            self.cache.has(HashName::Md5, md5)?;
            self.cache.link(HashName::Md5, md5, path)?;
        }
        self.remember_file(path, md5, isexec)
    }

    /// Links the files of a directory as configured. `files` and `tree` are its content, in the same order.
    fn relink_dir(
        &mut self,
        path: &Path,
        md5: &str,
        stat: Stat,
        files: &[Found],
        tree: &[TreeFile],
    ) -> Result<()> {
        // as in DVC copies in directories are left alone where they are allowed, but where hard links come first
        let strict = self.cache.hard_links();
        let other: Vec<bool> = files
            .par_iter()
            .with_min_len(64)
            .zip(tree)
            .map(|(file, hashed)| {
                self.cache.is_linked(HashName::Md5, &hashed.md5, &file.path, strict).map(|is| !is)
            })
            .collect::<Result<_>>()?;
        let links: Vec<(&str, PathBuf)> = tree
            .iter()
            .zip(files)
            .zip(&other)
            .filter(|(_, other)| **other)
            .map(|((hashed, file), _)| (hashed.md5.as_str(), file.path.clone()))
            .collect();
        if links.is_empty() {
            let known = Known { md5: md5.to_owned(), stat, nfiles: files.len() as u64 };
            self.state.note_link(&self.key(path), known);
            return Ok(());
        }
        let shelf = self.cache.shelf(HashName::Md5);
        links.par_iter().with_min_len(64).try_for_each(|(md5, _)| shelf.holds(md5).map(drop))?;
        let task = self.repo.task("Linking", links.len());
        self.cache.link_all(HashName::Md5, &links, &task)?;
        drop(task);
        let found = self.walk(path)?;
        self.remember_dir(path, md5, &found, tree)
    }

    /// Sets the executable bit of a restored file and notes its hash.
    pub(crate) fn remember_file(&mut self, path: &Path, md5: &str, isexec: bool) -> Result<()> {
        let Some(meta) = fsx::metadata(path)? else { return Ok(()) };
        if isexec && meta.permissions().mode() & EXEC == 0 {
            fsx::chmod(path, (meta.permissions().mode() & 0o7777) | EXEC)?;
        }
        let key = self.key(path);
        let known = Known { md5: md5.to_owned(), stat: Stat::of(&meta), nfiles: 1 };
        self.state.put(&key, known.clone());
        self.state.note_link(&key, known);
        Ok(())
    }

    /// Notes the hashes of a directory that was just linked, without reading it. `found` is what is there;
    /// when that is not `tree`, somebody else is at work and nothing is noted.
    pub(crate) fn remember_dir(
        &mut self,
        path: &Path,
        md5: &str,
        found: &[Found],
        tree: &[TreeFile],
    ) -> Result<()> {
        if found.len() != tree.len() || found.iter().zip(tree).any(|(f, t)| f.relpath != t.relpath) {
            return Ok(());
        }
        let key = self.key(path);
        self.state.put_files(&key, found, tree)?;
        let known = Known { md5: md5.to_owned(), stat: fingerprint(found), nfiles: found.len() as u64 };
        self.state.put(&key, known.clone());
        self.state.note_link(&key, known);
        Ok(())
    }
}

/// What was put into the cache; of a directory the files as well.
struct Stored {
    md5: String,
    /// The stat of a file, the fingerprint of a directory.
    stat: Stat,
    dir: Option<(Vec<Found>, Vec<TreeFile>)>,
}

/// A tracked file of its own has the mode that the umask gives, and `u+x` where it was executable.
fn plain_mode(path: &Path, isexec: bool, umask: u32) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    let wanted = (0o666 & !umask) | if isexec { EXEC } else { 0 };
    if meta.is_file() && meta.nlink() == 1 && meta.permissions().mode() & 0o7777 != wanted {
        fsx::chmod(path, wanted)?;
    }
    Ok(())
}

/// Cuts a kept output loose from the cache, so that a command may write it in place; where the cache is `shared`, so may
/// the group.
pub(crate) fn unprotect(path: &Path, shared: bool) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
            unprotect(&entry.map_err(Error::io("list", path))?.path(), shared)?;
        }
        return Ok(());
    }
    let mode = fs::metadata(path).map_or(0, |target| target.mode());
    let linked = meta.file_type().is_symlink() || meta.nlink() > 1;
    if linked && fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        let dir = path.parent().unwrap_or(Path::new("."));
        let holder =
            tempfile::Builder::new().prefix(".lemnis-").tempdir_in(dir).map_err(Error::io("create", dir))?;
        let temp = holder.path().join("f");
        fsx::copy_content(path, &temp).map_err(Error::io("copy", path))?;
        fsx::rename(&temp, path)?;
    } else if linked {
        return Ok(());
    }
    let plain = if shared { 0o664 } else { 0o666 & !umask() };
    fsx::chmod(path, plain | (mode & EXEC))
}
