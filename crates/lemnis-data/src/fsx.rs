//! File operations that survive a crash: whole-file replacement through a temporary name, and links.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The largest text file (`.dvc`, `dvc.yaml`, `.gitignore`, params) that is read.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Beyond this many files one sync of the whole file system is cheaper than one each.
pub(crate) const SYNC_EACH: usize = 16;

/// The mode that says that an object is sound.
pub(crate) const OBJECT_MODE: u32 = 0o444;

/// The bit that makes a tracked file a program.
pub(crate) const EXEC: u32 = 0o100;

/// How files in the making are called; the next operation removes those of a killed one.
pub(crate) const TEMP_PREFIX: &str = ".lemnis-";
pub(crate) const TEMP_SUFFIX: &str = ".tmp";

/// What identifies a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) inode: u64,
    pub(crate) mtime_ns: i128,
    pub(crate) size: u64,
    pub(crate) mode: u32,
}

impl Stat {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
            size: meta.len(),
            mode: meta.mode() & 0o7777,
        }
    }

    /// The same of what a look through a directory's handle tells.
    pub(crate) fn seen(stat: &rustix::fs::Stat) -> Self {
        Self {
            inode: stat.st_ino,
            mtime_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            size: stat.st_size.try_into().unwrap_or_default(),
            mode: stat.st_mode & 0o7777,
        }
    }

    pub(crate) fn same_content(&self, other: &Self) -> bool {
        (self.inode, self.mtime_ns, self.size) == (other.inode, other.mtime_ns, other.size)
    }

    pub(crate) fn is_exec(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

/// The text of a file; `None` when it is not there.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let meta = file.metadata().map_err(Error::io("read", path))?;
    if !meta.is_file() {
        return Err(Error::invalid(format!("{} is not a file", path.display())));
    }
    if meta.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid(format!(
            "{} is larger than {} MiB",
            path.display(),
            MAX_TEXT_BYTES >> 20
        )));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::Malformed { file: path.display().to_string(), line, message: "not valid UTF-8".into() }
    })
}

/// Replaces `path` by `text` in one step and keeps the mode of a file that was there.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    let (dir, temp) = prepare_text(path, text)?;
    temp.as_file().sync_all().map_err(Error::io("write", path))?;
    temp.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    sync_dir(dir);
    Ok(())
}

/// Replaces each path by its text in one step, after all of the texts are on the disk.
pub(crate) fn write_texts(files: &[(PathBuf, String)]) -> Result<()> {
    if files.len() <= SYNC_EACH {
        return files.iter().try_for_each(|(path, text)| write_text(path, text));
    }
    let mut dirs = BTreeSet::new();
    let mut temps = Vec::with_capacity(files.len());
    for (path, text) in files {
        let (dir, temp) = prepare_text(path, text)?;
        dirs.insert(dir);
        // hundreds of open files would be too many for some systems
        temps.push((path, temp.into_temp_path()));
    }
    sync_all(&dirs)?;
    for (path, temp) in temps {
        temp.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    }
    sync_all(&dirs)
}

fn prepare_text<'p>(path: &'p Path, text: &str) -> Result<(&'p Path, NamedTempFile)> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mode = fs::metadata(path).map(|meta| meta.permissions().mode() & 0o7777).ok();
    let mut temp = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .suffix(TEMP_SUFFIX)
        .permissions(fs::Permissions::from_mode(mode.unwrap_or(0o666)))
        .tempfile_in(dir)
        .map_err(Error::io("write", path))?;
    temp.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
    Ok((dir, temp))
}

/// Syncs the file systems of the directories, each once.
fn sync_all(dirs: &BTreeSet<&Path>) -> Result<()> {
    let mut synced = HashSet::new();
    for dir in dirs {
        let device = fs::metadata(dir).map_err(Error::io("sync", dir))?.dev();
        if synced.insert(device) {
            sync_file_system(dir)?;
        }
    }
    Ok(())
}

/// Makes everything durable that was written to the file system of `dir`.
pub(crate) fn sync_file_system(dir: &Path) -> Result<()> {
    let handle = File::open(dir).map_err(Error::io("sync", dir))?;
    rustix::fs::syncfs(&handle).map_err(|error| Error::io("sync", dir)(error.into()))
}

/// Replaces `path` by `text` in one step, without a promise that it survives a power cut.
pub(crate) fn write_scratch(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .suffix(TEMP_SUFFIX)
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .map_err(Error::io("write", path))?;
    temp.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
    temp.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

/// Makes renames in `dir` durable; file systems that cannot are left alone.
pub(crate) fn sync_dir(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = dir.sync_all();
    }
}

pub(crate) fn create_dirs(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// Removes a file, symlink or whole directory; nothing there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The stat of what `path` leads to; `None` when there is nothing (or a dangling link).
pub(crate) fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

/// A new file with the mode that the umask leaves of 0666.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o666).open(path)
}

/// A new file that is read-only for everybody once this handle is gone, whatever the umask: an object.
pub(crate) fn create_object(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(OBJECT_MODE).open(path)?;
    if file.metadata()?.permissions().mode() & 0o7777 != OBJECT_MODE {
        file.set_permissions(fs::Permissions::from_mode(OBJECT_MODE))?;
    }
    Ok(file)
}

/// Copies content only: not the mode, not the times.
pub(crate) fn copy_content(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = create_new(to)?;
    io::copy(&mut source, &mut target)?;
    Ok(())
}

/// Shares the blocks of `from` with a new file, where the file system can.
pub(crate) fn reflink(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = create_new(to)?;
    rustix::fs::ioctl_ficlone(&target, &source).map_err(|error| {
        let _ = fs::remove_file(to);
        io::Error::from(error)
    })
}

pub(crate) fn chmod(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::io("change the mode of", path))
}

/// Moves a temporary file to its place; across file systems it is copied beside it first.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    replace(from, to).map_err(Error::io("write", to))
}

/// As [`rename`]; a directory at `to` gives way.
pub(crate) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let beside =
                to.with_file_name(format!("{TEMP_PREFIX}{}-{name}{TEMP_SUFFIX}", std::process::id()));
            match fs::read_link(from) {
                Ok(target) => std::os::unix::fs::symlink(target, &beside)?,
                Err(_) => copy_content(from, &beside)?,
            }
            let _ = fs::remove_file(from);
            fs::rename(&beside, to)
        }
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            fs::remove_dir_all(to)?;
            fs::rename(from, to)
        }
        result => result,
    }
}

/// `base/path` without `.` and `..`, by text alone: symlinks are not followed.
pub(crate) fn normalize(base: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if out.parent().is_some() {
                    out.pop();
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// `path` as seen from `base`, both absolute and normal, with `/` between parts.
pub(crate) fn relative(path: &Path, base: &Path) -> String {
    let mut ours = path.components().peekable();
    let mut theirs = base.components().peekable();
    while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
        if a != b {
            break;
        }
        ours.next();
        theirs.next();
    }
    let mut parts: Vec<String> = theirs.map(|_| "..".to_owned()).collect();
    parts.extend(ours.map(|part| part.as_os_str().to_string_lossy().into_owned()));
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_by_text() {
        assert_eq!(normalize(Path::new("/a/b"), Path::new("../c/./d")), Path::new("/a/c/d"));
        assert_eq!(normalize(Path::new("/a"), Path::new("../../../x")), Path::new("/x"));
        assert_eq!(relative(Path::new("/a/c/d"), Path::new("/a/b")), "../c/d");
        assert_eq!(relative(Path::new("/a"), Path::new("/a")), ".");
    }

    #[test]
    fn a_rewrite_keeps_the_mode() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("f");
        write_text(&path, "a").expect("writes");
        chmod(&path, 0o640).expect("chmod");
        write_text(&path, "b").expect("writes");
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o7777, 0o640);
        assert_eq!(read_text(&path).expect("reads").as_deref(), Some("b"));
    }
}
