//! One of the two repositories: what surrounds it, what is done to its files, what is read from it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::judge::Answer;

/// A repository with what it must not see: the script, the log, a home, a remote.
pub struct Side {
    pub home: PathBuf,
    pub repo: PathBuf,
}

/// What a file is: its kind and mode, and its content or target.
pub type Files = BTreeMap<String, (String, Vec<u8>)>;

impl Side {
    pub fn env(&self) -> Vec<(String, String)> {
        let home = self.home.to_str().unwrap();
        let pairs = [
            ("HOME", home),
            ("TWIN", home),
            ("DVC_SITE_CACHE_DIR", &format!("{home}/site")),
            ("DVC_NO_ANALYTICS", "1"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LC_ALL", "C.UTF-8"),
            // the order of a set in Python
            ("PYTHONHASHSEED", "0"),
            ("SHELL", "/bin/sh"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "t"),
            ("GIT_AUTHOR_EMAIL", "t@t"),
            ("GIT_COMMITTER_NAME", "t"),
            ("GIT_COMMITTER_EMAIL", "t@t"),
        ];
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    pub fn lemnis(&self, arguments: &[&str]) -> Answer {
        self.output(Command::new(env!("CARGO_BIN_EXE_lemnis")).args(arguments))
    }

    pub fn output(&self, command: &mut Command) -> Answer {
        let output = command
            .current_dir(&self.repo)
            .env_clear()
            .envs(self.env())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Answer {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    pub fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.repo)
            .env_clear()
            .envs(self.env())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Replaces what is there: a link must not lead into the cache.
    pub fn write(&self, path: &str, content: &str) {
        let mut path = self.repo.join(path);
        if path.is_dir() {
            path = path.join("a");
        }
        let mut parent = path.parent().unwrap().to_path_buf();
        while !parent.exists() {
            assert!(parent.pop());
        }
        if !parent.is_dir() {
            fs::remove_file(parent).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).ok();
        fs::write(path, content).unwrap();
    }

    pub fn write_changed(&self, path: &str, content: Option<&str>) {
        match content {
            None => self.remove(path),
            Some(content) if fs::read(self.repo.join(path)).is_ok_and(|now| now == content.as_bytes()) => {}
            Some(content) => self.write(path, content),
        }
    }

    pub fn remove(&self, path: &str) {
        let path = self.repo.join(path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).ok()
        } else {
            fs::remove_file(path).ok()
        };
    }

    pub fn remove_empty_dirs(&self) {
        fn below(dir: &Path) {
            for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() && !path.is_symlink() && !path.ends_with(".git") && !path.ends_with(".dvc") {
                    below(&path);
                    // one that holds something stays
                    fs::remove_dir(&path).ok();
                }
            }
        }
        below(&self.repo);
    }

    pub fn touch(&self, path: &str) {
        let path = self.repo.join(path);
        if let Ok(file) = fs::File::open(if path.is_dir() { path.join("a") } else { path }) {
            file.set_modified(std::time::SystemTime::now()).unwrap();
        }
    }

    /// The stages that ran since it was asked last.
    pub fn take_log(&self) -> Vec<String> {
        let path = self.home.join("log");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(path).ok();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        // the order between files is that of the file system
        names.sort();
        names
    }

    /// Everything below `path` apart from what each keeps for itself.
    pub fn files(&self, path: &str) -> Files {
        let mut files = Files::new();
        let remote = self.home.join("remote");
        if remote.is_dir() {
            walk(&self.home, &remote, &mut files);
            for (kind, _) in files.values_mut() {
                kind.clear();
            }
        }
        walk(&self.repo, &self.repo.join(path), &mut files);
        files
    }

    /// What Git would keep: neither outputs nor the cache.
    pub fn tracked_by_git(&self) -> Files {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.repo)
            .env_clear()
            .envs(self.env())
            .output()
            .unwrap();
        let names = String::from_utf8(output.stdout).unwrap();
        let content = |name: &str| {
            fs::read(self.repo.join(name)).ok().map(|content| (name.to_owned(), (String::new(), content)))
        };
        names.split('\0').filter(|name| !name.is_empty()).filter_map(content).collect()
    }
}

fn walk(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if [".git", ".dvc/tmp", ".dvc/config.local"].contains(&name.as_str()) {
            continue;
        }
        // DVC sometimes keeps a directory's object where DVC 2 looked for it as well
        if name.strip_prefix(".dvc/cache/").is_some_and(|rest| rest.len() == 2) {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            let target = target.strip_prefix(root).unwrap_or(&target).to_str().unwrap().to_owned();
            files.insert(name, ("link".into(), target.into_bytes()));
        } else if meta.is_dir() {
            // empty ones are nobody's data
            walk(root, &path, files);
        } else {
            let linked = if meta.nlink() > 1 { ", hard-linked" } else { "" };
            let kind = format!("file {:o}{linked}", meta.permissions().mode() & 0o7777);
            files.insert(name, (kind, fs::read(&path).unwrap()));
        }
    }
}
