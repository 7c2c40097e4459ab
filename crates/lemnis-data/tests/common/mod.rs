//! A throw-away project, and an observer that remembers.

#![allow(dead_code, clippy::expect_used, clippy::panic)] // a failing helper is a failing test

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lemnis_data::{
    AddOptions, Added, Environment, InitOptions, Observer, OpenError, OpenStore, OpenedStore, Outcome, Repo,
    Reproduce, StageOutcome, TransferProgress,
};

/// A directory with Git and a data repository.
pub struct Project {
    dir: tempfile::TempDir,
}

/// What was observed.
#[derive(Default)]
pub struct Seen {
    pub will_run: Vec<(String, String)>,
    pub lines: Vec<String>,
    pub done: Vec<StageOutcome>,
    pub env: Vec<(String, String)>,
}

impl Observer for Seen {
    fn stage_will_run(
        &mut self,
        stage: &str,
        why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
        self.will_run.push((stage.to_owned(), why.to_owned()));
        Ok(self.env.clone())
    }

    fn stage_line(&mut self, _stage: &str, line: &str) {
        self.lines.push(line.to_owned());
    }

    fn stage_done(&mut self, outcome: &StageOutcome) {
        self.done.push(outcome.clone());
    }
}

/// Opens no store, so that remotes are directories, and is told of progress in vain.
pub struct Directories;

impl OpenStore for Directories {
    fn open(&self, url: &str, _: &BTreeMap<String, String>) -> Result<OpenedStore, OpenError> {
        Err(format!("{url} is not to be opened").into())
    }
}

impl TransferProgress for Directories {
    fn expect(&self, _what: &str, _objects: u64) {}

    fn done(&self, _bytes: u64) {}
}

/// `git init` in `dir`, apart from the machine's configuration.
pub fn git_init(dir: &Path) {
    let status = Command::new("git").args(["init", "-q", "."]).current_dir(dir).status();
    assert!(status.expect("git runs").success());
}

impl Project {
    pub fn new() -> Self {
        let project = Self::bare();
        Repo::init(project.path(), InitOptions::default(), &Environment::default()).expect("initialises");
        project
    }

    /// With Git, without a data repository.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        git_init(dir.path());
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn repo(&self) -> Repo {
        Repo::discover(self.path(), &Environment::default()).expect("is a repository")
    }

    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("creates");
        fs::write(path, text).expect("writes");
        self
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn has(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    pub fn remove(&self, path: &str) {
        let path = self.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removes");
    }

    pub fn add(&self, paths: &[&str]) -> lemnis_data::Result<Vec<Added>> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        lemnis_data::add(&self.repo(), &paths, &AddOptions::default())
    }

    pub fn status(&self) -> String {
        let status =
            lemnis_data::status(&self.repo(), &lemnis_data::StatusOptions::default(), None).expect("status");
        serde_json::to_string(&status).expect("serialises")
    }

    /// Stage → what was done with it.
    pub fn reproduce(&self) -> lemnis_data::Result<Vec<(String, Outcome)>> {
        self.reproduce_with(&Reproduce::default(), &mut Seen::default())
    }

    pub fn reproduce_with(
        &self,
        how: &Reproduce,
        seen: &mut Seen,
    ) -> lemnis_data::Result<Vec<(String, Outcome)>> {
        let outcomes = lemnis_data::reproduce(&self.repo(), how, seen)?;
        Ok(outcomes.into_iter().map(|outcome| (outcome.stage, outcome.outcome)).collect())
    }

    /// Every file outside `.git` and `.dvc/tmp`, with mode and content.
    pub fn files(&self) -> Vec<(String, u32, Vec<u8>)> {
        let mut out = Vec::new();
        walk(self.path(), self.path(), &mut out);
        out.sort();
        out
    }
}

fn walk(root: &Path, dir: &Path, out: &mut Vec<(String, u32, Vec<u8>)>) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("entry").path();
        let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
        if name == ".git" || name == ".dvc/tmp" {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, out);
        } else {
            let mode = fs::metadata(&path).expect("stat").permissions().mode() & 0o7777;
            out.push((name, mode, fs::read(&path).expect("reads")));
        }
    }
}

/// A pipeline with the shapes that projects use: directories, executables, nested and foreign parameters,
/// uncached metrics, lists of commands, templates.
pub fn fill(project: &Project) {
    use std::os::unix::fs::PermissionsExt;
    project.write("data/raw/t.csv", "a,b\n1,2\n").write("data/imgs/x", "1\n").write("data/imgs/sub/y", "2\n");
    project.write("tool", "#!/bin/sh\n");
    fs::set_permissions(project.path().join("tool"), fs::Permissions::from_mode(0o755)).expect("chmod");
    project.write(
        "params.yaml",
        "seed: 7\ntrain:\n  lr: 0.1\n  layers: [1, 2]\n  deep: {a: 1e-5, b: yes}\nword: hello world\n",
    );
    project.write("other.json", "{\"q\": {\"z\": 1.5}}\n");
    project.write(
        "dvc.yaml",
        "vars:
- greet: hi
stages:
  prepare:
    cmd: cat data/raw/t.csv > prep.csv && echo ${greet}
    deps: [data/raw/t.csv, data/imgs]
    params: [seed]
    outs: [prep.csv]
  train:
    cmd:
    - mkdir -p models/m && cp prep.csv models/m/a && echo '${word}' > models/m/b
    - echo second
    deps: [prep.csv, tool]
    params: [train.lr, train.deep, {other.json: [q.z]}]
    outs:
    - models/m
  evaluate:
    cmd: echo '{\"auc\":0.5}' > metrics.json; echo x > plot.csv
    deps: [models/m]
    metrics:
    - metrics.json: {cache: false}
    plots:
    - plot.csv: {x: a}
",
    );
}
