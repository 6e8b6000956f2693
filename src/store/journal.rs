//! The journal: facts on disk, so that endings outlive the process.
//!
//! One thread writes. It takes everything that waits and makes it durable in one commit, so that many endings at one
//! moment cost few. What could not be written stays owed and is tried again until it is durable; whoever waits for it
//! is told at once that it is not.

pub(super) mod entry;
mod error;
mod file;
mod memory;
mod writer;

pub use error::JournalError;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, Kept, StoreError};
use crate::telemetry::JournalMetrics;
use entry::Key;
use file::{Identity, JournalFile};
use writer::{Job, Writer};

/// An open journal. Dropping it writes what waits and closes the file.
pub struct Journal {
    shared: Arc<Shared>,
    /// Whose facts these are.
    ring: ArcSwap<RingId>,
    /// Epochs that are on their way into the file.
    noted: Mutex<HashMap<RingId, u64>>,
    /// The ring of a replica that does not know yet all that others know. Noted, it would look as if it did.
    unsettled: Mutex<Option<(RingId, u64)>>,
    /// `None` only while it is dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the writing thread shares with all others.
struct Shared {
    path: PathBuf,
    identity: Identity,
    /// `None` between an error and the next attempt.
    file: RwLock<Option<JournalFile>>,
    /// How many facts may be in force and not durable.
    owed: AtomicUsize,
    metrics: JournalMetrics,
}

impl Journal {
    /// Where the journal is, if there is to be one: as `configured`, by default beside the ring, and nowhere if `none`.
    pub fn place(configured: Option<&Path>, ring_dir: &Path) -> Option<PathBuf> {
        match configured {
            None => Some(ring_dir.join("facts.redb")),
            Some(path) if path.as_os_str() == "none" => None,
            Some(path) => Some(path.to_owned()),
        }
    }

    /// Opens the journal at `path`, or makes one. No other process can open it meanwhile.
    ///
    /// # Errors
    /// [`JournalError`] names the file, the fault and the remedy.
    pub fn open(path: &Path, metrics: JournalMetrics) -> Result<Self, JournalError> {
        let mut file = JournalFile::open(path)?;
        file.compact_if_it_pays()?;
        let shared = Shared {
            path: path.to_owned(),
            identity: file.identity(),
            file: RwLock::new(Some(file)),
            owed: AtomicUsize::new(0),
            metrics,
        };
        let shared = Arc::new(shared);
        let (jobs, waiting) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), waiting);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| JournalError::Io { path: path.to_owned(), error })?;
        let (ring, noted, unsettled) = (ArcSwap::default(), Mutex::default(), Mutex::default());
        Ok(Self { shared, ring, noted, unsettled, jobs: Some(jobs), thread: Some(thread) })
    }

    /// The newest epoch that was seen of a ring; `None` if none was.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be read.
    pub(super) fn epoch(&self, ring: RingId) -> Result<Option<u64>, JournalError> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).get(&ring).copied();
        noted.map_or_else(|| self.shared.with_file(|file| file.epoch(ring)), |epoch| Ok(Some(epoch)))
    }

    /// That the epoch of a ring is older than one that was seen.
    pub(super) fn older(&self, newest: u64, found: u64) -> JournalError {
        JournalError::OlderRing { path: self.shared.path.clone(), newest, found }
    }

    /// Keeps facts under this ring from here on.
    pub(super) fn set_ring(&self, ring: RingId) {
        self.ring.store(Arc::new(ring));
    }

    /// As [`Journal::note_ring`], once [`Journal::settle`] is called. So is what is noted until then.
    pub(super) fn defer_ring(&self, ring: RingId, epoch: u64) {
        *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner) = Some((ring, epoch));
    }

    /// Notes what was deferred. Resolves when that, and whatever was handed over before, is durable.
    pub(super) fn settle(&self) -> Kept {
        let deferred = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((ring, epoch)) = deferred {
            self.note_ring(ring, epoch);
        }
        let (done, kept) = oneshot::channel();
        self.send(Job::Tell(done));
        Kept::when(async move { kept.await.unwrap_or(Err(StoreError)) })
    }

    /// Remembers the epoch of a ring as the newest.
    pub(super) fn note_ring(&self, ring: RingId, epoch: u64) {
        if let Some(deferred) = &mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner) {
            *deferred = (ring, epoch);
            return;
        }
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(ring, epoch);
        self.send(Job::Ring(ring, epoch));
    }

    /// Hands over every fact of a ring.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be read.
    pub(super) fn replay(&self, ring: RingId, each: impl FnMut(Fact)) -> Result<(), JournalError> {
        self.shared.with_file(|file| file.facts(ring, each))
    }

    /// Hands over every pinned fact of a ring, and since when it is pinned.
    ///
    /// # Errors
    /// [`JournalError`] if they can't be read.
    pub(super) fn pins(&self, ring: RingId, each: impl FnMut(Fact, Timestamp)) -> Result<(), JournalError> {
        self.shared.with_file(|file| file.pins(ring, each))
    }

    /// Keeps the fact whatever its time. It is durable by when any fact is that is kept after this.
    pub(super) fn pin(&self, fact: &Fact, dated: Timestamp) {
        self.send(Job::Pin(entry::pin_key(self.ring(), fact), *fact, dated));
    }

    /// Keeps it no longer than any other.
    pub(super) fn unpin(&self, fact: &Fact) {
        self.send(Job::Forget(vec![entry::pin_key(self.ring(), fact)]));
    }

    /// Which ring's facts are kept.
    pub(super) fn ring(&self) -> RingId {
        **self.ring.load()
    }

    /// Begins an entry. Call it before the fact is in force, so that nobody takes the fact for durable in between.
    pub(super) fn begin(&self) -> Entry<'_> {
        self.shared.owed.fetch_add(1, Ordering::SeqCst);
        Entry { journal: self, sent: false }
    }

    /// Takes out the entries that these facts stand under.
    pub(super) fn forget(&self, facts: impl Iterator<Item = Fact>) {
        let ring = self.ring();
        let mut keys: Vec<Key> = facts.map(|fact| entry::key(ring, &fact)).collect();
        while !keys.is_empty() {
            let rest = keys.split_off(keys.len().min(FORGET_AT_ONCE));
            self.send(Job::Forget(std::mem::replace(&mut keys, rest)));
        }
    }

    /// Looks at some more entries, and takes out those that are past their time. Call it now and then.
    pub(super) fn clean(&self, now: Timestamp) {
        self.send(Job::Clean(now));
    }

    fn send(&self, job: Job) {
        // The thread ends when this is dropped and no sooner, unless it panicked: then whoever waits is told.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

/// A fact on its way into the journal.
pub struct Entry<'j> {
    journal: &'j Journal,
    sent: bool,
}

impl Entry<'_> {
    /// `fact` is in force; `changed` says whether that changed anything. Resolves when it is durable.
    pub fn keep(mut self, fact: Fact, changed: bool) -> Kept {
        // Nothing new, and nothing is owed but this very entry: it was durable before.
        if !changed && self.journal.shared.owed.load(Ordering::SeqCst) == 1 {
            return Kept::now();
        }
        let (done, kept) = oneshot::channel();
        self.sent = true;
        self.journal.send(Job::Keep(entry::key(self.journal.ring(), &fact), fact, done));
        Kept::when(async move { kept.await.unwrap_or(Err(StoreError)) })
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.journal.shared.owed.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Shared {
    fn with_file<T>(&self, read: impl FnOnce(&JournalFile) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &*file else {
            let error = std::io::Error::other("the last attempt to write it failed");
            return Err(JournalError::Io { path: self.path.clone(), error });
        };
        read(file)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// So that an ending does not wait behind a fold of a million facts.
const FORGET_AT_ONCE: usize = 2_000;
