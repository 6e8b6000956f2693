//! What can be wrong with the files of a ring.

use std::path::PathBuf;

use super::private_file::PrivateFileError;
use crate::entropy::EntropyError;
use crate::keyring::file::RingFileError;

/// The ring can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingDirError {
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is no ring yet.
    #[error("{}: there is no key ring; restore it from a backup or another replica, or for a new deployment run `sealpass keys init` once", .0.display())]
    NoRing(PathBuf),
    /// There is no cluster secret.
    #[error("{}: there is no cluster secret; give the one that the ring was made with", .0.display())]
    NoSecret(PathBuf),
    /// It was to be accepted beside the cluster secret.
    #[error("{}: is the cluster secret itself; cluster.accept_secrets names the other one, old or new", .0.display())]
    SameSecret(PathBuf),
    /// The ring file's bytes are not right.
    #[error("{}: {error}", path.display())]
    Ring {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: RingFileError,
    },
    /// It would be larger than a ring file may be.
    #[error("{}: has so many keys that the ring can't be written any more (1 MiB); nothing was changed, and `sealpass keys replace-ring` makes a new one", .0.display())]
    Full(PathBuf),
    /// The third step of a change of the secret before the second.
    #[error("{}: is the older of the secrets that open the ring; put the new one in its place first, or go back to this one with --drop-newer", .0.display())]
    OlderSecret(PathBuf),
    /// The cluster secret is not 32 bytes.
    #[error("{}: the cluster secret is 32 raw bytes, and this {looks}; make one with `sealpass keys init`, or decode it first", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// What it seems to be. Never the bytes.
        looks: String,
    },
    /// A ring file or seed is of another deployment.
    #[error("{}: belongs to another deployment than the ring in use; put the file of this one back, or restart the service if it is to use that one", .0.display())]
    OtherRing(PathBuf),
    /// A ring file is of before what is in use.
    #[error("{}: holds an older ring than the one in use; put the newest one back", .0.display())]
    Older(PathBuf),
    /// Somebody else writes, and does not come to an end.
    #[error("{}: another process holds the lock on it and does not let go; `fuser {}` tells which, end it", .0.display(), .0.display())]
    Held(PathBuf),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}
