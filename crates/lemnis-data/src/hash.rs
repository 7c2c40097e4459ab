//! DVC's hashes: plain MD5, the text-normalising MD5 of DVC 2.x, and the directory object.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::progress::Task;

/// How much of a file is in memory at once.
pub(crate) const CHUNK: usize = 1 << 20;

/// Which hash an entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HashName {
    /// `hash: md5`.
    Md5,
    /// An entry without `hash:`, written by DVC 2.x.
    Dos2Unix,
}

/// What a `.dvc` file or `dvc.lock` says about a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) name: HashName,
    /// Lower-case hex; ends in `.dir` for a directory.
    pub(crate) md5: String,
    pub(crate) size: Option<u64>,
    pub(crate) nfiles: Option<u64>,
    pub(crate) isexec: bool,
}

impl Recorded {
    pub(crate) fn is_dir(&self) -> bool {
        self.md5.ends_with(".dir")
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn md5_bytes(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

pub(crate) fn sha256_bytes(bytes: &[u8]) -> String {
    hex(&<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

/// The hash of a file's content.
pub(crate) fn md5_file(path: &Path, name: HashName) -> Result<String> {
    md5_file_seen(path, name, &Task::silent())
}

/// The same; `task` hears of every [`CHUNK`].
pub(crate) fn md5_file_seen(path: &Path, name: HashName, task: &Task<'_>) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    // where chunks matter to the hash they keep their size
    let buffer =
        if name == HashName::Md5 { size.saturating_add(1).clamp(64, CHUNK as u64) as usize } else { CHUNK };
    md5_reader(&mut file, name, buffer, task).map_err(Error::io("read", path))
}

pub(crate) fn md5_reader(
    file: &mut impl Read,
    name: HashName,
    buffer: usize,
    task: &Task<'_>,
) -> std::io::Result<String> {
    let mut hasher = Md5::new();
    let mut buffer = vec![0; buffer];
    loop {
        let length = fill(file, &mut buffer)?;
        if length == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        let chunk = &buffer[..length];
        task.advance(1);
        if name == HashName::Dos2Unix && is_text(&chunk[..length.min(512)]) {
            hasher.update(dos2unix(chunk));
        } else {
            hasher.update(chunk);
        }
    }
}

/// MD5 of what comes in pieces.
#[derive(Default)]
pub(crate) struct Hasher(Md5);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

pub(crate) fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn is_text(block: &[u8]) -> bool {
    if block.contains(&0) {
        return false;
    }
    let other =
        block.iter().filter(|b| !matches!(b, 0x20..=0x7e | b'\n' | b'\r' | b'\t' | 0x0c | 0x08)).count();
    block.is_empty() || other as f64 / block.len() as f64 <= 0.3
}

fn dos2unix(chunk: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunk.len());
    for (index, byte) in chunk.iter().enumerate() {
        if *byte != b'\r' || chunk.get(index + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    out
}

/// One file of a directory object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeFile {
    /// Relative to the directory, with `/`.
    pub(crate) relpath: String,
    pub(crate) md5: String,
}

/// A line of a directory object; what else it holds does not matter.
#[derive(Deserialize)]
struct TreeLine<'a> {
    #[serde(borrow)]
    md5: Cow<'a, str>,
    #[serde(borrow)]
    relpath: Cow<'a, str>,
}

/// The bytes of the directory object; sorts `files` by relpath in code-point order, as the format demands.
pub(crate) fn tree_bytes(files: &mut [TreeFile]) -> Vec<u8> {
    files.sort_by(|a, b| a.relpath.cmp(&b.relpath));
    let mut out = Vec::with_capacity(files.len() * 80 + 2);
    out.push(b'[');
    for (index, file) in files.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"{\"md5\": \"");
        out.extend_from_slice(file.md5.as_bytes());
        out.extend_from_slice(b"\", \"relpath\": ");
        out.extend_from_slice(crate::pyjson::string(&file.relpath).as_bytes());
        out.push(b'}');
    }
    out.push(b']');
    out
}

/// The name of the directory object with these bytes.
pub(crate) fn tree_md5(bytes: &[u8]) -> String {
    format!("{}.dir", md5_bytes(bytes))
}

/// Reads a directory object. Names that would leave the directory make it invalid.
pub(crate) fn parse_tree(bytes: &[u8]) -> Option<Vec<TreeFile>> {
    let lines: Vec<TreeLine<'_>> = serde_json::from_slice(bytes).ok()?;
    let file = |line: TreeLine<'_>| {
        let safe = line.relpath.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !safe || !is_oid(&line.md5) {
            return None;
        }
        Some(TreeFile { relpath: line.relpath.into_owned(), md5: line.md5.into_owned() })
    };
    lines.into_iter().map(file).collect()
}

/// Whether `text` is an MD5 in hex, with or without `.dir`: only such names become cache paths.
pub(crate) fn is_oid(text: &str) -> bool {
    let hex = text.strip_suffix(".dir").unwrap_or(text);
    hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn directory_objects_equal_dvcs() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/vectors/dir.json")).expect("vectors");
        for case in cases {
            let files = case["files"].as_object().expect("files");
            let mut files: Vec<TreeFile> = files
                .iter()
                .map(|(relpath, content)| TreeFile {
                    relpath: relpath.clone(),
                    md5: md5_bytes(&unhex(content.as_str().expect("hex"))),
                })
                .collect();
            let bytes = tree_bytes(&mut files);
            assert_eq!(String::from_utf8_lossy(&bytes), case["bytes"].as_str().expect("bytes"));
            assert_eq!(tree_md5(&bytes), case["oid"].as_str().expect("oid"));
            assert_eq!(parse_tree(&bytes), Some(files));
        }
    }

    #[test]
    fn text_of_dvc_2_is_hashed_with_unix_line_ends() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/vectors/md5_dos2unix.json")).expect("vectors");
        for case in cases {
            let Some(bytes) = case["hex"].as_str().map(unhex) else { continue };
            for (name, key) in [(HashName::Md5, "md5"), (HashName::Dos2Unix, "md5_dos2unix")] {
                let hash = md5_reader(&mut bytes.as_slice(), name, CHUNK, &Task::silent()).expect("reads");
                assert_eq!(hash, case[key].as_str().expect("hash"), "{}", case["desc"]);
            }
        }
    }

    #[test]
    fn a_directory_object_cannot_name_paths_outside() {
        let evil = br#"[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "../x"}]"#;
        assert_eq!(parse_tree(evil), None);
    }
}
