//! What outlives a request: facts in the cache and in the journal, the ring and other private files on disk.
//!
//! The ports these adapters serve are in the core ([`crate::revocation::FactStore`]); what the bytes of a ring file mean
//! is in [`crate::keyring::file`].

mod cluster_secret;
mod disk;
mod edit;
mod facts;
mod journal;
mod private_file;
mod ring_dir;
mod ring_error;
mod ring_lock;
mod ring_office;
mod ring_watch;

pub use edit::edit_private;
pub use facts::{Begin, Budget, CachedFacts, Fold, Folded};
pub use journal::{Journal, JournalError};
pub use private_file::{PrivateFileError, Readers, create_private, read_mounted, read_private, replace_private};
pub use ring_dir::{RingDir, Sealed, Updated};
pub use ring_error::RingDirError;
pub use ring_office::RingOffice;
pub use ring_watch::RingWatch;
