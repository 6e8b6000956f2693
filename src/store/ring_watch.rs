//! The ring of a running service: read again every second, merged into what is known, never lost.
//!
//! What is held between two looks is sealed: roots are in memory only while keys are derived from them. How rings of
//! other replicas come in is in `shared`.

mod shared;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ring_dir::Sealed;
use super::ring_error::RingDirError;
use super::ring_office::RingOffice;
use crate::clock::Timestamp;
use crate::cluster::ports::RingDigest;
use crate::custody::{Custodian, CustodyError, Receipt, Report, Task};
use crate::entropy::EntropyError;
use crate::keyring::{KeyRing, Keys, RingId};

/// Keeps a service's keys what the ring's files say.
///
/// Files are compared by content, every second, so that it does not matter how they change: in place, renamed, or by a
/// link in front of them. A file that can't be read, is another deployment's, or is half written changes nothing.
///
/// Alone, the files confirm the ring. In a fleet a majority does, as long as the files can be read.
pub struct RingWatch {
    office: RingOffice,
    in_fleet: bool,
    current: Mutex<Current>,
    /// What other replicas are told, apart from what is locked while files are read and written.
    told: Mutex<Told>,
    /// Told when there is a ring for the first time.
    arrived: Condvar,
    take_up: TakeUp,
    confirm: Box<dyn Fn(Duration) + Send + Sync>,
}

/// Who uses the ring.
type TakeUp = Box<dyn Fn(&KeyRing, Keys) + Send + Sync>;

/// What is in use.
#[derive(Default)]
struct Current {
    /// The files as they were read last.
    files: Option<Sealed>,
    ring: Option<InUse>,
    /// When it was tried last to write what is in use, if that can't be written. It was said.
    unwritten: Option<Instant>,
    /// What was last complained of, so that it is said once.
    complaint: Option<String>,
}

struct InUse {
    sealed: Sealed,
    id: RingId,
    epoch: u64,
    /// The keys are those of this moment.
    of: Timestamp,
    /// When a key changes its state next.
    changes: Option<Timestamp>,
}

/// The ring in use, as other replicas are told.
#[derive(Default)]
struct Told {
    digest: Option<RingDigest>,
    bytes: Option<Vec<u8>>,
    /// When a look began last that found nothing wrong.
    looked: Option<Instant>,
}

impl RingWatch {
    /// Watches the ring of `office`. `take_up` is given the ring and its keys whenever they change; `confirm` is called
    /// whenever the files were read and are what is in use, with how long ago that was begun.
    pub fn new(
        office: RingOffice,
        take_up: impl Fn(&KeyRing, Keys) + Send + Sync + 'static,
        confirm: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Self {
        let (take_up, confirm) = (Box::new(take_up), Box::new(confirm));
        Self {
            office,
            in_fleet: false,
            current: Mutex::default(),
            told: Mutex::default(),
            arrived: Condvar::new(),
            take_up,
            confirm,
        }
    }

    /// Among other replicas: a majority confirms the ring and not the file, and where there is none it comes from them.
    #[must_use]
    pub fn in_fleet(mut self) -> Self {
        self.in_fleet = true;
        self
    }

    /// Waits until there is a ring, which has been given to whoever uses it by then. Returns whether there is one.
    pub fn wait_for_ring(&self, at_most: Duration) -> bool {
        let current = self.locked();
        let waited = self.arrived.wait_timeout_while(current, at_most, |current| current.ring.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.ring.is_some()
    }

    /// Looks every second, or four times within the time in which the ring has to be confirmed, until the process ends.
    pub fn keep_looking(self: Arc<Self>) {
        let pause = (self.office.timing().confirm() / 4).min(Duration::from_secs(1));
        thread::spawn(move || {
            loop {
                thread::sleep(pause);
                drop(self.look());
            }
        });
    }

    /// Looks once. Whatever is wrong is logged, once, and again when it is right.
    ///
    /// # Errors
    /// [`RingDirError`]; the keys in use stay.
    pub fn look(&self) -> Result<(), RingDirError> {
        let mut current = self.locked();
        let begun = Instant::now();
        let looked = self.refresh(&mut current);
        self.write_late(&mut current);
        match (&looked, &current.complaint) {
            (Ok(()), complaint) => {
                if complaint.is_some() {
                    tracing::info!("the key ring is readable again");
                }
                current.complaint = None;
                self.told().looked = Some(begun);
                if !self.in_fleet {
                    (self.confirm)(begun.elapsed());
                }
            }
            (Err(error), complaint) => {
                let text = error.to_string();
                if complaint.as_ref() != Some(&text) {
                    tracing::error!("the key ring in use stays, since the one on disk can't be used: {text}");
                    current.complaint = Some(text);
                }
            }
        }
        looked
    }

    fn refresh(&self, current: &mut Current) -> Result<(), RingDirError> {
        let now = self.office.clock().now();
        let due = current.ring.as_ref().is_none_or(|in_use| in_use.is_due(now));
        let files = match self.office.dir().read() {
            // There never was one: what there is came from others, and could not be written.
            Err(RingDirError::NoRing(_)) if self.in_fleet && current.files.is_none() => {
                return if due { self.go_on(current, now) } else { Ok(()) };
            }
            read => read?,
        };
        if current.files.as_ref() == Some(&files) && !due {
            return Ok(());
        }
        let found = self.office.dir().open(&files)?;
        let ring = match &current.ring {
            None => found,
            Some(in_use) => self.merged(in_use, found, current.unwritten.is_some())?,
        };
        self.take_up(current, ring, files.own(), now)?;
        current.files = Some(files);
        Ok(())
    }

    /// The keys of the ring in use as they are by now.
    fn go_on(&self, current: &mut Current, now: Timestamp) -> Result<(), RingDirError> {
        let Some(sealed) = current.ring.as_ref().map(|in_use| in_use.sealed.clone()) else { return Ok(()) };
        self.take_up(current, self.office.dir().open(&sealed)?, sealed.own(), now)
    }

    /// What is in use and what was found become one. A file that knows less than we do is written anew, unless it is
    /// known that it can't be.
    fn merged(&self, in_use: &InUse, found: KeyRing, unwritten: bool) -> Result<KeyRing, RingDirError> {
        if found.replaces(in_use.id) {
            tracing::warn!("the key ring was replaced: everybody has to log in again");
            return Ok(found);
        }
        if found.id() != in_use.id {
            return Err(RingDirError::OtherRing(self.office.dir().ring_path()));
        }
        let Ok(mut ring) = self.office.dir().open(&in_use.sealed) else {
            // Sealed under an earlier cluster secret alone: nothing to compare with but the count of writes.
            return if found.epoch() >= in_use.epoch {
                Ok(found)
            } else {
                Err(RingDirError::Older(self.office.dir().ring_path()))
            };
        };
        let digest = found.digest();
        ring.merge(found).map_err(|_| RingDirError::OtherRing(self.office.dir().ring_path()))?;
        if ring.digest() != digest && !unwritten {
            tracing::warn!("the key ring on disk is older than the one in use, which is merged into it");
            self.heal(&in_use.sealed);
        }
        Ok(ring)
    }

    /// Merges what is in use into the file. If that can't be written, what is in memory holds all the same.
    fn heal(&self, sealed: &Sealed) {
        let healed = self.office.dir().update(self.office.entropy(), |ring| {
            let known = self.office.dir().open(sealed)?;
            ring.merge(known).map_err(|_| RingDirError::OtherRing(self.office.dir().ring_path()))?;
            Ok::<_, RingDirError>((true, ()))
        });
        if let Err(error) = healed {
            tracing::warn!("the older key ring on disk stays as it is: {error}");
        }
    }

    /// Uses `ring` from here on. Held, it is sealed so that every secret that opens the file `like` opens it.
    fn take_up(
        &self,
        current: &mut Current,
        mut ring: KeyRing,
        like: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), RingDirError> {
        let sealed = self.office.dir().seal(&ring, like, self.office.entropy())?;
        let digest = RingDigest { ring: ring.id(), digest: ring.digest() };
        self.office.assume_limits(&mut ring);
        let keys: Result<Keys, EntropyError> = Keys::at(&ring, now, self.office.entropy());
        (self.take_up)(&ring, keys?);
        let active = ring.sealing(now).map_or_else(|| "none".to_owned(), |kid| kid.to_string());
        tracing::info!(epoch = ring.epoch(), %active, "the keys of the ring are in use");
        let (id, epoch, changes) = (ring.id(), ring.epoch(), ring.next_change(now));
        (self.told().digest, self.told().bytes) = (Some(digest), sealed.own().map(<[u8]>::to_vec));
        current.ring = Some(InUse { sealed, id, epoch, of: now, changes });
        self.arrived.notify_all();
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    /// Whether the keys are out of date: by their times, or since the clock was set back before they were made.
    fn is_due(&self, now: Timestamp) -> bool {
        now < self.of || self.changes.is_some_and(|at| at <= now)
    }
}

impl Custodian for RingWatch {
    /// The ring in use, whatever has become of its file.
    fn report(&self) -> Result<Report, CustodyError> {
        let current = self.locked();
        let Some(in_use) = &current.ring else { return self.office.report() };
        let mut ring = self.office.dir().open(&in_use.sealed)?;
        self.office.assume_limits(&mut ring);
        Ok(self.office.shown(&ring))
    }

    /// As the office does it, and in force in this service before it is answered.
    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError> {
        // Not on files that are another deployment's by now.
        self.look()?;
        let receipt = self.office.carry_out(task, dry_run)?;
        self.look().map_err(|error| CustodyError::NotTakenUp(error.to_string()))?;
        Ok(receipt)
    }
}

impl std::fmt::Debug for RingWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RingWatch")
    }
}

#[cfg(test)]
#[path = "ring_watch/tests.rs"]
mod tests;
