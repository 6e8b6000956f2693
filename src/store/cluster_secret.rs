//! The cluster secret: 32 bytes in a file of their own.

use std::path::{Path, PathBuf};

use super::disk::clean_up;
use super::private_file::{PrivateFileError, Readers, create_private, read_mounted};
use super::ring_error::RingDirError;
use crate::entropy::Entropy;
use crate::keyring::file::{ClusterSecret, secret_id};
use crate::secret::Secret;

/// Reads a cluster secret: exactly 32 raw bytes.
///
/// # Errors
/// [`RingDirError`] says what the file seems to hold instead, and never its bytes.
pub fn read(path: &Path) -> Result<ClusterSecret, RingDirError> {
    let bytes = read_mounted(path, MAX_SECRET_FILE, Readers::Us).map_err(|error| match error {
        PrivateFileError::Missing(path) => RingDirError::NoSecret(path),
        other => other.into(),
    })?;
    Secret::from_slice(&bytes).map_err(|_| RingDirError::Secret { path: path.to_owned(), looks: looks_like(&bytes) })
}

/// The one in `path`, and behind it each of `others`.
///
/// # Errors
/// As [`read`]; and one of the others is that in `path`.
pub fn read_all(path: &Path, others: &[PathBuf]) -> Result<Vec<ClusterSecret>, RingDirError> {
    let mut secrets = vec![read(path)?];
    for other in others {
        let secret = read(other)?;
        if secret_id(&secret) == secret_id(&secrets[0]) {
            return Err(RingDirError::SameSecret(other.clone()));
        }
        secrets.push(secret);
    }
    Ok(secrets)
}

/// Makes a cluster secret where there is none.
///
/// # Errors
/// [`RingDirError`]; the file is then not there.
pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<(), RingDirError> {
    let secret: ClusterSecret = Secret::generate(entropy)?;
    Ok(create_private(path, secret.expose())?)
}

/// As [`create`] if there is none, and takes away what a crashed command left of one. Only by one writer at a time.
///
/// # Errors
/// As [`create`].
pub fn create_missing(path: &Path, entropy: &dyn Entropy) -> Result<bool, RingDirError> {
    clean_up(path);
    let missing = path.symlink_metadata().is_err();
    if missing {
        create(path, entropy)?;
    }
    Ok(missing)
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
