//! Two equal repositories: the same steps run in one with Lemnis and in the other with DVC.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::case::{Case, Step, Verb};
use crate::model::{CONTENTS, FILES, FIRST_FILES, IGNORES, LEAVES, Model, PARAMS, SCRIPT, TRACKED, VALUES};
use crate::same::{breaks_down, class, entries, named, names, normal, sorted};
use crate::side::{Files, Side};
use crate::support::judge::{Answer, Judge};
use crate::words::{Line, line};

pub struct Twin<'j> {
    judge: &'j Judge,
    _dir: tempfile::TempDir,
    /// Lemnis's side, DVC's side.
    sides: [Side; 2],
    model: Model,
    /// The model and what Git tracks, after each step.
    past: Vec<(Model, Files)>,
    /// The cache was removed once.
    wiped: bool,
}

/// Carries out a case; the error says which step came to something else.
pub fn check(judge: &Judge, case: &Case) -> Result<(), String> {
    let mut twin = Twin::new(judge, case);
    for (number, step) in case.steps.iter().enumerate() {
        let at = |error| format!("step {number}, {step:?}: {error}");
        let is_verb = |step: &Step| matches!(step, Step::Run(_));
        // of several edits in a row the last one shows what they come to
        let told = is_verb(step) || case.steps.get(number + 1).is_none_or(is_verb);
        match twin.act(step, told).map_err(at)? {
            Go::On => {}
            Go::Home => return Ok(()),
        }
    }
    twin.same_status(true).map(drop).map_err(|error| format!("at the end: {error}"))
}

/// The same command lines in two equal repositories, by the judge's forks and by processes of their own: same answers,
/// same files.
pub fn forked_is_plain(judge: &Judge, python: &Path) {
    let dir = tempfile::Builder::new().prefix("twin-").tempdir().unwrap();
    let [forked, plain] = ["forked", "plain"].map(|name| {
        let home = dir.path().join(name);
        let side = Side { repo: home.join("repo"), home };
        fs::create_dir_all(&side.repo).unwrap();
        side.git(&["init", "-q"]);
        side
    });
    let write = |path: &str, content: &str| [&forked, &plain].map(|side| side.write(path, content));
    write("data/x", "1\n");
    write("params.yaml", "a: 1\n");
    let yaml = "stages:\n  s:\n    cmd: cat data/x > m.json\n    deps: [data]\n    params: [a]\n    metrics: [m.json]\n";
    write("dvc.yaml", yaml);
    let lines = [
        "init",
        "add data",
        "repro",
        "repro",
        "EDIT",
        "status --json",
        "status nothing",
        "repro",
        "no-such-command",
        "data status --json",
        "metrics show --json",
        "params diff --json",
        "BREAK",
        "status --json",
        "repro",
        "checkout --help",
        "MEND",
        "status --json",
        "config core.autostage true",
        "commit -f",
        "gc -w -f",
    ];
    for line in lines {
        match line {
            "EDIT" => drop((write("data/x", "2\n"), write("params.yaml", "a: 2\n"))),
            "BREAK" => drop(write("dvc.yaml", "stages: [")),
            "MEND" => drop(write("dvc.yaml", yaml)),
            line => {
                let arguments: Vec<&str> = line.split(' ').collect();
                let forks = judge.run(&forked.repo, &forked.env(), &arguments);
                let mut dvc = Command::new(python);
                let alone = plain.output(dvc.args(["-m", "dvc"]).args(&arguments));
                // the one difference: where they are
                let same = |answer: Answer, side: &Side| {
                    let here = side.home.to_str().unwrap();
                    (answer.code, answer.out.replace(here, "~"), answer.err.replace(here, "~"))
                };
                assert_eq!(same(forks, &forked), same(alone, &plain), "dvc {line}");
            }
        }
        assert_eq!(forked.files(""), plain.files(""), "after dvc {line}");
    }
}

/// Whether a case goes on: where DVC breaks down or cannot what Lemnis can, there is nothing more to compare.
enum Go {
    On,
    Home,
}

/// A case as a reader wants it.
pub fn told(case: &Case) -> String {
    let model = Model::new(case);
    let yaml = |sub: bool| model.yaml_text(sub).unwrap_or_default();
    let steps: Vec<String> =
        case.steps.iter().enumerate().map(|(at, step)| format!("{at}: {step:?}")).collect();
    format!("--- dvc.yaml\n{}--- sub/dvc.yaml\n{}--- steps\n{}", yaml(false), yaml(true), steps.join("\n"))
}

impl<'j> Twin<'j> {
    fn new(judge: &'j Judge, case: &Case) -> Self {
        let dir = tempfile::Builder::new().prefix("twin-").tempdir().unwrap();
        let sides = ["ours", "dvcs"].map(|name| {
            let home = dir.path().join(name);
            Side { repo: home.join("repo"), home }
        });
        let model = Model::new(case);
        let twin = Self { judge, _dir: dir, sides, model, past: Vec::new(), wiped: false };
        for side in &twin.sides {
            fs::create_dir_all(&side.repo).unwrap();
            fs::write(side.home.join("make.sh"), SCRIPT).unwrap();
            side.git(&["init", "-q"]);
        }
        twin.both(&["init", "-q"]);
        let link = ["copy", "hardlink", "symlink"][usize::from(case.link) % 3];
        for side in &twin.sides {
            let remote = side.home.join("remote");
            let config = format!(
                "[core]\n    remote = there\n[cache]\n    type = {link}\n['remote \"there\"']\n    url = {}\n",
                remote.display()
            );
            fs::write(side.repo.join(".dvc/config.local"), config).unwrap();
            for (number, file) in FILES.iter().take(FIRST_FILES).enumerate() {
                side.write(file, CONTENTS[number % 2]);
            }
        }
        twin.both(&["add", "-q", TRACKED[0], TRACKED[1]]);
        twin.write_model();
        for side in &twin.sides {
            side.git(&["add", "-A"]);
            side.git(&["commit", "-qm", "first"]);
        }
        twin
    }

    /// Runs the same on both sides where it cannot fail.
    fn both(&self, arguments: &[&str]) {
        let [ours, theirs] = self.run(arguments);
        assert_eq!((ours.code, theirs.code), (0, 0), "{arguments:?}: {} {}", ours.err, theirs.err);
    }

    fn run(&self, arguments: &[&str]) -> [Answer; 2] {
        let [ours, theirs] = &self.sides;
        std::thread::scope(|scope| {
            let judged = scope.spawn(|| self.judge.run(&theirs.repo, &theirs.env(), arguments));
            [ours.lemnis(arguments), judged.join().unwrap()]
        })
    }

    fn write_model(&self) {
        for side in &self.sides {
            for (at, name) in PARAMS.iter().enumerate() {
                side.write_changed(name, Some(&self.model.params_text(at)));
            }
            side.write_changed("dvc.yaml", self.model.yaml_text(false).as_deref());
            side.write_changed("sub/dvc.yaml", self.model.yaml_text(true).as_deref());
        }
    }

    fn act(&mut self, step: &Step, told: bool) -> Result<Go, String> {
        let mut go = Go::On;
        match step {
            Step::Run(verb) => go = self.verb(verb)?,
            edit => self.edit(edit),
        }
        if matches!(go, Go::On) {
            self.same_files()?;
            if told {
                go = self.same_status(false)?;
            }
            self.past.push((self.model.clone(), self.sides[0].tracked_by_git()));
        }
        Ok(go)
    }

    fn edit(&mut self, step: &Step) {
        let count = self.model.stages.len();
        let stage = |at: &u8| usize::from(*at) % count;
        let file = |at: &u8| FILES[usize::from(*at) % FILES.len()];
        match step {
            Step::Edit { file: at, content } => {
                self.each(|side| side.write(file(at), CONTENTS[usize::from(*content)]))
            }
            Step::Remove { file: at } => self.each(|side| side.remove(file(at))),
            Step::Touch { file: at } => self.each(|side| side.touch(file(at))),
            Step::Param { file, key, value } => {
                let leaves = &mut self.model.params[usize::from(*file) % PARAMS.len()];
                let key = LEAVES[usize::from(*key) % LEAVES.len()];
                match value {
                    Some(value) => drop(leaves.insert(key, usize::from(*value) % VALUES.len())),
                    None => drop(leaves.remove(key)),
                }
                self.write_model();
            }
            Step::EditOut { stage: at, out, content } => {
                if let Some(path) = self.model.some_out(at, out) {
                    self.each(|side| side.write(&path, CONTENTS[usize::from(*content)]));
                }
            }
            Step::RemoveOut { stage: at, out } => {
                if let Some(path) = self.model.some_out(at, out) {
                    self.each(|side| side.remove(&path));
                }
            }
            Step::TouchOut { stage: at, out } => {
                if let Some(path) = self.model.some_out(at, out) {
                    self.each(|side| side.touch(&path));
                }
            }
            Step::Ignore { which } => {
                self.each(|side| side.write(".dvcignore", IGNORES[usize::from(*which) % IGNORES.len()]))
            }
            Step::WipeCache => {
                self.wiped = true;
                self.each(|side| side.remove(".dvc/cache"));
            }
            Step::GitCommit => self.each(|side| {
                side.git(&["add", "-A"]);
                side.git(&["commit", "-q", "--allow-empty", "-m", "next"]);
            }),
            Step::Revert { to, lock } => self.revert(usize::from(*to), *lock),
            edit => {
                let stages = &mut self.model.stages;
                match edit {
                    Step::Text { stage: at, text } => stages[stage(at)].text = *text,
                    Step::Dep { stage: at, dep } => toggle(&mut stages[stage(at)].deps, *dep),
                    Step::ParamDep { stage: at, param } => toggle(&mut stages[stage(at)].params, *param),
                    Step::Always { stage: at } => stages[stage(at)].always ^= true,
                    Step::Present { stage: at } => stages[stage(at)].present ^= true,
                    Step::Flag { stage: at, out, persist } => {
                        let outs = &mut stages[stage(at)].outs;
                        let count = outs.len().max(1);
                        if let Some(out) = outs.get_mut(usize::from(*out) % count) {
                            if *persist { out.persist ^= true } else { out.cache ^= true }
                        }
                    }
                    other => unreachable!("{other:?}"),
                }
                self.write_model();
            }
        }
    }

    fn each(&self, act: impl Fn(&Side)) {
        self.sides.iter().for_each(act);
    }

    fn revert(&mut self, to: usize, lock: bool) {
        let Some((model, files)) = (!self.past.is_empty()).then(|| self.past[to % self.past.len()].clone())
        else {
            return;
        };
        self.model = model;
        let wanted = |name: &&String| lock || !name.ends_with("dvc.lock");
        for side in &self.sides {
            let now = side.tracked_by_git();
            for name in now.keys().filter(wanted).filter(|name| !files.contains_key(*name)) {
                side.remove(name);
            }
            for (name, (_, content)) in files.iter().filter(|(name, _)| wanted(name)) {
                if now.get(name).is_none_or(|(_, now)| now != content) {
                    side.write(name, std::str::from_utf8(content).unwrap());
                }
            }
        }
    }

    fn verb(&mut self, verb: &Verb) -> Result<Go, String> {
        let count = self.model.stages.len();
        let has_pipeline = self.sides[0].repo.join("dvc.yaml").exists();
        let Some(Line { words, json, lines }) = line(&self.model, verb, has_pipeline) else {
            return Ok(Go::On);
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let [ours, theirs] = self.run(&words);
        let said = || {
            format!(
                "\n--- lemnis {words:?}: {}\n{}{}\n--- dvc: {}\n{}{}",
                ours.code, ours.out, ours.err, theirs.code, theirs.out, theirs.err
            )
        };
        if let Verb::StageAdd { stage, .. } = verb {
            let text = fs::read_to_string(self.sides[1].repo.join("dvc.yaml")).unwrap_or_default();
            let at = usize::from(*stage) % count;
            self.model.stages[at].present |= text.contains(&format!("  s{at}:\n"));
        }
        if let Verb::Freeze { stage, frozen } = verb
            && theirs.code == 0
        {
            self.model.stages[usize::from(*stage) % count].frozen = *frozen;
        }
        if matches!(verb, Verb::Remove { .. }) {
            for (at, stage) in self.model.stages.iter_mut().enumerate() {
                let file = if stage.sub { "sub/dvc.yaml" } else { "dvc.yaml" };
                let text = fs::read_to_string(self.sides[1].repo.join(file)).unwrap_or_default();
                stage.present &= text.contains(&format!("  s{at}:\n"));
            }
        }
        // Lemnis reads all of the repository before it changes anything; a wrong definition stops it
        let reads_more =
            ours.code != 0 && (!matches!(verb, Verb::Repro { .. }) || ours.err.contains("sub/dvc.yaml"));
        if breaks_down(&theirs) || (reads_more && ours.err.contains("is not defined")) {
            return Ok(Go::Home);
        }
        // Lemnis refuses an output that Git tracks before the stage's command runs, DVC behind it
        if ours.err.contains("is already tracked by git") {
            return Ok(Go::Home);
        }
        // DVC's dry run of stages that never ran fails: it looks for their outputs and parameters. Nothing has changed
        // on either side
        let is_dry = words.first() == Some(&"repro") && words.contains(&"--dry");
        if is_dry && ours.code == 0 && theirs.code != 0 {
            return Ok(Go::On);
        }
        // DVC takes every file of a directory for unsaved when the cache has lost the list of them, also when all are as
        // they should be; Lemnis finds nothing to do then. What it did would show in the files
        if matches!(verb, Verb::Checkout { .. }) && ours.code == 0 && theirs.err.contains("unsaved files") {
            self.same_files().map_err(|error| error + &said())?;
            return Ok(Go::On);
        }
        // with `-f` DVC removes such a directory and then cannot bring it back; Lemnis must have it as it was recorded
        if matches!(verb, Verb::Checkout { force: true, .. })
            && ours.code == 0
            && let Some((_, lost)) = theirs.err.split_once("failed for following targets:")
        {
            let status = self.sides[0].lemnis(&["data", "status", "--json"]);
            let status: Value = serde_json::from_str(&status.out).unwrap();
            let uncommitted = status["uncommitted"].to_string();
            let lost = lost.lines().take_while(|line| !line.starts_with("Is your cache"));
            return match lost
                .filter(|name| uncommitted.contains(&format!("\"{name}")))
                .find(|name| !name.is_empty())
            {
                None => Ok(Go::Home),
                Some(name) => Err(format!("{name} is not what was recorded{}", said())),
            };
        }
        // where files are copies DVC writes over what `.dvcignore` hides, whatever it is
        let hides = fs::read_to_string(self.sides[0].repo.join(".dvcignore"))
            .is_ok_and(|text| text.contains("raw/d"));
        let refused = ours.code != 0 && ours.err.contains("has changes that are in no cache");
        if hides && refused && theirs.code == 0 && matches!(verb, Verb::Checkout { .. } | Verb::Pull { .. }) {
            return Ok(Go::Home);
        }
        if class(ours.code) != class(theirs.code) {
            return Err(format!("another exit code{}", said()));
        }
        let [our_log, their_log] = [0, 1].map(|side| self.sides[side].take_log());
        let failed = ours.code != 0 || words.contains(&"--ignore-errors");
        if our_log != their_log && failed && !ours.err.is_empty() {
            // DVC takes independent stages of a part of the graph in any order, and runs a forced stage before it
            // finds that a parameter is missing: where a failure ends, the two may have come to different places
            return Ok(Go::Home);
        }
        if theirs.code != 0 && matches!(verb, Verb::Commit { target: None, .. }) {
            // files are taken in the order of the file system: each got as far as it got
            return Ok(Go::Home);
        }
        if our_log != their_log {
            return Err(format!("ran {our_log:?}, dvc {their_log:?}{}", said()));
        }
        let sorted = |text: &str| {
            let mut lines: Vec<String> = named(text).lines().map(|line| line.trim_end().to_owned()).collect();
            lines.sort();
            lines
        };
        if lines && ours.code == 0 && sorted(&ours.out) != sorted(&theirs.out) {
            return Err(format!("says something else{}", said()));
        }
        // it does not say which directories the cache and the remote lack
        let told_all = !theirs.err.contains("name: None");
        if json && told_all && ours.code == 0 && normal(&ours.out) != normal(&theirs.out) {
            return Err(format!("says something else{}", said()));
        }
        if matches!(verb, Verb::Remove { .. }) {
            self.give_up_rest();
        }
        if matches!(
            verb,
            Verb::Freeze { .. } | Verb::StageAdd { .. } | Verb::Remove { .. } | Verb::Experiment { .. }
        ) {
            self.same_definitions().map_err(|error| error + &said())?;
            // DVC writes the whole stage or file anew, Lemnis the lines that change
            self.write_model();
        }
        if ours.code != 0
            && matches!(verb, Verb::Checkout { .. } | Verb::Pull { .. } | Verb::Experiment { .. })
        {
            self.give_up_kept();
        }
        if matches!(verb, Verb::Pull { .. }) {
            // DVC's pull makes the directory of an output that never was
            self.each(Side::remove_empty_dirs);
        }
        self.same_files().map_err(|error| error + &said())?;
        Ok(Go::On)
    }

    /// With its last stage DVC removes a `dvc.yaml` and whatever else stands in it; Lemnis keeps that.
    fn give_up_rest(&self) {
        for name in ["dvc.yaml", "sub/dvc.yaml"] {
            let ours = fs::read_to_string(self.sides[0].repo.join(name)).unwrap_or_default();
            if !self.sides[1].repo.join(name).exists() && !ours.contains("stages:") {
                self.sides[0].remove(name);
            }
        }
    }

    /// The definitions mean the same, however they are laid out.
    fn same_definitions(&self) -> Result<(), String> {
        for name in ["dvc.yaml", "sub/dvc.yaml"] {
            let texts = [0, 1].map(|side| fs::read_to_string(self.sides[side].repo.join(name)).ok());
            let [ours, theirs] = texts
                .each_ref()
                .map(|text| text.as_deref().map(|text| sorted(serde_saphyr::from_str(text).unwrap())));
            if ours != theirs {
                return Err(format!("{name} differs\n{:?}\n  dvc has: {:?}", texts[0], texts[1]));
            }
        }
        Ok(())
    }

    /// What cannot be checked out stays with Lemnis when it is the only copy; DVC removes it.
    fn give_up_kept(&self) {
        let [ours, theirs] = [0, 1].map(|side| self.sides[side].files(""));
        for name in ours.keys().filter(|name| !theirs.contains_key(*name) && !name.starts_with(".dvc/")) {
            self.sides[0].remove(name);
        }
        // with what was in them their directories go, and those that a failed stage left without a file
        self.each(Side::remove_empty_dirs);
    }

    fn same_files(&self) -> Result<(), String> {
        let [mut ours, theirs] = [0, 1].map(|side| self.sides[side].files(""));
        // where a command takes a part of the graph, DVC goes through a Python set, whose order is any: entries of
        // stages and ignored names come in that order
        for (name, file) in &theirs {
            let parts = match Path::new(name).file_name().and_then(|name| name.to_str()) {
                Some("dvc.lock") => entries,
                Some(".gitignore") => names,
                _ => continue,
            };
            if ours.get(name).is_some_and(|our| our != file && parts(our) == parts(file)) {
                self.sides[0].write(name, std::str::from_utf8(&file.1).unwrap());
                ours.insert(name.clone(), file.clone());
            }
        }
        // DVC's commit takes rights from files that it does not keep
        let uncached = |path: &str| {
            let stages = || (0..self.model.stages.len()).map(|at| (at, &self.model.stages[at]));
            let mut outs = stages().flat_map(|(at, stage)| {
                stage.outs.iter().enumerate().map(move |(place, out)| (at, place, out.cache))
            });
            let stem = |at, place| self.model.out_stem(at, place);
            outs.any(|(at, place, cache)| {
                !cache && path.starts_with(&stem(at, place)) && path.ends_with(".sh")
            })
        };
        let mut lines = Vec::new();
        let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let (our, their) = (ours.get(name), theirs.get(name));
            let stripped = our.zip(their).is_some_and(|(our, their)| {
                (our.0.as_str(), their.0.as_str()) == ("file 755", "file 744") && our.1 == their.1
            });
            // links of a cache that is gone are one file still: DVC moves it into the cache, Lemnis a copy
            let left_behind = self.wiped
                && our.zip(their).is_some_and(|(our, their)| {
                    our.1 == their.1 && format!("{}, hard-linked", our.0) == their.0
                });
            if our != their && !(stripped && uncached(name)) && !left_behind {
                let show = |file: Option<&(String, Vec<u8>)>| match file {
                    None => "nothing".to_owned(),
                    Some((kind, content)) => format!("{kind} {}", String::from_utf8_lossy(content)),
                };
                lines.push(format!("{name}: {}\n  dvc has: {}", show(our), show(their)));
            }
        }
        if lines.is_empty() { Ok(()) } else { Err(format!("files differ\n{}", lines.join("\n"))) }
    }

    /// Each says the same of its own repository, and of the other's.
    fn same_status(&self, crossed: bool) -> Result<Go, String> {
        let [ours, theirs] = &self.sides;
        let arguments = ["status", "--json"];
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            let judged = scope.spawn(|| {
                let mut judged =
                    vec![("dvc of its own", self.judge.run(&theirs.repo, &theirs.env(), &arguments))];
                if crossed {
                    judged.push(("dvc of ours", self.judge.run(&ours.repo, &ours.env(), &arguments)));
                }
                judged
            });
            all.push(("lemnis of its own", ours.lemnis(&arguments)));
            if crossed {
                let other = Side { home: theirs.home.clone(), repo: theirs.repo.clone() };
                all.push(("lemnis of dvc's", other.lemnis(&arguments)));
            }
            all.extend(judged.join().unwrap());
        });
        if all.iter().any(|(_, answer)| breaks_down(answer)) {
            return Ok(Go::Home);
        }
        let seen = |answer: &Answer| (class(answer.code), (answer.code == 0).then(|| normal(&answer.out)));
        let first = seen(&all[0].1);
        if all.iter().any(|(_, answer)| seen(answer) != first) {
            let lines: Vec<String> = all
                .iter()
                .map(|(who, said)| format!("{who}: {} {}{}", said.code, said.out, said.err))
                .collect();
            return Err(format!("status differs\n{}", lines.join("\n")));
        }
        Ok(Go::On)
    }
}

fn toggle(list: &mut Vec<u8>, item: u8) {
    match list.iter().position(|known| *known == item) {
        Some(at) => drop(list.remove(at)),
        None => list.push(item),
    }
}
