//! The lock under which a ring's directory is written: one writer at a time, in this process and in others.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::private_file::PrivateFileError;
use super::ring_error::RingDirError;

/// Waits until nobody else has the lock on `dir`, within reason. Whoever has the answer has the lock.
///
/// # Errors
/// [`RingDirError`]: the directory can't be opened, or somebody does not let go of it.
pub fn take(dir: &Path) -> Result<File, RingDirError> {
    let fail = |error: io::Error| RingDirError::File(PrivateFileError::Io { path: dir.to_owned(), error });
    let open = File::open(dir).map_err(fail)?;
    for _ in 0..ATTEMPTS {
        match flock(&open, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(open),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(PAUSE),
            Err(error) => return Err(fail(error.into())),
        }
    }
    Err(RingDirError::Held(dir.to_owned()))
}

/// Ten seconds in all, where each writer takes milliseconds.
const ATTEMPTS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);
