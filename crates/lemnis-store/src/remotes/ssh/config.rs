//! What OpenSSH's client configuration says about a host: `~/.ssh/config`, then `/etc/ssh/ssh_config`.
//!
//! As in OpenSSH the first value that is found counts, and identity files add up. Blocks with a `Match` that needs a
//! program to be run, or knows more than the host, are passed over.

use std::path::{Path, PathBuf};

/// How deep files may include others.
const MAX_DEPTH: usize = 8;

/// What is said about one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostConfig {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity_files: Vec<String>,
    pub(super) identities_only: Option<bool>,
    pub(super) identity_agent: Option<String>,
    pub(super) known_hosts: Option<Vec<String>>,
    pub(super) global_known_hosts: Option<Vec<String>>,
    pub(super) host_key_alias: Option<String>,
    pub(super) strict: Option<String>,
    pub(super) proxy_command: Option<String>,
    pub(super) proxy_jump: Option<String>,
}

impl HostConfig {
    /// Reads the files for `host`, as it was typed; those that are not there say nothing.
    pub(super) fn read(host: &str, home: &Path) -> Self {
        let mut found = Self::default();
        found.read_file(&home.join(".ssh/config"), host, home, 0);
        found.read_file(Path::new("/etc/ssh/ssh_config"), host, home, 0);
        found
    }

    fn read_file(&mut self, path: &Path, host: &str, home: &Path, depth: usize) {
        if let Ok(text) = std::fs::read_to_string(path) {
            self.read_text(&text, path.parent().unwrap_or(Path::new("/")), host, home, depth);
        }
    }

    fn read_text(&mut self, text: &str, folder: &Path, host: &str, home: &Path, depth: usize) {
        let mut applies = true;
        for line in text.lines() {
            let Some((keyword, arguments)) = split(line) else { continue };
            let first = arguments.first().cloned();
            match keyword.as_str() {
                "host" => applies = matches(&arguments, host),
                "match" => {
                    applies = match arguments.first().map(|word| word.to_ascii_lowercase()).as_deref() {
                        Some("all") => arguments.len() == 1,
                        Some("host" | "originalhost") if arguments.len() == 2 => {
                            let patterns: Vec<String> = arguments[1].split(',').map(str::to_owned).collect();
                            matches(&patterns, host)
                        }
                        _ => false,
                    };
                }
                _ if !applies => {}
                "include" if depth < MAX_DEPTH => {
                    for pattern in &arguments {
                        let pattern = match expand_home(pattern, home) {
                            path if path.is_absolute() => path,
                            path => folder.join(path),
                        };
                        let paths = glob::glob(&pattern.to_string_lossy());
                        for path in paths.into_iter().flatten().flatten() {
                            self.read_file(&path, host, home, depth + 1);
                        }
                    }
                }
                "hostname" => keep(&mut self.host_name, first),
                "user" => keep(&mut self.user, first),
                "port" => keep(&mut self.port, first.and_then(|text| text.parse().ok())),
                "identityfile" => self.identity_files.extend(first),
                "identitiesonly" => keep(&mut self.identities_only, first.map(|text| text == "yes")),
                "identityagent" => keep(&mut self.identity_agent, first),
                "userknownhostsfile" => keep(&mut self.known_hosts, Some(arguments)),
                "globalknownhostsfile" => keep(&mut self.global_known_hosts, Some(arguments)),
                "hostkeyalias" => keep(&mut self.host_key_alias, first),
                "stricthostkeychecking" => {
                    keep(&mut self.strict, first.map(|text| text.to_ascii_lowercase()))
                }
                "proxycommand" => keep(&mut self.proxy_command, rest_of(line)),
                "proxyjump" => keep(&mut self.proxy_jump, first),
                _ => {}
            }
        }
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

/// The keyword, in lower case, and its arguments; `=` may stand between them, quotes around an argument.
fn split(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|ch: char| ch.is_whitespace() || ch == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let mut arguments = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for ch in rest.trim_start().trim_start_matches('=').trim_start().chars() {
        match ch {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' if word.is_none() && !quoted => break,
            ch if ch.is_whitespace() && !quoted => arguments.extend(word.take()),
            ch => word.get_or_insert_default().push(ch),
        }
    }
    arguments.extend(word);
    Some((keyword.to_ascii_lowercase(), arguments))
}

/// Everything behind the keyword.
fn rest_of(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line.find(|ch: char| ch.is_whitespace() || ch == '=')?;
    Some(line[end..].trim_start().trim_start_matches('=').trim().to_owned())
}

/// Whether one pattern matches and none that begins with `!`.
pub(super) fn matches(patterns: &[String], host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let mut hit = false;
    for pattern in patterns {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard(pattern.as_bytes(), host.as_bytes()) => return false,
            Some(_) => {}
            None => hit |= wildcard(pattern.as_bytes(), host.as_bytes()),
        }
    }
    hit
}

/// `*` and `?` against a whole text, in time that grows with the product of the lengths at most.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((from, taken)) => {
                    at = from + 1;
                    seen = taken + 1;
                    star = Some((from, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// `~` at the beginning is the home directory.
pub(super) fn expand_home(text: &str, home: &Path) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if text == "~" => home.to_path_buf(),
        None => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, host: &str) -> HostConfig {
        let mut found = HostConfig::default();
        found.read_text(text, Path::new("/x"), host, Path::new("/home/me"), 0);
        found
    }

    #[test]
    fn the_first_value_counts_and_identities_add_up() {
        let text = "User=general # mine\nHost data *.data !old.data\n  HostName 10.0.0.1\n  Port 2222\n  User later\n\
                    \n  IdentityFile \"~/a key\"\nHost *\nIdentityFile ~/b\n";
        let found = of(text, "data");
        assert_eq!(found.user.as_deref(), Some("general"));
        assert_eq!((found.host_name.as_deref(), found.port), (Some("10.0.0.1"), Some(2222)));
        assert_eq!(found.identity_files, ["~/a key", "~/b"]);
        assert_eq!(of(text, "old.data").port, None);
        assert_eq!(of(text, "x.data").port, Some(2222));
    }

    #[test]
    fn only_a_match_that_is_about_the_host_alone_applies() {
        let text = "Match exec \"rm -r /\"\nPort 1\nMatch host a,b*\nPort 2\nMatch all\nPort 3\n";
        assert_eq!(of(text, "bb").port, Some(2));
        assert_eq!(of(text, "c").port, Some(3));
    }

    #[test]
    fn wildcards_match_whole_names() {
        for (pattern, host, hit) in
            [("*", "a", true), ("a?c", "abc", true), ("*.b", "a.b.b", true), ("a*", "ba", false)]
        {
            assert_eq!(matches(&[pattern.to_owned()], host), hit, "{pattern} {host}");
        }
    }
}
