//! The command lines of verbs.

use crate::case::Verb;
use crate::model::{LEAVES, Model, TRACKED};

/// A command line, and what its output is compared as.
pub struct Line {
    pub words: Vec<String>,
    /// JSON.
    pub json: bool,
    /// Lines in any order.
    pub lines: bool,
}

/// What is typed; `None` where there is nothing to do in such a repository.
pub fn line(model: &Model, verb: &Verb, has_pipeline: bool) -> Option<Line> {
    let count = model.stages.len();
    let address = |at: &u8| model.address(usize::from(*at) % count);
    let target = |at: &u8| {
        let at = usize::from(*at);
        match at % 6 {
            0 => TRACKED[at / 6 % 2].to_owned() + ".dvc",
            1 => model.some_out(&(at as u8 / 6), &0).unwrap_or_else(|| "raw/d/f".into()),
            _ => model.address(at / 6 % count),
        }
    };
    let mut words: Vec<String> = Vec::new();
    let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
    let mut json = false;
    let mut lines = false;
    match verb {
        Verb::Status { target: at } => {
            add("status --json");
            json = true;
            at.iter().for_each(|at| add(&target(at)));
        }
        Verb::Repro { target: at, flags } => {
            add("repro");
            const FLAGS: [&str; 15] = [
                "-f",
                "-s",
                "-p",
                "-P",
                "--downstream",
                "--force-downstream",
                "-k",
                "--ignore-errors",
                "--no-run-cache",
                "--no-commit",
                "--allow-missing",
                "--pull",
                "--dry",
                "-R",
                "--glob",
            ];
            for (bit, flag) in FLAGS.iter().enumerate() {
                if (flags >> bit | flags >> (bit + FLAGS.len())) & 1 == 1 {
                    add(flag);
                }
            }
            at.iter().for_each(|at| add(&address(at)));
        }
        Verb::Commit { target: at, force } => {
            add(if *force { "commit -f" } else { "commit" });
            at.iter().for_each(|at| add(&target(at)));
        }
        Verb::Checkout { target: at, force, relink } => {
            add("checkout");
            [(*force, "-f"), (*relink, "--relink")]
                .iter()
                .filter(|(on, _)| *on)
                .for_each(|(_, flag)| add(flag));
            at.iter().for_each(|at| add(&target(at)));
        }
        Verb::Freeze { stage, frozen } => {
            add(if *frozen { "freeze" } else { "unfreeze" });
            add(&address(stage));
        }
        Verb::Add { source } => {
            let sources = ["raw/r.csv", "raw/d", "raw/d/f", "data/x", "raw/d/sub"];
            add("add");
            add(sources[usize::from(*source) % sources.len()]);
        }
        Verb::Remove { target: at, outs } => {
            add(if *outs { "remove --outs" } else { "remove" });
            add(&target(at));
        }
        Verb::Unprotect { target: at } => {
            add("unprotect");
            add(&target(at));
        }
        Verb::Gc { which } => {
            add(["gc -w -f", "gc -a -f", "gc -w -f -c", "gc -w -f --not-in-remote"][usize::from(*which) % 4])
        }
        Verb::StageAdd { stage, flags } => {
            let at = usize::from(*stage) % count;
            let arguments = model.add_arguments(at)?;
            add("stage add");
            [(1, "-f"), (2, "--run")]
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .for_each(|(_, flag)| add(flag));
            words.extend(arguments);
        }
        Verb::Move { which } => add([
            "move raw/r.csv raw/m.csv",
            "move raw/m.csv raw/r.csv",
            "move raw/d raw/e",
            "move raw/e raw/d",
            "move raw/r.csv src",
            "move raw/d src",
            "move src/r.csv raw/r.csv",
            "move raw/d raw/deep",
        ][usize::from(*which) % 8]),
        // DVC puts outputs that a run would continue back to what is recorded, and changes of theirs are lost
        Verb::Experiment { .. } if !has_pipeline || model.continues() => return None,
        Verb::Experiment { key, value } => {
            let key = LEAVES[usize::from(*key) % LEAVES.len()];
            let value =
                ["7", "0.25", "word", "true", "[1,5]", "null", "'two words'"][usize::from(*value) % 7];
            words = ["exp", "run", "-n", "tried", "-f", "-S"].map(str::to_owned).into();
            words.push(format!("{key}={value}"));
        }
        Verb::Push => add("push"),
        Verb::Pull { force } => add(if *force { "pull -f" } else { "pull" }),
        Verb::Fetch => add("fetch"),
        Verb::Tell { which } => {
            let tell = [
                "data status --json",
                "data status --json --granular",
                "diff --json",
                "params diff --json",
                "metrics show --json",
                "metrics diff --json",
                "status --json -c",
                "dag --dot",
                "dag --mermaid",
                "params diff --json --all",
                "ls . -R --json",
                "ls . -R --dvc-only --json",
                "ls . raw --json --size",
                "ls raw --json",
                "stage list --all",
                "stage list --name-only",
                "plots diff --json",
                "plots show --json",
                "metrics diff --json --all",
                "data status --json --granular --untracked-files",
                "diff --json HEAD",
                "status --json --with-deps s1",
                "dag --dot --outs",
                "check-ignore raw/d/late.tmp data/sub/y raw/d/sub/g src/a.txt",
            ];
            let tell = tell[usize::from(*which) % tell.len()];
            add(tell);
            json = tell.contains("--json");
            lines = !json;
        }
    }
    Some(Line { words, json, lines })
}
