//! What a stage is: a command or a tracked file, with what it needs and what it makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded, is_oid};
use crate::repo::Repo;
use crate::versions::{self, Versions};
use crate::yaml::{Kind, Map, Node, Value};

/// A stage of a `dvc.yaml`, or the one that a `.dvc` file holds.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The name in `dvc.yaml`; `None` for a `.dvc` file.
    pub(crate) name: Option<String>,
    /// The file that defines it, absolute.
    pub(crate) file: PathBuf,
    /// Where the command runs and paths start, absolute.
    pub(crate) wdir: PathBuf,
    pub(crate) cmd: Option<Cmd>,
    pub(crate) deps: Vec<Dep>,
    pub(crate) params: Vec<ParamDep>,
    pub(crate) outs: Vec<Out>,
    /// What it reads from stores.
    pub(crate) external: Vec<External>,
    pub(crate) frozen: bool,
    pub(crate) always_changed: bool,
    pub(crate) desc: Option<String>,
    /// The command differs from the one in `dvc.lock`; of a `.dvc` file: its checksum is not that of what it says.
    pub(crate) cmd_changed: bool,
    /// A `.dvc` file with one dependency and one output: an import.
    pub(crate) import: bool,
}

/// A command: one text of lines, or several scripts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cmd {
    One(String),
    Many(Vec<String>),
}

impl Cmd {
    /// The scripts to run one after the other.
    pub(crate) fn scripts(&self) -> Vec<&str> {
        match self {
            Self::One(text) => python_lines(text),
            Self::Many(items) => items.iter().map(String::as_str).collect(),
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::One(text) => Value::from(text.as_str()),
            Self::Many(items) => Value::Seq(items.iter().map(|item| Value::from(item.as_str())).collect()),
        }
    }
}

/// `str.splitlines()` for the line ends that can occur in a command.
fn python_lines(text: &str) -> Vec<&str> {
    let breaks =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(breaks).unwrap_or(rest.len());
        lines.push(&rest[..at]);
        let skip = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(0, char::len_utf8)
        };
        rest = &rest[at + skip..];
    }
    lines
}

/// A file or directory that a stage reads.
#[derive(Clone, Debug)]
pub(crate) struct Dep {
    /// As written, relative to the stage's working directory.
    pub(crate) def_path: String,
    pub(crate) path: PathBuf,
    /// An import's source that lies in another repository.
    pub(crate) from_repo: bool,
    /// An import's source of which versions are recorded.
    pub(crate) versioned: bool,
    pub(crate) recorded: Option<Recorded>,
}

/// Something in a store that a stage reads.
#[derive(Clone, Debug)]
pub(crate) struct External {
    /// As written: `s3://bucket/key`, `remote://name/path`.
    pub(crate) url: String,
    /// What the store said of it: `etag`, `size` and the like.
    pub(crate) recorded: Option<Map>,
}

/// Parameters that a stage reads from one file.
#[derive(Clone, Debug)]
pub(crate) struct ParamDep {
    pub(crate) def_path: String,
    pub(crate) path: PathBuf,
    /// Dotted keys; empty means the whole file.
    pub(crate) keys: Vec<String>,
    /// Values at the last run; `None` when the file is new to the stage.
    pub(crate) recorded: Option<Map>,
}

/// Which list of the stage an output stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutKind {
    Out,
    Metric,
    Plot,
}

/// A file or directory that a stage makes.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) def_path: String,
    pub(crate) path: PathBuf,
    pub(crate) kind: OutKind,
    pub(crate) cache: bool,
    pub(crate) persist: bool,
    /// The remote that keeps it instead of the default one.
    pub(crate) remote: Option<String>,
    /// Whether it goes to a remote at all.
    pub(crate) push: bool,
    /// How a plot is to be drawn: `x`, `template` and the like.
    pub(crate) drawing: Map,
    pub(crate) recorded: Option<Recorded>,
    /// What a versioned remote calls the recorded content.
    pub(crate) versions: Option<Arc<Versions>>,
}

impl Stage {
    /// DVC's name of the stage as seen from the current directory.
    pub(crate) fn address(&self, repo: &Repo) -> String {
        let file = fsx::relative(&self.file, repo.cwd());
        match &self.name {
            Some(name) if file == "dvc.yaml" => name.clone(),
            Some(name) => format!("{file}:{name}"),
            None => file,
        }
    }

    /// Runs at every reproduction, for it has nothing that could be unchanged.
    pub(crate) fn is_callback(&self) -> bool {
        let reads = !(self.deps.is_empty() && self.params.is_empty() && self.external.is_empty());
        self.cmd.is_some() && !reads && self.outs.is_empty()
    }

    /// What `out` holds as commands that show or bring data see it. As in DVC an import from a URL goes by what is known
    /// of its source: size and mode, and the hash as long as its own is not recorded.
    pub(crate) fn content(&self, out: &Out) -> Option<Recorded> {
        let own = out.recorded.clone();
        let source = match self.deps.as_slice() {
            [dep] if self.import && !dep.from_repo => dep.recorded.clone(),
            _ => None,
        };
        match (own, source) {
            (Some(own), Some(source)) => Some(Recorded { name: own.name, md5: own.md5, ..source }),
            (own, source) => own.or(source),
        }
    }

    /// Whether its dependencies are files here, and no source that lies elsewhere.
    pub(crate) fn reads_files(&self) -> bool {
        !self.import || self.deps.iter().all(|dep| !dep.from_repo && !dep.def_path.contains("://"))
    }

    /// Whether it is an import from another repository.
    pub(crate) fn is_repo_import(&self) -> bool {
        self.import && self.deps.iter().any(|dep| dep.from_repo)
    }

    /// The file that records its results.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.file.with_extension("lock")
    }
}

/// Resolves a path of a definition. Outputs must lie inside the repository and not in `.dvc` or `.git`.
pub(crate) fn resolve(repo: &Repo, wdir: &Path, text: &str, what: &str, at: &At<'_>) -> Result<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err(at.error(format!("the {what} path is empty or broken")));
    }
    if text.contains("://") {
        return Err(at.error(format!("the {what} '{text}' is a URL: only dependencies can lie in a store")));
    }
    let path = fsx::normalize(wdir, Path::new(text));
    if what != "output" {
        return Ok(path);
    }
    let inside = path.strip_prefix(repo.root()).ok().filter(|relative| !relative.as_os_str().is_empty());
    let Some(inside) = inside else {
        return Err(at.error(format!("the {what} '{text}' lies outside the repository")));
    };
    let top = inside.components().next().map(|part| part.as_os_str().to_owned());
    if top.is_some_and(|top| top == ".dvc" || top == ".git") {
        return Err(at.error(format!("the {what} '{text}' lies in a directory that is not for data")));
    }
    let name = inside.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name == "dvc.yaml" || name == "dvc.lock" || name.ends_with(".dvc") {
        return Err(at.error(format!("the {what} '{text}' would be a DVC file")));
    }
    Ok(path)
}

/// How a path of a definition is recorded: as it is written, but for an absolute one inside the repository.
pub(crate) fn def_path(repo: &Repo, wdir: &Path, text: &str) -> String {
    let path = fsx::normalize(wdir, Path::new(text));
    let is_moved = Path::new(text).is_absolute() && path.starts_with(repo.root()) && path != repo.root();
    if is_moved { fsx::relative(&path, wdir) } else { text.to_owned() }
}

/// A place in a file, for errors.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: usize,
}

impl At<'_> {
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::Malformed { file: self.file.to_owned(), line: self.line, message: message.into() }
    }
}

/// A mapping whose keys are checked one by one.
pub(crate) fn fields<'n>(
    node: &'n Node,
    file: &str,
    what: &str,
    known: &[&str],
) -> Result<Vec<(&'n str, &'n Node, usize)>> {
    let at = At { file, line: node.line };
    let Kind::Map(map) = &node.kind else {
        return Err(at.error(format!("{what} must be a mapping, not {}", node.type_name())));
    };
    let mut out = Vec::with_capacity(map.len());
    for (key, (key_node, value)) in map {
        if key.typed || !known.contains(&key.text.as_str()) {
            let at = At { file, line: key_node.line };
            return Err(at.error(format!("{what} has the unknown key '{}'", key.text)));
        }
        out.push((key.text.as_str(), value, key_node.line));
    }
    Ok(out)
}

pub(crate) fn text<'n>(node: &'n Node, file: &str, what: &str) -> Result<&'n str> {
    match &node.kind {
        Kind::Scalar(Value::Str(text)) => Ok(text),
        _ => {
            Err(At { file, line: node.line }
                .error(format!("{what} must be a string, not {}", node.type_name())))
        }
    }
}

pub(crate) fn truth(node: &Node, file: &str, what: &str) -> Result<bool> {
    match &node.kind {
        Kind::Scalar(Value::Bool(truth)) => Ok(*truth),
        _ => Err(At { file, line: node.line }
            .error(format!("{what} must be true or false, not {}", node.type_name()))),
    }
}

pub(crate) fn list<'n>(node: &'n Node, file: &str, what: &str) -> Result<&'n [Node]> {
    match &node.kind {
        Kind::Seq(items) => Ok(items),
        _ => {
            Err(At { file, line: node.line }
                .error(format!("{what} must be a list, not {}", node.type_name())))
        }
    }
}

/// Checks a note on an output or artifact: `desc`, `type` and `labels` have a type, `meta` may be anything.
pub(crate) fn annotation(key: &str, value: &Node, file: &str) -> Result<()> {
    let what = format!("'{key}'");
    match key {
        "desc" | "type" => text(value, file, &what).map(drop),
        "labels" => {
            let label = |label| text(label, file, "a label").map(drop);
            list(value, file, &what)?.iter().try_for_each(label)
        }
        _ => Ok(()),
    }
}

/// The keys of an entry that describe a recorded hash.
pub(crate) const HASH_KEYS: [&str; 9] =
    ["md5", "etag", "checksum", "size", "nfiles", "isexec", "version_id", "cloud", "hash"];

/// The hash that an entry of a `.dvc` file or `dvc.lock` records.
pub(crate) fn recorded(node: &Node, file: &str) -> Result<Option<Recorded>> {
    let at = At { file, line: node.line };
    let name = match node.get("hash").map(Node::to_value) {
        None | Some(Value::Null) => HashName::Dos2Unix,
        Some(Value::Str(name)) if name == "md5" => HashName::Md5,
        Some(_) => return Err(at.error("the only hash that is supported is md5")),
    };
    if let Some(files) = node.get("files").filter(|files| !files.is_null()) {
        return versions::recorded_dir(files, file, name);
    }
    let number = |key: &str| -> Result<Option<u64>> {
        match node.get(key) {
            None => Ok(None),
            Some(value) => match value.to_value().as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(At { file, line: value.line }.error(format!("'{key}' must be a whole number"))),
            },
        }
    };
    let (size, nfiles) = (number("size")?, number("nfiles")?);
    let isexec = node.get("isexec").map(|value| truth(value, file, "'isexec'")).transpose()?.unwrap_or(false);
    let md5 = match node.get("md5").map(|value| (value.to_value(), value.line)) {
        None | Some((Value::Null, _)) => return Ok(None),
        Some((Value::Str(text), _)) if text.is_empty() => return Ok(None),
        Some((Value::Str(text), line)) => {
            let text = text.to_lowercase();
            if !is_oid(&text) {
                return Err(At { file, line }.error(format!("'{text}' is not an md5")));
            }
            text
        }
        Some((Value::Int(number), _)) if number.to_string().len() == 32 => number.to_string(),
        Some((_, line)) => return Err(At { file, line }.error("'md5' must be a string")),
    };
    Ok(Some(Recorded { name, md5, size, nfiles, isexec }))
}

/// Appends the recorded hash to an entry, in DVC's order.
pub(crate) fn put_meta(recorded: &Recorded, map: &mut Map) {
    map.insert("md5".into(), Value::from(recorded.md5.as_str()));
    if let Some(size) = recorded.size {
        map.insert("size".into(), Value::from(size));
    }
    if let Some(nfiles) = recorded.nfiles {
        map.insert("nfiles".into(), Value::from(nfiles));
    }
    if recorded.isexec {
        map.insert("isexec".into(), Value::from(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_text_is_split_into_lines() {
        assert_eq!(Cmd::One("a\nb\r\nc\n".into()).scripts(), ["a", "b", "c"]);
        assert_eq!(Cmd::Many(vec!["a\nb".into()]).scripts(), ["a\nb"]);
    }
}
