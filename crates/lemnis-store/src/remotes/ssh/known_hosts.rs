//! Whether a server's key is the one that `known_hosts` files hold, as OpenSSH decides it.

use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use sha1::Sha1;

use super::config::matches;

/// What the files say about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    /// No line is about the host.
    Unknown,
    /// The host has another key.
    Changed,
    Revoked,
}

/// The lines that are about one host.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownHost {
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl KnownHost {
    /// Reads the files; lines that cannot be read, and authorities, count for nothing.
    pub(super) fn read(files: &[PathBuf], host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut found = Self::default();
        for file in files {
            let text = std::fs::read(file).unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let Ok(entry) = line.parse::<Entry>() else { continue };
                if !is_about(entry.host_patterns(), &name) {
                    continue;
                }
                match entry.marker() {
                    None => found.keys.push(entry.public_key().clone()),
                    Some(Marker::Revoked) => found.revoked.push(entry.public_key().clone()),
                    Some(Marker::CertAuthority) => {}
                }
            }
        }
        found
    }

    pub(super) fn judge(&self, key: &PublicKey) -> Verdict {
        let holds = |keys: &[PublicKey]| keys.iter().any(|known| known.key_data() == key.key_data());
        if holds(&self.revoked) {
            Verdict::Revoked
        } else if holds(&self.keys) {
            Verdict::Known
        } else if self.keys.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Changed
        }
    }

    /// Whether a key of this kind is known, so that it is asked for first.
    pub(super) fn prefers(&self, algorithm: &russh::keys::Algorithm) -> bool {
        let same = |key: &PublicKey| {
            let known = key.algorithm();
            known == *algorithm || (known.is_rsa() && algorithm.clone().is_rsa())
        };
        self.keys.iter().any(same)
    }
}

fn is_about(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => matches(patterns, name),
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|hmac| hmac.chain_update(name).verify_slice(hash).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    fn judge(text: &str, host: &str, port: u16, key: &str) -> Verdict {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("known_hosts");
        std::fs::write(&file, text).expect("writes");
        KnownHost::read(&[file], host, port).judge(&PublicKey::from_openssh(key).expect("a key"))
    }

    #[test]
    fn a_key_is_known_changed_revoked_or_unknown() {
        let text = format!(
            "# {A}\nbroken line\nhost,*.net {A}\n[host]:2222 {B}\n@revoked bad {A}\n@cert-authority ca {A}\n"
        );
        assert_eq!(judge(&text, "host", 22, A), Verdict::Known);
        assert_eq!(judge(&text, "x.net", 22, A), Verdict::Known);
        assert_eq!(judge(&text, "host", 22, B), Verdict::Changed);
        assert_eq!(judge(&text, "host", 2222, B), Verdict::Known);
        assert_eq!(judge(&text, "host", 2223, B), Verdict::Unknown);
        assert_eq!(judge(&text, "bad", 22, A), Verdict::Revoked);
        assert_eq!(judge(&text, "ca", 22, A), Verdict::Unknown);
    }

    #[test]
    fn a_hashed_name_is_found() {
        let text = format!("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {B}\n");
        assert_eq!(judge(&text, "example.com", 22, B), Verdict::Known);
        assert_eq!(judge(&text, "example.org", 22, B), Verdict::Unknown);
    }
}
