//! That sessions are bound to devices: one fact a login, counted, folded and done away with as endings are.

use std::sync::Arc;
use std::time::Duration;

use sealpass::clock::{Clock, ManualClock};
use sealpass::cluster::ports::Facts as _;
use sealpass::revocation::{Fact, FactStore, TagKey};
use sealpass::store::CachedFacts;
use sealpass::telemetry::FactMetrics;

use super::rig::{Place, REALM, Session, budget, in_memory, now, realm, record, session, settle, subject};

const HOUR: Duration = Duration::from_secs(3_600);

/// Whether an unbound token of the session still counts: neither the registration is known, nor an ending.
fn is_open(facts: &CachedFacts, session: &Session) -> bool {
    !session.is_over(facts) && facts.session(session.key).is_none_or(|known| known.bound.is_none())
}

#[test]
fn one_user_who_registers_without_end_ends_his_own_sessions_and_nobody_elses() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = in_memory(&clock, [budget(REALM, 5_000, 1_000)]);
    let others: Vec<_> = (1..=200).map(|n| session(realm(REALM), subject(n), now())).collect();
    for other in &others {
        record(&facts, other.bound(now(), now().plus(HOUR)));
    }
    let mut his = Vec::new();
    for n in 0..10_000 {
        let session = session(realm(REALM), subject(0), now().plus(Duration::from_millis(n)));
        record(&facts, session.bound(now(), now().plus(HOUR)));
        his.push(session);
        if n % 2_000 == 0 {
            facts.maintain();
        }
    }
    settle(&facts);
    assert_eq!(facts.floor(realm(REALM)), None, "nobody else is logged out");
    assert!(facts.len() < 2_000, "{} facts are held", facts.len());
    assert!(others.iter().all(|other| !other.is_over(&facts) && !is_open(&facts, other)));
    assert!(!his.iter().any(|session| is_open(&facts, session)), "an unbound token of his counts again");
}

#[test]
fn what_was_folded_is_gone_from_the_journal_and_stays_refused() {
    let place = Place::new();
    let facts = place.open_with([budget(REALM, 1_000, 10)], sealpass::store::Begin::Again).expect("a journal");
    let his: Vec<_> = (0..100).map(|_| session(realm(REALM), subject(1), now())).collect();
    for session in &his {
        record(&facts, session.bound(now(), now().plus(HOUR)));
    }
    settle(&facts);
    assert!(facts.len() < 20, "{} facts are held", facts.len());
    drop(facts);
    let facts = place.open_with([budget(REALM, 1_000, 10)], sealpass::store::Begin::Again).expect("the same journal");
    assert!(facts.len() < 20, "{} facts came back", facts.len());
    assert!(!his.iter().any(|session| is_open(&facts, session)));
}

#[test]
fn what_a_floor_covers_is_done_away_with_among_replicas() {
    let clock = Arc::new(ManualClock::at(now()));
    let facts = CachedFacts::in_fleet(Arc::clone(&clock) as Arc<dyn Clock>, None, [], FactMetrics::default());
    facts.agreed(Some(now()));
    let (covered, later) =
        (session(realm(REALM), subject(1), now()), session(realm(REALM), subject(2), now().plus(HOUR)));
    for session in [&covered, &later] {
        record(&facts, session.bound(now(), now().plus(HOUR)));
    }
    record(&facts, Fact::Floor { realm: Some(realm(REALM)), at: now(), until: now().plus(2 * HOUR) });
    settle(&facts);
    assert_eq!(facts.session(covered.key), None);
    assert!(covered.is_over(&facts) && !is_open(&facts, &later));
    drop(facts.merge(&[covered.bound(now(), now().plus(HOUR))], now()));
    assert_eq!(facts.session(covered.key), None, "nor does it come in again");
    let tag = TagKey { realm: realm(REALM), tag: covered.subject };
    assert_eq!(facts.tag(tag), None);
}

#[test]
fn what_binds_a_session_is_there_until_its_time_and_counted() {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let one = session(realm(REALM), subject(1), now());
    record(&facts, one.bound(now(), now().plus(HOUR)));
    record(&facts, one.deny(now().plus(HOUR)));
    facts.maintain();
    let held = |kind: &str| place.metric(&format!("sealpass_facts{{realm=\"{REALM}\",kind=\"{kind}\"}}"));
    assert_eq!((held("bound"), held("deny"), facts.len()), (1, 1, 1));
}
