//! Content addresses: the lower-case hex of a hash, with its algorithm.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A content address such as `sha256:9f86…` or `md5:b194….dir`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut stream = DigestStream::default();
        stream.update(bytes);
        stream.finish()
    }

    /// An MD5 that DVC's files carry, with its `.dir` suffix where it names a directory.
    pub fn md5(hex: &str) -> Self {
        Self(format!("md5:{hex}"))
    }

    /// What a store calls a content, such as an `etag`.
    pub fn tag(kind: &str, tag: &str) -> Self {
        Self(format!("{kind}:{}", tag.trim_matches('"')))
    }

    /// The hex part, without the algorithm.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, hex)| hex)
    }

    /// The first twelve characters of the hex part: enough to tell objects apart on a page.
    pub fn short(&self) -> &str {
        let hex = self.hex();
        hex.get(..12).unwrap_or(hex)
    }

    /// The whole address, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of bytes that come bit by bit.
#[derive(Clone, Default)]
pub struct DigestStream(Sha256);

impl DigestStream {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        let mut text = String::with_capacity(7 + 64);
        text.push_str("sha256:");
        for byte in self.0.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        Digest(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_prefixed_lower_case_hex() {
        let digest = Digest::sha256(b"abc");
        assert_eq!(
            digest.as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.short(), "ba7816bf8f01");
    }
}
