//! Secrets are encrypted where they lie: who reads a copy of the database learns none.
//!
//! A secret is sealed with AES-256-GCM under a key that is not in the database: one that the user gives, or one of the
//! project's own in a file that only its owner may read. The id of the secret's owner is authenticated along with it, so
//! that a sealed secret cannot be moved to another row. What no key opens is not lost: it is read as unreadable.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use parking_lot::Mutex;
use rand::RngExt as _;

use crate::{Error, Result};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Starts every sealed secret; another way of sealing will have another number.
const FORMAT: u8 = 1;

type Key = [u8; KEY_BYTES];

/// The keys that secrets are sealed with. The first seals; all of them open.
pub struct SecretKeys {
    given: Vec<Key>,
    file: Option<PathBuf>,
    from_file: Mutex<Option<Key>>,
}

impl SecretKeys {
    /// No key: secrets can be neither kept nor read.
    pub(crate) fn none() -> Self {
        Self { given: Vec::new(), file: None, from_file: Mutex::default() }
    }

    /// A key that is gone with the process, for stores that are as well.
    pub(crate) fn of_the_moment() -> Self {
        Self { given: vec![rand::rng().random()], ..Self::none() }
    }

    /// The key in `path`, which is made when the first secret is kept. Its folder must exist.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..Self::none() }
    }

    /// Adds the keys in `text` before those that are there: 32 bytes each, in base64 of either alphabet, separated by
    /// commas.
    pub fn with_given(mut self, text: &str) -> Result<Self> {
        let mut given: Vec<Key> =
            text.split(',').map(decoded).collect::<Option<_>>().ok_or(Error::SecretKey)?;
        given.append(&mut self.given);
        Ok(Self { given, ..self })
    }

    /// Encrypts `secret`, which belongs to `owner`.
    pub(crate) fn seal(&self, owner: &str, secret: &str) -> Result<Vec<u8>> {
        let key = match self.given.first() {
            Some(key) => *key,
            None => self.made()?,
        };
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        let sealed = Aes256Gcm::new(&key.into())
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::SecretTooLong { bytes: secret.len() })?;
        Ok([&[FORMAT][..], &nonce, &sealed].concat())
    }

    /// What [`Self::seal`] encrypted for `owner`; `None` where no key opens it.
    pub(crate) fn open(&self, owner: &str, sealed: &[u8]) -> Option<String> {
        let (format, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *format != FORMAT {
            return None;
        }
        let from_file = self.present();
        let opened = self.given.iter().chain(&from_file).find_map(|key| {
            let payload = Payload { msg: sealed, aad: owner.as_bytes() };
            Aes256Gcm::new(&(*key).into()).decrypt(&Nonce::from(*nonce), payload).ok()
        })?;
        String::from_utf8(opened).ok()
    }

    /// The key of the file, if it is there.
    fn present(&self) -> Option<Key> {
        let mut known = self.from_file.lock();
        if known.is_none() {
            *known = read(self.file.as_deref()?).ok().flatten();
        }
        *known
    }

    /// The key of the file, which is made where it is not there.
    fn made(&self) -> Result<Key> {
        let path = self.file.as_deref().ok_or(Error::NoSecretKey)?;
        let mut known = self.from_file.lock();
        if let Some(key) = *known {
            return Ok(key);
        }
        let key = match read(path)? {
            Some(key) => key,
            None => make(path)?,
        };
        *known = Some(key);
        Ok(key)
    }
}

fn decoded(text: &str) -> Option<Key> {
    let text = text.trim();
    let bytes = URL_SAFE.decode(text).or_else(|_| STANDARD.decode(text)).ok()?;
    bytes.try_into().ok()
}

/// The key in the file `path`; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Key>> {
    match std::fs::read_to_string(path) {
        Ok(text) => match decoded(&text) {
            Some(key) => Ok(Some(key)),
            None => Err(damaged(path, std::io::Error::from(std::io::ErrorKind::InvalidData))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(damaged(path, error)),
    }
}

fn damaged(path: &Path, source: std::io::Error) -> Error {
    Error::SecretKeyFile { path: path.to_owned(), source }
}

/// Makes the file `path` with a new key, readable for its owner alone. Where another process was quicker, its key counts.
fn make(path: &Path) -> Result<Key> {
    let io = |source| damaged(path, source);
    let key: Key = rand::rng().random();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files have the mode 0600.
    let mut file =
        tempfile::Builder::new().prefix(".lemnis-").suffix(".tmp").tempfile_in(folder).map_err(io)?;
    writeln!(file, "{}", URL_SAFE.encode(key)).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    match file.persist_noclobber(path) {
        Ok(_) => std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?,
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return read(path)?.ok_or_else(|| damaged(path, error.error));
        }
        Err(error) => return Err(io(error.error)),
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_and_key_alone() {
        let keys = SecretKeys::none().with_given(&text(1)).unwrap();
        let sealed = keys.seal("w", "s3cret").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"s3cret"));
        assert_ne!(sealed, keys.seal("w", "s3cret").unwrap(), "a nonce is used once");
        assert_eq!(keys.open("w", &sealed).as_deref(), Some("s3cret"));
        assert_eq!(keys.open("x", &sealed), None);
        assert_eq!(SecretKeys::of_the_moment().open("w", &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(keys.open("w", &damaged), None, "byte {at}");
            assert_eq!(keys.open("w", &sealed[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn older_keys_open_and_the_first_seals() {
        let old = SecretKeys::none().with_given(&text(1)).unwrap();
        let both = SecretKeys::none().with_given(&format!("{}, {}", text(2), text(1))).unwrap();
        let new = SecretKeys::none().with_given(&text(2)).unwrap();
        assert_eq!(both.open("w", &old.seal("w", "a").unwrap()).as_deref(), Some("a"));
        assert_eq!(new.open("w", &both.seal("w", "b").unwrap()).as_deref(), Some("b"));
    }

    #[test]
    fn a_key_file_is_made_at_first_use_and_its_key_still_opens_when_another_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        let keys = SecretKeys::in_file(&path);
        assert_eq!(keys.open("w", &[FORMAT; 40]), None);
        assert!(!path.exists(), "reading makes no key");
        let sealed = keys.seal("w", "a").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let given = SecretKeys::in_file(&path).with_given(&text(3)).unwrap();
        assert_eq!(given.open("w", &sealed).as_deref(), Some("a"));
        assert_eq!(keys.open("w", &given.seal("w", "b").unwrap()), None);
    }

    #[test]
    fn two_processes_that_make_the_key_at_once_have_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        let made: Vec<Key> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| make(&path).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| Some(*key) == read(&path).unwrap()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(SecretKeys::in_file(&path).seal("w", "a"), Err(Error::SecretKeyFile { .. })));
        assert!(matches!(SecretKeys::none().with_given("short"), Err(Error::SecretKey)));
        assert!(matches!(SecretKeys::none().seal("w", "a"), Err(Error::NoSecretKey)));
    }
}
