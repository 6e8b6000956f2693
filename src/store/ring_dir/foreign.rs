//! Rings that come from other replicas, each in the shape of a file.

use super::RingDir;
use crate::entropy::Entropy;
use crate::keyring::KeyRing;
use crate::keyring::file::{self, MAX_FILE};
use crate::store::cluster_secret;
use crate::store::ring_error::RingDirError;

impl RingDir {
    /// Opens a ring that came from elsewhere, in the shape of a file.
    ///
    /// # Errors
    /// [`RingDirError`]: the cluster secret can't be read or does not open it.
    pub fn open_foreign(&self, bytes: &[u8]) -> Result<KeyRing, RingDirError> {
        let fail = |error| RingDirError::Ring { path: self.ring_path(), error };
        if bytes.len() > MAX_FILE {
            return Err(RingDirError::Full(self.ring_path()));
        }
        file::open(bytes, &cluster_secret::read(&self.secret)?).map_err(fail)
    }

    /// Merges a ring that came from elsewhere, in the shape of a file, into the file; or puts it in the file's place,
    /// if it was made in place of what is in it, or there is no file. It was counted as a write where it was made.
    ///
    /// # Errors
    /// [`RingDirError`]; the file is then as it was.
    pub fn take_in(&self, bytes: &[u8], entropy: &dyn Entropy) -> Result<(), RingDirError> {
        let theirs = self.open_foreign(bytes)?;
        self.make_dir()?;
        let _alone = self.lock()?;
        let sealed = match self.read() {
            Err(RingDirError::NoRing(_)) => return self.put(bytes),
            read => read?,
        };
        let mut own = self.open(&sealed)?;
        if theirs.replaces(own.id()) {
            return self.put(bytes);
        }
        let before = (own.digest(), own.epoch());
        own.merge(theirs).map_err(|_| RingDirError::OtherRing(self.ring_path()))?;
        if (own.digest(), own.epoch()) == before { Ok(()) } else { self.write(&sealed, &own, entropy) }
    }
}
