//! The hot parts of the data verbs, on real repositories: hashing and storing many files, a no-op look at them, reading
//! a directory object, the way back from the cache by each link type, and a chain of stages that is up to date.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lemnis_data::{
    AddOptions, CheckoutOptions, Environment, InitOptions, ListOptions, Observer, OpenError, OpenStore,
    OpenedStore, Repo, Reproduce, StageOutcome, StatusOptions, add, checkout, list, open_source, reproduce,
    status,
};
use tempfile::TempDir;

const FILES: usize = 1_000;
const FILE_BYTES: usize = 4_096;
const STAGES: usize = 100;

struct Silent;

/// Everything is in the cache.
struct NoStores;

impl OpenStore for NoStores {
    fn open(&self, url: &str, _: &BTreeMap<String, String>) -> Result<OpenedStore, OpenError> {
        Err(format!("{url} is not to be opened").into())
    }
}

impl Observer for Silent {
    fn stage_will_run(
        &mut self,
        _stage: &str,
        _why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Vec::new())
    }

    fn stage_line(&mut self, _stage: &str, _line: &str) {}

    fn stage_done(&mut self, _outcome: &StageOutcome) {}
}

fn repo(link_type: &str) -> (TempDir, Repo) {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { no_scm: true, ..InitOptions::default() };
    Repo::init(dir.path(), options, &Environment::default()).unwrap();
    let config = format!("[core]\n    no_scm = True\n[cache]\n    type = \"{link_type}\"\n");
    fs::write(dir.path().join(".dvc/config"), config).unwrap();
    let repo = open(dir.path());
    (dir, repo)
}

fn open(dir: &Path) -> Repo {
    Repo::discover(dir, &Environment::default()).unwrap()
}

fn write_files(dir: &Path) -> PathBuf {
    let data = dir.join("data");
    for at in 0..FILES {
        let folder = data.join(format!("{:02}", at % 10));
        fs::create_dir_all(&folder).unwrap();
        let content: Vec<u8> = (0..FILE_BYTES).map(|byte| (byte * 31 + at * 7) as u8).collect();
        fs::write(folder.join(format!("{at}.bin")), [at.to_string().as_bytes(), &content].concat()).unwrap();
    }
    data
}

fn many_files(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1,000 files of 4 KiB");
    group.throughput(Throughput::Elements(FILES as u64)).sample_size(20);
    let fresh = || {
        let (dir, repo) = repo("copy");
        let data = write_files(dir.path());
        (dir, repo, data)
    };
    group.bench_function("hash", |bencher| {
        let options = AddOptions { no_commit: true, ..AddOptions::default() };
        let hash =
            |(dir, repo, data): (TempDir, Repo, PathBuf)| (add(&repo, &[data], &options).unwrap(), dir);
        bencher.iter_batched(fresh, hash, BatchSize::PerIteration);
    });
    group.bench_function("hash and store", |bencher| {
        let options = AddOptions::default();
        let store =
            |(dir, repo, data): (TempDir, Repo, PathBuf)| (add(&repo, &[data], &options).unwrap(), dir);
        bencher.iter_batched(fresh, store, BatchSize::PerIteration);
    });
    let (dir, repo, data) = fresh();
    add(&repo, &[data], &AddOptions::default()).unwrap();
    group.bench_function("status with known hashes", |bencher| {
        bencher.iter(|| status(&repo, &StatusOptions::default(), None).unwrap());
    });
    group.bench_function("read the directory object", |bencher| {
        let environment = Environment::default();
        let source = open_source(dir.path(), ".", None, dir.path(), &environment).unwrap();
        let options = ListOptions { path: Some("data".into()), recursive: true, ..ListOptions::default() };
        bencher.iter(|| list(&source, &options, false, &NoStores).unwrap());
    });
    group.finish();
}

fn checkouts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checkout of 1,000 files");
    group.throughput(Throughput::Elements(FILES as u64)).sample_size(20);
    for link_type in ["copy", "hardlink", "symlink"] {
        let (dir, repo) = repo(link_type);
        let data = write_files(dir.path());
        add(&repo, std::slice::from_ref(&data), &AddOptions::default()).unwrap();
        group.bench_function(link_type, |bencher| {
            let gone = || fs::remove_dir_all(&data).unwrap();
            let back = |()| checkout(&repo, &[], CheckoutOptions::default()).unwrap();
            bencher.iter_batched(gone, back, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn chain(criterion: &mut Criterion) {
    let (dir, repo) = repo("copy");
    let stage = |at: usize| {
        format!("  s{at}:\n    cmd: cp f{at} f{}\n    deps: [f{at}]\n    outs: [f{}]\n", at + 1, at + 1)
    };
    let stages: String = (0..STAGES).map(stage).collect();
    fs::write(dir.path().join("dvc.yaml"), format!("stages:\n{stages}")).unwrap();
    fs::write(dir.path().join("f0"), "x").unwrap();
    reproduce(&repo, &Reproduce::default(), &mut Silent).unwrap();
    let mut group = criterion.benchmark_group("chain of 100 stages, up to date");
    group.bench_function("status", |bencher| {
        bencher.iter(|| status(&open(dir.path()), &StatusOptions::default(), None).unwrap());
    });
    group.bench_function("repro", |bencher| {
        bencher.iter(|| reproduce(&open(dir.path()), &Reproduce::default(), &mut Silent).unwrap());
    });
    group.finish();
}

criterion_group!(benches, many_files, checkouts, chain);
criterion_main!(benches);
