//! Artifacts of a model registry in Git, as GTO keeps it: annotated tags `NAME@vVERSION` and `NAME#STAGE#N`
//! say which commit holds a version, and `artifacts:` of that commit's `dvc.yaml` where it lies.
//!
//! An artifact of `dir/dvc.yaml` is called `dir:name`, in tags `dir=name`.

use std::cmp::Ordering;
use std::path::Path;

use super::get::Get;
use super::source::Source;
use crate::declared;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::Repo;
use crate::revision::git;
use crate::yaml::Value;

/// Which artifact. Version and stage may also stand behind its name, as `name@v1.2.0` and `name#prod`.
#[derive(Clone, Debug, Default)]
pub struct ArtifactName {
    /// `name`, `dir:name` or `dir/dvc.yaml:name`.
    pub name: String,
    /// `v1.2.0`; without one the greatest.
    pub version: Option<String>,
    /// The version that this stage was given last.
    pub stage: Option<String>,
}

/// A tag that says something about an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    name: String,
    version: Option<String>,
    stage: Option<String>,
    cancels: bool,
}

impl ArtifactName {
    /// With version or stage taken out of the name, and the name as tags have it.
    fn plain(&self) -> Result<Self> {
        let mut plain = self.clone();
        if let Some((name, version)) = self.name.split_once('@') {
            let named = !matches!(version, "latest" | "greatest");
            (plain.name, plain.version) =
                (name.to_owned(), self.version.clone().or(named.then(|| version.to_owned())));
        } else if let Some((name, stage)) = self.name.split_once('#') {
            (plain.name, plain.stage) = (name.to_owned(), Some(stage.to_owned()));
        }
        if plain.version.is_some() && plain.stage.is_some() {
            return Err(Error::invalid(
                "an artifact is asked for by its version or by its stage, not by both",
            ));
        }
        if let Some((dir, name)) = plain.name.split_once(':')
            && let Some(dir) = dir.strip_suffix("dvc.yaml")
        {
            let dir = dir.trim_end_matches('/');
            plain.name = if dir.is_empty() { name.to_owned() } else { format!("{dir}:{name}") };
        }
        Ok(plain)
    }

    fn unknown(&self) -> Error {
        let which = match (&self.version, &self.stage) {
            (Some(version), _) => format!(" of version '{version}'"),
            (_, Some(stage)) => format!(" in stage '{stage}'"),
            _ => String::new(),
        };
        Error::hinted(
            format!("there is no artifact '{}'{which}", self.name),
            "artifacts are known by annotated Git tags such as `model@v1.0.0` and `model#prod#1`",
        )
    }
}

/// What `request` must ask for to get the artifact: the commit of its version and the path there.
pub fn find_artifact(
    cwd: &Path,
    request: &Get,
    artifact: &ArtifactName,
    environment: &Environment,
) -> Result<Get> {
    let artifact = artifact.plain()?;
    let Some(git_dir) = Source::git_dir_of(cwd, &request.url)? else {
        return Err(Error::invalid(format!(
            "'{}' is not in Git, which keeps artifacts' versions",
            request.url
        )));
    };
    let commit = commit_of(&git_dir, &artifact)?.ok_or_else(|| artifact.unknown())?;
    let (dir, name) = artifact.name.split_once(':').unwrap_or(("", &artifact.name));
    let past = Repo::bare(&git_dir, environment)?.at_commit(&commit)?.ok_or_else(|| artifact.unknown())?;
    let file = fsx::normalize(&git_dir, Path::new(dir)).join("dvc.yaml");
    let declared = declared::read(&past, &file)?;
    let path = declared.artifacts.get(name).and_then(|fields| fields.get("path")).and_then(Value::as_str);
    let path = path.ok_or_else(|| artifact.unknown())?;
    // Paths of `get` start where its URL points, which may be below the root of Git.
    let base = fsx::normalize(cwd, Path::new(request.url.strip_prefix("file://").unwrap_or(&request.url)));
    let base = if base.is_dir() { base } else { git_dir.clone() };
    let full = fsx::normalize(&git_dir.join(dir), Path::new(path));
    Ok(Get { rev: Some(commit), path: fsx::relative(&full, &base), ..request.clone() })
}

/// The commit that the tags name.
fn commit_of(git_dir: &Path, artifact: &ArtifactName) -> Result<Option<String>> {
    let format = "--format=%(objecttype) %(*objectname) %(refname:lstrip=2)";
    let listed = git(git_dir, &["for-each-ref", "--sort=creatordate", format, "refs/tags"])?;
    let mut tags = Vec::new();
    for line in listed.lines() {
        // Only annotated tags carry the moment that the order comes from.
        let Some((commit, name)) = line.strip_prefix("tag ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        if let Some(tag) = parse(name).filter(|tag| tag.name == artifact.name) {
            tags.push((commit.to_owned(), tag));
        }
    }
    let last = match (&artifact.version, &artifact.stage) {
        (Some(version), _) => tags.into_iter().rfind(|(_, tag)| tag.version.as_ref() == Some(version)),
        (_, Some(stage)) => tags.into_iter().rfind(|(_, tag)| tag.stage.as_ref() == Some(stage)),
        _ => {
            let gone: Vec<Option<String>> =
                tags.iter().filter(|(_, tag)| tag.cancels).map(|(_, tag)| tag.version.clone()).collect();
            tags.retain(|(_, tag)| tag.version.is_some() && !tag.cancels && !gone.contains(&tag.version));
            let version = |tag: &Tag| tag.version.clone().unwrap_or_default();
            tags.into_iter().max_by(|(_, a), (_, b)| compare(&version(a), &version(b)))
        }
    };
    Ok(last.filter(|(_, tag)| !tag.cancels).map(|(commit, _)| commit))
}

/// `dir=name@v1.0.0`, `name#stage#3`, each with a `!` when it takes back.
fn parse(tag: &str) -> Option<Tag> {
    let at = tag.find(['@', '#'])?;
    let (name, rest) = tag.split_at(at);
    let (kind, rest) = rest.split_at(1);
    let what = rest.split('#').next().unwrap_or_default();
    let (what, cancels) = what.strip_suffix('!').map_or((what, false), |what| (what, true));
    if name.is_empty() || what.is_empty() {
        return None;
    }
    let (mut version, mut stage) = (None, None);
    match kind {
        "#" => stage = Some(what.to_owned()),
        _ => {
            version =
                Some(what.strip_prefix('v').filter(|rest| numbers(rest).is_some()).map(|_| what)?.to_owned())
        }
    }
    Some(Tag { name: name.replacen('=', ":", 1), version, stage, cancels })
}

/// Major, minor and patch.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Semantic versioning's order; `v` in front does not count, nor does build metadata.
fn compare(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let text = text.trim_start_matches('v');
        let text = text.split('+').next().unwrap_or_default().to_owned();
        let pre = text.split_once('-').map(|(_, pre)| pre.to_owned());
        (numbers(&text).unwrap_or_default(), pre)
    };
    let ((a, a_pre), (b, b_pre)) = (split(a), split(b));
    a.cmp(&b).then_with(|| match (a_pre, b_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => compare_pre(&a, &b),
    })
}

/// Pre-releases, part by part: numbers by value and before words.
fn compare_pre(a: &str, b: &str) -> Ordering {
    let part = |text: &str| match text.parse::<u64>() {
        Ok(number) => (0, number, String::new()),
        Err(_) => (1, 0, text.to_owned()),
    };
    a.split('.').map(part).cmp(b.split('.').map(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_gto() {
        let tag = |name: &str, version: Option<&str>, stage: Option<&str>, cancels| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            Some(Tag { name: name.into(), version: text(version), stage: text(stage), cancels })
        };
        assert_eq!(parse("model@v1.2.0"), tag("model", Some("v1.2.0"), None, false));
        assert_eq!(parse("a/b=model@v1.2.0-rc.1#4"), tag("a/b:model", Some("v1.2.0-rc.1"), None, false));
        assert_eq!(parse("model#prod#2"), tag("model", None, Some("prod"), false));
        assert_eq!(parse("model#prod!#3"), tag("model", None, Some("prod"), true));
        assert_eq!(parse("v1.0"), None);
        assert_eq!(parse("model@deprecated"), None);
    }

    #[test]
    fn versions_have_an_order() {
        let mut all = ["v1.10.0", "v1.9.0", "v1.10.0-rc.2", "v1.10.0-rc.10", "v1.10.0-alpha"];
        all.sort_by(|a, b| compare(a, b));
        assert_eq!(all, ["v1.9.0", "v1.10.0-alpha", "v1.10.0-rc.2", "v1.10.0-rc.10", "v1.10.0"]);
    }

    #[test]
    fn names_of_files_are_names_of_directories() {
        let name = |text: &str| ArtifactName { name: text.into(), ..ArtifactName::default() };
        assert_eq!(name("a/dvc.yaml:m").plain().expect("plain").name, "a:m");
        assert_eq!(name("dvc.yaml:m").plain().expect("plain").name, "m");
        let plain = name("a:m@v1.0.0").plain().expect("plain");
        assert_eq!((plain.name.as_str(), plain.version.as_deref()), ("a:m", Some("v1.0.0")));
        assert_eq!(name("m#prod").plain().expect("plain").stage.as_deref(), Some("prod"));
    }
}
