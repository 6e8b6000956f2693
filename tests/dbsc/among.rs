//! A device is registered where there are other replicas: nothing is handed out that a majority does not know of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::task::{Context, Poll};

use sealpass::claims::RealmId;
use sealpass::clock::Timestamp;
use sealpass::revocation::{
    Fact, FactStore, Learned, Question, Recorded, SessionFacts, SessionKey, Spread, Spreading, TagFacts, TagKey,
    Uninformed, Wait,
};
use sealpass::store::CachedFacts;

use crate::common::Server;
use crate::device::{Device, Jar, registration};
use crate::{ON, secs};

#[test]
fn no_cookie_is_handed_out_before_a_majority_knows_of_the_device() {
    let others = Arc::new(Others { answers: AtomicBool::new(true), held: AtomicU16::new(2) });
    let config = format!("[cluster]\nwait_timeout = \"100ms\"\n{ON}");
    let server = Server::among(&config, |facts| Arc::new(Among(facts, Arc::clone(&others))));
    let login = || (Jar::login(&server), Device::new());
    let register = |jar: &Jar, device: &Device| {
        let answer = registration(&server, &jar.cookie(), &device.registers(&jar.challenge));
        assert_eq!(answer.all("set-cookie").len(), if answer.status == 200 { 2 } else { 0 }, "{answer:?}");
        answer.status
    };
    // Nobody answers: nothing is written, and the session goes on as it was.
    let (asked, device) = login();
    others.answers.store(false, Ordering::Relaxed);
    assert_eq!(register(&asked, &device), 503);
    others.answers.store(true, Ordering::Relaxed);
    // They answer, and do not hold it in time: the session is bound wherever that is known, and its device got nothing.
    let (told, device) = login();
    others.held.store(1, Ordering::Relaxed);
    assert_eq!(register(&told, &device), 503);
    others.held.store(2, Ordering::Relaxed);
    let (held, device) = login();
    assert_eq!(register(&held, &device), 200);
    assert!([&asked, &told, &held].iter().all(|jar| server.accepts(&jar.token)));
    server.advance(secs(302));
    assert_eq!([&asked, &told, &held].map(|jar| server.accepts(&jar.token)), [true, false, false]);
}

/// Two other replicas.
struct Others {
    /// Whether they answer when they are asked.
    answers: AtomicBool,
    /// How many of all hold what was recorded.
    held: AtomicU16,
}

struct Among(CachedFacts, Arc<Others>);

impl FactStore for Among {
    fn session(&self, session: SessionKey) -> Option<SessionFacts> {
        self.0.session(session)
    }

    fn tag(&self, tag: TagKey) -> Option<TagFacts> {
        self.0.tag(tag)
    }

    fn floor(&self, realm: RealmId) -> Option<Timestamp> {
        self.0.floor(realm)
    }

    fn fleet(&self) -> Option<u16> {
        Some(3)
    }

    fn learn(&self, _: Question) -> Learned {
        let answer = if self.1.answers.load(Ordering::Relaxed) { Ok(()) } else { Err(Uninformed) };
        Learned::when(std::future::ready(answer))
    }

    fn pass(&self, tags: &[TagKey], at: Timestamp) -> Learned {
        self.0.pass(tags, at)
    }

    fn passed(&self, tags: &[TagKey]) -> Option<Timestamp> {
        self.0.passed(tags)
    }

    fn record(&self, fact: Fact, now: Timestamp) -> Recorded {
        let mut recorded = self.0.record(fact, now);
        recorded.kept = recorded.kept.spreading(Arc::clone(&self.1) as Arc<dyn Spreading>);
        recorded
    }
}

impl Spreading for Others {
    fn poll_reached(&self, wait: Wait, _: &mut Context<'_>) -> Poll<()> {
        // Whoever waits gives up in time.
        if self.spread().reaches(wait) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn spread(&self) -> Spread {
        Spread { applied: self.held.load(Ordering::Relaxed), core: 3 }
    }
}
