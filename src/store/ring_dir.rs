//! The directory in which the ring lives, and the cluster secret that opens it.

use std::path::{Path, PathBuf};

use super::private_file::{PrivateFileError, create_private, read_private};
use crate::entropy::{Entropy, EntropyError};
use crate::keyring::KeyRing;
use crate::keyring::file::{self, ClusterSecret, MAX_FILE, RingFileError};
use crate::secret::Secret;

/// A directory with a ring file, `ring.sealed`, and unless it is given elsewhere `cluster.secret`.
#[derive(Clone, Debug)]
pub struct RingDir {
    dir: PathBuf,
    secret: PathBuf,
}

/// The ring can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingDirError {
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is no ring yet.
    #[error("{}: there is no key ring; run `sealpass keys init` once for the whole deployment", .0.display())]
    NoRing(PathBuf),
    /// There is no cluster secret.
    #[error("{}: there is no cluster secret; give the one that the ring was made with", .0.display())]
    NoSecret(PathBuf),
    /// The ring file's bytes are not right.
    #[error("{}: {error}", path.display())]
    Ring {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: RingFileError,
    },
    /// The cluster secret is not 32 bytes.
    #[error("{}: the cluster secret is 32 raw bytes, and this {looks}; make one with `sealpass keys init`, or decode it first", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// What it seems to be. Never the bytes.
        looks: String,
    },
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl RingDir {
    /// The ring in `dir`; its secret in `secret`, by default `dir/cluster.secret`.
    pub fn new(dir: &Path, secret: Option<&Path>) -> Self {
        let secret = secret.map_or_else(|| dir.join("cluster.secret"), Path::to_owned);
        Self { dir: dir.to_owned(), secret }
    }

    /// Where the ring file is.
    pub fn ring_path(&self) -> PathBuf {
        self.dir.join("ring.sealed")
    }

    /// Where the cluster secret is.
    pub fn secret_path(&self) -> &Path {
        &self.secret
    }

    /// Whether there is a ring file, readable or not.
    pub fn has_ring(&self) -> bool {
        self.ring_path().symlink_metadata().is_ok()
    }

    /// Whether there is a cluster secret, readable or not.
    pub fn has_secret(&self) -> bool {
        self.secret.symlink_metadata().is_ok()
    }

    /// Reads and opens the ring.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn load(&self) -> Result<KeyRing, RingDirError> {
        let path = self.ring_path();
        let bytes = read_private(&path, MAX_FILE).map_err(|error| match error {
            PrivateFileError::Missing(path) => RingDirError::NoRing(path),
            other => other.into(),
        })?;
        let secret = read_cluster_secret(&self.secret)?;
        file::open(&bytes, &secret).map_err(|error| RingDirError::Ring { path, error })
    }

    /// Writes the first ring, and a cluster secret if there is none. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`RingDirError`] names the file, the fault and the remedy.
    pub fn init(&self, ring: &KeyRing, entropy: &dyn Entropy) -> Result<(), RingDirError> {
        if self.has_ring() {
            return Err(PrivateFileError::Exists(self.ring_path()).into());
        }
        std::fs::create_dir_all(&self.dir).map_err(|error| PrivateFileError::Io { path: self.dir.clone(), error })?;
        if !self.has_secret() {
            let secret: ClusterSecret = Secret::generate(entropy)?;
            create_private(&self.secret, secret.expose())?;
        }
        let secret = read_cluster_secret(&self.secret)?;
        create_private(&self.ring_path(), &file::seal(ring, &[&secret], entropy)?)?;
        Ok(())
    }
}

/// Reads a cluster secret: exactly 32 raw bytes.
///
/// # Errors
/// [`RingDirError`] says what the file seems to hold instead, and never its bytes.
fn read_cluster_secret(path: &Path) -> Result<ClusterSecret, RingDirError> {
    let bytes = read_private(path, MAX_SECRET_FILE).map_err(|error| match error {
        PrivateFileError::Missing(path) => RingDirError::NoSecret(path),
        other => other.into(),
    })?;
    Secret::from_slice(&bytes).map_err(|_| RingDirError::Secret { path: path.to_owned(), looks: looks_like(&bytes) })
}

/// What was given in place of 32 bytes, as far as its shape tells.
fn looks_like(bytes: &[u8]) -> String {
    let trimmed = bytes.trim_ascii();
    let hex = trimmed.len() == 64 && trimmed.iter().all(u8::is_ascii_hexdigit);
    let base64 =
        matches!(trimmed.len(), 43 | 44) && trimmed.iter().all(|c| c.is_ascii_alphanumeric() || b"+/-_=".contains(c));
    match bytes.len() {
        0 => "is empty".to_owned(),
        33 if bytes.ends_with(b"\n") => "has a newline behind them".to_owned(),
        _ if bytes.starts_with(b"\xef\xbb\xbf") => "begins with a byte-order mark".to_owned(),
        _ if hex => "looks like hexadecimal".to_owned(),
        _ if base64 => "looks like base64".to_owned(),
        64 if bytes[..32] == bytes[32..] => "has them twice".to_owned(),
        n => format!("has {n}"),
    }
}

/// Enough to tell what a wrong file holds.
const MAX_SECRET_FILE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::entropy::SystemEntropy;
    use crate::store::replace_private;

    fn fixture() -> (tempfile::TempDir, RingDir) {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let keys = RingDir::new(&dir.path().join("keys"), None);
        let ring = KeyRing::init(&SystemEntropy::new(), Timestamp::default()).expect("random bytes");
        keys.init(&ring, &SystemEntropy::new()).expect("an empty directory");
        (dir, keys)
    }

    #[test]
    fn init_writes_both_and_overwrites_nothing() {
        let (_dir, keys) = fixture();
        let ring = keys.load().expect("just written");
        assert!(matches!(
            keys.init(&ring, &SystemEntropy::new()),
            Err(RingDirError::File(PrivateFileError::Exists(_)))
        ));
        assert_eq!(keys.load().expect("still there").id(), ring.id());
    }

    #[test]
    fn s20_each_wrong_secret_is_one_line_without_the_secret() {
        let (_dir, keys) = fixture();
        let raw = [0xAB_u8; 32];
        let newline = [&raw[..], b"\n"].concat();
        let bom = [b"\xef\xbb\xbf", &raw[..]].concat();
        for (given, says) in [
            (&raw[..31], "has 31"),
            ("q".repeat(43).as_bytes(), "looks like base64"),
            ("qqqq".repeat(11).as_bytes(), "looks like base64"),
            ("ab".repeat(32).as_bytes(), "looks like hexadecimal"),
            (&newline, "has a newline behind them"),
            (&bom, "begins with a byte-order mark"),
            (b"", "is empty"),
            (&raw.repeat(2), "has them twice"),
        ] {
            replace_private(keys.secret_path(), given).expect("writable");
            let text = keys.load().expect_err(says).to_string();
            assert!(text.contains(says) && text.contains("cluster.secret") && !text.contains('\n'), "{text}");
            assert!(!text.contains("abab") && !text.contains("qqq"), "no byte of it: {text}");
        }
        replace_private(keys.secret_path(), &raw).expect("writable");
        let text = keys.load().expect_err("another secret").to_string();
        assert!(text.contains("ring.sealed") && text.contains("another cluster secret"), "{text}");
    }

    #[test]
    fn s16_each_wrong_ring_is_one_line() {
        let (_dir, keys) = fixture();
        let good = read_private(&keys.ring_path(), MAX_FILE).expect("just written");
        for (given, says) in [
            (&good[..good.len() / 2], "is cut off or damaged"),
            (b"", "is empty"),
            (b"{\"keys\":[]}", "is not a ring file"),
            (b"sealpass ring 9\n\0", "of another version"),
        ] {
            replace_private(&keys.ring_path(), given).expect("writable");
            let text = keys.load().expect_err(says).to_string();
            assert!(text.contains(says) && text.contains("ring.sealed") && !text.contains('\n'), "{text}");
        }
        std::fs::remove_file(keys.ring_path()).expect("there");
        assert!(matches!(keys.load(), Err(RingDirError::NoRing(_))));
    }
}
