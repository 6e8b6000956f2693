//! The facts of one replica among others: recorded here, sent to all, and learned from a majority.

use std::sync::Arc;

use super::dating::later;
use super::fleet::Fleet;
use crate::claims::RealmId;
use crate::clock::Timestamp;
use crate::revocation::{
    Fact, FactStore, Learned, Question, Recorded, STALENESS, SessionFacts, SessionKey, TagFacts, TagKey,
};
use crate::store::CachedFacts;

/// A store whose facts reach every replica.
pub struct FleetFacts {
    facts: Arc<CachedFacts>,
    fleet: Arc<Fleet>,
}

impl FleetFacts {
    /// `facts`, shared by `fleet`.
    pub fn new(facts: Arc<CachedFacts>, fleet: Arc<Fleet>) -> Self {
        Self { facts, fleet }
    }
}

impl FactStore for FleetFacts {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.facts.session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.facts.tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.facts.floor(realm)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        // A replica that has not heard of it yet may renew the session for so long.
        let fact = later(&fact, STALENESS);
        let recorded = self.facts.record_pinned(fact, now);
        let kept = self.fleet.push(vec![fact], now, recorded.kept);
        Recorded { kept, ..recorded }
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        self.fleet.pass(tags.to_vec(), at)
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        FactStore::passed(&*self.facts, tags)
    }

    fn fleet(&self) -> Option<u16> {
        Some(self.fleet.core())
    }

    fn learn(&self, question: Question) -> Learned {
        self.fleet.ask(question)
    }
}
