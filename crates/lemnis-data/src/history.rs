//! Other revisions of a repository: the files that define its stages, exported to a scratch directory and
//! read there as if they were checked out. Data are never exported.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path};

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::{fsx, git};

/// Definitions are text; a larger file is data that only looks like one.
const MAX_BYTES: u64 = 16 << 20;

/// Which revisions, beside the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revisions {
    pub(crate) rev: Option<String>,
    /// How many commits back from `rev` and the heads of branches.
    pub(crate) num: usize,
    pub(crate) branches: bool,
    pub(crate) tags: bool,
    pub(crate) commits: bool,
    pub(crate) experiments: bool,
    /// `yyyy-mm-dd`: commits of that day and later.
    pub(crate) since: Option<String>,
}

impl Revisions {
    fn is_none(&self) -> bool {
        let Self { rev, branches, tags, commits, experiments, since, .. } = self;
        !(*branches || *tags || *commits || *experiments || rev.is_some() || since.is_some())
    }

    /// The ids of the commits, each once.
    fn commits(&self, git_root: &Path) -> Result<Vec<String>> {
        let list = |args: &[&str]| -> Result<Vec<String>> {
            let whole: Vec<&str> = ["rev-list"].iter().chain(args).copied().collect();
            Ok(git::run(git_root, &whole)?.unwrap_or_default().lines().map(str::to_owned).collect())
        };
        let refs = |pattern: &str| -> Result<Vec<String>> {
            let text =
                git::run(git_root, &["for-each-ref", "--format=%(refname)", pattern])?.unwrap_or_default();
            Ok(text.lines().map(str::to_owned).collect())
        };
        let back = format!("--max-count={}", self.num.max(1));
        let everything = ["--branches", "--tags", "--remotes", "HEAD"];
        let mut found = Vec::new();
        if let Some(rev) = &self.rev {
            let commit = resolve(git_root, rev, &refs("refs/exps/")?)?;
            found.extend(list(&["--first-parent", &back, &commit])?);
        }
        if self.commits {
            found.extend(list(&everything)?);
        } else {
            for branch in if self.branches { refs("refs/heads/")? } else { Vec::new() } {
                found.extend(list(&["--first-parent", &back, &branch])?);
            }
            if self.tags {
                found.extend(list(&["--no-walk", "--tags"])?);
            }
            if let Some(day) = &self.since {
                let since = format!("--since-as-filter={} 00:00:00", checked_day(day)?);
                found.extend(list(&[&[since.as_str()], &everything[..]].concat())?);
            }
        }
        for name in if self.experiments { refs("refs/exps/")? } else { Vec::new() } {
            let parts: Vec<&str> = name.split('/').collect();
            // refs/exps/<2>/<38>/<name> grows from the commit <2><38>
            if let [_, _, head, rest, _] = parts[..]
                && head.len() == 2
                && rest.len() == 38
            {
                found.extend(list(&[&name, &format!("^{head}{rest}")])?);
            } else {
                found.extend(list(&["--no-walk", &name])?);
            }
        }
        let mut seen = HashSet::new();
        found.retain(|commit| seen.insert(commit.clone()));
        Ok(found)
    }
}

fn resolve(git_root: &Path, rev: &str, experiments: &[String]) -> Result<String> {
    let unknown = || Error::invalid(format!("'{rev}' is not a revision that Git knows"));
    if rev.starts_with('-') {
        return Err(unknown());
    }
    let ask = |name: &str| -> Option<String> {
        let text = git::run(git_root, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]);
        text.ok().flatten().map(|text| text.trim().to_owned())
    };
    let experiment = || experiments.iter().find(|name| name.rsplit('/').next() == Some(rev));
    ask(rev).or_else(|| experiment().and_then(|name| ask(name))).ok_or_else(unknown)
}

fn checked_day(day: &str) -> Result<&str> {
    let parts: Vec<&str> = day.split('-').collect();
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        [year, month, date] if digits(year, 4) && digits(month, 2) && digits(date, 2) => Ok(day),
        _ => Err(Error::hinted(format!("'{day}' is not a date"), "write it as yyyy-mm-dd")),
    }
}

/// Calls `visit` with the repository as each of the revisions defines it and the revision's id. Revisions
/// without a repository at its place are passed over; those that define the same are visited once.
pub(crate) fn each(
    repo: &Repo,
    which: &Revisions,
    mut visit: impl FnMut(&Repo, &str) -> Result<()>,
) -> Result<()> {
    if which.is_none() {
        return Ok(());
    }
    let Some(git_root) = repo.git_root() else {
        return Err(Error::invalid("other revisions need Git, which this repository does without"));
    };
    let inner = repo.root().strip_prefix(git_root).unwrap_or(Path::new(""));
    let scratch = repo.scratch_dir();
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    let mut seen = HashSet::new();
    for commit in which.commits(git_root)? {
        let files = definitions(git_root, &commit, inner)?;
        if files.is_empty() || !seen.insert(files.clone()) {
            continue;
        }
        let missing: Vec<&str> =
            files.iter().map(|(oid, _)| oid.as_str()).filter(|oid| !blobs.contains_key(*oid)).collect();
        read_blobs(git_root, &missing, &mut blobs)?;
        let dir = crate::cache::prepare(&scratch, "state-")?;
        for (oid, path) in &files {
            let Some(bytes) = blobs.get(oid) else { continue };
            let path = dir.path().join(path);
            fsx::create_dirs(path.parent().unwrap_or(dir.path()))?;
            fs::write(&path, bytes).map_err(Error::io("write", &path))?;
        }
        visit(&repo.exported_to(dir.path()), &commit)?;
    }
    Ok(())
}

/// The files of a commit that a definition can come from: blob and path, relative to the repository.
fn definitions(git_root: &Path, commit: &str, inner: &Path) -> Result<Vec<(String, String)>> {
    let listed = git::output(git_root, &["ls-tree", "-r", "-l", "-z", "--full-tree", commit], Vec::new())?;
    let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
    let mut files = Vec::new();
    let mut is_repo = false;
    for line in listed.split_terminator('\0') {
        let Some((head, path)) = line.split_once('\t') else { continue };
        let fields: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, _, oid, size] = fields[..] else { continue };
        let Ok(path) = Path::new(path).strip_prefix(inner) else { continue };
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        is_repo |= path.starts_with(".dvc");
        let small = size.parse::<u64>().is_ok_and(|size| size <= MAX_BYTES);
        if plain && small && mode.starts_with("100") && is_definition(path) {
            files.push((oid.to_owned(), path.to_string_lossy().into_owned()));
        }
    }
    Ok(if is_repo { files } else { Vec::new() })
}

fn is_definition(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !path.starts_with(".dvc")
        && (matches!(extension, "dvc" | "lock" | "yaml" | "yml" | "json" | "toml" | "py")
            || path.file_name().is_some_and(|name| name == ".dvcignore"))
}

fn read_blobs(git_root: &Path, oids: &[&str], blobs: &mut HashMap<String, Vec<u8>>) -> Result<()> {
    if oids.is_empty() {
        return Ok(());
    }
    let answer = git::output(git_root, &["cat-file", "--batch"], oids.join("\n").into_bytes())?;
    let answer = answer.unwrap_or_default();
    let broken = || Error::Git { command: "cat-file".into(), message: "its answer is cut short".into() };
    let mut rest = answer.as_slice();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut fields = head.split(' ');
        let (oid, size) = (fields.next().unwrap_or_default(), fields.nth(1));
        let size: usize = size.and_then(|size| size.parse().ok()).ok_or_else(broken)?;
        let body = rest.get(end + 1..end + 1 + size).ok_or_else(broken)?;
        blobs.insert(oid.to_owned(), body.to_vec());
        rest = rest.get(end + 2 + size..).unwrap_or_default();
    }
    Ok(())
}
