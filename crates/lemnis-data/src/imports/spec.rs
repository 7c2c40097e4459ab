//! The `.dvc` file of an import: what it depends on, what it made, and the hash over both.

use std::path::Path;

use super::link::Link;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded, md5_bytes};
use crate::pyjson::dumps;
use crate::stage;
use crate::yaml::{Key, Map, Value, emit, parse, rewrite};

/// Keys that do not take part in the hash, at any depth.
const UNHASHED: [&str; 11] =
    ["desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles"];
/// Keys of an output or dependency that say what its content is.
const CONTENT: [&str; 10] =
    ["md5", "etag", "checksum", "size", "nfiles", "isexec", "version_id", "cloud", "hash", "files"];

/// Another repository as an import names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RepoRef {
    pub(crate) url: String,
    pub(crate) rev: Option<String>,
    pub(crate) rev_lock: Option<String>,
    /// A configuration to lay over the repository's own: a file's path, or sections.
    pub(crate) config: Option<Value>,
    /// The remote to take data from: a name, or options.
    pub(crate) remote: Option<Value>,
}

impl RepoRef {
    /// Another repository as a command line names it: `config` is a file to lay over its configuration, `options` are
    /// laid over the options of `remote`, or of its default remote.
    pub(crate) fn asked(
        url: &str,
        rev: Option<&str>,
        config: Option<&str>,
        remote: Option<&str>,
        options: &[(String, String)],
    ) -> Result<Self> {
        let map = |entries: &[(&str, Value)]| {
            let entries = entries.iter().map(|(key, value)| (Key::from(*key), value.clone()));
            Value::Map(entries.collect())
        };
        let set = options.iter().map(|(key, value)| (Key::from(key.as_str()), Value::from(value.as_str())));
        let set = Value::Map(set.collect());
        let (config, remote) = match (config, remote) {
            (Some(_), Some(_)) if !options.is_empty() => {
                return Err(Error::hinted(
                    "a configuration file, a remote and options for it cannot be laid over each other",
                    "put the options into the file",
                ));
            }
            (None, Some(name)) if !options.is_empty() => {
                let core = map(&[("remote", Value::from(name))]);
                let remote = map(&[(name, set)]);
                (Some(map(&[("core", core), ("remote", remote)])), None)
            }
            (config, None) if !options.is_empty() => (config.map(Value::from), Some(set)),
            (config, remote) => (config.map(Value::from), remote.map(Value::from)),
        };
        let (url, rev) = (url.to_owned(), rev.map(str::to_owned));
        Ok(Self { url, rev, rev_lock: None, config, remote })
    }
}

/// What an import's one dependency is.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Repo { path: String, repo: Box<RepoRef> },
    Url(Link),
}

/// The document of an import.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    root: Map,
    /// The hash to write instead of the document's own.
    md5: Option<String>,
}

impl Document {
    /// A new one, that has an origin and an output but no content yet.
    pub(crate) fn new(origin: &Origin, out: &str) -> Self {
        let mut root = Map::new();
        root.insert("frozen".into(), Value::from(true));
        let dep = match origin {
            Origin::Url(_) => with_content(Some(&origin.to_map()), no_content()),
            Origin::Repo { .. } => origin.to_map(),
        };
        root.insert("deps".into(), Value::Seq(vec![Value::Map(dep)]));
        let mut entry = Map::new();
        entry.insert("hash".into(), Value::from("md5"));
        entry.insert("path".into(), Value::from(out));
        root.insert("outs".into(), Value::Seq(vec![Value::Map(entry)]));
        Self { root, md5: None }
    }

    /// The one at `path`; `None` when that is no import.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let file = path.display().to_string();
        let Some(text) = fsx::read_text(path)? else {
            return Err(Error::Missing { what: "file", path: file });
        };
        Self::parse(&text, &file)
    }

    /// The one that is `text`; `None` when that is no import.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Option<Self>> {
        let Value::Map(root) = parse(text, file)?.to_value() else { return Ok(None) };
        let document = Self { root, md5: None };
        Ok(document.origin().is_some().then_some(document))
    }

    fn first(&self, key: &str) -> Option<&Map> {
        self.root.get(key)?.as_seq()?.first()?.as_map()
    }

    fn set_first(&mut self, key: &str, entry: Map) {
        self.root.insert(Key::from(key), Value::Seq(vec![Value::Map(entry)]));
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        let dep = self.first("deps")?;
        let text = |map: &Map, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let path = text(dep, "path")?;
        Some(match dep.get("repo") {
            None => {
                let mut link = Link::new(&path);
                if let Some(options) = dep.get("fs_config").and_then(Value::as_map) {
                    link.options.clone_from(options);
                }
                link.recorded = ["version_id", "files"].iter().any(|key| dep.contains_key(*key));
                Origin::Url(link)
            }
            Some(repo) => {
                let repo = repo.as_map()?;
                Origin::Repo {
                    path,
                    repo: Box::new(RepoRef {
                        url: text(repo, "url")?,
                        rev: text(repo, "rev"),
                        rev_lock: text(repo, "rev_lock"),
                        config: repo.get("config").cloned(),
                        remote: repo.get("remote").cloned(),
                    }),
                }
            }
        })
    }

    /// Sets the dependency to another version of the same origin.
    pub(crate) fn set_origin(&mut self, origin: &Origin) {
        self.set_first("deps", origin.to_map());
    }

    /// Sets what the dependency's content is.
    pub(crate) fn set_dep_content(&mut self, content: Map) {
        let entry = with_content(self.first("deps"), content);
        self.set_first("deps", entry);
    }

    /// Sets the dependency's version, of which nothing else is known yet.
    pub(crate) fn set_dep_version(&mut self, id: &str) {
        let content = std::iter::once((Key::from("version_id"), Value::from(id))).chain(no_content());
        self.set_dep_content(content.collect());
    }

    /// Sets where the dependency lies.
    pub(crate) fn set_dep_path(&mut self, path: &str) {
        let mut entry = self.first("deps").cloned().unwrap_or_default();
        entry.insert("path".into(), Value::from(path));
        self.set_first("deps", entry);
    }

    /// No remote need hold the output, since its source does.
    pub(crate) fn set_not_pushed(&mut self) {
        let mut entry = self.first("outs").cloned().unwrap_or_default();
        entry.insert("push".into(), Value::from(false));
        self.set_first("outs", entry);
    }

    /// What the dependency's content was.
    pub(crate) fn dep_content(&self) -> Map {
        self.first("deps").map(content).unwrap_or_default()
    }

    /// Sets what the output holds; `None` when it is not there yet.
    pub(crate) fn set_out(&mut self, recorded: Option<&Recorded>) {
        let entry = with_content(self.first("outs"), recorded.map(content_of).unwrap_or_else(no_content));
        self.set_first("outs", entry);
    }

    /// Takes back what the output held. As in DVC the hash that is written covers it still, so that the stage counts as
    /// changed until its data comes.
    pub(crate) fn forget_out(&mut self) {
        self.md5 = Some(self.md5());
        self.set_out(None);
    }

    /// Writes the file: a new one, or what changed in the one that is there. `hashed` adds the stage's own hash.
    pub(crate) fn save(&self, path: &Path, hashed: bool, keep: bool) -> Result<()> {
        let mut root = Map::new();
        let mut rest = self.root.clone();
        rest.shift_remove("md5");
        if let Some(desc) = rest.shift_remove("desc") {
            root.insert("desc".into(), desc);
        }
        if hashed {
            root.insert("md5".into(), Value::from(self.md5.clone().unwrap_or_else(|| self.md5())));
        }
        root.extend(rest);
        let wanted = Value::Map(root);
        let old = if keep { fsx::read_text(path)? } else { None };
        match old {
            Some(old) => {
                let text = rewrite(&old, &wanted);
                if text == old { Ok(()) } else { fsx::write_text(path, &text) }
            }
            None => fsx::write_text(path, &emit(&wanted)),
        }
    }

    /// DVC's hash of a stage: its document without what is only about it.
    pub(crate) fn md5(&self) -> String {
        let mut root = self.root.clone();
        for key in ["md5", "meta", "desc"] {
            root.shift_remove(key);
        }
        if root.get("wdir").and_then(Value::as_str) == Some(".") {
            root.shift_remove("wdir");
        }
        md5_bytes(dumps(&hashed(&Value::Map(root))).as_bytes())
    }
}

impl Origin {
    fn to_map(&self) -> Map {
        let mut map = Map::new();
        match self {
            Self::Url(link) => {
                map.insert("path".into(), Value::from(link.url.as_str()));
                if !link.options.is_empty() {
                    map.insert("fs_config".into(), Value::Map(link.options.clone()));
                }
            }
            Self::Repo { path, repo } => {
                map.insert("path".into(), Value::from(path.as_str()));
                let mut entry = Map::new();
                entry.insert("url".into(), Value::from(repo.url.as_str()));
                let texts = [("rev", &repo.rev), ("rev_lock", &repo.rev_lock)];
                for (key, value) in texts {
                    if let Some(value) = value {
                        entry.insert(key.into(), Value::from(value.as_str()));
                    }
                }
                for (key, value) in [("config", &repo.config), ("remote", &repo.remote)] {
                    if let Some(value) = value {
                        entry.insert(key.into(), value.clone());
                    }
                }
                map.insert("repo".into(), Value::Map(entry));
            }
        }
        map
    }
}

/// What an entry says about content, in DVC's order.
pub(crate) fn content_of(recorded: &Recorded) -> Map {
    let mut map = Map::new();
    stage::put_meta(recorded, &mut map);
    if recorded.name == HashName::Md5 {
        map.insert("hash".into(), Value::from("md5"));
    }
    map
}

/// What an entry records of its content.
pub(super) fn content(entry: &Map) -> Map {
    let content = entry.iter().filter(|(key, _)| CONTENT.contains(&key.text.as_str()));
    content.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn no_content() -> Map {
    std::iter::once((Key::from("hash"), Value::from("md5"))).collect()
}

/// The entry with other content in front of what else it holds, and the files of a folder behind it.
fn with_content(entry: Option<&Map>, content: Map) -> Map {
    let kept = entry.cloned().unwrap_or_default();
    let kept = kept.into_iter().filter(|(key, _)| !CONTENT.contains(&key.text.as_str()));
    let (files, front): (Vec<_>, Vec<_>) = content.into_iter().partition(|(key, _)| key.text == "files");
    front.into_iter().chain(kept).chain(files).collect()
}

fn hashed(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let kept = map.iter().filter(|(key, _)| key.typed || !UNHASHED.contains(&key.text.as_str()));
            Value::Map(kept.map(|(key, item)| (key.clone(), hashed(item))).collect())
        }
        Value::Seq(items) => Value::Seq(items.iter().map(hashed).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_hashed_as_dvc_hashes_it() {
        let text = include_str!("../../tests/vectors/stage_md5.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(text).expect("vectors");
        for case in cases {
            let Value::Map(root) = Value::from_json(&case["dvc"]) else { panic!("a mapping") };
            assert_eq!(Document { root, md5: None }.md5(), case["md5"].as_str().expect("md5"));
        }
    }

    #[test]
    fn an_update_keeps_what_a_person_wrote() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("d.dvc");
        let text = "# mine\nfrozen: true\ndeps:\n- path: d\n  repo:\n    url: u\n    rev_lock: a\nouts:\n- hash: md5\n  path: d\n  desc: x\n";
        fsx::write_text(&path, text).expect("writes");
        let mut document = Document::load(&path).expect("loads").expect("an import");
        let Some(Origin::Repo { path: inner, mut repo }) = document.origin() else { panic!("a repo") };
        repo.rev_lock = Some("b".into());
        document.set_origin(&Origin::Repo { path: inner, repo });
        document.save(&path, false, true).expect("saves");
        assert_eq!(
            std::fs::read_to_string(&path).expect("reads"),
            text.replace("rev_lock: a", "rev_lock: b")
        );
    }
}
