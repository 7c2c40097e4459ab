//! What an import from a URL names: the URL, the options of its store, and which version is meant.
//!
//! A version stands beside the URL and never in it, so that an update can move on. DVC 3 leaves `?versionId=` in the
//! URL and cannot read the file that it wrote once the two differ; what it wrote is read here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Outside;
use crate::config::{Config, schema, truth};
use crate::error::{Error, Result};
use crate::fsx;
use crate::remote::{Remote, local_path, no_such, settings};
use crate::repo::Repo;
use crate::yaml::{Key, Map, Value};

/// The part of a URL that names a version.
const VERSION: &str = "versionId=";
/// The option that asks for versions.
const AWARE: &str = "version_aware";

/// A path or URL.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Link {
    /// Without a version.
    pub(crate) url: String,
    /// The version that the URL named.
    pub(crate) version: Option<String>,
    /// Options of the store: `fs_config` of a `.dvc` file.
    pub(crate) options: Map,
    /// A `.dvc` file names the versions of what was imported.
    pub(crate) recorded: bool,
}

/// Where a link leads.
pub(super) enum Opened {
    Local(PathBuf),
    /// The store is opened where the thing lies, so that the thing is one name in it, or no name when it is all of a
    /// bucket. It is a versioned one when
    /// versions are meant.
    Store {
        remote: Box<Remote>,
        name: String,
        scheme: String,
    },
}

impl Link {
    /// A URL as somebody typed it or a `.dvc` file holds it.
    pub(crate) fn new(url: &str) -> Self {
        let (url, version) = split_version(url);
        Self { url, version, ..Self::default() }
    }

    /// The link with options for its store, `version_aware` as the last of them when it is asked for.
    pub(super) fn with_options(
        mut self,
        repo: Option<&Repo>,
        options: &[(String, String)],
        version_aware: bool,
    ) -> Result<Self> {
        if !options.is_empty() {
            schema::validate_options(&self.resolved(repo)?.0, options)?;
        }
        for (name, value) in options {
            self.options.insert(Key::from(name.as_str()), Value::from(value.as_str()));
        }
        if version_aware {
            self.options.insert(AWARE.into(), Value::from(true));
        }
        Ok(self)
    }

    /// The link with its store taken as one that keeps no versions, whatever a remote says of it.
    pub(super) fn without_versions(mut self) -> Self {
        self.options.insert(AWARE.into(), Value::from(false));
        self
    }

    /// An error for a kind of URL that nobody knows, and for a remote that does not exist.
    pub(crate) fn check(&self, repo: &Repo) -> Result<()> {
        schema::validate_options(&self.resolved(Some(repo))?.0, &[])
    }

    /// The whole URL with the options of its store; `remote://name/path` takes those of that remote.
    pub(super) fn resolved(&self, repo: Option<&Repo>) -> Result<(String, BTreeMap<String, String>)> {
        let mut options = BTreeMap::new();
        let mut full = self.url.clone();
        if let Some((name, rest)) = remote_of(&self.url) {
            let Some(repo) = repo else { return Err(no_such(name)) };
            let root;
            (root, options) = settings(repo.config(), &name.to_lowercase())?;
            full = format!("{}/{rest}", root.trim_end_matches('/'));
        }
        for (key, value) in &self.options {
            options.insert(key.text.to_lowercase(), text_of(value));
        }
        Ok((full, options))
    }

    /// The place on this machine that it leads to; `None` for a store. Relative paths start at `base`.
    pub(crate) fn local(&self, repo: &Repo, base: &Path) -> Result<Option<PathBuf>> {
        let (full, _) = self.resolved(Some(repo))?;
        Ok(match full.contains("://") {
            true => full.starts_with("file://").then(|| local_path(&full).unwrap_or_default()),
            false => Some(fsx::normalize(base, Path::new(&full))),
        })
    }

    /// Whether versions are meant: as the options of the store say, or else as what was recorded does.
    fn wants_versions(&self, options: &BTreeMap<String, String>) -> bool {
        let asked = options.get(AWARE).and_then(|text| truth(text));
        match self.options.contains_key(AWARE) {
            true => asked == Some(true),
            false => self.recorded || self.version.is_some() || asked == Some(true),
        }
    }

    /// Whether it leads to a store whose versions are meant.
    pub(super) fn is_versioned(&self, repo: &Repo) -> Result<bool> {
        let (full, options) = self.resolved(Some(repo))?;
        Ok(full.starts_with("s3://") && self.wants_versions(&options))
    }

    /// Opens the store. Relative paths start at `base`.
    pub(super) fn open(&self, repo: Option<&Repo>, base: &Path, outside: &Outside<'_>) -> Result<Opened> {
        let (full, options) = self.resolved(repo)?;
        let scheme = full.split_once("://").map_or("file", |(scheme, _)| scheme).to_owned();
        let wanted = self.wants_versions(&options);
        let asked = self.version.is_some() || options.get(AWARE).and_then(|text| truth(text)) == Some(true);
        if wanted && asked && !matches!(scheme.as_str(), "s3" | "file") {
            return Err(Error::hinted(
                format!("versions of '{}' cannot be imported: only those of s3 can", self.url),
                "import it without --version-aware: a change of the source is seen as well, but older data is not kept there",
            ));
        }
        if scheme == "file" {
            return Ok(Opened::Local(match full.starts_with("file://") {
                true => local_path(&full).unwrap_or_default(),
                false => fsx::normalize(base, Path::new(&full)),
            }));
        }
        let (address, query) = full.split_at(full.find('?').unwrap_or(full.len()));
        let address = address.trim_end_matches('/');
        let path = address.split_once("://").map_or(address, |(_, path)| path);
        let buckets = matches!(scheme.as_str(), "s3" | "gs" | "azure") && address.contains("://");
        let whole_bucket = buckets && !path.contains('/');
        let parts = address.rsplit_once('/').unwrap_or((address, ""));
        let (folder, name) = if whole_bucket { (address, "") } else { parts };
        if !whole_bucket && (name.is_empty() || folder.ends_with(":/")) {
            return Err(Error::invalid(format!("'{}' names no file or folder", self.url)));
        }
        let jobs = outside.jobs.or_else(|| options.get("jobs").and_then(|text| text.parse().ok()));
        let mut remote = Remote::at(&self.url, &format!("{folder}{query}"), &options, outside.stores, jobs)?;
        remote.versioned = wanted && scheme == "s3";
        Ok(Opened::Store { remote: Box::new(remote), name: name.to_owned(), scheme })
    }

    /// Whether `url`, of which a `.dvc` file records versions, leads to a store whose versions can be had.
    pub(crate) fn keeps_versions(config: &Config, url: &str) -> bool {
        let target = match remote_of(url) {
            Some((name, _)) => {
                config.remotes.get(&name.to_lowercase()).and_then(|options| options.get("url"))
            }
            None => return url.starts_with("s3://"),
        };
        target.is_some_and(|url| url.starts_with("s3://"))
    }
}

fn remote_of(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("remote://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
}

/// What an option of the store is as text.
fn text_of(value: &Value) -> String {
    match value.to_json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The URL without `?versionId=`, and that version. Only S3 has it.
fn split_version(url: &str) -> (String, Option<String>) {
    let whole = || (url.to_owned(), None);
    if !(url.starts_with("s3://") || url.starts_with("remote://")) {
        return whole();
    }
    let Some((address, query)) = url.split_once('?') else { return whole() };
    let (versions, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|part| part.starts_with(VERSION));
    let Some(version) = versions.first().map(|part| &part[VERSION.len()..]).filter(|id| !id.is_empty())
    else {
        return whole();
    };
    let rest = rest.join("&");
    let url = if rest.is_empty() { address.to_owned() } else { format!("{address}?{rest}") };
    (url, Some(version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_taken_out_of_the_url() {
        let split = |url: &str| {
            let link = Link::new(url);
            (link.url, link.version)
        };
        let id = || Some("a.b-c".to_owned());
        assert_eq!(split("s3://b/f?versionId=a.b-c"), ("s3://b/f".into(), id()));
        assert_eq!(split("remote://r/f?x=1&versionId=a.b-c"), ("remote://r/f?x=1".into(), id()));
        assert_eq!(split("s3://b/f?versionId="), ("s3://b/f?versionId=".into(), None));
        assert_eq!(split("https://h/f?versionId=1"), ("https://h/f?versionId=1".into(), None));
    }

    #[test]
    fn what_a_file_says_of_versions_goes_before_what_was_recorded() {
        let link = |aware: Option<&str>, recorded| {
            let options = aware.map(|text| (Key::from(AWARE), Value::from(text))).into_iter().collect();
            Link { options, recorded, ..Link::new("s3://b/f") }
        };
        let wants = |link: Link| {
            let (_, options) = link.resolved(None).expect("resolves");
            link.wants_versions(&options)
        };
        assert!(wants(link(None, true)) && wants(link(Some("true"), false)));
        assert!(!wants(link(None, false)) && !wants(link(Some("false"), true)));
    }
}
