//! Experiments whose `params.yaml` Hydra composes: the same file as with DVC, in the workspace and in the queue.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{clean, lemnis, python, stderr};

const FILES: [(&str, &str); 8] = [
    ("dvc.yaml", "stages:\n  s:\n    cmd: cat params.yaml > o\n    params: [lr]\n    outs: [o]\n"),
    ("params.yaml", "lr: 0\n"),
    (
        "conf/config.yaml",
        "defaults:\n  - model: tree\n  - _self_\nlr: 1\nhalf: ${eval:${lr},2}\nname: ${model.kind}-${lr}\n",
    ),
    ("conf/other.yaml", "lr: 5\nname: größer\n"),
    ("json.py", "raise ValueError('not the module that is meant')\n"),
    ("conf/model/tree.yaml", "kind: tree\ndepth: 3\nleaves: [1, 2, null]\n"),
    ("conf/model/net.yaml", "# @package model\nkind: net\nlayers: {a: 1, b: 'two'}\n"),
    (
        "plug/hydra_plugins/resolvers.py",
        "from omegaconf import OmegaConf\nprint('loaded')\nOmegaConf.register_new_resolver('eval', lambda a, b: a / b)\n",
    ),
];

struct Side {
    _home: tempfile::TempDir,
    dir: PathBuf,
    path: String,
}

impl Side {
    fn new(python: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("repo");
        for (name, text) in FILES {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), text).unwrap();
        }
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", python.parent().unwrap().display());
        let side = Self { _home: home, dir, path };
        for line in ["init -q", "config user.name t", "config user.email t@t"] {
            side.ok(Command::new("git").args(line.split(' ')));
        }
        side
    }

    fn output(&self, command: &mut Command) -> Output {
        clean(command, self.dir.parent().unwrap());
        command.current_dir(&self.dir).env("PATH", &self.path).env("DVC_NO_ANALYTICS", "1").output().unwrap()
    }

    fn ok(&self, command: &mut Command) -> String {
        let output = self.output(command);
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A file of the commit at the head of the queue.
    fn queued(&self, at: usize, name: &str) -> String {
        let spec = format!("refs/exps/celery/stash@{{{at}}}:{name}");
        self.ok(Command::new("git").args(["show", &spec]))
    }

    fn params(&self) -> String {
        fs::read_to_string(self.dir.join("params.yaml")).unwrap()
    }
}

/// The two sides: each runs a line with its own program.
fn sides(python: &Path) -> [(Side, Box<dyn Fn() -> Command>); 2] {
    let ours = Side::new(python);
    let (dir, dvc) = (ours.dir.clone(), python.with_file_name("dvc"));
    let sides: [(Side, Box<dyn Fn() -> Command>); 2] =
        [(ours, Box::new(move || lemnis(&dir))), (Side::new(python), Box::new(move || Command::new(&dvc)))];
    for (side, program) in &sides {
        for line in ["init -q", "config hydra.enabled true", "config hydra.plugins_path plug"] {
            side.ok(program().args(line.split(' ')));
        }
        side.ok(Command::new("git").args(["add", "-A"]));
        side.ok(Command::new("git").args(["commit", "-qm", "one"]));
    }
    sides
}

#[test]
fn params_are_composed_as_dvc_has_them_composed() {
    let Some(python) = python("params_are_composed_as_dvc_has_them_composed") else { return };
    let sides = sides(&python);
    let both = |words: &[&str]| {
        let [ours, theirs] = sides.each_ref().map(|(side, program)| side.output(program().args(words)));
        let said = format!("{words:?}: {} {}", stderr(&ours), stderr(&theirs));
        assert_eq!(ours.status.success(), theirs.status.success(), "{said}");
        (ours, theirs)
    };
    let same_params = |words: &[&str]| {
        both(words);
        let [ours, theirs] = sides.each_ref().map(|(side, _)| side.params());
        assert_eq!(ours, theirs, "{words:?}");
        ours
    };
    let first = same_params(&["exp", "run"]);
    assert!(first.contains("half: 0.5") && first.contains("name: tree-1"), "{first}");
    let second = same_params(&["exp", "run", "-S", "model=net", "-S", "lr=0.25", "-S", "+model.extra=[1,x]"]);
    assert!(second.contains("kind: net") && second.contains("extra:"), "{second}");
    // a plain change of the file that is there
    let plain = same_params(&["exp", "run", "--no-hydra", "-S", "lr=9"]);
    assert!(plain.contains("lr: 9") && plain.contains("name: net-0.25"), "{plain}");
    // what cannot be composed leaves everything as it was
    for wrong in [["-S", "nothing=1"], ["-S", "model=none"]] {
        assert_eq!(same_params(&[&["exp", "run"], &wrong[..]].concat()), plain);
    }

    both(&["exp", "run", "--queue", "-S", "model=tree,net", "-S", "lr=2"]);
    for at in 0..2 {
        let [ours, theirs] = sides.each_ref().map(|(side, _)| side.queued(at, "params.yaml"));
        assert!(ours.contains("lr: 2") && ours == theirs, "{ours}\n{theirs}");
        assert!(ours.contains(["kind: net", "kind: tree"][at]), "{ours}");
    }
    both(&["config", "hydra.config_name", "other"]);
    assert_eq!(same_params(&["exp", "run"]), "lr: 5\nname: größer\n");
}

#[test]
fn without_hydra_the_error_says_how_to_mend_it() {
    let Some(python) = python("without_hydra_the_error_says_how_to_mend_it") else { return };
    let [(mut ours, program), _] = sides(&python);
    // a Python that sees nothing of what is installed
    let bare = ours.dir.join(".dvc/tmp/python3");
    fs::write(&bare, format!("#!/bin/sh\nexec {} -S \"$@\"\n", python.display())).unwrap();
    fs::set_permissions(&bare, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    ours.path = format!("{}:/usr/bin:/bin", bare.parent().unwrap().display());
    let before = ours.params();
    let output = ours.output(program().args(["exp", "run", "-S", "lr=7"]));
    assert_eq!(output.status.code(), Some(251));
    assert!(stderr(&output).contains("pip install hydra-core"), "{}", stderr(&output));
    assert_eq!(ours.params(), before);
    let output = ours.output(program().args(["exp", "run", "--no-hydra", "-S", "lr=7"]));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(ours.params(), "lr: 7\n");
}
