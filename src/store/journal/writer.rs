//! The thread that writes.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::entry::{Key, joined};
use super::file::{Change, Changes, JournalFile};
use super::{JournalError, Shared};
use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, StoreError};

/// What is asked of the thread.
pub enum Job {
    Keep(Key, Fact, Answer),
    Pin(Key, Fact, Timestamp),
    Forget(Vec<Key>),
    Ring(RingId, u64),
    /// Tell when all that was asked before is durable.
    Tell(Answer),
    Clean(Timestamp),
}

/// Where whoever waits for a fact is told what became of it.
pub type Answer = oneshot::Sender<Result<(), StoreError>>;

/// The thread's own state.
pub struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    /// What the next commit does; after a failure, what is still owed.
    changes: Changes,
    /// How many facts that are.
    owed: usize,
    waiting: Vec<Answer>,
    clean: Option<Timestamp>,
    /// Where cleaning goes on.
    cursor: Key,
    failing: bool,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, jobs: Receiver<Job>) -> Self {
        Self {
            shared,
            jobs,
            changes: Changes::default(),
            owed: 0,
            waiting: Vec::new(),
            clean: None,
            cursor: Key::default(),
            failing: false,
        }
    }

    /// Until the journal is dropped.
    pub fn run(mut self) {
        loop {
            let open = self.take_what_waits();
            if let Some(now) = self.clean.take() {
                self.look_for_expired(now);
            }
            if !self.changes.is_empty() || !self.waiting.is_empty() {
                self.write();
            }
            if !open {
                return;
            }
        }
    }

    /// Waits for a job, then takes all others that are there. `false` if there will be none any more.
    fn take_what_waits(&mut self) -> bool {
        let first = match self.changes.is_empty() {
            true => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => self.jobs.recv_timeout(RETRY),
        };
        match first {
            Ok(job) => self.take(job),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        for job in self.jobs.try_iter().take(MAX_BATCH).collect::<Vec<_>>() {
            self.take(job);
        }
        true
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Keep(key, fact, answer) => {
                let known = match self.changes.facts.get(&key) {
                    Some(Change::Keep(known)) => Some(*known),
                    _ => None,
                };
                self.changes.facts.insert(key, Change::Keep(joined(known, &fact)));
                self.waiting.push(answer);
                self.owed += 1;
            }
            Job::Pin(key, fact, dated) => drop(self.changes.facts.insert(key, Change::Pin(fact, dated))),
            Job::Forget(keys) => self.changes.facts.extend(keys.into_iter().map(|key| (key, Change::Forget))),
            Job::Ring(ring, epoch) => drop(self.changes.rings.insert(ring, epoch)),
            Job::Tell(answer) => self.waiting.push(answer),
            Job::Clean(now) => self.clean = Some(now),
        }
    }

    /// What is expired goes with the next commit.
    fn look_for_expired(&mut self, now: Timestamp) {
        let found = self.shared.with_file(|file| file.expired(&self.cursor, CLEAN_AT_ONCE, now));
        let Ok((expired, cursor)) = found else { return };
        self.cursor = cursor;
        for key in expired {
            self.changes.facts.entry(key).or_insert(Change::Forget);
        }
    }

    fn write(&mut self) {
        let metrics = &self.shared.metrics;
        metrics.owed.set(self.shared.owed.load(Ordering::SeqCst).try_into().unwrap_or(i64::MAX));
        let begin = Instant::now();
        let written = self.reopened().and_then(|()| self.shared.with_file(|file| file.commit(&self.changes)));
        let answer = match written {
            Ok(()) => {
                metrics.commits.inc();
                metrics.batch.observe(f64::from(u32::try_from(self.owed).unwrap_or(u32::MAX)));
                metrics.seconds.observe(begin.elapsed().as_secs_f64());
                self.changes = Changes::default();
                let owed = self.shared.owed.fetch_sub(self.owed, Ordering::SeqCst) - self.owed;
                metrics.owed.set(owed.try_into().unwrap_or(i64::MAX));
                self.owed = 0;
                self.works();
                Ok(())
            }
            Err(error) => {
                self.fails(&error);
                Err(StoreError)
            }
        };
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(answer); // whoever went away meanwhile need not hear
        }
    }

    /// After an error the file is opened anew: only then is it known again what of it is on disk.
    fn reopened(&self) -> Result<(), JournalError> {
        let mut file = self.shared.file.write().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(JournalFile::reopen(&self.shared.path, self.shared.identity)?);
        }
        Ok(())
    }

    fn works(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            self.shared.metrics.failing.set(0);
            tracing::warn!("the journal can be written again; every ending in force is durable");
        }
    }

    fn fails(&mut self, error: &JournalError) {
        *self.shared.file.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.metrics.failing.set(1);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!("endings are in force and not acknowledged until the journal can be written: {error}");
        }
    }
}

/// How long until what is owed is tried again when nothing else comes.
const RETRY: Duration = Duration::from_secs(1);
/// Facts in a commit.
const MAX_BATCH: usize = 10_000;
/// Entries that one round of cleaning looks at.
const CLEAN_AT_ONCE: usize = 5_000;
