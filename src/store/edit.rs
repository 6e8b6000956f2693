//! A private file, read, changed and written by one at a time.

use std::io;
use std::path::Path;

use super::disk::directory;
use super::private_file::{PrivateFileError, read_private, replace_private};
use super::ring_error::RingDirError;
use super::ring_lock;

/// Replaces the content of a file by what `change` makes of it, under a lock on its directory. What is not there is empty.
///
/// # Errors
/// Those of `change`, and [`PrivateFileError`]; the file is then what it was.
pub fn edit_private<E: From<PrivateFileError>>(
    path: &Path,
    limit: usize,
    change: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    let _lock = ring_lock::take(&directory(path)).map_err(|error| match error {
        RingDirError::File(error) => error,
        held => PrivateFileError::Io { path: path.to_owned(), error: io::Error::other(held.to_string()) },
    })?;
    let content = match read_private(path, limit) {
        Err(PrivateFileError::Missing(_)) => zeroize::Zeroizing::default(),
        read => read?,
    };
    Ok(replace_private(path, &change(&content)?)?)
}
