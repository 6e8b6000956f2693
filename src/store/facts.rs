//! Facts in a moka cache: lock-free reads, and each fact kept for as long as it matters.
//!
//! There is no capacity bound on purpose. With one, moka's admission filter turns away the *newest* entries when the
//! cache is full, and a logout would be lost a moment after it was seen to work. What bounds it is `fold`. With a
//! journal facts are durable before they are acknowledged, and are there again after a restart.

mod expiry;
mod filter;
mod fleet;
mod fold;
mod forgetting;
mod index;
mod life;
mod pins;
mod sums;
mod swept;

pub use fold::{Budget, Fold, Folded};
pub use life::Begin;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use moka::sync::Cache;

use super::journal::Journal;
use crate::claims::{RealmId, RealmName, Tag};
use crate::clock::{Clock, Timestamp};
use crate::revocation::{
    CLOCK_ERROR, Fact, FactStore, Kept, Learned, Passed, Recorded, SessionFacts, SessionKey, TagFacts, TagKey,
};
use crate::sessions::Lifetimes;
use crate::telemetry::FactMetrics;
use expiry::{RandomKeys, Steps, UntilTheirTime};
use filter::Filter;
use fold::Pending;
use forgetting::Forgetting;
use index::Index;
use pins::Pins;
use sums::Sums;
use swept::Swept;

/// Is told of each fold.
type Hook = Box<dyn Fn(&Fold) + Send + Sync>;

/// The fact store of a running service.
pub struct CachedFacts {
    sessions: Cache<SessionKey, SessionFacts, RandomKeys>,
    tags: Cache<TagKey, TagFacts, RandomKeys>,
    /// Asked before either of them: nearly every look-up is for what is not there.
    filters: (Filter<SessionKey>, Filter<TagKey>),
    /// Up to which start, and for how long that matters. One for each realm at most, and one for all: read on every
    /// request.
    floors: ArcSwap<Vec<(Option<RealmId>, Timestamp, Timestamp)>>,
    pins: Arc<Pins>,
    swept: Swept,
    passed: Mutex<Passed>,
    journal: Option<Journal>,
    time: Arc<Forgetting>,
    steps: Mutex<Steps>,
    /// The latest `now`, in milliseconds, of whoever recorded a fact. The clock of sessions never goes back, that of a
    /// replica that is alone may.
    latest: AtomicU64,
    index: Arc<Index>,
    budgets: HashMap<RealmId, Budget>,
    /// That of a realm which is not configured any more.
    any_other: Budget,
    /// The tag of all anonymous sessions of each realm.
    anonymous: ArcSwap<HashMap<RealmId, Tag>>,
    folds: Mutex<Vec<Pending>>,
    /// Whether other replicas compare themselves with this one.
    compared: bool,
    on_fold: Vec<Hook>,
    metrics: FactMetrics,
}

impl CachedFacts {
    /// An empty store that expires facts by `clock`, keeps them in memory alone, and has the default budget.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, None, [], FactMetrics::default())
    }

    /// An empty store with these budgets. With a journal nothing of it is read before [`CachedFacts::start`].
    pub fn with(
        clock: Arc<dyn Clock>,
        journal: Option<Journal>,
        budgets: impl IntoIterator<Item = Budget>,
        metrics: FactMetrics,
    ) -> Self {
        Self::build(clock, journal, budgets, metrics, None)
    }

    /// The same for one of several replicas, which compare what they hold: see [`Facts`](crate::cluster::ports::Facts).
    /// It forgets nothing before it is told that `clock`, that of its sessions, agrees with the others'.
    pub fn in_fleet(
        clock: Arc<dyn Clock>,
        journal: Option<Journal>,
        budgets: impl IntoIterator<Item = Budget>,
        metrics: FactMetrics,
    ) -> Self {
        Self::build(clock, journal, budgets, metrics, Some(Sums::new()))
    }

    fn build(
        clock: Arc<dyn Clock>,
        journal: Option<Journal>,
        budgets: impl IntoIterator<Item = Budget>,
        metrics: FactMetrics,
        sums: Option<Sums>,
    ) -> Self {
        let budgets = budgets.into_iter().inspect(|budget| metrics.budget(budget.realm.as_str(), budget.facts));
        let budgets: HashMap<_, _> = budgets.map(|budget| (RealmId::of(&budget.realm), budget)).collect();
        let quota = |budget: &Budget| i32::try_from(budget.per_subject).unwrap_or(i32::MAX);
        let any_other = Budget::default();
        let quotas = budgets.iter().map(|(realm, budget)| (*realm, quota(budget))).collect();
        let (compared, pins) = (sums.is_some(), Arc::new(Pins::default()));
        let index = Arc::new(Index::new(quotas, quota(&any_other), sums));
        let (begun, time) = (clock.now(), Arc::new(Forgetting::new(clock, compared)));
        let expiry = || UntilTheirTime { time: Arc::clone(&time), compared, pins: Arc::clone(&pins) };
        let (of_sessions, of_tags) = (Arc::clone(&index), Arc::clone(&index));
        Self {
            sessions: Cache::builder()
                .expire_after(expiry())
                .eviction_listener(move |key, facts, _| of_sessions.session(&key, &facts, -1))
                .build_with_hasher(RandomKeys),
            tags: Cache::builder()
                .expire_after(expiry())
                .eviction_listener(move |key, facts, _| of_tags.tag(&key, &facts, -1))
                .build_with_hasher(RandomKeys),
            filters: Default::default(),
            floors: ArcSwap::default(),
            pins,
            swept: Swept::default(),
            compared,
            passed: Mutex::default(),
            journal,
            steps: Mutex::new(Steps::new(begun)),
            latest: AtomicU64::default(),
            index,
            budgets,
            any_other,
            anonymous: ArcSwap::default(),
            folds: Mutex::default(),
            on_fold: Vec::new(),
            metrics,
            time,
        }
    }

    /// Calls `hook` after each fold, from the thread that maintains the store.
    #[must_use]
    pub fn on_fold(mut self, hook: impl Fn(&Fold) + Send + Sync + 'static) -> Self {
        self.on_fold.push(Box::new(hook));
        self
    }

    /// Drops what has expired, folds what is too much, and mends what a step of the wall clock did. A cache without
    /// traffic does nothing by itself: call this every second or so.
    pub fn maintain(&self) {
        let now = self.time.now();
        if let Some(now) = now {
            if self.steps.lock().unwrap_or_else(PoisonError::into_inner).back(now, CLOCK_ERROR) {
                self.date_anew(now);
            } else if self.time.has_untimed() {
                self.date_all_again();
            }
        }
        self.sessions.run_pending_tasks();
        self.tags.run_pending_tasks();
        self.filters.0.renew(self.sessions.entry_count(), |key| self.sessions.contains_key(key));
        self.filters.1.renew(self.tags.entry_count(), |key| self.tags.contains_key(key));
        self.fold(now);
        self.sweep(now);
        self.index.shrink();
        if let (Some(journal), Some(now)) = (&self.journal, now) {
            journal.clean(now);
        }
        self.measure();
    }

    /// How many facts are held; exact after [`CachedFacts::maintain`].
    pub fn len(&self) -> u64 {
        self.sessions.entry_count() + self.tags.entry_count()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FactStore for CachedFacts {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        // `contains_key` finds nothing without book-keeping.
        (self.filters.0.may_have(&session) && self.sessions.contains_key(&session))
            .then(|| self.sessions.get(&session))?
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        (self.filters.1.may_have(&tag) && self.tags.contains_key(&tag)).then(|| self.tags.get(&tag))?
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        let floors = self.floors.load();
        floors.iter().filter(|(of, ..)| of.is_none_or(|of| of == realm)).map(|(_, at, _)| *at).max()
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).pass(tags, at);
        Learned::now()
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).latest(tags)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        self.record_if(fact, now, false)
    }
}

impl CachedFacts {
    /// Merges a fact, and keeps it if that changed anything, or `always`.
    fn record_if(&self, fact: Fact, now: Timestamp, always: bool) -> Recorded {
        if !self.compared {
            self.latest.fetch_max(now.as_millis(), Ordering::AcqRel);
        }
        let entry = self.journal.as_ref().map(Journal::begin);
        let (mut recorded, changed) = self.merge(&fact);
        self.note_cover(&fact);
        recorded.kept = entry.map_or(Kept::now(), |entry| entry.keep(fact, changed || always));
        recorded
    }

    /// What merging `fact` did, and whether it changed anything at all.
    fn merge(&self, fact: &Fact) -> (Recorded, bool) {
        match *fact {
            Fact::Deny { session, .. } | Fact::Superseded { session, .. } | Fact::Bound { session, .. } => {
                let mut before = SessionFacts::default();
                let entry = self.sessions.entry(session).and_upsert_with(|known| {
                    before = known.map(moka::Entry::into_value).unwrap_or_default();
                    let after = before.with(fact);
                    self.index.session(&session, &after, 1);
                    after
                });
                self.filters.0.note(session);
                let after = entry.into_value();
                (Recorded::of_session(&before, &after, Kept::now()), after != before)
            }
            Fact::Cutoff { tag, .. } | Fact::Stale { tag, .. } => {
                let mut before = TagFacts::default();
                let entry = self.tags.entry(tag).and_upsert_with(|known| {
                    before = known.map(moka::Entry::into_value).unwrap_or_default();
                    let after = before.with(fact);
                    self.index.tag(&tag, &after, 1);
                    after
                });
                self.filters.1.note(tag);
                let after = entry.into_value();
                (Recorded::of_many(after.raised_over(&before), Kept::now()), after != before)
            }
            Fact::Floor { realm, at, until } => {
                let (raised, changed) = self.raise_floor(realm, at, until);
                (Recorded::of_many(raised, Kept::now()), changed)
            }
        }
    }

    /// Whether it reaches further than before, and whether anything is known that was not.
    fn raise_floor(&self, realm: Option<RealmId>, at: Timestamp, until: Timestamp) -> (bool, bool) {
        let before = self.floors.rcu(|floors| {
            let mut floors = Vec::clone(floors);
            match floors.iter_mut().find(|(of, ..)| *of == realm) {
                Some((_, known, kept)) => (*known, *kept) = (at.max(*known), until.max(*kept)),
                None => floors.push((realm, at, until)),
            }
            floors
        });
        let known = before.iter().find(|(of, ..)| *of == realm);
        let raised = known.is_none_or(|(_, known, _)| at > *known);
        (raised, raised || known.is_some_and(|(.., kept)| until > *kept))
    }

    fn budget(&self, realm: RealmId) -> &Budget {
        self.budgets.get(&realm).unwrap_or(&self.any_other)
    }

    /// The name of a realm, for metrics and the log.
    fn name(&self, realm: RealmId) -> &str {
        self.budgets.get(&realm).map_or("(not configured)", |budget| budget.realm.as_str())
    }
}

impl Default for Budget {
    /// A million facts, a thousand of a subject, and the longest life there is.
    fn default() -> Self {
        let realm = RealmName::new(RealmName::DEFAULT).expect("the default is a name");
        Self { realm, facts: Self::FACTS, per_subject: Self::PER_SUBJECT, longest: Lifetimes::MAX }
    }
}

impl std::fmt::Debug for CachedFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedFacts").field("facts", &self.len()).finish_non_exhaustive()
    }
}
