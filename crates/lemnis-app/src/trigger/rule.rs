//! The rules of `lemnis.yaml`: which data on which branch starts what.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name, which flow runs carry.
    pub name: String,
    /// What it waits for.
    pub on: On,
    /// What it starts.
    pub run: Start,
}

/// What a rule waits for: a commit that changes the digest of tracked data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// A tracked path, its `.dvc` file, or a pattern of paths, relative to the project.
    pub data: String,
    /// The branch.
    pub branch: String,
}

/// What a rule starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// `lemnis repro` of these targets; all stages without any.
    Repro(Vec<String>),
    /// `lemnis retrain` of this endpoint.
    Retrain(String),
}

impl Trigger {
    /// Whether the rule speaks of the tracked output `path`, which is relative to the project.
    pub fn matches(&self, path: &str) -> bool {
        let data = self.on.data.trim_end_matches('/');
        let data = data.strip_suffix(".dvc").filter(|_| !is_pattern(data)).unwrap_or(data);
        data == path || is_pattern(data) && matches(data.as_bytes(), path.as_bytes())
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// `*` stands for anything within a folder, `**` for anything, `?` for one character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', b'/', rest @ ..] if matches(rest, text) => true,
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && matches(rest, &text[1..]),
        [first, rest @ ..] => text.first() == Some(first) && matches(rest, &text[1..]),
    }
}

/// What is wrong with the rules of `settings`, whose text is `text`: the line, what, and how to mend it.
pub fn check(settings: &Settings, text: &str) -> Result<(), String> {
    let mut names = HashSet::new();
    for (at, trigger) in settings.triggers.iter().enumerate() {
        let Trigger { name, on, run } = trigger;
        let data = on.data.as_str();
        let outside = data.starts_with('/') || data.split('/').any(|part| part == "..");
        let plain = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let bad_branch = on.branch.is_empty()
            || on.branch.starts_with(['-', '/'])
            || on.branch.ends_with(['/', '.'])
            || on.branch.contains("..")
            || on.branch.contains(['~', '^', ':', '?', '*', '[', '\\'])
            || !plain(&on.branch);
        let problem = if name.is_empty() || name.len() > 200 || !plain(name) || name.starts_with('-') {
            Some("its name is empty or holds blanks; call it something like new-prices".to_owned())
        } else if !names.insert(name) {
            Some("another trigger has the same name; give each its own".to_owned())
        } else if data.is_empty() || outside {
            Some("on.data leads out of the project; name a tracked path such as data/raw".to_owned())
        } else if data.matches('*').count() > 8 {
            Some("on.data holds more than eight stars; write a simpler pattern".to_owned())
        } else if bad_branch {
            Some(format!("on.branch {:?} is no name of a branch; {}", on.branch, default_branch_hint()))
        } else {
            match run {
                Start::Retrain(endpoint) if !settings.endpoints.contains_key(endpoint) => {
                    let known: Vec<&str> = settings.endpoints.keys().map(String::as_str).collect();
                    Some(format!(
                        "run.retrain names {endpoint:?}, which is not among the endpoints; there are: {}",
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    ))
                }
                Start::Repro(targets)
                    if targets.iter().any(|target| target.is_empty() || target.starts_with('-')) =>
                {
                    Some("run.repro holds an empty target or an option; name stages of dvc.yaml".to_owned())
                }
                _ => None,
            }
        };
        if let Some(problem) = problem {
            return Err(format!("line {}: trigger {name:?}: {problem}", line_of(text, at)));
        }
    }
    Ok(())
}

/// How a branch is named.
fn default_branch_hint() -> &'static str {
    "name one such as main (`git branch` lists them)"
}

/// The line on which the trigger at place `at` begins.
fn line_of(text: &str, at: usize) -> u64 {
    #[derive(Deserialize)]
    struct Lines {
        #[serde(default)]
        triggers: Vec<serde_saphyr::Spanned<serde_json::Value>>,
    }
    let lines = serde_saphyr::from_str::<Lines>(text).map(|lines| lines.triggers).unwrap_or_default();
    lines.get(at).map_or(1, |trigger| trigger.referenced.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(triggers: &str) -> Result<Settings, String> {
        Settings::parse(&format!("project: p\ntriggers:\n{triggers}"))
    }

    fn problem(triggers: &str) -> String {
        rules(triggers).map_or_else(|problem| problem, |_| "it was read".to_owned())
    }

    #[test]
    fn a_rule_names_data_branch_and_what_to_run() {
        let settings = rules(
            "  - name: a\n    on: {data: data/raw.dvc, branch: main}\n    run: {repro: [train]}\n\
             \x20 - name: b\n    on: {data: \"data/**/*.csv\", branch: team/x}\n    run: {repro: []}\n",
        )
        .unwrap();
        let [a, b] = &settings.triggers[..] else { panic!("two rules") };
        assert!(a.matches("data/raw") && !a.matches("data/raw2") && !a.matches("data"));
        assert!(b.matches("data/x.csv") && b.matches("data/a/b/x.csv") && !b.matches("data/x.txt"));
        assert_eq!(a.run, Start::Repro(vec!["train".to_owned()]));
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let rule = |data: &str| Trigger {
            name: "r".into(),
            on: On { data: data.into(), branch: "main".into() },
            run: Start::Repro(Vec::new()),
        };
        assert!(rule("data/*").matches("data/a") && !rule("data/*").matches("data/a/b"));
        assert!(rule("data/?.csv").matches("data/a.csv") && !rule("data/?.csv").matches("data/ab.csv"));
    }

    #[test]
    fn a_bad_rule_is_refused_with_its_line_and_the_remedy() {
        let good = "  - name: a\n    on: {data: d, branch: main}\n    run: {repro: [t]}\n";
        let same = problem(&format!("{good}{good}"));
        assert_eq!(same, "line 6: trigger \"a\": another trigger has the same name; give each its own");
        let endpoint = problem("  - name: a\n    on: {data: d, branch: main}\n    run: {retrain: churn}\n");
        assert!(
            endpoint.starts_with("line 3: ") && endpoint.contains("not among the endpoints"),
            "{endpoint}"
        );
        let outside = problem("  - name: a\n    on: {data: ../d, branch: main}\n    run: {repro: [t]}\n");
        assert!(outside.contains("leads out of the project"), "{outside}");
        let branch = problem("  - name: a\n    on: {data: d, branch: \"a..b\"}\n    run: {repro: [t]}\n");
        assert!(branch.contains("no name of a branch"), "{branch}");
        for text in [
            "  - name: a\n    on: {data: d, branch: main}\n    run: {deploy: x}\n",
            "  - name: a\n    on: {data: d}\n    run: {repro: [t]}\n",
            "  - name: a\n    on: {data: d, branch: main, tag: x}\n    run: {repro: [t]}\n",
        ] {
            let problem = problem(text);
            assert!(problem.contains("line "), "{problem}");
        }
    }
}
