//! The custodian over a directory: every order is carried out on the file, under its lock, before it is answered.

use std::path::Path;
use std::sync::Arc;

use super::ring_dir::{RingDir, Updated};
use super::ring_error::RingDirError;
use crate::clock::Clock;
use crate::custody::{Custodian, CustodyError, Receipt, Report, Task};
use crate::entropy::Entropy;
use crate::keyring::{KeyRing, Order, Refused, Timing};
use crate::revocation::Longest;

/// Carries out orders on the ring of a directory. No service has to run.
pub struct RingOffice {
    dir: RingDir,
    timing: Timing,
    /// The longest lifetime and idle limit of the configuration.
    longest: Longest,
    clock: Arc<dyn Clock>,
    /// What a revocation is dated by.
    revokes_by: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    one_of_many: bool,
}

impl RingOffice {
    /// For the ring in `dir`, with the `longest` lifetime and idle limit that sessions are sealed with.
    pub fn new(
        dir: RingDir,
        timing: Timing,
        longest: Longest,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let revokes_by = Arc::clone(&clock);
        Self { dir, timing, longest, clock, revokes_by, entropy, one_of_many: false }
    }

    /// For the ring of one replica of many: a rotation leaves the next key without a time. A replica that runs gives it
    /// one once a majority has the key.
    #[must_use]
    pub fn of_many(mut self) -> Self {
        self.one_of_many = true;
        self
    }

    /// Dates revocations by this clock. One is carried out even where the own clock is off, and where that is ahead the
    /// fresh key would seal nothing until then, anywhere.
    #[must_use]
    pub fn revoking_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.revokes_by = clock;
        self
    }

    /// Where the ring is.
    pub fn dir(&self) -> &RingDir {
        &self.dir
    }

    /// The clock that orders are dated by.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The times of a rotation.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Where random bytes come from.
    pub(super) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// Notes in the file how long sessions may live, so that no key goes before them. A ring that was never written
    /// before is written in any case: from then on it is one that was served, of which
    /// [`CachedFacts::start`](super::CachedFacts::start) expects a journal. Returns whether it was so until now.
    ///
    /// # Errors
    /// [`RingDirError`] if it can't be written. What is assumed in memory then makes up for it.
    pub fn note_limits(&self) -> Result<bool, RingDirError> {
        let updated = self.dir.update(&*self.entropy, |ring| {
            let (was_new, news) = (ring.is_new(), ring.note_limits(self.longest, self.clock.now()));
            Ok::<_, RingDirError>((news || was_new, was_new))
        })?;
        // What is written beside a seed may be gone at the next start, and the seed as new as ever.
        Ok(updated.outcome && !self.dir.has_seed())
    }

    /// Lets a ring, in memory, keep its keys for as long as this configuration's sessions may need them.
    pub(super) fn assume_limits(&self, ring: &mut KeyRing) {
        ring.assume_limits(self.longest);
    }

    /// A command may have been given another configuration than the services have: it ends no limits of theirs.
    fn note(&self, ring: &mut KeyRing) -> bool {
        ring.add_limits_in_force(self.longest, self.clock.now())
    }

    fn order(&self, order: Order, dry_run: bool) -> Result<Receipt, CustodyError> {
        let clock = if matches!(order, Order::Revoke { .. }) { &self.revokes_by } else { &self.clock };
        let Updated { ring, outcome } = self.dir.update(&*self.entropy, |ring| {
            let noted = self.note(ring);
            let done = ring.carry_out(order, clock.now(), self.timing, &*self.entropy)?;
            Ok::<_, CustodyError>((!dry_run && (done.changed || noted), done))
        })?;
        Ok(Receipt::of(&outcome, dry_run, self.shown(&ring)))
    }

    /// Puts a new ring in place of this one, sealed under the secret in the file `secret` if that is to hold from here
    /// on.
    ///
    /// # Errors
    /// [`CustodyError`], and nothing was done.
    pub fn replace(&self, secret: Option<&Path>, dry_run: bool) -> Result<Receipt, CustodyError> {
        let make = |old: &KeyRing| {
            let mut ring = old.replacement(&*self.entropy, self.clock.now())?;
            self.note(&mut ring);
            Ok::<_, RingDirError>(ring)
        };
        let ring = if dry_run { make(&self.dir.load()?)? } else { self.dir.replace(make, secret, &*self.entropy)? };
        Ok(Receipt::of_replacement(dry_run, self.shown(&ring)))
    }

    /// What there is to say of `ring` now.
    pub(super) fn shown(&self, ring: &KeyRing) -> Report {
        Report::of(ring, self.clock.now(), self.timing)
    }
}

impl Custodian for RingOffice {
    fn report(&self) -> Result<Report, CustodyError> {
        let mut ring = self.dir.load()?;
        self.assume_limits(&mut ring);
        Ok(self.shown(&ring))
    }

    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError> {
        match task {
            Task::Order(Order::Rotate { after: Some(_) }) if self.one_of_many => Err(Refused::DatedByMajority.into()),
            Task::Order(Order::Rotate { after: None }) if self.one_of_many => self.order(Order::Propose, dry_run),
            Task::Order(order) => self.order(order, dry_run),
            Task::ReplaceRing => self.replace(None, dry_run),
        }
    }
}

impl From<RingDirError> for CustodyError {
    fn from(error: RingDirError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
