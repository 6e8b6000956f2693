//! The ring among other replicas: what is told of it, and how theirs comes in.

use std::time::{Duration, Instant};

use super::{Current, InUse, RingWatch};
use crate::cluster::ports::{RingDigest, RingRefused, Rings};
use crate::keyring::KeyRing;
use crate::store::ring_error::RingDirError;

impl Rings for RingWatch {
    fn digest(&self) -> Option<RingDigest> {
        self.told().digest
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        self.told().bytes.clone()
    }

    fn merge(&self, bytes: &[u8]) -> Result<(), RingRefused> {
        let theirs = self.office.dir().open_foreign(bytes).map_err(|_| RingRefused::Unreadable)?;
        let mut current = self.locked();
        let Some(news) = self.news(&current, theirs)? else { return Ok(()) };
        let taken = match self.office.dir().take_in(bytes, self.office.entropy()) {
            // From the file, as whatever is written there.
            Ok(()) => {
                current.unwritten = None;
                self.refresh(&mut current)
            }
            Err(error) => self.hold(&mut current, news, bytes, &error),
        };
        taken.map_err(|error| {
            tracing::error!("the key ring of another replica can't be taken up: {error}");
            RingRefused::Unreadable
        })
    }

    fn confirmed(&self, ago: Duration) {
        let looked = self.told().looked;
        if let Some(looked) = looked {
            (self.confirm)(ago.max(looked.elapsed()));
        }
    }
}

impl RingWatch {
    /// What the ring in use becomes by `theirs`; `None` if that has nothing new.
    fn news(&self, current: &Current, theirs: KeyRing) -> Result<Option<KeyRing>, RingRefused> {
        let Some(in_use) = &current.ring else { return Ok(Some(theirs)) };
        if theirs.replaces(in_use.id) {
            return Ok(Some(theirs));
        }
        let mut ring = self.office.dir().open(&in_use.sealed).map_err(|_| RingRefused::Unreadable)?;
        if ring.replaces(theirs.id()) {
            return Ok(None);
        }
        ring.merge(theirs).map_err(|_| RingRefused::Other)?;
        Ok((self.told().digest.map(|told| told.digest) != Some(ring.digest())).then_some(ring))
    }

    /// Uses `ring`, which came as `bytes`, from memory alone, since it can't be written.
    fn hold(
        &self,
        current: &mut Current,
        mut ring: KeyRing,
        bytes: &[u8],
        error: &RingDirError,
    ) -> Result<(), RingDirError> {
        if current.unwritten.is_none() {
            tracing::warn!(
                "the key ring that came from another replica is kept in memory alone, and asked for again at the next start: {error}"
            );
        }
        current.unwritten = Some(Instant::now());
        // What the journal remembers must not be ahead of the file at the next start.
        if let Some(InUse { epoch, .. }) = current.ring.as_ref().filter(|in_use| in_use.id == ring.id()) {
            ring.set_epoch(*epoch);
        }
        self.take_up(current, ring, Some(bytes), self.office.clock().now())
    }

    /// Tries again, now and then, to write what could not be written.
    pub(super) fn write_late(&self, current: &mut Current) {
        let due = current.unwritten.is_some_and(|tried| tried.elapsed() >= WRITE_AGAIN);
        let Some(own) = current.ring.as_ref().and_then(|in_use| in_use.sealed.own()).filter(|_| due) else { return };
        match self.office.dir().take_in(own, self.office.entropy()) {
            Ok(()) => {
                tracing::info!("the key ring is written again");
                current.unwritten = None;
            }
            Err(_) => current.unwritten = Some(Instant::now()),
        }
    }
}

/// How long after a ring could not be written that is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(30);
