//! Folding: when there are more facts than a realm may have, many become one that says more.
//!
//! First a subject over its quota: what is known of its sessions becomes one cut-off at the latest start among them. Then the subjects with
//! the most. Last the realm's floor, which ends every session of it. A fold can end sessions that nobody ended; it
//! never lets one live that somebody did. Facts go only when the one that says more is durable.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};

use super::CachedFacts;
use super::index::Counts;
use crate::claims::{RealmId, RealmName, Registration, Tag};
use crate::clock::Timestamp;
use crate::revocation::{
    CLOCK_ERROR, Fact, FactStore as _, Kept, SEALED_AHEAD, STALENESS, SessionKey, TagKey, cutoff_at, next,
};

/// How many facts a realm may have.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Which realm.
    pub realm: RealmName,
    /// Facts of the realm.
    pub facts: usize,
    /// Sessions of one subject that are over or bound.
    pub per_subject: usize,
    /// The longest that a session of the realm lives.
    pub longest: Duration,
}

/// That facts were folded, for whoever has to write it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// In which realm.
    pub realm: RealmId,
    /// What they became.
    pub into: Folded,
    /// Sessions that started then or earlier are over.
    pub at: Timestamp,
    /// How many facts went.
    pub facts: usize,
}

/// What facts become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// A cut-off of all sessions with this tag.
    Cutoff(Tag),
    /// The floor of the realm.
    Floor,
}

/// A fold whose fact is in force, and may not be durable yet.
pub(super) struct Pending {
    fold: Fold,
    until: Timestamp,
    kept: Kept,
    sessions: Vec<SessionKey>,
    tags: Vec<TagKey>,
}

/// What has to become less.
enum Plan {
    Subjects(HashSet<Tag>),
    Floor,
}

impl Budget {
    /// Facts of a realm, unless configured: with each about 600 bytes, some 600 MB at worst.
    pub const FACTS: usize = 1_000_000;
    /// Denies of a subject, unless configured.
    pub const PER_SUBJECT: usize = 1_000;
}

impl CachedFacts {
    /// Begins folds where they are due, and ends those whose facts are durable. None begins while there is no time:
    /// what it is dated by says what it ends, and until when that counts.
    pub(super) fn fold(&self, now: Option<Timestamp>) {
        let mut pending = self.pending();
        pending.retain_mut(|fold| !self.finish(fold));
        let Some(now) = now else { return };
        // Sessions begin by a clock that stands still when this one is set back.
        let latest = Timestamp::from_millis(self.latest.load(Ordering::Acquire)).unwrap_or(Timestamp::MAX);
        let now = now.max(latest);
        for realm in self.index.all() {
            if pending.iter().any(|fold| fold.fold.realm == realm) {
                continue;
            }
            let budget = self.budget(realm);
            let anonymous = self.anonymous.load().get(&realm).copied();
            match self.index.of(realm, |counts| plan(counts, budget, anonymous)) {
                Some(Plan::Subjects(subjects)) => pending.extend(self.fold_subjects(realm, &subjects, budget, now)),
                Some(Plan::Floor) => pending.push(self.fold_realm(realm, budget, now)),
                None => {}
            }
        }
        pending.retain_mut(|fold| !self.finish(fold));
    }

    /// Whether a fold is under way, whose facts go when the one that replaces them is durable.
    pub fn is_folding(&self) -> bool {
        !self.pending().is_empty()
    }

    fn fold_subjects(&self, realm: RealmId, subjects: &HashSet<Tag>, budget: &Budget, now: Timestamp) -> Vec<Pending> {
        let mut found: HashMap<Tag, (Timestamp, Timestamp, Vec<SessionKey>)> = HashMap::new();
        for (key, facts) in &self.sessions {
            let of = facts.of().filter(|(tag, _)| key.realm == realm && subjects.contains(tag));
            if let Some((tag, started)) = of {
                let (at, until, sessions) = found.entry(tag).or_default();
                (*at, *until) = (started.max(*at), facts.until.max(*until));
                sessions.push(*key);
            }
        }
        let found = found.into_iter().map(|(tag, (at, until, sessions))| {
            // A session that was kept starts just behind the cut-off that ended the others of its subject.
            let known = self.tag(TagKey { realm, tag }).and_then(|known| known.cutoff);
            let at = known.map_or(at, |known| at.max(next(known)));
            let until = until.max(outlasting(now.max(at), budget));
            let kept = self.record(Fact::Cutoff { tag: TagKey { realm, tag }, at, until }, now).kept;
            let fold = Fold { realm, into: Folded::Cutoff(tag), at, facts: 0 };
            Pending { fold, until, kept, sessions, tags: Vec::new() }
        });
        found.collect()
    }

    fn fold_realm(&self, realm: RealmId, budget: &Budget, now: Timestamp) -> Pending {
        // What is known before the floor is: every session that these are about started before it.
        let (mut sessions, mut tags) = (Vec::new(), Vec::new());
        // A session may have begun just behind a cut-off as well.
        let cutoffs =
            self.tags.iter().filter(|(key, _)| key.realm == realm).filter_map(|(_, facts)| facts.cutoff).max();
        let known = self.floor(realm).max(cutoffs).max(self.passed(&[TagKey::all_of(realm)]));
        let at = cutoff_at(now, known);
        let mut until = outlasting(at, budget);
        for (key, facts) in self.sessions.iter().filter(|(key, _)| key.realm == realm) {
            until = until.max(facts.until);
            sessions.push(*key);
        }
        for (key, facts) in self.tags.iter().filter(|(key, _)| key.realm == realm) {
            until = until.max(facts.until);
            tags.push(*key);
        }
        let kept = self.record(Fact::Floor { realm: Some(realm), at, until }, now).kept;
        Pending { fold: Fold { realm, into: Folded::Floor, at, facts: 0 }, until, kept, sessions, tags }
    }

    /// Whether the fold is over: done, or given up until the next round.
    fn finish(&self, pending: &mut Pending) -> bool {
        let kept = Pin::new(&mut pending.kept).poll(&mut Context::from_waker(Waker::noop()));
        match kept {
            Poll::Pending => false,
            Poll::Ready(Err(_)) => true,
            Poll::Ready(Ok(())) => {
                self.drop_folded(pending);
                true
            }
        }
    }

    fn drop_folded(&self, pending: &mut Pending) {
        let Pending { fold, until, sessions, tags, .. } = pending;
        let mut gone = Vec::new();
        for key in sessions.drain(..) {
            let dropped = self.sessions.entry(key).and_compute_with(|known| match known {
                // What came meanwhile may be about more than the fold covers.
                Some(known) if fold.covers(known.value().of()) && known.value().until <= *until => Op::Remove,
                _ => Op::Nop,
            });
            if let CompResult::Removed(_) = dropped {
                gone.extend([false, true].map(|rotated| Fact::Deny {
                    session: key,
                    from: fold.at,
                    rotated,
                    of: None,
                    until: *until,
                }));
                gone.push(Fact::Superseded { session: key, at: fold.at, until: *until });
                gone.push(Fact::Bound {
                    session: key,
                    by: Registration::default(),
                    of: Default::default(),
                    until: *until,
                });
                fold.facts += 1;
            }
        }
        for key in tags.drain(..) {
            let dropped = self.tags.entry(key).and_compute_with(|known| match known {
                Some(known) if known.value().cutoff.max(known.value().stale) <= Some(fold.at) => Op::Remove,
                _ => Op::Nop,
            });
            if let CompResult::Removed(_) = dropped {
                fold.facts += 1;
                gone.push(Fact::Cutoff { tag: key, at: fold.at, until: *until });
                gone.push(Fact::Stale { tag: key, at: fold.at, until: *until });
            }
        }
        if let Some(journal) = &self.journal {
            journal.forget(gone.into_iter());
        }
        self.tell(fold);
    }

    fn tell(&self, fold: &Fold) {
        let realm = self.name(fold.realm);
        let into = match fold.into {
            Folded::Cutoff(_) => "cutoff",
            Folded::Floor => "floor",
        };
        self.metrics.folded(realm, into, fold.facts);
        match fold.into {
            Folded::Cutoff(_) => tracing::warn!(
                realm,
                facts = fold.facts,
                "folded the endings of one subject into a cut-off: all of its sessions up to the latest of them are over"
            ),
            Folded::Floor => tracing::error!(
                realm,
                facts = fold.facts,
                "folded all endings of a realm into its floor, since they were more than max_facts: all of its sessions are over"
            ),
        }
        for hook in &self.on_fold {
            hook(fold);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.folds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fold {
    /// Whether what is known of a session's subject and start leaves no doubt that the fold ends it.
    fn covers(&self, of: Option<(Tag, Timestamp)>) -> bool {
        match (self.into, of) {
            (Folded::Cutoff(tag), Some((subject, started))) => subject == tag && started <= self.at,
            (Folded::Floor, Some((_, started))) => started <= self.at,
            (Folded::Cutoff(_), None) => false,
            (Folded::Floor, None) => true,
        }
    }
}

/// What has to be folded so that the realm keeps its budget.
fn plan(counts: &Counts, budget: &Budget, anonymous: Option<Tag>) -> Option<Plan> {
    // All visitors who never logged in are one subject: it has no quota, and is the first to go when the realm is full.
    let mut subjects: HashSet<Tag> = counts.over.iter().copied().filter(|tag| Some(*tag) != anonymous).collect();
    let budget = i64::try_from(budget.facts).unwrap_or(i64::MAX);
    let left = |subjects: &HashSet<Tag>| {
        let gone = subjects.iter().filter_map(|tag| counts.subjects.get(tag)).map(|count| i64::from(*count) - 1);
        counts.entries - gone.sum::<i64>()
    };
    if left(&subjects) > budget {
        let mut others: Vec<_> = counts.subjects.iter().filter(|(tag, _)| !subjects.contains(*tag)).collect();
        others.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut entries = left(&subjects);
        // To a tenth below the budget, so that the next ending does not fold again.
        let enough = budget - budget / 10;
        for (tag, count) in others.into_iter().take_while(|(_, count)| **count > 1) {
            if entries <= enough {
                break;
            }
            entries -= i64::from(*count) - 1;
            subjects.insert(*tag);
        }
        if entries > budget {
            return Some(Plan::Floor);
        }
    }
    (!subjects.is_empty()).then_some(Plan::Subjects(subjects))
}

/// Until when a cut-off counts that comes into force at `now`: by then every session has died that it ends.
fn outlasting(now: Timestamp, budget: &Budget) -> Timestamp {
    now.plus(budget.longest).plus(STALENESS).plus(SEALED_AHEAD).plus(2 * CLOCK_ERROR)
}
