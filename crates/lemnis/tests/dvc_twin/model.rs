//! The files of a case as text: `dvc.yaml`, parameter files, sources, the script that every stage runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::case::{Case, Group, Kind, Out, Stage, Style};

/// Files that stages read, below the root. `raw` is tracked with `.dvc` files.
pub const FILES: [&str; 11] = [
    "src/a.txt",
    "src/b c.txt",
    "src/é.txt",
    "data/x",
    "data/sub/y",
    "raw/r.csv",
    "raw/d/f",
    "raw/d/sub/g",
    "raw/d/late.tmp",
    "raw/d/new/é f",
    "data/sub/late.tmp",
];

/// How many of [`FILES`] are there from the beginning.
pub const FIRST_FILES: usize = 8;

/// What `.dvcignore` says; the first is what `init` writes.
pub const IGNORES: [&str; 5] =
    ["", "*.tmp\n", "raw/d/sub\n", "/data/sub/\n*.tmp\n", "# none\nraw/d/*\n!raw/d/f\n"];

/// What a stage may depend on beside outputs.
pub const SOURCES: [&str; 9] =
    ["src/a.txt", "src/b c.txt", "src/é.txt", "data", "data/x", "data/sub", "raw/r.csv", "raw/d", "raw/d/f"];

/// What is tracked with `.dvc` files.
pub const TRACKED: [&str; 2] = ["raw/r.csv", "raw/d"];

/// Contents that files get; a stage that reads the last one fails.
pub const CONTENTS: [&str; 5] = ["1\n", "2\n", "", "three\r\nlines\n", "FAIL\n"];

/// Parameter files, the first one is the default.
pub const PARAMS: [&str; 5] = ["params.yaml", "q.yaml", "p.json", "p.toml", "p.py"];

/// Leaves of each parameter file.
pub const LEAVES: [&str; 6] = ["a", "b", "l", "n.d.z", "n.x", "n.y"];

/// What stages name; the last one means the whole file.
const KEYS: [&str; 9] = ["a", "b", "l", "n", "n.x", "n.d", "n.d.z", "none", ""];

/// Values as YAML, JSON, TOML and Python.
pub const VALUES: [[&str; 4]; 24] = [
    ["1", "1", "1", "1"],
    ["1.0", "1.0", "1.0", "1.0"],
    ["true", "true", "true", "True"],
    ["s", "\"s\"", "\"s\"", "'s'"],
    ["'1'", "\"1\"", "'1'", "\"1\""],
    ["0.1", "0.1", "0.1", ".1"],
    ["1e-5", "1e-5", "1e-5", "1e-5"],
    ["null", "null", "\"null\"", "None"],
    ["[1, 2]", "[1, 2]", "[1, 2]", "[1, 2]"],
    ["hello world", "\"hello world\"", "\"hello world\"", "'hello world'"],
    ["-3", "-3", "-3", "-3"],
    ["yes", "\"yes\"", "\"yes\"", "'yes'"],
    ["\"\"", "\"\"", "\"\"", "''"],
    ["é", "\"\\u00e9\"", "\"é\"", "'\\xe9'"],
    ["{k: 1}", "{\"k\": 1}", "{k = 1}", "{'k': 1}"],
    ["'a: b #c'", "\"a: b #c\"", "'a: b #c'", "'a: b #c'"],
    ["1e16", "1e16", "1e16", "1e16"],
    ["[]", "[]", "[]", "[]"],
    ["{}", "{}", "{}", "{}"],
    ["0o17", "15", "0o17", "0o17"],
    [
        "[a, {b: [c, 1.5]}]",
        "[\"a\", {\"b\": [\"c\", 1.5]}]",
        "[\"a\", {b = [\"c\", 1.5]}]",
        "['a', {'b': ['c', 1.5]}]",
    ],
    ["\"x\\ny\"", "\"x\\ny\"", "\"x\\ny\"", "'x\\ny'"],
    ["0123", "\"0123\"", "\"0123\"", "'0123'"],
    ["12345678901234567890123", "12345678901234567890123", "1234567890123", "12345678901234567890123"],
];

/// What every stage runs: notes that it ran, then makes each output from what it reads.
pub const SCRIPT: &str = r#"# sh make.sh TEXT DEP... -- OUT...: `+` before an output keeps what it holds, `/` behind it makes a directory
echo "$DVC_STAGE" >> "$TWIN/log"
sum=$(
  echo "$1"; shift
  while [ "$1" != -- ]; do find -L "$1" -type f -exec cksum {} + 2>&1 | LC_ALL=C sort; shift; done
)
failed=no
shift
while [ "$1" != -- ]; do
  if grep -rqs FAIL "$1"; then failed=yes; fi
  [ -e "$1" ] || failed=yes
  shift
done
shift
for out; do
  keep=no
  case $out in +*) keep=yes; out=${out#+} ;; esac
  case $out in
    */) out=${out%/}; mkdir -p "$out/sub"; set -- "$out/a" "$out/sub/b" ;;
    *) mkdir -p "$(dirname "$out")"; set -- "$out" ;;
  esac
  [ $failed = no ] || { echo half > "$1"; exit 3; }
  for file; do
    case $file in *.json) line='{"m": {"v": '$(echo "$sum" | cksum | cut -d' ' -f1)', "w": "s"}}' ;; *) line=$(echo "$sum" | cksum) ;; esac
    if [ $keep = yes ]; then echo "$line" >> "$file"; else echo "$line" > "$file"; fi
  done
  case $out in *.sh) chmod 755 "$out" ;; esac
done
[ $failed = no ] || exit 3
"#;

/// The parts of a case that edits change.
#[derive(Clone)]
pub struct Model {
    pub stages: Vec<Stage>,
    sections: bool,
    /// Leaves by file: the place of the value in [`VALUES`].
    pub params: Vec<BTreeMap<&'static str, usize>>,
}

impl Model {
    pub fn new(case: &Case) -> Self {
        let leaves: BTreeMap<_, _> =
            LEAVES.iter().zip([0, 3, 8, 5, 0, 9]).map(|(key, at)| (*key, at)).collect();
        Self { stages: case.stages.clone(), sections: case.sections, params: vec![leaves; PARAMS.len()] }
    }

    /// The name by which a stage is known to commands at the root.
    pub fn address(&self, at: usize) -> String {
        if self.stages[at].sub { format!("sub/dvc.yaml:s{at}") } else { format!("s{at}") }
    }

    /// The text of parameter file number `at`.
    pub fn params_text(&self, at: usize) -> String {
        let leaves = &self.params[at];
        let form = [0, 0, 1, 2, 3][at];
        let top = |key: &&str| !key.contains('.');
        let value = |key: &str| VALUES[leaves[key]][form];
        let plain: Vec<&str> = leaves.keys().copied().filter(top).collect();
        let nested: Vec<&str> =
            leaves.keys().copied().filter(|key| key.starts_with("n.") && *key != "n.d.z").collect();
        let deep = leaves.contains_key("n.d.z");
        let mut text = String::new();
        match form {
            0 => {
                plain.iter().for_each(|key| writeln!(text, "{key}: {}", value(key)).unwrap());
                if deep || !nested.is_empty() {
                    text += "n:\n";
                }
                nested.iter().for_each(|key| writeln!(text, "  {}: {}", &key[2..], value(key)).unwrap());
                if deep {
                    writeln!(text, "  d:\n    z: {}", value("n.d.z")).unwrap();
                }
            }
            1 => {
                let mut parts: Vec<String> =
                    plain.iter().map(|key| format!("\"{key}\": {}", value(key))).collect();
                let mut inner: Vec<String> =
                    nested.iter().map(|key| format!("\"{}\": {}", &key[2..], value(key))).collect();
                if deep {
                    inner.push(format!("\"d\": {{\"z\": {}}}", value("n.d.z")));
                }
                if !inner.is_empty() {
                    parts.push(format!("\"n\": {{{}}}", inner.join(", ")));
                }
                write!(text, "{{{}}}", parts.join(", ")).unwrap();
            }
            2 => {
                plain.iter().for_each(|key| writeln!(text, "{key} = {}", value(key)).unwrap());
                if !nested.is_empty() {
                    text += "[n]\n";
                }
                nested.iter().for_each(|key| writeln!(text, "{} = {}", &key[2..], value(key)).unwrap());
                if deep {
                    writeln!(text, "[n.d]\nz = {}", value("n.d.z")).unwrap();
                }
            }
            _ => {
                plain.iter().for_each(|key| writeln!(text, "{key} = {}", value(key)).unwrap());
                if deep || !nested.is_empty() {
                    text += "class n:\n";
                }
                nested.iter().for_each(|key| writeln!(text, "    {} = {}", &key[2..], value(key)).unwrap());
                if deep {
                    writeln!(text, "    d = {{'z': {}}}", value("n.d.z")).unwrap();
                }
            }
        }
        text
    }

    /// The text of `dvc.yaml` or `sub/dvc.yaml`; `None` when no stage is in it.
    pub fn yaml_text(&self, sub: bool) -> Option<String> {
        let mut text = String::from("vars:\n- word: hi\n  deep: {er: 1.5}\nstages:\n");
        let mut any = false;
        for at in 0..self.stages.len() {
            if self.stages[at].sub == sub && self.stages[at].present {
                any = true;
                self.stage_text(at, &mut text);
            }
        }
        if self.sections && any && !sub {
            text += "params:\n- q.yaml\nmetrics:\n- top.json\nplots:\n- src/a.txt:\n    x: '1'\n    y: '1'\n";
        }
        any.then_some(text)
    }

    fn stage_text(&self, at: usize, text: &mut String) {
        let stage = &self.stages[at];
        let up = "../".repeat(usize::from(stage.sub) + usize::from(stage.wdir));
        let mut pad = "    ";
        writeln!(text, "  s{at}:").unwrap();
        match stage.group {
            Group::None => {}
            Group::List => text.push_str("    foreach: [u, v]\n    do:\n"),
            Group::Dict => text.push_str("    foreach: {k1: {p: 1}, k2: {p: x y}}\n    do:\n"),
            Group::FromParams => text.push_str("    foreach: ${l}\n    do:\n"),
            Group::Matrix => text.push_str("    matrix:\n      m: [1, 2]\n      n: [x, [y]]\n"),
        }
        if matches!(stage.group, Group::List | Group::Dict | Group::FromParams) {
            pad = "      ";
        }
        let item = match stage.group {
            Group::None => "",
            Group::List | Group::FromParams => "${item}",
            Group::Dict => "${key}",
            Group::Matrix => "${key}",
        };
        let mut words = ["one", "two", "'three four'"][usize::from(stage.text) % 3].to_owned();
        if stage.template {
            words = format!("{}-{words}", ["${a}", "${n.x}", "${word}", "${deep.er}", "${own}"][at % 5]);
        }
        if stage.group == Group::Dict {
            words += "-${item.p}";
        }
        let deps: Vec<String> = self.deps(at).iter().map(|dep| format!("{up}{dep}")).collect();
        let outs: Vec<String> =
            (0..stage.outs.len()).map(|out| format!("{up}{}", self.out_template(at, out, item))).collect();
        let mut command = format!("sh $TWIN/make.sh {words}");
        deps.iter().for_each(|dep| write!(command, " '{dep}'").unwrap());
        command += " --";
        for (out, path) in stage.outs.iter().zip(&outs) {
            let keep = if out.persist { "+" } else { "" };
            let slash = if out.kind == Kind::Dir { "/" } else { "" };
            write!(command, " '{keep}{path}{slash}'").unwrap();
        }
        if stage.template {
            writeln!(text, "{pad}vars:\n{pad}- own: mine").unwrap();
        }
        match stage.style {
            Style::Text => writeln!(text, "{pad}cmd: {command}").unwrap(),
            Style::List => writeln!(text, "{pad}cmd:\n{pad}- {command}\n{pad}- 'true'").unwrap(),
            Style::Lines => writeln!(text, "{pad}cmd: |\n{pad}  {command}\n{pad}  true").unwrap(),
        }
        if stage.wdir {
            writeln!(text, "{pad}wdir: w").unwrap();
        }
        if !deps.is_empty() {
            writeln!(text, "{pad}deps:").unwrap();
            deps.iter().for_each(|dep| writeln!(text, "{pad}- {dep}").unwrap());
        }
        self.params_of(at, &up, pad, text);
        let sections: [(&str, &[Kind]); 3] = [
            ("outs", &[Kind::File, Kind::Dir, Kind::Script]),
            ("metrics", &[Kind::Metric]),
            ("plots", &[Kind::Plot]),
        ];
        for (section, kinds) in sections {
            let own = || stage.outs.iter().zip(&outs).filter(|(out, _)| kinds.contains(&out.kind));
            if own().next().is_some() {
                writeln!(text, "{pad}{section}:").unwrap();
            }
            for (out, path) in own() {
                write!(text, "{pad}- {path}").unwrap();
                let more = |which| out.more == which;
                let flags: Vec<&str> = [
                    (!out.cache, "cache: false"),
                    (out.persist, "persist: true"),
                    (more(1), "desc: 'what: this is'"),
                    (more(2), "push: false"),
                    (more(3), "remote: there"),
                    (more(4), "meta: {by: [me, 1]}"),
                ]
                .iter()
                .filter_map(|(on, flag)| on.then_some(*flag))
                .collect();
                let flags =
                    if flags.is_empty() { String::new() } else { format!(": {{{}}}", flags.join(", ")) };
                writeln!(text, "{flags}").unwrap();
            }
        }
        if stage.notes {
            writeln!(text, "{pad}desc: a stage\n{pad}meta: {{owner: 'me', n: [1, 2.0]}}").unwrap();
        }
        if stage.frozen {
            writeln!(text, "{pad}frozen: true").unwrap();
        }
        if stage.always {
            writeln!(text, "{pad}always_changed: true").unwrap();
        }
    }

    /// The words of `stage add` that define what [`Self::yaml_text`] says of a plain stage.
    pub fn add_arguments(&self, at: usize) -> Option<Vec<String>> {
        let stage = &self.stages[at];
        let plain =
            stage.group == Group::None && stage.style == Style::Text && !stage.template && !stage.frozen;
        let simple = !stage.sub && !stage.notes && stage.outs.iter().all(|out| out.more == 0);
        if !plain || !simple {
            return None;
        }
        let up = "../".repeat(usize::from(stage.wdir));
        let mut words: Vec<String> = vec!["-n".into(), format!("s{at}")];
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        if stage.wdir {
            add("-w", "w".into());
        }
        self.deps(at).iter().for_each(|dep| add("-d", format!("{up}{dep}")));
        for (file, keys) in self.params_by_file(at) {
            let keys: Vec<&str> = keys.into_iter().filter(|key| !key.is_empty()).collect();
            add("-p", format!("{up}{}:{}", PARAMS[file], keys.join(",")));
        }
        for (at_out, out) in stage.outs.iter().enumerate() {
            let flag = match (out.kind, out.cache, out.persist) {
                (Kind::Metric, true, false) => "-m",
                (Kind::Metric, false, false) => "-M",
                (Kind::Metric, ..) => return None,
                (Kind::Plot, true, false) => "--plots",
                (Kind::Plot, false, false) => "--plots-no-cache",
                (Kind::Plot, ..) => return None,
                (_, true, false) => "-o",
                (_, false, false) => "-O",
                (_, true, true) => "--outs-persist",
                (_, false, true) => "--outs-persist-no-cache",
            };
            add(flag, format!("{up}{}", self.out_template(at, at_out, "")));
        }
        if stage.always {
            words.push("--always-changed".into());
        }
        let mut text = String::new();
        self.stage_text(at, &mut text);
        let command = text.lines().find_map(|line| line.trim_start().strip_prefix("cmd: "))?;
        words.push(command.to_owned());
        Some(words)
    }

    fn params_by_file(&self, at: usize) -> BTreeMap<usize, Vec<&'static str>> {
        let mut by_file: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for param in &self.stages[at].params {
            let param = usize::from(*param);
            let keys = by_file.entry((param / KEYS.len()) % PARAMS.len()).or_default();
            let key = KEYS[param % KEYS.len()];
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        by_file
    }

    fn params_of(&self, at: usize, up: &str, pad: &str, text: &mut String) {
        let by_file = self.params_by_file(at);
        if by_file.is_empty() {
            return;
        }
        writeln!(text, "{pad}params:").unwrap();
        for (file, mut keys) in by_file {
            let whole = keys.contains(&"");
            keys.retain(|key| !key.is_empty());
            if file == 0 && up.is_empty() && !whole {
                keys.iter().for_each(|key| writeln!(text, "{pad}- {key}").unwrap());
            } else if whole {
                writeln!(text, "{pad}- {up}{}:", PARAMS[file]).unwrap();
            } else {
                writeln!(text, "{pad}- {up}{}: [{}]", PARAMS[file], keys.join(", ")).unwrap();
            }
        }
    }

    /// Paths of what a stage depends on, from the root.
    fn deps(&self, at: usize) -> Vec<String> {
        let mut deps: Vec<String> = Vec::new();
        let outs: Vec<(String, bool)> = (0..at)
            .filter(|at| self.stages[*at].present)
            .flat_map(|at| (0..self.stages[at].outs.len()).map(move |out| (at, out)))
            .map(|(at, out)| (self.out_path(at, out), self.stages[at].outs[out].kind == Kind::Dir))
            .collect();
        for dep in &self.stages[at].deps {
            let dep = usize::from(*dep);
            // outputs are more interesting than sources
            let path = if dep % 3 == 0 || outs.is_empty() {
                SOURCES[(dep / 3) % SOURCES.len()].to_owned()
            } else {
                let (path, is_dir) = &outs[(dep / 3) % outs.len()];
                let inner = ["", "", "/a", "/sub", "/sub/b"][if *is_dir { dep % 5 } else { 0 }];
                format!("{path}{inner}")
            };
            if !deps.contains(&path) {
                deps.push(path);
            }
        }
        deps
    }

    /// Whether a stage goes on with what an output holds.
    pub fn continues(&self) -> bool {
        self.stages.iter().any(|stage| stage.present && stage.outs.iter().any(|out| out.persist))
    }

    /// An output of a stage, both by numbers of any size; `None` when the stage has none.
    pub fn some_out(&self, stage: &u8, out: &u8) -> Option<String> {
        let at = usize::from(*stage) % self.stages.len();
        let count = self.stages[at].outs.len();
        (count > 0).then(|| self.out_path(at, usize::from(*out) % count))
    }

    /// The path of an output from the root; of a group's first stage.
    pub fn out_path(&self, at: usize, out: usize) -> String {
        let first = match self.stages[at].group {
            Group::None => "",
            Group::List => "u",
            Group::Dict => "k1",
            Group::FromParams => "1",
            Group::Matrix => "1-x",
        };
        self.out_template(at, out, first)
    }

    /// What the paths of an output begin with, whatever stage of a group makes it.
    pub fn out_stem(&self, at: usize, out: usize) -> String {
        self.out_template(at, out, "").split('.').next().unwrap_or_default().to_owned()
    }

    fn out_template(&self, at: usize, out: usize, item: &str) -> String {
        let Out { kind, .. } = self.stages[at].outs[out];
        let end = match kind {
            Kind::File => ".txt",
            Kind::Dir => "",
            Kind::Script => ".sh",
            Kind::Metric => ".json",
            Kind::Plot => ".csv",
        };
        let dir = ["o", "o/in", ""][(at + out) % 3];
        let slash = if dir.is_empty() { "" } else { "/" };
        let dash = if item.is_empty() { "" } else { "-" };
        format!("{dir}{slash}s{at}_{out}{dash}{item}{end}")
    }
}
