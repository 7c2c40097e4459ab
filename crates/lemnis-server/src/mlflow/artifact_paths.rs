//! Paths of artifacts: what a client sends, checked, as a path of the artifact store.
//!
//! No path leads out of the store: dot segments, absolute paths, backslashes and their percent-encoded forms at any
//! depth are refused.

use lemnis_tracking::{Error, Result};
use object_store::path::Path;

/// Rounds of percent-decoding after which a path counts as a trick.
const MAX_DECODINGS: usize = 8;

/// `path` as a path of the artifact store; an empty one is the root.
pub(crate) fn safe(path: &str) -> Result<Path> {
    let invalid = || Error::invalid("Invalid path");
    let mut plain = path.to_owned();
    let mut rounds = 0;
    loop {
        check(&plain).map_err(|()| invalid())?;
        let decoded = decode(&plain).ok_or_else(invalid)?;
        if decoded == plain {
            break;
        }
        rounds += 1;
        if rounds > MAX_DECODINGS {
            return Err(invalid());
        }
        plain = decoded;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Path::parse(parts.join("/")).map_err(|_| invalid())
}

fn check(path: &str) -> Result<(), ()> {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    let bad = path.starts_with('/')
        || drive
        || path.contains(['#', '\\'])
        || path.chars().any(char::is_control)
        || path.starts_with("file:")
        || path.split('/').any(|part| part == "..");
    if bad { Err(()) } else { Ok(()) }
}

/// One round of percent-decoding; `None` where that leaves no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let hex = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1).copied().and_then(hex).zip(bytes.get(at + 2).copied().and_then(hex));
        match (bytes[at], pair) {
            (b'%', Some((high, low))) => {
                out.push(high * 16 + low);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// The path inside the artifact store that an `mlflow-artifacts:` URI and `below` name.
pub(crate) fn of_uri(uri: &str, below: Option<&str>) -> Result<Path> {
    let not_here = || Error::invalid(format!("The artifacts at '{uri}' are not served by this server."));
    let rest = uri.strip_prefix("mlflow-artifacts:").ok_or_else(not_here)?;
    let rest = match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => rest.trim_start_matches('/'),
    };
    let root = safe(rest)?;
    let below = safe(below.unwrap_or_default())?;
    Ok(root.parts().chain(below.parts()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_store() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a\\..\\x",
            "%2e%2e/x",
            "%252e%252e%252fx",
            "a#b",
            "C:/x",
            "a%00b",
            "file:///etc/passwd",
            "%2Fetc/passwd",
            "a/%5c../x",
        ] {
            assert!(safe(path).is_err(), "{path}");
        }
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for path in ["a b/ü~[1].txt", "model/MLmodel", "100%.txt", "a..b/c", "x=1,y=2/*.csv"] {
            assert_eq!(safe(path).unwrap().as_ref(), path);
        }
        assert_eq!(safe("a//b/./c/").unwrap().as_ref(), "a/b/c");
    }

    #[test]
    fn an_artifact_uri_names_a_path_with_or_without_a_host() {
        assert_eq!(
            of_uri("mlflow-artifacts:/1/r/artifacts", Some("d/f")).unwrap().as_ref(),
            "1/r/artifacts/d/f"
        );
        assert_eq!(of_uri("mlflow-artifacts://host:80/1/r", None).unwrap().as_ref(), "1/r");
        assert!(of_uri("s3://bucket/x", None).is_err());
    }
}
