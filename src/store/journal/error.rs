//! Why a journal can't be used.

use std::io;
use std::path::PathBuf;

use crate::store::PrivateFileError;

/// The journal can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Another process has it.
    #[error("{}: is in use by another process; stop that one, or give each its own with `journal`", .0.display())]
    InUse(PathBuf),
    /// Something else.
    #[error("{}: is not a journal of this service; give the right path with `journal`, or move it away", .0.display())]
    Foreign(PathBuf),
    /// Cut off, or changed.
    #[error("{}: is cut off or damaged; restore it and start with --restored, or move it away: either ends all sessions", .0.display())]
    Damaged(PathBuf),
    /// Removed or replaced under a running service: what is written would be lost with it.
    #[error("{}: was removed or replaced while the service ran; put it back, or restart the service, which ends all sessions", .0.display())]
    Gone(PathBuf),
    /// Of another release.
    #[error("{}: was written by a newer release; use that one, or a newer one", .0.display())]
    Newer(PathBuf),
    /// The ring is older than one that was used with this journal.
    #[error("{}: knows a newer key ring (epoch {newest}) than the one in use (epoch {found}); put the newest back, or start with --restored, which ends all sessions", path.display())]
    OlderRing {
        /// Which journal.
        path: PathBuf,
        /// The newest epoch that it has seen.
        newest: u64,
        /// The epoch of the ring.
        found: u64,
    },
    /// The operating system refused.
    #[error("{}: {error}; check the disk and the permissions, or give another path with `journal`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}
