//! What a versioned remote calls the content of outputs: `cloud:` of a file, `files:` of a directory.
//!
//! Such a remote keeps files under their own names; the version that a push made is recorded beside the hash, and is
//! the only way to the content once somebody overwrote it. So a version is given up only together with its content.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded, TreeFile, is_oid, tree_bytes, tree_md5};
use crate::stage::{self, At, Out, Stage};
use crate::yaml::{Key, Map, Node, Value, parse, rewrite, set_stage};

/// What a remote calls one content of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    /// The remote that gave it.
    pub(crate) remote: String,
    pub(crate) etag: Option<String>,
    pub(crate) id: Option<String>,
}

/// A file with the version of its content, when it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionedFile {
    /// Its path below the directory; empty for an output that is a file.
    pub(crate) relpath: String,
    pub(crate) md5: String,
    pub(crate) size: Option<u64>,
    pub(crate) isexec: bool,
    pub(crate) version: Option<Version>,
}

/// What an output records beside its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The hash of the content that is meant.
    pub(crate) md5: String,
    pub(crate) files: Vec<VersionedFile>,
}

/// Where an output is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// A `.dvc` file, or a `dvc.lock`.
    pub(crate) file: PathBuf,
    /// The stage in the lock file.
    pub(crate) stage: Option<String>,
    pub(crate) def_path: String,
}

impl Place {
    pub(crate) fn of(stage: &Stage, out: &Out) -> Self {
        let file = if stage.name.is_some() { stage.lock_path() } else { stage.file.clone() };
        Self { file, stage: stage.name.clone(), def_path: out.def_path.clone() }
    }
}

impl Versions {
    /// What the entry of an output says; `None` when it names no version.
    pub(crate) fn read(node: &Node, file: &str) -> Result<Option<Self>> {
        if let Some(list) = node.get("files").filter(|list| !list.is_null()) {
            let files = files(list, file)?;
            let Some(files) = files.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
            return Ok(Some(Self { md5: tree_of(&files), files }));
        }
        let Some(version) = version(node, file)? else { return Ok(None) };
        let Some(recorded) = stage::recorded(node, file)? else { return Ok(None) };
        let (md5, size, isexec) = (recorded.md5, recorded.size, recorded.isexec);
        let file =
            VersionedFile { relpath: String::new(), md5: md5.clone(), size, isexec, version: Some(version) };
        Ok(Some(Self { md5, files: vec![file] }))
    }

    /// What the entry says about content, in the order of keys that DVC has.
    pub(crate) fn put(&self, map: &mut Map) {
        match self.files.as_slice() {
            [file] if file.relpath.is_empty() => put_file(file, map),
            files => {
                let entry = |file: &VersionedFile| {
                    let mut map = Map::new();
                    map.insert("relpath".into(), Value::from(file.relpath.as_str()));
                    put_file(file, &mut map);
                    Value::Map(map)
                };
                map.insert("files".into(), Value::Seq(files.iter().map(entry).collect()));
            }
        }
    }
}

/// The directory that `files:` describes; `None` when the hash of a file is not known.
pub(crate) fn recorded_dir(list: &Node, file: &str, name: HashName) -> Result<Option<Recorded>> {
    let Some(files) = files(list, file)?.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let size = Some(files.iter().filter_map(|file| file.size).sum());
    let nfiles = Some(files.len() as u64);
    Ok(Some(Recorded { name, md5: tree_of(&files), size, nfiles, isexec: false }))
}

/// The hash of the directory object of files.
pub(crate) fn tree_of(files: &[VersionedFile]) -> String {
    tree_md5(&tree_bytes(&mut tree(files)))
}

/// The hash of the directory object of the files of a `files:` list.
pub(crate) fn tree_of_value(list: Option<&Value>) -> Option<String> {
    let file = |entry: &Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(TreeFile { relpath: text("relpath")?, md5: text("md5")? })
    };
    let mut tree = list?.as_seq()?.iter().map(file).collect::<Option<Vec<_>>>()?;
    Some(tree_md5(&tree_bytes(&mut tree)))
}

pub(crate) fn tree(files: &[VersionedFile]) -> Vec<TreeFile> {
    let file = |file: &VersionedFile| TreeFile { relpath: file.relpath.clone(), md5: file.md5.clone() };
    files.iter().map(file).collect()
}

/// The files of a `files:` list; `None` for one without an MD5.
fn files(list: &Node, file: &str) -> Result<Vec<Option<VersionedFile>>> {
    let one = |node: &Node| -> Result<Option<VersionedFile>> {
        let at = At { file, line: node.line };
        let relpath = node.get("relpath").ok_or_else(|| at.error("a file has no 'relpath'"))?;
        let relpath = stage::text(relpath, file, "'relpath'")?.to_owned();
        if relpath.split('/').any(|part| matches!(part, "" | "." | "..")) || relpath.contains('\0') {
            return Err(at.error(format!("'{relpath}' is no path below a directory")));
        }
        let Some(md5) = node.get("md5") else { return Ok(None) };
        let md5 = match md5.to_value() {
            Value::Int(number) => number.to_string(),
            _ => stage::text(md5, file, "'md5'")?.to_lowercase(),
        };
        if !is_oid(&md5) || md5.ends_with(".dir") {
            return Err(at.error(format!("'{md5}' is not an md5")));
        }
        let size = node.get("size").and_then(|size| size.to_value().as_u64());
        let isexec = node.get("isexec").is_some_and(|value| value.to_value() == Value::from(true));
        Ok(Some(VersionedFile { relpath, md5, size, isexec, version: version(node, file)? }))
    };
    stage::list(list, file, "'files'")?.iter().map(one).collect()
}

fn version(node: &Node, file: &str) -> Result<Option<Version>> {
    let Some(cloud) = node.get("cloud").filter(|cloud| !cloud.is_null()) else { return Ok(None) };
    let at = At { file, line: cloud.line };
    let map = cloud.as_map().ok_or_else(|| at.error("'cloud' must be a mapping"))?;
    let Some((name, (_, node))) = map.iter().next() else { return Ok(None) };
    let text = |key: &str| node.get(key).map(|value| plain(&value.to_value()));
    Ok(Some(Version { remote: name.text.clone(), etag: text("etag"), id: text("version_id") }))
}

/// Ids that look like numbers are written by DVC without quotes when YAML lets them.
fn plain(value: &Value) -> String {
    match value.to_json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn put_file(file: &VersionedFile, map: &mut Map) {
    map.insert("md5".into(), Value::from(file.md5.as_str()));
    if let Some(size) = file.size {
        map.insert("size".into(), Value::from(size));
    }
    if file.isexec {
        map.insert("isexec".into(), Value::from(true));
    }
    if let Some(version) = &file.version {
        let mut inner = Map::new();
        for (key, text) in [("etag", &version.etag), ("version_id", &version.id)] {
            if let Some(text) = text {
                inner.insert(key.into(), Value::from(text.as_str()));
            }
        }
        let cloud: Map = std::iter::once((Key::from(version.remote.as_str()), Value::Map(inner))).collect();
        map.insert("cloud".into(), Value::Map(cloud));
    }
}

/// Writes what was pushed into the files that record it; everything else in them stays.
pub(crate) fn save(outs: &[(Place, Versions)]) -> Result<()> {
    let mut files: Vec<&Path> = outs.iter().map(|(place, _)| place.file.as_path()).collect();
    files.sort();
    files.dedup();
    for file in files {
        let Some(old) = fsx::read_text(file)? else { continue };
        let mut text = old.clone();
        for (place, versions) in outs.iter().filter(|(place, _)| place.file == *file) {
            text = edited(&text, place, versions)?;
        }
        if text != old {
            fsx::write_text(file, &text)?;
        }
    }
    Ok(())
}

fn edited(text: &str, place: &Place, versions: &Versions) -> Result<String> {
    let shown = place.file.display().to_string();
    let Value::Map(mut root) = parse(text, &shown)?.to_value() else { return Ok(text.to_owned()) };
    match &place.stage {
        None => {
            if let Some(Value::Seq(outs)) = root.get_mut("outs") {
                outs.iter_mut().for_each(|entry| update(entry, place, versions));
            }
            Ok(rewrite(text, &Value::Map(root)))
        }
        Some(name) => {
            let body = root.get("stages").and_then(|stages| stages.get(name)).cloned();
            let Some(Value::Map(mut body)) = body else {
                return Err(Error::NoSuchTarget { target: name.clone() });
            };
            if let Some(Value::Seq(outs)) = body.get_mut("outs") {
                outs.iter_mut().for_each(|entry| update(entry, place, versions));
            }
            set_stage(text, &shown, name, &Value::Map(body))
        }
    }
}

/// Keys that do not belong in the entry of a file or directory that was pushed.
const STALE: [&str; 4] = ["nfiles", "isexec", "cloud", "files"];

fn update(entry: &mut Value, place: &Place, versions: &Versions) {
    let Value::Map(map) = entry else { return };
    if map.get("path").and_then(Value::as_str) != Some(place.def_path.as_str()) {
        return;
    }
    let mut content = Map::new();
    versions.put(&mut content);
    for key in STALE.iter().chain(&["md5", "size"]) {
        if !content.contains_key(*key) {
            map.shift_remove(*key);
        }
    }
    map.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DVC: &str = "outs:\n- hash: md5\n  path: d\n  files:\n  - relpath: a\n    md5: 60b725f10c9c85c70d97880dfe8191b3\n    size: 2\n    cloud:\n      r:\n        etag: 60b725f10c9c85c70d97880dfe8191b3\n        version_id: '12'\n  - relpath: sub/b\n    md5: 3b5d5c3712955042212316173ccf37be\n    size: 2\n";

    fn read(text: &str) -> Result<Option<Versions>> {
        let root = parse(text, "d.dvc")?;
        let outs = root.get("outs").expect("outs");
        Versions::read(&stage::list(outs, "d.dvc", "outs")?[0], "d.dvc")
    }

    #[test]
    fn a_directory_of_versions_has_the_hash_of_its_files() {
        let versions = read(DVC).expect("reads").expect("versions");
        assert_eq!(versions.md5, "8b3662b0d460701f7734cdf533c5aa85.dir");
        assert_eq!(versions.files[0].version.as_ref().expect("a version").id.as_deref(), Some("12"));
        assert_eq!(versions.files[1].version, None);
    }

    #[test]
    fn versions_are_written_as_dvc_writes_them_and_nothing_else_changes() {
        let place = Place { file: "d.dvc".into(), stage: None, def_path: "d".into() };
        let plain = "# mine\nouts:\n- md5: 8b3662b0d460701f7734cdf533c5aa85.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d\n";
        let versions = read(DVC).expect("reads").expect("versions");
        assert_eq!(edited(plain, &place, &versions).expect("edits"), format!("# mine\n{DVC}"));
        assert_eq!(edited(DVC, &place, &versions).expect("edits"), DVC);
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        for path in ["../x", "/x", "a//b", "a/../../b"] {
            assert!(read(&DVC.replace("sub/b", path)).is_err(), "{path}");
        }
    }
}
