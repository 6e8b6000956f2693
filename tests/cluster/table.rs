//! The facts of a simulated replica: a plain map in memory, and a disk on which writes are durable some time later, or, after
//! a crash, perhaps not at all.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use fastrand::Rng;
use sealpass::claims::RealmId;
use sealpass::clock::Timestamp;
use sealpass::cluster::ports::{Buckets, Facts};
use sealpass::revocation::digest::{self, About, handed_over_until};
use sealpass::revocation::{Fact, Kept, Question, SessionFacts, SessionKey, TagFacts, TagKey};

/// What a replica knows.
pub struct Table {
    held: Mutex<Held>,
    /// Says that a write is durable as soon as it is asked for.
    pub acknowledges_at_once: bool,
}

#[derive(Default)]
struct Held {
    entries: BTreeMap<About, Entry>,
    passed: BTreeMap<TagKey, Timestamp>,
    pins: Vec<Pin>,
    writes: Vec<Write>,
    journal: Journal,
}

/// What is left of a replica when its process is gone.
#[derive(Clone, Default)]
pub struct Journal {
    facts: Vec<Fact>,
    /// What no majority held when it was written, and when that was dated.
    pub pins: Vec<Pin>,
    /// Whether all that a majority knew was in it once.
    pub complete: bool,
}

/// A fact that is kept until a majority holds it, and when it was dated.
pub type Pin = (Fact, Timestamp);

struct Write {
    facts: Vec<Fact>,
    pin: Option<Pin>,
    durable: Arc<AtomicBool>,
}

/// All that is known under one key.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Entry {
    session: SessionFacts,
    tag: TagFacts,
    floor: Option<Timestamp>,
    until: Timestamp,
    /// What it adds to a digest.
    value: u64,
    /// In which bucket and leaf: few of them, so that several entries share one.
    place: (u8, u8),
}

impl Table {
    /// What the journal has.
    pub fn of(journal: Journal) -> Self {
        let mut held = Held { pins: journal.pins.clone(), ..Held::default() };
        held.apply(&journal.facts);
        held.journal = journal;
        Self { held: Mutex::new(held), acknowledges_at_once: false }
    }

    /// As [`Facts::merge`]; and kept, across restarts, until [`Table::release`].
    pub fn merge_pinned(&self, fact: Fact, dated: Timestamp) -> Kept {
        let mut held = self.held();
        held.pins.push((fact, dated));
        held.apply(&[fact]);
        let kept = held.write(vec![fact], Some((fact, dated)));
        if self.acknowledges_at_once { Kept::now() } else { kept }
    }

    /// A majority holds these.
    pub fn release(&self, facts: &[Fact]) {
        let mut held = self.held();
        let released = |(pinned, _): &Pin| facts.iter().any(|fact| is_same_but_for_until(pinned, fact));
        held.pins.retain(|pin| !released(pin));
        held.journal.pins.retain(|pin| !released(pin));
        held.writes.iter_mut().for_each(|write| write.pin = write.pin.filter(|pin| !released(pin)));
    }

    /// What no majority is known to hold.
    pub fn pins(&self) -> Vec<Pin> {
        self.held().pins.clone()
    }

    /// How many writes wait.
    pub fn waiting(&self) -> usize {
        self.held().writes.len()
    }

    /// The first so many writes are durable.
    pub fn synced(&self, count: usize) {
        let mut held = self.held();
        let done: Vec<_> = held.writes.drain(..count).collect();
        for write in done {
            held.journal.facts.extend(write.facts);
            held.journal.pins.extend(write.pin);
            write.durable.store(true, Ordering::Release);
        }
    }

    /// The journal notes that it lacks nothing.
    pub fn set_complete(&self) {
        self.held().journal.complete = true;
    }

    /// Whether it does.
    pub fn is_complete(&self) -> bool {
        self.held().journal.complete
    }

    /// What a crash leaves: what was durable, and some of what was being written.
    pub fn crash(&self, random: &mut Rng) -> Journal {
        let written = random.usize(..=self.waiting());
        self.synced(written);
        self.held().journal.clone()
    }

    /// Forgets what has not mattered for more than a minute.
    pub fn clean(&self, now: Timestamp) {
        self.held().entries.retain(|_, entry| entry.floor.is_some() || now <= handed_over_until(entry.until));
    }

    /// What is known of a session at `now`.
    pub fn session(&self, key: SessionKey, now: Timestamp) -> SessionFacts {
        self.held().get(About::Session(key)).filter(|entry| now < entry.until).unwrap_or_default().session
    }

    /// What is known of a tag at `now`.
    pub fn tag(&self, key: TagKey, now: Timestamp) -> TagFacts {
        self.held().get(About::Tag(key)).filter(|entry| now < entry.until).unwrap_or_default().tag
    }

    /// All that matters beyond a minute.
    pub fn all(&self, beyond: Timestamp) -> Vec<Fact> {
        let held = self.held();
        let within = held.entries.iter().filter(|(_, entry)| entry.matters_beyond(beyond));
        within.flat_map(|(about, entry)| entry.facts(*about)).collect()
    }

    /// Up to which start all sessions are over.
    pub fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        let held = self.held();
        [None, Some(realm)].into_iter().filter_map(|of| held.get(About::Floor(of))?.floor).max()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no thread panics with it")
    }
}

impl Facts for Table {
    fn merge(&self, facts: &[Fact], _: Timestamp) -> Kept {
        let mut held = self.held();
        let changed = held.apply(facts);
        let kept = if changed || !held.writes.is_empty() { held.write(facts.to_vec(), None) } else { Kept::now() };
        if self.acknowledges_at_once { Kept::now() } else { kept }
    }

    fn about(&self, question: &Question) -> Vec<Fact> {
        let keys = question.tags.iter().map(|tag| About::Tag(*tag));
        let keys = keys.chain(question.session.map(About::Session));
        self.held().facts(keys.chain([About::Floor(None), About::Floor(Some(question.realm))]))
    }

    fn same(&self, facts: &[Fact]) -> Vec<Fact> {
        let mut keys: Vec<_> = facts.iter().map(About::of).collect();
        keys.sort_unstable();
        keys.dedup();
        self.held().facts(keys)
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) {
        let mut held = self.held();
        for tag in tags {
            let known = held.passed.entry(*tag).or_default();
            *known = at.max(*known);
        }
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        let held = self.held();
        tags.iter().filter_map(|tag| held.passed.get(tag)).max().copied()
    }

    fn digest(&self, beyond: Timestamp) -> Buckets {
        self.held().sums(beyond, |(bucket, _)| Some(bucket))
    }

    fn leaves(&self, bucket: u8, beyond: Timestamp) -> Buckets {
        self.held().sums(beyond, |(of, leaf)| Some(leaf).filter(|_| of == bucket))
    }

    fn leaf(&self, bucket: u8, leaf: u8, beyond: Timestamp) -> Vec<Fact> {
        let held = self.held();
        let within = |(_, entry): &(&About, &Entry)| entry.place == (bucket, leaf) && entry.matters_beyond(beyond);
        held.entries.iter().filter(within).flat_map(|(key, entry)| entry.facts(*key)).collect()
    }
}

impl Held {
    fn apply(&mut self, facts: &[Fact]) -> bool {
        let mut changed = false;
        for fact in facts {
            let entry = self.entries.entry(About::of(fact)).or_default();
            let before = *entry;
            entry.merge(fact);
            changed |= *entry != before;
        }
        changed
    }

    fn write(&mut self, facts: Vec<Fact>, pin: Option<Pin>) -> Kept {
        let durable = Arc::new(AtomicBool::new(false));
        self.writes.push(Write { facts, pin, durable: Arc::clone(&durable) });
        Kept::when(poll_fn(move |_| if durable.load(Ordering::Acquire) { Poll::Ready(Ok(())) } else { Poll::Pending }))
    }

    fn get(&self, key: About) -> Option<Entry> {
        self.entries.get(&key).copied()
    }

    fn facts(&self, keys: impl IntoIterator<Item = About>) -> Vec<Fact> {
        keys.into_iter().filter_map(|key| Some(self.get(key)?.facts(key))).flatten().collect()
    }

    fn sums(&self, beyond: Timestamp, which: impl Fn((u8, u8)) -> Option<u8>) -> Buckets {
        let mut sums = Box::new([0_u64; 256]);
        for entry in self.entries.values().filter(|entry| entry.matters_beyond(beyond)) {
            if let Some(place) = which(entry.place) {
                let sum = &mut sums[usize::from(place)];
                *sum = sum.wrapping_add(entry.value);
            }
        }
        sums
    }
}

impl Entry {
    fn merge(&mut self, fact: &Fact) {
        self.session = self.session.with(fact);
        self.tag = self.tag.with(fact);
        if let Fact::Floor { at, .. } = *fact {
            self.floor = self.floor.max(Some(at));
        }
        self.until = self.until.max(fact.until());
        let about = About::of(fact);
        let (bucket, leaf) = about.place();
        self.place = (bucket % 8, leaf % 4);
        self.value = digest::value(&about, self.facts(about));
    }

    /// Those whose merge gives this again.
    fn facts(&self, about: About) -> Vec<Fact> {
        match about {
            About::Session(session) => self.session.facts(session).collect(),
            About::Tag(tag) => self.tag.facts(tag).collect(),
            About::Floor(realm) => {
                self.floor.map(|at| Fact::Floor { realm, at, until: self.until }).into_iter().collect()
            }
        }
    }

    fn matters_beyond(&self, beyond: Timestamp) -> bool {
        self.floor.is_some() || digest::minute(self.until) > beyond
    }
}

/// Whether two facts say the same.
pub fn is_same_but_for_until(one: &Fact, other: &Fact) -> bool {
    with_until(*one, Timestamp::EPOCH) == with_until(*other, Timestamp::EPOCH)
}

/// The fact, kept for so long.
pub fn with_until(mut fact: Fact, to: Timestamp) -> Fact {
    match &mut fact {
        Fact::Deny { until, .. }
        | Fact::Superseded { until, .. }
        | Fact::Bound { until, .. }
        | Fact::Cutoff { until, .. }
        | Fact::Stale { until, .. }
        | Fact::Floor { until, .. } => *until = to,
        _ => unreachable!("there are six kinds"),
    }
    fact
}
